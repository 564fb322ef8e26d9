-- What an agent is to become, kept under a number of the user's own. version: of the agent, made when the draft was put
-- to work last; null while it never was.
create table agent_drafts (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  agent_id uuid not null references agents on delete cascade,
  number int not null check (number > 0),
  changes jsonb not null,
  version int,
  created_by text not null,
  created_at timestamptz not null default now(),
  unique (agent_id, number)
);
select isolate('agent_drafts');

create table agent_relationships (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  from_agent_id uuid not null references agents on delete cascade,
  to_agent_id uuid not null references agents on delete cascade,
  kind text not null check (kind in ('delegates_to', 'collaborates_with', 'supervises', 'reports_to')),
  metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  check (from_agent_id <> to_agent_id),
  unique (from_agent_id, to_agent_id, kind)
);
create index agent_relationships_to on agent_relationships (to_agent_id);
select isolate('agent_relationships');

-- What an agent is good at, so that a task can be given to a kind of agent instead of to one by name.
create table agent_specializations (
  agent_id uuid primary key references agents on delete cascade,
  id uuid not null unique,
  workspace_id uuid not null references workspaces on delete cascade,
  kind text not null check (kind in ('planning', 'research', 'coding', 'execution', 'analysis', 'general')),
  capabilities text[] not null default '{}',
  config jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index agent_specializations_kind on agent_specializations (workspace_id, kind);
select isolate('agent_specializations');

-- Small whole numbers for sessions, given out when somebody needs one: with an event's sequence number they make the
-- whole numbers that some clients want messages to have.
create table session_numbers (
  session_id uuid primary key references sessions on delete cascade,
  number bigint generated always as identity unique,
  workspace_id uuid not null references workspaces on delete cascade
);
select isolate('session_numbers');

create index events_tools on events (workspace_id, at) where type = 'tool.returned';
