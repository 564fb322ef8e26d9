-- What workflows' steps with a key have answered. A step with a key that is here is not done again.
create table reused_steps (
  workspace_id uuid not null references workspaces on delete cascade,
  workflow_id uuid not null references workflows on delete cascade,
  key text not null,
  execution_id uuid not null,
  output json,
  created_at timestamptz not null default now(),
  primary key (workflow_id, key)
);
create index reused_steps_workspace on reused_steps (workspace_id);
select isolate('reused_steps');
