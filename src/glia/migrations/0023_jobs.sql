-- Jobs: tracked tasks with progress and children. A job may stand for a run; then its state is read from that.

-- root_id: the job at the top of its tree, itself if it has no parent; depth: how many are above it.
-- resources: ids of what the job is about, to find it by. progress: percent.
create table jobs (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  project_id uuid not null references projects on delete cascade,
  agent_id uuid references agents on delete cascade,
  run_id uuid references runs on delete cascade,
  parent_id uuid references jobs on delete cascade,
  root_id uuid not null,
  depth int not null default 0,
  kind text not null,
  title text not null,
  description text not null default '',
  status text not null default 'pending'
    check (status in ('pending', 'in_progress', 'paused', 'completed', 'failed', 'cancelled')),
  priority int not null default 5,
  progress double precision not null default 0 check (progress between 0 and 100),
  total_steps int not null default 1 check (total_steps >= 1),
  completed_steps int not null default 0 check (completed_steps between 0 and total_steps),
  current_step text not null default '',
  input jsonb not null default '{}',
  output jsonb,
  error text,
  tags text[] not null default '{}',
  resources text[] not null default '{}',
  metadata jsonb not null default '{}',
  created_by text not null,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  started_at timestamptz,
  finished_at timestamptz
);
create index jobs_workspace on jobs (workspace_id, id);
create index jobs_agent on jobs (agent_id, id);
create index jobs_parent on jobs (parent_id) where parent_id is not null;
create index jobs_tree on jobs (root_id);
create index jobs_run on jobs (run_id) where run_id is not null;
create index jobs_resources on jobs using gin (resources);
create index jobs_in_progress on jobs (workspace_id, updated_at) where status = 'in_progress';
select isolate('jobs');
