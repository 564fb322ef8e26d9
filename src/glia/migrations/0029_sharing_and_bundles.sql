-- Agents belong to a project: their slugs are free in every other one. Deleted ones may come back, or be gone for good.
drop index agents_slug;
create unique index agents_slug on agents (workspace_id, project_id, slug) where deleted_at is null;
create index agents_project on agents (project_id, id);
alter table agents add column purged_at timestamptz;

-- visibility: who sees the agent beside its own project. toolset_ids: whose tools it has besides its own.
-- knowledge: single documents and a folder that it may search. promoted_from: the version that this one is a copy of.
alter table agent_versions
  add column visibility text not null default 'project' check (visibility in ('project', 'workspace', 'core')),
  add column is_active boolean not null default true,
  add column toolset_ids uuid[] not null default '{}',
  add column knowledge jsonb not null default '{}',
  add column promoted_from int;

-- Removes what an agent is and what belongs to it alone. Its sessions, their logs and what they cost stay.
create function purge_agent(in_agent uuid) returns void language plpgsql as $$
begin
  delete from glia.triggers where agent_id = in_agent;
  delete from glia.permission_grants where agent_id = in_agent;
  delete from glia.memory_settings where agent_id = in_agent;
  delete from glia.memory_block_agents where agent_id = in_agent;
  delete from glia.memory_blocks where agent_id = in_agent;
  delete from glia.memories where agent_id = in_agent;
  delete from glia.agent_versions where agent_id = in_agent;
  update glia.agents set slug = id::text, purged_at = now(), deleted_at = coalesce(deleted_at, now()), updated_at = now()
  where id = in_agent;
end $$;

-- A system session holds background work and is kept out of lists of conversations.
alter table sessions add column is_system boolean not null default false;

-- A bundle is a toolset that names tools from elsewhere. members: their names; null for tools imported together.
alter table toolsets
  add column members text[],
  add column description text not null default '',
  add column visibility text not null default 'project' check (visibility in ('project', 'workspace', 'core')),
  add column is_enabled boolean not null default true,
  add column metadata jsonb not null default '{}';

-- is_system: what it starts is background work, no conversation. share_hash: of the token of a public link, by which strangers fire the trigger. slug: its name in addresses.
alter table triggers
  add column slug text,
  add column metadata jsonb not null default '{}',
  add column share_hash bytea,
  add column is_system boolean not null default false,
  drop constraint triggers_overlap_check,
  add constraint triggers_overlap_check check (overlap in ('skip', 'queue', 'cancel_previous', 'parallel'));
create unique index triggers_slug on triggers (workspace_id, slug) where slug is not null;
create unique index triggers_share on triggers (share_hash) where share_hash is not null;
grant select (share_hash) on triggers to glia_system;
