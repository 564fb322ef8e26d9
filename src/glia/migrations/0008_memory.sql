-- Memory: facts with their history (memories), text pinned in the prompt (blocks), and past turns that can be found
-- again (conversations, turns). All three are found by words through small tables of ours: BM25 over lexemes.

-- scope_id: the agent, or the workspace for memories that every agent finds. It exists because one index must serve both.
-- source_seq: the event of session_id's log that it was learnt from. topic, value: what it says about what, when that
-- could be told; two current memories of one scope, user and topic with different values contradict each other.
-- embedding_model: what its vector was made with; null when it has none yet.
alter table memories
  drop column words,
  add column scope_id uuid not null generated always as (coalesce(agent_id, workspace_id)) stored,
  add column user_name text check (char_length(user_name) between 1 and 200),
  add column tier text not null default 'long' check (tier in ('working', 'short', 'long')),
  add column bucket text not null default 'general' check (char_length(bucket) between 1 and 100),
  add column importance real not null default 0.5 check (importance between 0 and 1),
  add column status text not null default 'active' check (status in ('active', 'superseded', 'forgotten')),
  add column superseded_by uuid references memories on delete set null,
  add column topic text,
  add column value text,
  add column origin text not null default 'person' check (origin in ('person', 'agent', 'extraction', 'consolidation')),
  add column source_seq bigint,
  add column version int not null default 1,
  add column reinforced int not null default 0,
  add column accesses int not null default 0,
  add column used_at timestamptz not null default now(),
  add column useful int not null default 0,
  add column not_useful int not null default 0,
  add column expires_at timestamptz,
  add column length int not null default 0,
  add column embedding_model text;
create index memories_scope on memories (scope_id, id) where status = 'active';
create index memories_topic on memories (scope_id, topic) where status = 'active' and topic is not null;
create index memories_session on memories (session_id);

-- Every state a memory has had, this one included. restores: the version that an undo went back to.
create table memory_versions (
  memory_id uuid not null references memories on delete cascade,
  version int not null,
  workspace_id uuid not null,
  content text not null,
  metadata jsonb not null,
  tier text not null,
  bucket text not null,
  importance real not null,
  status text not null,
  superseded_by uuid,
  change text not null,
  restores int,
  changed_by text not null,
  created_at timestamptz not null default now(),
  primary key (memory_id, version)
);
select isolate('memory_versions');
revoke update on memory_versions from glia_app;

create table memory_words (
  memory_id uuid not null references memories on delete cascade,
  workspace_id uuid not null,
  scope_id uuid not null,
  lexeme text not null,
  tf int not null,
  primary key (memory_id, lexeme)
);
create index memory_words_lexeme on memory_words (scope_id, lexeme) include (memory_id, tf);
select isolate('memory_words');

create table memory_vectors (
  memory_id uuid primary key references memories on delete cascade,
  workspace_id uuid not null,
  scope_id uuid not null,
  model text not null,
  embedding halfvec not null
);
alter table memory_vectors alter column embedding set storage plain;
create index memory_vectors_scope on memory_vectors (scope_id, model);
select isolate('memory_vectors');

create table memory_feedback (
  id uuid primary key,
  memory_id uuid not null references memories on delete cascade,
  workspace_id uuid not null,
  is_useful boolean not null,
  comment text not null,
  given_by text not null,
  source_key text,
  created_at timestamptz not null default now()
);
create index memory_feedback_memory on memory_feedback (memory_id, id);
create unique index memory_feedback_source on memory_feedback (workspace_id, source_key);
select isolate('memory_feedback');

-- Two memories that contradict each other, and which one was kept.
create table memory_conflicts (
  id uuid primary key,
  workspace_id uuid not null,
  scope_id uuid not null,
  topic text not null,
  older_id uuid not null references memories on delete cascade,
  newer_id uuid not null references memories on delete cascade,
  kept text not null check (kept in ('newer', 'older', 'both')),
  resolved_by text not null,
  created_at timestamptz not null default now(),
  unique (older_id, newer_id)
);
create index memory_conflicts_scope on memory_conflicts (scope_id, id);
create index memory_conflicts_newer on memory_conflicts (newer_id);
select isolate('memory_conflicts');

-- What may stay in a bucket. scope_id: an agent, or the workspace for the common memories.
create table memory_policies (
  workspace_id uuid not null references workspaces on delete cascade,
  scope_id uuid not null,
  bucket text not null,
  max_age_seconds bigint check (max_age_seconds > 0),
  max_count int check (max_count >= 0),
  min_strength real check (min_strength between 0 and 1),
  is_archiving boolean not null default true,
  updated_at timestamptz not null default now(),
  primary key (scope_id, bucket)
);
create index memory_policies_workspace on memory_policies (workspace_id);
select isolate('memory_policies');

-- How an agent's memory behaves; no row means the defaults. tended_at: when its memories were last put in order.
create table memory_settings (
  agent_id uuid primary key references agents on delete cascade,
  workspace_id uuid not null references workspaces on delete cascade,
  shares_sessions boolean not null default false,
  is_learning boolean not null default false,
  idle_seconds int not null default 600 check (idle_seconds between 0 and 604800),
  model text,
  tended_at timestamptz,
  updated_at timestamptz not null default now()
);
create index memory_settings_workspace on memory_settings (workspace_id);
select isolate('memory_settings');
-- The sweep looks here for the workspaces in which something is to be learnt, and then goes into each of them.
select open_to_system('memory_settings');
grant select (workspace_id, is_learning) on memory_settings to glia_system;

-- How much a memory counts now: its importance, halved each time its tier's half-life goes by unused. Use slows that:
-- a memory found e - 1 times over lives twice as long. working 12 hours, short 7 days, long 90 days.
create function memory_strength(importance real, tier text, used_at timestamptz, accesses int, at timestamptz)
returns float8 language sql immutable parallel safe
return importance * power(0.5, greatest(extract(epoch from at - used_at), 0)::float8
  / (case tier when 'working' then 43200 when 'short' then 604800 else 7776000 end * (1 + ln(1 + accesses))));

-- Blocks: text that stands in the system prompt of the agents they are pinned to.
-- agent_id: whose it is; null for a shared one, which only the agents in memory_block_agents see.
-- user_name: only in sessions of that user. is_read_only: agents may read it, people change it.
create table memory_blocks (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  project_id uuid not null references projects on delete cascade,
  agent_id uuid references agents on delete cascade,
  user_name text check (char_length(user_name) between 1 and 200),
  label text not null check (label ~ '^[a-z][a-z0-9_-]{0,49}$'),
  description text not null default '',
  content text not null default '',
  most_characters int not null default 2000 check (most_characters between 1 and 20000),
  is_read_only boolean not null default false,
  version int not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  check (char_length(content) <= most_characters)
);
create unique index memory_blocks_label on memory_blocks (workspace_id, coalesce(agent_id, workspace_id), label,
  coalesce(user_name, ''));
create index memory_blocks_agent on memory_blocks (agent_id);
create index memory_blocks_page on memory_blocks (workspace_id, id);
select isolate('memory_blocks');

create table memory_block_agents (
  block_id uuid not null references memory_blocks on delete cascade,
  agent_id uuid not null references agents on delete cascade,
  workspace_id uuid not null,
  primary key (agent_id, block_id)
);
create index memory_block_agents_block on memory_block_agents (block_id);
select isolate('memory_block_agents');

create table memory_block_versions (
  block_id uuid not null references memory_blocks on delete cascade,
  version int not null,
  workspace_id uuid not null,
  content text not null,
  change text not null,
  restores int,
  changed_by text not null,
  run_id uuid,
  source_key text,
  created_at timestamptz not null default now(),
  primary key (block_id, version)
);
create unique index memory_block_versions_source on memory_block_versions (workspace_id, source_key);
select isolate('memory_block_versions');
revoke update on memory_block_versions from glia_app;

-- What a run puts into its prompt, in one round trip; it enters its workspace itself, as the first thing it does.
create function pinned_blocks(in_workspace uuid, in_agent uuid, in_session uuid) returns jsonb language plpgsql as $$
begin
  perform set_config('glia.workspace', in_workspace::text, true);
  return (
    select jsonb_agg(jsonb_build_object('label', b.label, 'description', b.description, 'content', b.content,
      'most_characters', b.most_characters, 'is_read_only', b.is_read_only, 'version', b.version) order by b.id)
    from glia.memory_blocks b
    where (b.agent_id = in_agent or b.id in (select p.block_id from glia.memory_block_agents p where p.agent_id = in_agent))
      and (b.user_name is null
        or b.user_name = (select s.metadata ->> 'user_name' from glia.sessions s where s.id = in_session))
  );
end $$;

-- How far a session's log has been read: read_seq for finding its turns again, learnt_seq for the facts in it.
create table conversations (
  session_id uuid primary key references sessions on delete cascade,
  workspace_id uuid not null,
  agent_id uuid not null references agents on delete cascade,
  user_name text,
  read_seq bigint not null default 0,
  learnt_seq bigint not null default 0,
  asked_at timestamptz,
  turns int not null default 0
);
create index conversations_agent on conversations (agent_id, session_id);
select isolate('conversations');

-- seq: the event that the turn was read from. length: its words, without stop words.
create table turns (
  session_id uuid not null references conversations on delete cascade,
  ordinal int not null,
  workspace_id uuid not null,
  agent_id uuid not null,
  seq bigint not null,
  run_id uuid,
  role text not null,
  at timestamptz not null,
  text text not null,
  length int not null default 0,
  primary key (session_id, ordinal)
);
create index turns_agent on turns (agent_id, session_id, ordinal) include (length);
select isolate('turns');

-- One row for a lexeme of a session's batch of turns; ordinals and tfs are parallel. Only ever added to, like the log.
create table turn_words (
  session_id uuid not null references conversations on delete cascade,
  lexeme text not null,
  first int not null,
  workspace_id uuid not null,
  agent_id uuid not null,
  ordinals int[] not null,
  tfs int[] not null,
  primary key (session_id, lexeme, first)
);
create index turn_words_lexeme on turn_words (agent_id, lexeme);
select isolate('turn_words');

create table turn_vectors (
  session_id uuid not null,
  ordinal int not null,
  workspace_id uuid not null,
  agent_id uuid not null,
  model text not null,
  embedding halfvec not null,
  primary key (session_id, ordinal),
  foreign key (session_id, ordinal) references turns on delete cascade
);
alter table turn_vectors alter column embedding set storage plain;
create index turn_vectors_agent on turn_vectors (agent_id, model);
select isolate('turn_vectors');
