-- A trigger tells an agent a message, or starts a workflow with an input: one of the two.

-- input: JSON whose texts may hold placeholders. A firing's workflow_id: what it starts, whatever becomes of the trigger
-- meanwhile; its message is then the workflow's input, filled in and written as JSON.
alter table triggers
  alter column agent_id drop not null,
  alter column message drop not null,
  add column workflow_id uuid references workflows on delete cascade,
  add column input jsonb,
  add constraint triggers_target check (
    case when workflow_id is null then agent_id is not null and message is not null
         else agent_id is null and message is null and session_id is null end);
create index triggers_workflow on triggers (workflow_id, id) where workflow_id is not null;
alter table trigger_firings add column workflow_id uuid;

-- As before, and an execution's key holds the firing's behind the workflow's. People may choose such keys themselves, so
-- what does not end in an id must not break the statement.
create or replace function notice_events() returns trigger language plpgsql as $$
declare
  is_noticed boolean := false;
begin
  if exists (select from added a where a.type = 'run.failed') then
    insert into glia.trigger_events (workspace_id, trigger_id, session_id, seq)
    select a.workspace_id, t.id, a.session_id, a.seq
    from added a
    join glia.runs r on r.id = a.run_id
    join glia.trigger_firings f on f.id = case
      when r.dedupe_key ~ '^(workflow:[0-9a-f-]{36}:)?trigger:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
      then right(r.dedupe_key, 36)::uuid end
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
