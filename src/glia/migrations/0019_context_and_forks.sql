alter table agent_versions
  add column context jsonb not null default '{}',
  add column deliberation jsonb not null default '{}';

-- What model calls were sent besides the messages, which are in the log: instructions, tools, settings. Each once.
create table model_contexts (
  workspace_id uuid not null references workspaces on delete cascade,
  key text not null,
  body json not null,
  created_at timestamptz not null default now(),
  primary key (workspace_id, key)
);
select isolate('model_contexts');
revoke update, delete on model_contexts from glia_app;

create index events_compacted on events (session_id, seq desc) where type = 'context.compacted';

-- A fork shares its history with the session it came from: its own events begin after forked_at.
-- origin: an imported session is evidence of what happened elsewhere; nothing is learnt from it by itself.
alter table sessions
  add column parent_session_id uuid references sessions on delete cascade,
  add column forked_at bigint not null default 0,
  add column origin text not null default 'live' check (origin in ('live', 'import'));
create index sessions_forks on sessions (parent_session_id) where parent_session_id is not null;

-- The pieces of which a session's history consists, each from one session's events.
create function lineage(in_session uuid) returns table (piece uuid, from_seq bigint, to_seq bigint)
language sql stable as $$
  with recursive pieces as (
    select s.id, s.parent_session_id, s.forked_at as from_seq, 9223372036854775807 as to_seq
    from glia.sessions s where s.id = in_session
    union all
    select s.id, s.parent_session_id, s.forked_at, least(p.from_seq, p.to_seq)
    from pieces p join glia.sessions s on s.id = p.parent_session_id
  ) select id, from_seq, to_seq from pieces where to_seq > from_seq
$$;

-- Removes what later runs need no more: pieces of texts that are stored whole beside them, and what a compaction
-- covers. Whatever a fork still reads stays. Returns how many events went. The app role itself may delete no event.
create function prune_events(in_workspace uuid, in_session uuid) returns bigint
language plpgsql security definer set search_path = glia, pg_temp as $$
declare
  forked bigint;
  covered bigint;
  gone bigint;
begin
  if in_workspace <> nullif(current_setting('glia.workspace', true), '')::uuid
    or exists (select from glia.runs r where r.session_id = in_session and r.status in ('queued', 'running', 'waiting'))
  then
    return 0;
  end if;
  select coalesce(max(s.forked_at), 0) into forked from glia.sessions s
  where s.parent_session_id = in_session and s.workspace_id = in_workspace;
  select coalesce(max((e.data->>'after_seq')::bigint), 0) into covered from glia.events e
  where e.session_id = in_session and e.workspace_id = in_workspace and e.type = 'context.compacted';
  delete from glia.events e
  where e.session_id = in_session and e.workspace_id = in_workspace and e.seq > forked
    and (e.type in ('text.delta', 'thinking.delta')
         or (e.seq <= covered and e.type in ('model.responded', 'model.requested', 'tool.called')));
  get diagnostics gone = row_count;
  return gone;
end $$;
-- It runs with the owner's rights, who sees rows only through policies as well: those of the workspace that was entered.
create policy pruning on events to current_user using (workspace_id = (select glia.current_workspace()));
create policy pruning on sessions to current_user using (workspace_id = (select glia.current_workspace()));
create policy pruning on runs to current_user using (workspace_id = (select glia.current_workspace()));
revoke all on function prune_events(uuid, uuid) from public;
grant execute on function prune_events(uuid, uuid) to glia_app;
