-- Snapshots: a run that was kept for being replayed, with what it said and did. The run's events stay where they are.
create table run_snapshots (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  run_id uuid not null,
  session_id uuid not null references sessions on delete cascade,
  agent_id uuid not null references agents on delete cascade,
  user_message text not null,
  is_deterministic boolean not null,
  state jsonb not null,
  created_at timestamptz not null default now()
);
create index run_snapshots_session on run_snapshots (session_id, id);
create index run_snapshots_agent on run_snapshots (agent_id, id);
create index run_snapshots_workspace on run_snapshots (workspace_id);
select isolate('run_snapshots');

-- Evaluations that are meant to be done: what of, by which agent, and the evaluation once it was begun. The figures are
-- what a person says of one that was done elsewhere.
create table planned_evaluations (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  project_id uuid not null references projects on delete cascade,
  dataset_version text not null,
  agent_id uuid references agents on delete cascade,
  evaluation_id uuid references evaluations on delete set null,
  total int not null default 0 check (total >= 0),
  passed int not null default 0 check (passed >= 0),
  failed int not null default 0 check (failed >= 0),
  score double precision,
  metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  completed_at timestamptz
);
create index planned_evaluations_workspace on planned_evaluations (workspace_id, id);
create index planned_evaluations_agent on planned_evaluations (agent_id) where agent_id is not null;
create index planned_evaluations_evaluation on planned_evaluations (evaluation_id) where evaluation_id is not null;
select isolate('planned_evaluations');

-- How well the passages that a result rests on were found.
create table retrieval_measures (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  result_id uuid not null references evaluation_results on delete cascade,
  recall_at_k double precision check (recall_at_k between 0 and 1),
  mrr double precision check (mrr between 0 and 1),
  grounding_passed boolean not null,
  retrieved jsonb not null,
  relevant jsonb not null,
  created_at timestamptz not null default now()
);
create index retrieval_measures_result on retrieval_measures (result_id, id);
create index retrieval_measures_workspace on retrieval_measures (workspace_id);
select isolate('retrieval_measures');

-- What a workspace publishes for itself: agents and tools that others of it can try, rate and install.
create table market_items (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  project_id uuid not null references projects on delete cascade,
  kind text not null check (kind in ('agent', 'tool')),
  name text not null,
  version text not null,
  description text not null default '',
  author text not null default '',
  content jsonb not null,
  tags text[] not null default '{}',
  downloads bigint not null default 0,
  created_by text not null,
  created_at timestamptz not null default now()
);
create unique index market_items_name on market_items (workspace_id, kind, name, version);
create index market_items_page on market_items (workspace_id, kind, id);
select isolate('market_items');

create table market_ratings (
  item_id uuid not null references market_items on delete cascade,
  workspace_id uuid not null references workspaces on delete cascade,
  user_name text not null,
  rating int not null check (rating between 1 and 5),
  review text not null default '',
  created_at timestamptz not null default now(),
  primary key (item_id, user_name)
);
create index market_ratings_workspace on market_ratings (workspace_id);
select isolate('market_ratings');
