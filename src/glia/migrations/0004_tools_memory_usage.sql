create table tools (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  project_id uuid not null references projects on delete cascade,
  name text not null,
  description text not null,
  schema jsonb not null,
  effect text not null check (effect in ('read', 'idempotent', 'once')),
  method text not null,
  url text not null,
  sealed_headers bytea,
  header_names text[] not null default '{}',
  timeout_seconds real not null default 30,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create unique index tools_name on tools (workspace_id, name);
select isolate('tools');

create table memories (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  project_id uuid not null references projects on delete cascade,
  agent_id uuid references agents on delete cascade,
  content text not null,
  metadata jsonb not null default '{}',
  session_id uuid references sessions on delete set null,
  run_id uuid references runs on delete set null,
  source_key text,
  words tsvector not null generated always as (to_tsvector('english', content)) stored,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index memories_workspace on memories (workspace_id, id);
create index memories_agent on memories (agent_id, id);
create index memories_words on memories using gin (words);
-- A tool call that is repeated after a crash finds what its first try saved.
create unique index memories_source on memories (workspace_id, source_key);
select isolate('memories');

-- One row per model call, whichever surface asked for it.
create table usage_records (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  project_id uuid not null,
  at timestamptz not null default now(),
  operation text not null check (operation in ('chat', 'embeddings')),
  model text not null,
  agent_id uuid,
  run_id uuid,
  key_id uuid,
  input_tokens bigint not null,
  output_tokens bigint not null,
  cached_input_tokens bigint not null default 0,
  thinking_tokens bigint not null default 0,
  is_estimated boolean not null default false,
  is_streamed boolean not null default true,
  cost_micros bigint,
  latency_ms int not null,
  status text not null default 'ok' check (status in ('ok', 'cancelled', 'failed'))
);
create index usage_records_workspace on usage_records (workspace_id, at);
create index usage_records_page on usage_records (workspace_id, id);
create index usage_records_run on usage_records (run_id);
select isolate('usage_records');
-- The gateway writes the records of many workspaces in one statement; it can add, and read none of them.
select open_to_system('usage_records');
grant insert on usage_records to glia_system;

-- The first answer to a POST with an Idempotency-Key, given again for 24 hours.
create table idempotent_answers (
  workspace_id uuid not null references workspaces on delete cascade,
  key text not null,
  route text not null,
  body_hash bytea not null,
  status int,
  headers jsonb,
  body bytea,
  created_at timestamptz not null default now(),
  primary key (workspace_id, key, route)
);
create index idempotent_answers_age on idempotent_answers (created_at);
select isolate('idempotent_answers');
