-- Plans: what an agent means to do. Made by a run before it acts, or asked for; carried out by the run `run_id`.
create table plans (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  project_id uuid not null references projects on delete cascade,
  agent_id uuid references agents on delete cascade,
  session_id uuid references sessions on delete set null,
  run_id uuid references runs on delete set null,
  task text not null,
  steps jsonb not null,
  reasoning text not null default '',
  model text not null default '',
  cost_micros bigint,
  -- `executing` with a run ends as that run does.
  status text not null default 'created' check (status in ('created', 'executing', 'completed', 'failed', 'cancelled')),
  result jsonb,
  created_by text not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  completed_at timestamptz
);
create index plans_page on plans (workspace_id, id);
create index plans_agent on plans (agent_id, id);
create index plans_session on plans (session_id, id);
create index plans_run on plans (run_id);
select isolate('plans');

-- How good an answer was. number: for clients whose reflections are counted.
create table reflections (
  id uuid primary key,
  number bigint generated always as identity unique,
  workspace_id uuid not null references workspaces on delete cascade,
  project_id uuid not null references projects on delete cascade,
  agent_id uuid references agents on delete cascade,
  session_id uuid references sessions on delete set null,
  run_id uuid references runs on delete set null,
  task text not null,
  answer text not null,
  quality real not null check (quality between 0 and 1),
  accuracy real not null check (accuracy between 0 and 1),
  completeness real not null check (completeness between 0 and 1),
  clarity real not null check (clarity between 0 and 1),
  relevance real not null check (relevance between 0 and 1),
  confidence real not null check (confidence between 0 and 1),
  issues jsonb not null,
  suggestions jsonb not null,
  is_revised boolean not null default false,
  model text not null,
  cost_micros bigint,
  created_by text not null,
  created_at timestamptz not null default now()
);
create index reflections_page on reflections (workspace_id, id);
create index reflections_agent on reflections (agent_id, id);
create index reflections_session on reflections (session_id, id);
create index reflections_run on reflections (run_id);
select isolate('reflections');
