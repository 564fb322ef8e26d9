-- What people say of answers. number: for clients that count it. message_seq: the event of the session that it is about.
create table feedback (
  id uuid primary key,
  number bigint generated always as identity unique,
  workspace_id uuid not null references workspaces on delete cascade,
  project_id uuid not null references projects on delete cascade,
  agent_id uuid references agents on delete cascade,
  session_id uuid references sessions on delete cascade,
  message_seq bigint,
  user_name text check (char_length(user_name) between 1 and 200),
  kind text not null check (kind in ('positive', 'negative', 'neutral', 'correction')),
  rating int check (rating between 1 and 5),
  comment text not null default '',
  metadata jsonb not null default '{}',
  created_by text not null,
  created_at timestamptz not null default now()
);
create index feedback_page on feedback (workspace_id, id);
create index feedback_agent on feedback (agent_id, id);
create index feedback_session on feedback (session_id, id);
select isolate('feedback');

-- Spaces: what people and agents share while they work together, and who takes part.
create table spaces (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  project_id uuid not null references projects on delete cascade,
  name text not null,
  description text not null default '',
  owner text not null,
  context jsonb not null default '{}',
  last_seq bigint not null default 0,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index spaces_page on spaces (workspace_id, id);
select isolate('spaces');

create table space_participants (
  id uuid primary key,
  space_id uuid not null references spaces on delete cascade,
  workspace_id uuid not null,
  user_name text check (char_length(user_name) between 1 and 200),
  agent_id uuid references agents on delete cascade,
  role text not null check (role in ('owner', 'admin', 'member', 'viewer')),
  joined_at timestamptz not null default now(),
  check ((user_name is null) <> (agent_id is null))
);
create unique index space_participants_user on space_participants (space_id, user_name) where user_name is not null;
create unique index space_participants_agent on space_participants (space_id, agent_id) where agent_id is not null;
create index space_participants_of_agent on space_participants (agent_id);
select isolate('space_participants');

-- What happened in a space, in order. Only ever added to.
create table space_updates (
  space_id uuid not null references spaces on delete cascade,
  seq bigint not null,
  workspace_id uuid not null,
  kind text not null check (kind in ('message', 'action', 'state_change', 'file_update', 'context_sync')),
  author text not null,
  agent_id uuid,
  content text not null,
  data jsonb not null default '{}',
  at timestamptz not null default clock_timestamp(),
  primary key (space_id, seq)
);
select isolate('space_updates');
revoke update on space_updates from glia_app;
