-- Verification: rules that an agent's answers have to keep, and the queue of answers that are checked against them.
create table verification_rules (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  project_id uuid not null references projects on delete cascade,
  agent_id uuid not null references agents on delete cascade,
  kind text not null check (kind in ('output_format', 'data_accuracy', 'logical_consistency', 'completeness')),
  criteria jsonb not null,
  is_enabled boolean not null default true,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index verification_rules_agent on verification_rules (agent_id, id);
create index verification_rules_workspace on verification_rules (workspace_id);
select isolate('verification_rules');

-- priority: 0 low, 1 medium, 2 high; what waits is taken by it. taken_by: the job that is at it.
create table verifications (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  project_id uuid not null references projects on delete cascade,
  agent_id uuid not null references agents on delete cascade,
  session_id uuid references sessions on delete set null,
  output_id text,
  output_content text not null,
  priority int not null check (priority between 0 and 2),
  status text not null default 'pending' check (status in ('pending', 'running', 'completed', 'failed')),
  taken_by uuid,
  passed boolean,
  issues jsonb not null default '[]',
  suggestions jsonb not null default '[]',
  confidence double precision,
  verified_by text,
  error text,
  created_at timestamptz not null default now(),
  verified_at timestamptz
);
create index verifications_agent on verifications (agent_id, id);
create index verifications_waiting on verifications (workspace_id, priority desc, id) where status = 'pending';
create index verifications_taken on verifications (taken_by) where status = 'running';
create index verifications_session on verifications (session_id) where session_id is not null;
select isolate('verifications');
