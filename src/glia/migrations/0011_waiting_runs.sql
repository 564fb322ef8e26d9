-- Runs that wait without a worker, queue behind another in their session, and have parents and children.
alter table runs
  add column parent_run_id uuid references runs on delete set null,
  add column root_run_id uuid,
  add column depth int not null default 0,
  add column dedupe_key text,
  -- What a waiting run waits for: `approval`, `run` (its children), `budget`, `time`.
  add column waiting_for text[] not null default '{}',
  add column waiting_since timestamptz,
  add column wake_at timestamptz,
  add column waited_seconds double precision not null default 0,
  add column is_resumed boolean not null default false;
-- The owner, too, sees rows only through policies; for this one statement it must see those of every workspace.
alter table runs no force row level security;
update runs set root_run_id = id;
alter table runs force row level security;
alter table runs alter column root_run_id set not null;

-- Of a session's open runs one at a time is at work; others may be queued behind it.
drop index runs_active;
create unique index runs_active on runs (session_id) where status in ('running', 'waiting');
create index runs_queued_session on runs (session_id) where status = 'queued';
create index runs_waking on runs (wake_at) where status = 'waiting' and wake_at is not null;
create index runs_open_children on runs (parent_run_id)
  where parent_run_id is not null and status in ('queued', 'running', 'waiting');
create index runs_tree on runs (root_run_id, id) where depth > 0;
create unique index runs_dedupe on runs (workspace_id, dedupe_key) where dedupe_key is not null;

-- A conversation may stay at one version of its agent, such as one forked from an old run.
alter table sessions add column agent_version int;

create table approvals (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  project_id uuid not null,
  run_id uuid not null references runs on delete cascade,
  session_id uuid not null references sessions on delete cascade,
  agent_id uuid,
  tool_call_id text not null,
  tool text not null,
  effect text not null,
  reason text not null,
  -- json, not jsonb: shown to the person as the model wrote it.
  arguments json not null,
  status text not null default 'pending' check (status in ('pending', 'approved', 'denied', 'expired', 'cancelled')),
  edited_arguments json,
  note text not null default '',
  decided_by text,
  decided_at timestamptz,
  expires_at timestamptz,
  created_at timestamptz not null default clock_timestamp(),
  unique (run_id, tool_call_id)
);
create index approvals_pending on approvals (workspace_id, id) where status = 'pending';
create index approvals_page on approvals (workspace_id, id);
select isolate('approvals');

-- What a person allowed an agent for good when it asked.
create table permission_grants (
  workspace_id uuid not null references workspaces on delete cascade,
  agent_id uuid not null references agents on delete cascade,
  tool text not null,
  granted_by text not null,
  created_at timestamptz not null default now(),
  primary key (workspace_id, agent_id, tool)
);
select isolate('permission_grants');

alter table agent_versions
  add column permissions jsonb not null default '{}',
  add column subagents uuid[] not null default '{}';

-- Lets a waiting run go on in any worker. Whoever wakes a run locks its row first: the run checks, in the transaction
-- that makes it wait, whether what it waits for has happened meanwhile, and so one of the two always sees the other.
create function resume_run(in_run uuid, in_reason text default null) returns boolean language plpgsql as $$
begin
  update glia.runs r set status = 'queued', waiting_for = '{}', wake_at = null,
    waited_seconds = r.waited_seconds + extract(epoch from clock_timestamp() - r.waiting_since), waiting_since = null,
    run_after = clock_timestamp(), max_attempts = r.max_attempts + 1, is_resumed = true
  where r.id = in_run and r.status = 'waiting' and (in_reason is null or in_reason = any(r.waiting_for));
  if found then
    perform pg_notify('glia_work', '');
    return true;
  end if;
  return false;
end $$;

-- A child has ended: its parent goes on once all its children have.
create function resume_parent(in_parent uuid, in_child uuid) returns void language plpgsql as $$
begin
  perform from glia.runs r where r.id = in_parent for update;
  if not exists (select from glia.runs c where c.parent_run_id = in_parent and c.id <> in_child
                 and c.status in ('queued', 'running', 'waiting')) then
    perform glia.resume_run(in_parent, 'run');
  end if;
end $$;

drop function append_events;

-- Adds events as the run's present attempt, and counters, usage and a new status with them. No row comes back when
-- another attempt holds the run or it has ended: then nothing was written.
-- in_types: names joined by commas. payloads: one JSON array, as long; arrays of text cost the client far more.
-- if_last_seq: write only if this is still the session's newest event; otherwise nothing is written, and first_seq is
-- the newest event's number, negative.
create function append_events(
  in_workspace uuid, in_run uuid, in_attempt int, in_types text, payloads json,
  add_model_calls int default 0, add_tool_calls int default 0, add_input_tokens bigint default 0,
  add_output_tokens bigint default 0, add_cost_micros bigint default null,
  new_status text default 'running', new_error jsonb default null, usage_record jsonb default null,
  wait_for text[] default '{}', wait_until timestamptz default null, if_last_seq bigint default null
) returns table (first_seq bigint, at timestamptz) language plpgsql as $$
#variable_conflict use_column
declare
  session uuid;
  parent uuid;
  base bigint;
  moment timestamptz := clock_timestamp();
  types text[] := string_to_array(in_types, ',');
begin
  perform set_config('glia.workspace', in_workspace::text, true);
  if if_last_seq is not null then
    -- The session is held before the run, as when a message is accepted.
    select s.last_seq into base from glia.sessions s
    where s.id = (select r.session_id from glia.runs r where r.id = in_run) for update;
    if base <> if_last_seq then
      return query select -base, moment;
      return;
    end if;
  end if;
  if new_status = 'running' and add_model_calls = 0 and add_tool_calls = 0 then
    select r.session_id into session from glia.runs r
    where r.id = in_run and r.attempt = in_attempt and r.status = 'running' for share;
  else
    update glia.runs r set status = new_status, error = new_error,
      model_calls = r.model_calls + add_model_calls, tool_calls = r.tool_calls + add_tool_calls,
      input_tokens = r.input_tokens + add_input_tokens, output_tokens = r.output_tokens + add_output_tokens,
      cost_micros = case when add_cost_micros is null then r.cost_micros
                         else coalesce(r.cost_micros, 0) + add_cost_micros end,
      worker_id = case when new_status = 'running' then r.worker_id end,
      waiting_for = wait_for, wake_at = wait_until,
      waiting_since = case when new_status = 'waiting' then moment end,
      finished_at = case when new_status in ('completed', 'failed', 'cancelled') then moment end
    where r.id = in_run and r.attempt = in_attempt and r.status = 'running'
    returning r.session_id, r.parent_run_id into session, parent;
  end if;
  if session is null then
    return;
  end if;
  update glia.sessions s set last_seq = s.last_seq + cardinality(types), updated_at = moment
  where s.id = session returning s.last_seq - cardinality(types) into base;
  insert into glia.events (session_id, seq, workspace_id, run_id, attempt, type, at, data)
  select session, base + e.number, in_workspace, in_run, in_attempt, e.type, moment, e.data
  from rows from (unnest(types), json_array_elements(payloads)) with ordinality as e(type, data, number);
  if usage_record is not null then
    perform glia.record_usage(usage_record);
  end if;
  if new_status in ('completed', 'failed', 'cancelled') then
    if parent is not null then
      perform glia.resume_parent(parent, in_run);
    end if;
    if exists (select from glia.runs r where r.session_id = session and r.status = 'queued') then
      perform pg_notify('glia_work', '');
    end if;
  end if;
  return query select base + 1, moment;
end $$;

drop function accept_run;

-- Stores messages and the run that answers them. With a worker the run is running there at once, as attempt 1.
-- outcome: `accepted`; `queued` behind another run, whose end brings its messages into the log; `steered`, when the
-- messages went to the run at work; `known`, when the dedupe key was used before; `no_session`, `no_agent`, `busy`;
-- `full`, when a hundred messages are queued already.
create function accept_run(
  in_workspace uuid, in_project uuid, in_session uuid, in_run uuid, in_key uuid, in_background boolean,
  in_worker uuid, in_abi int, messages json, in_busy text default 'refuse', in_dedupe text default null,
  in_parent uuid default null
) returns table (outcome text, run_id uuid, agent_id uuid, agent_version int, model text, base_seq bigint,
  at timestamptz)
language plpgsql as $$
#variable_conflict use_column
declare
  agent uuid;
  pinned int;
  version int;
  model_name text;
  base bigint;
  open_run uuid;
  root uuid := in_run;
  level int := 0;
  moment timestamptz := clock_timestamp();
  types text[] := array_fill('message.received'::text, array[json_array_length(messages)]);
  payloads json[] := array(select json_array_elements(messages));
  created int;
begin
  perform set_config('glia.workspace', in_workspace::text, true);
  if in_dedupe is not null then
    select r.id into open_run from glia.runs r where r.workspace_id = in_workspace and r.dedupe_key = in_dedupe;
    if found then
      return query select 'known', open_run, null::uuid, null::int, null::text, null::bigint, moment;
      return;
    end if;
  end if;
  select s.agent_id, s.agent_version, s.last_seq into agent, pinned, base from glia.sessions s
  where s.id = in_session and s.deleted_at is null for update;
  if not found then
    return query select 'no_session', null::uuid, null::uuid, null::int, null::text, null::bigint, moment;
    return;
  end if;
  select v.version, v.model into version, model_name
  from glia.agents a join glia.agent_versions v on v.agent_id = a.id and v.version = coalesce(pinned, a.version)
  where a.id = agent and a.deleted_at is null;
  if version is null then
    return query select 'no_agent', null::uuid, null::uuid, null::int, null::text, null::bigint, moment;
    return;
  end if;
  select r.id into open_run from glia.runs r
  where r.session_id = in_session and r.status in ('queued', 'running', 'waiting')
  order by r.attempt > 0 desc, r.priority desc, r.id limit 1;
  if open_run is not null and in_busy = 'steer' then
    update glia.sessions s set last_seq = base + cardinality(types), updated_at = moment where s.id = in_session;
    insert into glia.events (session_id, seq, workspace_id, run_id, type, at, data)
    select in_session, base + e.number, in_workspace, open_run, e.type, moment, e.data
    from unnest(types, payloads) with ordinality as e(type, data, number);
    return query select 'steered', open_run, agent, version, model_name, base, moment;
    return;
  end if;
  if open_run is not null and in_busy = 'refuse' then
    return query select 'busy', null::uuid, null::uuid, null::int, null::text, null::bigint, moment;
    return;
  end if;
  if open_run is not null and (select count(*) from glia.runs r
                               where r.session_id = in_session and r.status = 'queued') >= 100 then
    return query select 'full', null::uuid, null::uuid, null::int, null::text, null::bigint, moment;
    return;
  end if;
  if in_parent is not null then
    select r.root_run_id, r.depth + 1 into root, level from glia.runs r where r.id = in_parent;
  end if;
  -- The session is held. It is asked before the unique index is, because the index would wait for a run that is just
  -- ending, which in turn waits for the session.
  insert into glia.runs (id, workspace_id, project_id, session_id, kind, agent_id, agent_version, key_id, status,
    is_background, engine_abi, worker_id, attempt, created_at, claimed_at, started_at, input, priority, dedupe_key,
    parent_run_id, root_run_id, depth)
  select in_run, in_workspace, in_project, in_session, 'agent', agent, version, in_key,
    case when in_worker is null or open_run is not null then 'queued' else 'running' end, in_background, in_abi,
    case when open_run is null then in_worker end,
    case when in_worker is null or open_run is not null then 0 else 1 end, moment,
    case when in_worker is not null and open_run is null then moment end,
    case when in_worker is not null and open_run is null then moment end,
    case when open_run is null then '{}' else jsonb_build_object('messages', messages) end,
    case when in_busy = 'interrupt' then 1 else 0 end, in_dedupe, in_parent, root, level
  on conflict do nothing;
  get diagnostics created = row_count;
  if created = 0 then
    select r.id into open_run from glia.runs r where r.workspace_id = in_workspace and r.dedupe_key = in_dedupe;
    return query select case when found then 'known' else 'busy' end, open_run, null::uuid, null::int, null::text,
      null::bigint, moment;
    return;
  end if;
  if open_run is not null then
    types := '{}';
    payloads := '{}';
  end if;
  types := types || 'run.created'::text;
  payloads := payloads || json_build_object('kind', 'agent', 'is_background', in_background, 'agent_id', agent,
    'agent_version', version, 'model', model_name, 'parent_run_id', in_parent);
  if in_worker is not null and open_run is null then
    types := types || array['run.started', 'model.requested'];
    payloads := payloads || json_build_object('attempt', 1, 'worker', in_worker, 'reason', 'started')
      || json_build_object('step', 1, 'model', model_name);
  end if;
  update glia.sessions s set last_seq = base + cardinality(types), updated_at = moment where s.id = in_session;
  insert into glia.events (session_id, seq, workspace_id, run_id, attempt, type, at, data)
  select in_session, base + e.number, in_workspace, in_run,
    case when in_worker is not null and open_run is null then 1 end, e.type, moment, e.data
  from unnest(types, payloads) with ordinality as e(type, data, number);
  return query select case when open_run is null then 'accepted' else 'queued' end, in_run, agent, version,
    model_name, base, moment;
end $$;
