-- A deleted block stays for 30 days, with its versions and where it was pinned, so that it can be brought back.
-- Nothing reads it meanwhile, and its label is free.
alter table memory_blocks add column deleted_at timestamptz;
drop index memory_blocks_label;
create unique index memory_blocks_label on memory_blocks (workspace_id, coalesce(agent_id, workspace_id), label,
  coalesce(user_name, '')) where deleted_at is null;
create index memory_blocks_deleted on memory_blocks (workspace_id, deleted_at) where deleted_at is not null;

create or replace function pinned_blocks(in_workspace uuid, in_agent uuid, in_session uuid) returns jsonb
language plpgsql as $$
begin
  perform set_config('glia.workspace', in_workspace::text, true);
  return (
    select jsonb_agg(jsonb_build_object('label', b.label, 'description', b.description, 'content', b.content,
      'most_characters', b.most_characters, 'is_read_only', b.is_read_only, 'version', b.version) order by b.id)
    from glia.memory_blocks b
    where (b.agent_id = in_agent or b.id in (select p.block_id from glia.memory_block_agents p where p.agent_id = in_agent))
      and b.deleted_at is null
      and (b.user_name is null
        or b.user_name = (select s.metadata ->> 'user_name' from glia.sessions s where s.id = in_session))
  );
end $$;

-- Each time that an agent found a memory: what `memories.accesses` counts. source_key: of the call, so that a call that
-- is made again after a crash counts once.
create table memory_finds (
  id uuid primary key,
  workspace_id uuid not null,
  memory_id uuid not null references memories on delete cascade,
  session_id uuid,
  run_id uuid,
  source_key text,
  at timestamptz not null default now()
);
create unique index memory_finds_once on memory_finds (memory_id, source_key);
create index memory_finds_page on memory_finds (memory_id, id);
select isolate('memory_finds');
