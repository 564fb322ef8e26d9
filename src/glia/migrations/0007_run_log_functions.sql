-- The two writes every run is made of, each a single statement and so a single round trip and a single transaction:
-- a one-tool run is four of them. They enter their workspace themselves, as the first thing they do; row-level
-- security holds inside them as everywhere, because they run with the rights of whoever calls them.

create function record_usage(record jsonb) returns void language sql as $$
  insert into glia.usage_records (id, workspace_id, project_id, at, operation, model, agent_id, run_id, key_id,
    input_tokens, output_tokens, cached_input_tokens, thinking_tokens, is_estimated, is_streamed, cost_micros,
    latency_ms, status)
  select r.id, r.workspace_id, r.project_id, r.at, r.operation, r.model, r.agent_id, r.run_id, r.key_id,
    r.input_tokens, r.output_tokens, r.cached_input_tokens, r.thinking_tokens, r.is_estimated, r.is_streamed,
    r.cost_micros, r.latency_ms, r.status
  from jsonb_populate_record(null::glia.usage_records, record) r
$$;

-- Adds events as the run's present attempt, and counters, usage and a final status with them. No row comes back when
-- another attempt holds the run or it has ended: then nothing was written.
-- in_types: names joined by commas. payloads: one JSON array, as long; arrays of text cost the client far more.
create function append_events(
  in_workspace uuid, in_run uuid, in_attempt int, in_types text, payloads json,
  add_model_calls int default 0, add_tool_calls int default 0, add_input_tokens bigint default 0,
  add_output_tokens bigint default 0, add_cost_micros bigint default null,
  new_status text default 'running', new_error jsonb default null, usage_record jsonb default null
) returns table (first_seq bigint, at timestamptz) language plpgsql as $$
#variable_conflict use_column
declare
  session uuid;
  base bigint;
  moment timestamptz := clock_timestamp();
  types text[] := string_to_array(in_types, ',');
begin
  perform set_config('glia.workspace', in_workspace::text, true);
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
      finished_at = case when new_status = 'running' then null else moment end
    where r.id = in_run and r.attempt = in_attempt and r.status = 'running'
    returning r.session_id into session;
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
  return query select base + 1, moment;
end $$;

-- Stores messages and the run that answers them. With a worker the run is running there at once, as attempt 1.
-- outcome: `accepted`, `no_session`, `no_agent`, or `busy` while another run works on the session.
create function accept_run(
  in_workspace uuid, in_project uuid, in_session uuid, in_run uuid, in_key uuid, in_background boolean,
  in_worker uuid, in_abi int, messages json
) returns table (outcome text, agent_id uuid, agent_version int, model text, base_seq bigint, at timestamptz)
language plpgsql as $$
#variable_conflict use_column
declare
  agent uuid;
  version int;
  model_name text;
  base bigint;
  moment timestamptz := clock_timestamp();
  types text[] := array_fill('message.received'::text, array[json_array_length(messages)]);
  payloads json[] := array(select json_array_elements(messages));
  created int;
begin
  perform set_config('glia.workspace', in_workspace::text, true);
  select s.agent_id, s.last_seq into agent, base from glia.sessions s
  where s.id = in_session and s.deleted_at is null for update;
  if not found then
    return query select 'no_session', null::uuid, null::int, null::text, null::bigint, moment;
    return;
  end if;
  select a.version, v.model into version, model_name
  from glia.agents a join glia.agent_versions v on v.agent_id = a.id and v.version = a.version
  where a.id = agent and a.deleted_at is null;
  if version is null then
    return query select 'no_agent', null::uuid, null::int, null::text, null::bigint, moment;
    return;
  end if;
  -- The session is held. It is asked before the unique index is, because the index would wait for a run that is just
  -- ending, which in turn waits for the session.
  insert into glia.runs (id, workspace_id, project_id, session_id, kind, agent_id, agent_version, key_id, status,
    is_background, engine_abi, worker_id, attempt, created_at, claimed_at, started_at)
  select in_run, in_workspace, in_project, in_session, 'agent', agent, version, in_key,
    case when in_worker is null then 'queued' else 'running' end, in_background, in_abi, in_worker,
    case when in_worker is null then 0 else 1 end, moment,
    case when in_worker is not null then moment end, case when in_worker is not null then moment end
  where not exists (select from glia.runs r
                    where r.session_id = in_session and r.status in ('queued', 'running', 'waiting'))
  on conflict (session_id) where status in ('queued', 'running', 'waiting') do nothing;
  get diagnostics created = row_count;
  if created = 0 then
    return query select 'busy', null::uuid, null::int, null::text, null::bigint, moment;
    return;
  end if;
  types := types || 'run.created'::text;
  payloads := payloads || json_build_object('kind', 'agent', 'is_background', in_background, 'agent_id', agent,
    'agent_version', version, 'model', model_name);
  if in_worker is not null then
    types := types || array['run.started', 'model.requested'];
    payloads := payloads || json_build_object('attempt', 1, 'worker', in_worker, 'reason', 'started')
      || json_build_object('step', 1, 'model', model_name);
  end if;
  update glia.sessions s set last_seq = base + cardinality(types), updated_at = moment where s.id = in_session;
  insert into glia.events (session_id, seq, workspace_id, run_id, attempt, type, at, data)
  select in_session, base + e.number, in_workspace, in_run, case when in_worker is not null then 1 end,
    e.type, moment, e.data
  from unnest(types, payloads) with ordinality as e(type, data, number);
  return query select 'accepted', agent, version, model_name, base, moment;
end $$;
