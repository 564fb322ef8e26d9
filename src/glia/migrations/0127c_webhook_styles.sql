-- Endpoints may have deliveries signed and named as other systems know them, be told of one agent's doings only, and
-- have a patience of their own.
alter table webhook_endpoints
  add column style text not null default 'standard' check (style in ('standard', 'sha256', 'alert')),
  add column event_names jsonb not null default '{}',
  add column agent_id uuid,
  add column timeout_seconds real check (timeout_seconds between 1 and 60),
  add column max_attempts int check (max_attempts between 1 and 20),
  add column retry_seconds real check (retry_seconds between 1 and 3600),
  add column metadata jsonb not null default '{}',
  alter column sealed_secret drop not null;
create index webhook_endpoints_agent on webhook_endpoints (agent_id) where agent_id is not null;

-- What an event outside of any session's log says; the log's own events are read from there.
alter table webhook_deliveries add column data json;

-- Tells endpoints that name it, or its family, of something that has no log; `*` is all that happens in runs. Costs one look at an index where there are none.
create function tell_webhooks(of_type text, of_agent uuid, of_session uuid, of_run uuid, said json) returns void
language plpgsql as $$
declare
  moment timestamptz := clock_timestamp();
begin
  if current_setting('glia.is_quiet', true) = 'on' or not exists (
    select from glia.webhook_endpoints e where e.workspace_id = glia.current_workspace() and e.is_active) then
    return;
  end if;
  insert into glia.webhook_deliveries (id, workspace_id, endpoint_id, type, session_id, run_id, data, next_at,
    retry_until, created_at)
  select glia.time_ordered_id(0), e.workspace_id, e.id, of_type, of_session, of_run, said, moment,
    moment + interval '24 hours', moment
  from glia.webhook_endpoints e
  where e.workspace_id = glia.current_workspace() and e.is_active
    and e.event_types && array[split_part(of_type, '.', 1) || '.*', of_type]
    and (e.agent_id is null or e.agent_id = of_agent);
  if found then
    perform pg_notify('glia_webhooks', '');
  end if;
end $$;

create function tell_of_agent() returns trigger language plpgsql as $$
begin
  perform glia.tell_webhooks(
    case when tg_op = 'INSERT' then 'agent.created' when new.deleted_at is not null then 'agent.deleted'
      else 'agent.updated' end,
    new.id, null, null,
    json_build_object('agent_id', new.id, 'slug', new.slug, 'version', new.version));
  return null;
end $$;
create trigger tell_of_new after insert on agents for each row execute function tell_of_agent();
create trigger tell_of_change after update on agents for each row
  when (new.version is distinct from old.version or (new.deleted_at is not null and old.deleted_at is null))
  execute function tell_of_agent();

create function tell_of_session() returns trigger language plpgsql as $$
begin
  perform glia.tell_webhooks('session.created', new.agent_id, new.id, null,
    json_build_object('session_id', new.id, 'agent_id', new.agent_id, 'title', new.title, 'metadata', new.metadata));
  return null;
end $$;
create trigger tell_of_new after insert on sessions for each row
  when (new.agent_id is not null and new.origin = 'live') execute function tell_of_session();

-- As before; and messages are told of to those who ask for them by name, an agent's doings to its own endpoints, and
-- what becomes of a job that stands for a run.
create or replace function pass_on_events() returns trigger language plpgsql as $$
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
    where (split_part(a.type, '.', 1) not in ('message', 'model', 'text', 'thinking', 'context')
        and a.type not like '%.delta' and e.event_types && array['*', split_part(a.type, '.', 1) || '.*', a.type]
        or a.type = 'message.received' and 'message.received' = any(e.event_types))
      and (e.agent_id is null
        or e.agent_id = (select s.agent_id from glia.sessions s where s.id = a.session_id));
    if found then
      perform pg_notify('glia_webhooks', '');
    end if;
    perform glia.tell_webhooks(t.type, j.agent_id, a.session_id, a.run_id, json_build_object('job_id', j.id,
        'kind', j.kind, 'title', j.title, 'run_id', a.run_id, 'agent_id', j.agent_id, 'metadata', j.metadata))
    from added a join glia.jobs j on j.run_id = a.run_id
      join (values ('run.started', 'job.started'), ('run.completed', 'job.completed'), ('run.failed', 'job.failed'),
        ('run.cancelled', 'job.cancelled'), ('job.progress', 'job.progressed')) t(event, type) on t.event = a.type;
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
