create table agents (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  project_id uuid not null references projects on delete cascade,
  slug text not null,
  version int not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deleted_at timestamptz
);
create unique index agents_slug on agents (workspace_id, slug) where deleted_at is null;
create index agents_workspace on agents (workspace_id, id);
select isolate('agents');

-- Immutable: a change of an agent is a new row here, and a run names the row it was started with.
create table agent_versions (
  agent_id uuid not null references agents on delete cascade,
  version int not null,
  workspace_id uuid not null references workspaces on delete cascade,
  name text not null,
  description text not null,
  instructions text not null,
  model text,
  fallback_model text,
  settings jsonb not null,
  knowledge_base_ids uuid[] not null,
  tools text[],
  limits jsonb not null,
  metadata jsonb not null,
  created_by text not null,
  created_at timestamptz not null default now(),
  primary key (agent_id, version)
);
select isolate('agent_versions');
revoke update on agent_versions from glia_app;

create table sessions (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  project_id uuid not null references projects on delete cascade,
  agent_id uuid references agents on delete cascade,
  title text not null default '',
  metadata jsonb not null default '{}',
  last_seq bigint not null default 0,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deleted_at timestamptz
);
create index sessions_workspace on sessions (workspace_id, id);
create index sessions_agent on sessions (agent_id, id);
select isolate('sessions');

-- One row per live process. The lease is the process's, not the run's: one beat a second keeps all its runs.
create table workers (
  id uuid primary key,
  name text not null,
  version text not null,
  engine_abi int not null,
  lease_until timestamptz not null,
  started_at timestamptz not null default now()
);
revoke all on workers from glia_app;
grant select on workers to glia_app;
grant select, insert, update, delete on workers to glia_system;

create table runs (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  project_id uuid not null references projects on delete cascade,
  session_id uuid not null references sessions on delete cascade,
  kind text not null default 'agent',
  agent_id uuid references agents on delete cascade,
  agent_version int,
  key_id uuid,
  status text not null check (status in ('queued', 'running', 'waiting', 'completed', 'failed', 'cancelled')),
  is_background boolean not null,
  engine_abi int not null,
  input jsonb not null default '{}',
  priority int not null default 0,
  run_after timestamptz not null default now(),
  attempt int not null default 0,
  max_attempts int not null default 10,
  worker_id uuid references workers on delete set null,
  claimed_at timestamptz,
  cancel_requested_at timestamptz,
  model_calls int not null default 0,
  tool_calls int not null default 0,
  input_tokens bigint not null default 0,
  output_tokens bigint not null default 0,
  cost_micros bigint,
  error jsonb,
  created_at timestamptz not null default now(),
  started_at timestamptz,
  finished_at timestamptz
);
create index runs_queued on runs (workspace_id, priority desc, run_after, id) where status = 'queued';
create index runs_running on runs (worker_id) where worker_id is not null;
create index runs_running_by_workspace on runs (workspace_id) where status = 'running';
-- One run at a time works on a session, so that its log reads as one conversation.
create unique index runs_active on runs (session_id) where status in ('queued', 'running', 'waiting');
create index runs_workspace on runs (workspace_id, id);
create index runs_session on runs (session_id, id);
create index runs_agent on runs (agent_id, id);
alter table runs set (autovacuum_vacuum_scale_factor = 0.02, fillfactor = 80);
select isolate('runs');
select open_to_system('runs');
grant select, update on runs to glia_system;

-- The log. Rows are only ever added, and only by the holder of the run's current attempt.
create table events (
  session_id uuid not null references sessions on delete cascade,
  seq bigint not null,
  workspace_id uuid not null,
  run_id uuid,
  attempt int,
  type text not null,
  at timestamptz not null default clock_timestamp(),
  -- json, not jsonb: kept byte for byte as it was written, NUL characters of a model or a web page included.
  data json not null,
  primary key (session_id, seq)
);
create index events_run on events (run_id, seq);
select isolate('events');
revoke update, delete on events from glia_app;
