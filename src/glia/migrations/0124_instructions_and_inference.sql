-- A key that is bound to an agent talks to that agent and does nothing else.
alter table agents add constraint agents_in_workspace unique (workspace_id, id);
alter table api_keys add column agent_id uuid,
  add foreign key (workspace_id, agent_id) references agents (workspace_id, id) on delete cascade;
create index api_keys_agent on api_keys (agent_id, id) where agent_id is not null;

-- Rules that an agent follows in every run, and the triggers that were made as its instructions.
-- tool_choice: which of its tools and agents a run is offered.
alter table agent_versions
  add column standing_instructions jsonb not null default '[]',
  add column tool_choice jsonb not null default '{}';
alter table triggers drop constraint triggers_kind_check;
alter table triggers add constraint triggers_kind_check
  check (kind in ('cron', 'interval', 'at', 'event', 'metric', 'webhook', 'judged')) not valid;
create table instructions (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  agent_id uuid not null references agents on delete cascade,
  trigger_id uuid not null references triggers on delete cascade,
  kind text not null check (kind in ('scheduled', 'conditional')),
  action text not null,
  condition text,
  schedule text,
  frequency text,
  timezone text,
  created_at timestamptz not null default now()
);
create index instructions_agent on instructions (workspace_id, agent_id, id);
create index instructions_trigger on instructions (trigger_id);
select isolate('instructions');

-- What providers offer besides chat: models that make images, speech, video and text, as tools of agents.
-- price_micros: of one call, null when nobody knows.
create table inference_tools (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  provider text not null,
  model text not null,
  kind text not null check (kind in ('image', 'speech', 'video', 'text')),
  family text not null,
  title text not null,
  description text not null default '',
  owner text not null default '',
  price_micros bigint,
  output_price_micros bigint,
  price_unit text not null default 'per_call',
  most_seconds int not null default 300,
  logo_url text,
  synced_at timestamptz not null default now(),
  unique (workspace_id, provider, model)
);
create index inference_tools_page on inference_tools (workspace_id, id);
select isolate('inference_tools');

-- What people see of the code that ran in a session: a terminal, its files and what it made.
create table session_consoles (
  session_id uuid primary key references sessions on delete cascade,
  workspace_id uuid not null references workspaces on delete cascade,
  id uuid not null,
  terminal_lines jsonb not null default '[]',
  files jsonb not null default '[]',
  artifacts jsonb not null default '[]',
  details jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index session_consoles_workspace on session_consoles (workspace_id);
select isolate('session_consoles');
