-- Triggers start runs: by the clock, by what happens in other runs, by a figure, or by a signed request from outside.

-- spec: when it fires, as the slice's types say. next_at: when it is looked at next, by the database's clock; null when
-- no time brings it about (hooks, events) or while it is paused. is_armed: a figure must fall before it fires again.
-- failing_since: failures before this moment are forgiven. firings: how many there ever were.
create table triggers (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  project_id uuid not null references projects on delete cascade,
  name text not null,
  agent_id uuid not null references agents on delete cascade,
  session_id uuid references sessions on delete set null,
  is_in_session boolean not null default false,
  message text not null,
  kind text not null check (kind in ('cron', 'interval', 'at', 'event', 'metric', 'webhook')),
  spec jsonb not null,
  overlap text not null check (overlap in ('skip', 'queue', 'cancel_previous')),
  missed text not null check (missed in ('once', 'skip')),
  max_failures int check (max_failures between 1 and 100),
  status text not null default 'active' check (status in ('active', 'paused', 'ended')),
  pause_reason text,
  next_at timestamptz,
  is_armed boolean not null default true,
  cooled_at timestamptz,
  failing_since timestamptz not null default now(),
  firings bigint not null default 0,
  last_fired_at timestamptz,
  event_type text,
  event_agent_id uuid,
  sealed_secret bytea,
  token_hash bytea,
  created_by text not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index triggers_due on triggers (next_at) where next_at is not null;
create index triggers_workspace on triggers (workspace_id, id);
create index triggers_agent on triggers (agent_id, id);
create index triggers_session on triggers (session_id) where session_id is not null;
create index triggers_event on triggers (workspace_id, event_type) where event_type is not null and status = 'active';
create unique index triggers_token on triggers (token_hash) where token_hash is not null;
select isolate('triggers');
-- Processes look here for what is due, and at the door for whose hook it is; then they go into its workspace.
select open_to_system('triggers');
grant select (id, workspace_id, next_at, kind, token_hash) on triggers to glia_system;

-- What a trigger did, and the outbox of what it has yet to do. One key gives one firing, whoever else tries.
-- retry_at: when somebody should take a firing that has not become a run; null once that is settled.
create table trigger_firings (
  id uuid primary key,
  workspace_id uuid not null,
  trigger_id uuid not null references triggers on delete cascade,
  key text not null,
  cause text not null check (cause in ('schedule', 'event', 'metric', 'webhook', 'manual')),
  outcome text not null check (outcome in ('waiting', 'starting', 'started', 'skipped', 'failed')),
  reason text,
  message text,
  missed int not null default 0,
  depth int not null default 0,
  tries int not null default 0,
  scheduled_at timestamptz not null,
  fired_at timestamptz not null default clock_timestamp(),
  retry_at timestamptz,
  run_id uuid,
  session_id uuid
);
create unique index trigger_firings_key on trigger_firings (trigger_id, key);
create index trigger_firings_trigger on trigger_firings (trigger_id, id);
create index trigger_firings_due on trigger_firings (retry_at) where retry_at is not null;
create index trigger_firings_open on trigger_firings (trigger_id, id) where outcome in ('waiting', 'starting');
create index trigger_firings_started on trigger_firings (trigger_id, id) where outcome = 'started';
create index trigger_firings_run on trigger_firings (run_id) where run_id is not null;
create index trigger_firings_workspace on trigger_firings (workspace_id);
select isolate('trigger_firings');
select open_to_system('trigger_firings');
grant select (id, workspace_id, retry_at) on trigger_firings to glia_system;

-- Ids of signed requests that were taken, so that none is taken twice. Kept for longer than a signature is good.
create table trigger_deliveries (
  trigger_id uuid not null references triggers on delete cascade,
  webhook_id text not null,
  workspace_id uuid not null,
  firing_id uuid not null,
  at timestamptz not null default now(),
  primary key (trigger_id, webhook_id)
);
create index trigger_deliveries_age on trigger_deliveries (trigger_id, at);
create index trigger_deliveries_workspace on trigger_deliveries (workspace_id);
select isolate('trigger_deliveries');

-- Events that some trigger waits for, and failures of runs whose trigger may fail only so often, in the order in which
-- they can be seen. Filled by the function below and emptied by whoever evaluates them; a cursor over the log would pass
-- over what is committed late.
create table trigger_events (
  id bigint generated always as identity primary key,
  workspace_id uuid not null,
  trigger_id uuid not null references triggers on delete cascade,
  session_id uuid not null,
  seq bigint not null,
  at timestamptz not null default clock_timestamp()
);
create index trigger_events_workspace on trigger_events (workspace_id);
create index trigger_events_trigger on trigger_events (trigger_id);
select isolate('trigger_events');
select open_to_system('trigger_events');
grant select (id, workspace_id) on trigger_events to glia_system;

-- Called once for each statement that adds events. Where no trigger waits for any, it is two looks: one at the new rows
-- and one into a small index.
create function notice_events() returns trigger language plpgsql as $$
declare
  is_noticed boolean := false;
begin
  if exists (select from added a where a.type = 'run.failed') then
    insert into glia.trigger_events (workspace_id, trigger_id, session_id, seq)
    select a.workspace_id, t.id, a.session_id, a.seq
    from added a
    join glia.runs r on r.id = a.run_id
    join glia.trigger_firings f on f.id = case when r.dedupe_key ~ '^trigger:[0-9a-f-]{36}$'
                                               then substr(r.dedupe_key, 9)::uuid end
    join glia.triggers t on t.id = f.trigger_id and t.max_failures is not null and t.status = 'active'
    where a.type = 'run.failed';
    is_noticed := found;
  end if;
  if exists (select from glia.triggers t
             where t.workspace_id = (select a.workspace_id from added a limit 1)
               and t.event_type is not null and t.status = 'active') then
    insert into glia.trigger_events (workspace_id, trigger_id, session_id, seq)
    select a.workspace_id, t.id, a.session_id, a.seq
    from added a
    join glia.runs r on r.id = a.run_id and r.kind = 'agent'
    join glia.triggers t on t.workspace_id = a.workspace_id and t.event_type = a.type and t.status = 'active'
    where t.event_agent_id is null or t.event_agent_id = r.agent_id
    order by a.seq;
    is_noticed := is_noticed or found;
  end if;
  if is_noticed then
    perform pg_notify('glia_triggers', '');
  end if;
  return null;
end $$;
create trigger events_for_triggers after insert on events
  referencing new table as added for each statement execute function notice_events();

-- What figures about failed runs are counted from.
create index runs_failed on runs (workspace_id, finished_at) where status = 'failed';
