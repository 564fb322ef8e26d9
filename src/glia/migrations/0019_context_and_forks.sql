alter table agent_versions
  add column context jsonb not null default '{}',
  add column deliberation jsonb not null default '{}';

-- What model calls were sent besides the messages, which are in the log: instructions, tools, settings. Each once.
create table model_contexts (
  workspace_id uuid not null references workspaces on delete cascade,
  key text not null,
  body json not null,
  created_at timestamptz not null default now(),
  primary key (workspace_id, key)
);
select isolate('model_contexts');
revoke update, delete on model_contexts from glia_app;

create index events_compacted on events (session_id, seq desc) where type = 'context.compacted';
