-- Webhooks out, and runs whose traces are to be sent: both are written by one trigger on the log, in the transaction
-- that stores the events, so that neither a crash nor a lost connection can part them.

create table webhook_endpoints (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  project_id uuid not null,
  url text not null,
  description text not null,
  event_types text[] not null,
  header_names text[] not null default '{}',
  sealed_headers bytea,
  sealed_secret bytea not null,
  -- Signs beside the new one until then, after a rotation.
  sealed_old_secret bytea,
  old_secret_until timestamptz,
  is_active boolean not null,
  disabled_reason text,
  -- The first failure since the last success; while it is set, one delivery at a time is tried.
  failing_since timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index webhook_endpoints_workspace on webhook_endpoints (workspace_id, id);
create index webhook_endpoints_active on webhook_endpoints (workspace_id) where is_active;
select isolate('webhook_endpoints');
select open_to_system('webhook_endpoints');
grant select, update on webhook_endpoints to glia_system;

-- One row per event and endpoint; the event itself stays in the log and is read when it is sent.
-- No foreign keys: to check one, an append to the log would wait for whoever is deleting an endpoint, and then fail.
create table webhook_deliveries (
  id uuid primary key,
  workspace_id uuid not null,
  endpoint_id uuid not null,
  type text not null,
  session_id uuid,
  seq bigint,
  run_id uuid,
  status text not null default 'pending' check (status in ('pending', 'delivered', 'failed')),
  attempts int not null default 0,
  -- Attempts since it was last asked for, which tell how long to wait for the next.
  tries int not null default 0,
  next_at timestamptz not null,
  retry_until timestamptz not null,
  claimed_until timestamptz,
  last_status int,
  last_error text,
  created_at timestamptz not null,
  delivered_at timestamptz
);
create index webhook_deliveries_due on webhook_deliveries (endpoint_id, next_at) where status = 'pending';
create index webhook_deliveries_next on webhook_deliveries (next_at) where status = 'pending';
create index webhook_deliveries_claimed on webhook_deliveries (endpoint_id) where claimed_until is not null;
create index webhook_deliveries_page on webhook_deliveries (endpoint_id, id);
create index webhook_deliveries_age on webhook_deliveries (created_at);
select isolate('webhook_deliveries');
select open_to_system('webhook_deliveries');
grant select, update, delete on webhook_deliveries to glia_system;

create table webhook_attempts (
  delivery_id uuid not null references webhook_deliveries on delete cascade,
  number int not null,
  workspace_id uuid not null,
  at timestamptz not null,
  latency_ms int not null,
  status int,
  response text,
  error text,
  primary key (delivery_id, number)
);
select isolate('webhook_attempts');

-- Whether anybody sends traces: servers that do renew `until`, so that nothing piles up once none does.
create table trace_export (
  is_only boolean primary key default true check (is_only),
  until timestamptz not null
);
revoke all on trace_export from glia_app;
grant select on trace_export to glia_app;
grant select, insert, update on trace_export to glia_system;

create table trace_outbox (
  run_id uuid primary key,
  workspace_id uuid not null,
  attempts int not null default 0,
  next_at timestamptz not null,
  created_at timestamptz not null
);
create index trace_outbox_next on trace_outbox (next_at);
select isolate('trace_outbox');
select open_to_system('trace_outbox');
grant select, update, delete on trace_outbox to glia_system;

-- The trace of whoever asked for a run, as its W3C `traceparent` header said.
create table trace_parents (
  run_id uuid primary key,
  workspace_id uuid not null,
  traceparent text not null,
  created_at timestamptz not null default now()
);
create index trace_parents_age on trace_parents (created_at);
select isolate('trace_parents');
select open_to_system('trace_parents');
grant select, delete on trace_parents to glia_system;

-- A UUIDv7, as the services make them; within a millisecond those of higher numbers come later.
create function time_ordered_id(number bigint) returns uuid language sql volatile as $$
  select encode(overlay(overlay(uuid_send(gen_random_uuid())
    placing substring(int8send((extract(epoch from clock_timestamp()) * 1000)::bigint) from 3) from 1 for 6)
    placing int2send((28672 + (number & 4095))::int2) from 7 for 2), 'hex')::uuid
$$;

-- Runs after every append, so its two questions are all that most appends pay for. What a model writes
-- (`message.*`, `model.*`, `context.*`, deltas) is never sent as an event of its own. Whoever copies events that have been told of
-- before, as in a fork or an import, says `set local glia.is_quiet = 'on'`.
create function pass_on_events() returns trigger language plpgsql as $$
declare
  moment timestamptz;
begin
  if current_setting('glia.is_quiet', true) = 'on' then
    return null;
  end if;
  if exists (select from glia.webhook_endpoints e where e.workspace_id = glia.current_workspace() and e.is_active) then
    moment := clock_timestamp();
    insert into glia.webhook_deliveries (id, workspace_id, endpoint_id, type, session_id, seq, run_id, next_at,
      retry_until, created_at)
    select glia.time_ordered_id(a.seq), a.workspace_id, e.id, a.type, a.session_id, a.seq, a.run_id, moment,
      moment + interval '24 hours', moment
    from added a join glia.webhook_endpoints e on e.workspace_id = a.workspace_id and e.is_active
    where split_part(a.type, '.', 1) not in ('message', 'model', 'text', 'thinking', 'context') and a.type not like '%.delta'
      and e.event_types && array['*', split_part(a.type, '.', 1) || '.*', a.type];
    if found then
      perform pg_notify('glia_webhooks', '');
    end if;
  end if;
  if exists (select from added a where a.type in ('run.completed', 'run.failed', 'run.cancelled'))
     and exists (select from glia.trace_export t where t.until > now()) then
    insert into glia.trace_outbox (run_id, workspace_id, next_at, created_at)
    select a.run_id, a.workspace_id, clock_timestamp() + interval '1 second', clock_timestamp() from added a
    where a.type in ('run.completed', 'run.failed', 'run.cancelled') and a.run_id is not null
    on conflict (run_id) do nothing;
  end if;
  return null;
end $$;

create trigger pass_on after insert on events
  referencing new table as added for each statement execute function pass_on_events();
