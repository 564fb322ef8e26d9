"""All SQL of the agents slice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from glia.agents.types import (
    Agent,
    AgentFilter,
    AgentId,
    AgentSettings,
    AgentSpec,
    AgentVersion,
    ContextSettings,
    Deliberation,
    KnowledgeScope,
    Limits,
    Permissions,
    StandingInstruction,
    ToolChoice,
    Visibility,
)
from glia.kit.db import Transaction, json, like_escaped
from glia.kit.pages import Window


@dataclass(frozen=True)
class _AgentRow:
    id: AgentId
    slug: str
    created_at: datetime
    updated_at: datetime
    version: int
    name: str
    description: str
    instructions: str
    model: str | None
    fallback_model: str | None
    settings: AgentSettings
    knowledge_base_ids: tuple[UUID, ...]
    tools: tuple[str, ...] | None
    limits: Limits
    permissions: Permissions
    subagents: tuple[UUID, ...]
    context: ContextSettings
    deliberation: Deliberation
    search_depth: int
    tool_choice: ToolChoice
    standing_instructions: tuple[StandingInstruction, ...]
    created_by: str
    versioned_at: datetime
    visibility: Visibility
    is_active: bool
    toolset_ids: tuple[UUID, ...]
    knowledge: KnowledgeScope
    promoted_from: int | None
    project_id: UUID
    deleted_at: datetime | None
    metadata: dict[str, object] = field(default_factory=dict[str, object])

    def agent(self) -> Agent:
        version = AgentVersion(
            name=self.name,
            description=self.description,
            instructions=self.instructions,
            model=self.model,
            fallback_model=self.fallback_model,
            settings=self.settings,
            knowledge_base_ids=self.knowledge_base_ids,
            tools=self.tools,
            limits=self.limits,
            permissions=self.permissions,
            subagents=self.subagents,
            context=self.context,
            deliberation=self.deliberation,
            search_depth=self.search_depth,
            tool_choice=self.tool_choice,
            standing_instructions=self.standing_instructions,
            metadata=self.metadata,
            visibility=self.visibility,
            is_active=self.is_active,
            toolset_ids=self.toolset_ids,
            knowledge=self.knowledge,
            promoted_from=self.promoted_from,
            version=self.version,
            created_by=self.created_by,
            created_at=self.versioned_at,
        )
        return Agent(self.id, self.slug, version, self.created_at, self.updated_at, self.project_id, self.deleted_at)


async def insert(tx: Transaction, id: UUID, slug: str, *, workspace_id: UUID, project_id: UUID) -> bool:
    """False when the slug is taken."""
    count = await tx.execute(
        """
        insert into agents (id, workspace_id, project_id, slug, version)
        values (%(id)s, %(workspace_id)s, %(project_id)s, %(slug)s, 1)
        on conflict (workspace_id, project_id, slug) where deleted_at is null do nothing""",
        id=id,
        workspace_id=workspace_id,
        project_id=project_id,
        slug=slug,
    )
    return count == 1


async def insert_version(
    tx: Transaction,
    agent_id: UUID,
    version: int,
    spec: AgentSpec,
    *,
    workspace_id: UUID,
    created_by: str,
    promoted_from: int | None = None,
) -> None:
    await tx.execute(
        """
        insert into agent_versions (agent_id, version, workspace_id, name, description, instructions, model,
          fallback_model, settings, knowledge_base_ids, tools, limits, permissions, subagents, context, deliberation,
          search_depth, tool_choice, standing_instructions, metadata,
          visibility, is_active, toolset_ids, knowledge, promoted_from, created_by)
        values (%(agent_id)s, %(version)s, %(workspace_id)s, %(name)s, %(description)s, %(instructions)s, %(model)s,
          %(fallback_model)s, %(settings)s, %(knowledge_base_ids)s, %(tools)s, %(limits)s,
          %(permissions)s, %(subagents)s, %(context)s, %(deliberation)s, %(search_depth)s,
          %(tool_choice)s, %(standing_instructions)s, %(metadata)s,
          %(visibility)s, %(is_active)s, %(toolset_ids)s, %(knowledge)s, %(promoted_from)s, %(created_by)s)""",
        agent_id=agent_id,
        version=version,
        workspace_id=workspace_id,
        name=spec.name,
        description=spec.description,
        instructions=spec.instructions,
        model=spec.model,
        fallback_model=spec.fallback_model,
        settings=json(asdict(spec.settings)),
        knowledge_base_ids=list(spec.knowledge_base_ids),
        tools=None if spec.tools is None else list(spec.tools),
        limits=json(asdict(spec.limits)),
        permissions=json(asdict(spec.permissions)),
        subagents=list(spec.subagents),
        context=json(asdict(spec.context)),
        deliberation=json(asdict(spec.deliberation)),
        search_depth=spec.search_depth,
        tool_choice=json(asdict(spec.tool_choice)),
        standing_instructions=json([asdict(one) for one in spec.standing_instructions]),
        metadata=json(spec.metadata),
        visibility=spec.visibility,
        is_active=spec.is_active,
        toolset_ids=list(spec.toolset_ids),
        knowledge=json(asdict(spec.knowledge)),
        promoted_from=promoted_from,
        created_by=created_by,
    )


async def get(tx: Transaction, id: UUID, version: int | None = None) -> Agent | None:
    """The agent at a version, or as it is now. Old versions of a deleted agent stay readable for its runs."""
    row = await tx.one_or_none(
        _AgentRow,
        """
        select a.id, a.slug, a.created_at, a.updated_at, v.version, v.name, v.description, v.instructions, v.model,
          v.fallback_model, v.settings, v.knowledge_base_ids, v.tools, v.limits, v.permissions,
          v.subagents, v.context, v.deliberation, v.search_depth, v.tool_choice, v.standing_instructions, v.metadata,
          v.created_by, v.created_at as versioned_at,
          v.visibility, v.is_active, v.toolset_ids, v.knowledge, v.promoted_from, a.project_id, a.deleted_at
        from agents a join agent_versions v on v.agent_id = a.id and v.version = coalesce(%(version)s::int, a.version)
        where a.id = %(id)s and (a.deleted_at is null or %(version)s::int is not null)""",
        id=id,
        version=version,
    )
    return None if row is None else row.agent()


async def find_id(tx: Transaction, slug: str, project_id: UUID) -> UUID | None:
    """Of several with the slug, the one of this project, else the oldest."""
    return await tx.value(
        """
        select id from agents where slug = %(slug)s and deleted_at is null
        order by (project_id = %(project_id)s) desc, id limit 1""",
        slug=slug,
        project_id=project_id,
    )


async def lock(tx: Transaction, id: UUID) -> int | None:
    """The current version number, held until the transaction ends; None when there is no such agent."""
    return await tx.value("select version from agents where id = %(id)s and deleted_at is null for update", id=id)


async def set_version(tx: Transaction, id: UUID, version: int) -> None:
    await tx.execute(
        "update agents set version = %(version)s, updated_at = now() where id = %(id)s", id=id, version=version
    )


async def list_page(tx: Transaction, window: Window) -> list[Agent]:
    rows = await tx.many(
        _AgentRow,
        """
        select a.id, a.slug, a.created_at, a.updated_at, v.version, v.name, v.description, v.instructions, v.model,
          v.fallback_model, v.settings, v.knowledge_base_ids, v.tools, v.limits, v.permissions,
          v.subagents, v.context, v.deliberation, v.search_depth, v.tool_choice, v.standing_instructions, v.metadata,
          v.created_by, v.created_at as versioned_at,
          v.visibility, v.is_active, v.toolset_ids, v.knowledge, v.promoted_from, a.project_id, a.deleted_at
        from agents a join agent_versions v on v.agent_id = a.id and v.version = a.version
        where a.deleted_at is null and (%(after)s::uuid is null or a.id < %(after)s)
        order by a.id desc limit %(rows)s""",
        after=window.after,
        rows=window.limit + 1,
    )
    return [row.agent() for row in rows]


async def list_versions(tx: Transaction, agent_id: UUID) -> list[AgentVersion]:
    return await tx.many(
        AgentVersion,
        """
        select name, description, instructions, model, fallback_model, settings, knowledge_base_ids, tools, limits,
          permissions, subagents, context, deliberation, search_depth, tool_choice, standing_instructions, metadata,
          version, created_by, created_at, visibility, is_active, toolset_ids, knowledge, promoted_from
        from agent_versions where agent_id = %(agent_id)s order by version desc limit 1000""",
        agent_id=agent_id,
    )


async def delete(tx: Transaction, id: UUID) -> bool:
    count = await tx.execute(
        "update agents set deleted_at = now(), updated_at = now() where id = %(id)s and deleted_at is null", id=id
    )
    return count == 1


async def lock_deleted(tx: Transaction, id: UUID) -> str | None:
    """The slug of a deleted agent that can come back, held until the transaction ends."""
    return await tx.value(
        """
        select slug from agents where id = %(id)s and deleted_at is not null and purged_at is null for update""",
        id=id,
    )


async def restore(tx: Transaction, id: UUID) -> bool:
    """False when another agent of the project has its slug by now."""
    count = await tx.execute(
        """
        update agents a set deleted_at = null, updated_at = now() where id = %(id)s and not exists (
          select from agents b where b.project_id = a.project_id and b.slug = a.slug and b.deleted_at is null)""",
        id=id,
    )
    return count == 1


async def set_slug(tx: Transaction, id: UUID, slug: str) -> bool:
    """False when another agent of the project has it."""
    count = await tx.execute(
        """
        update agents a set slug = %(slug)s where id = %(id)s and not exists (
          select from agents b where b.project_id = a.project_id and b.slug = %(slug)s and b.id <> a.id
            and b.deleted_at is null)""",
        id=id,
        slug=slug,
    )
    return count == 1


async def purge(tx: Transaction, id: UUID) -> None:
    await tx.execute("select glia.purge_agent(%(id)s)", id=id)


_ORDERS: dict[tuple[str, bool], LiteralString] = {
    ("created_at", False): "a.id",
    ("created_at", True): "a.id desc",
    ("updated_at", False): "a.updated_at, a.id",
    ("updated_at", True): "a.updated_at desc, a.id desc",
    ("name", False): "lower(v.name), a.id",
    ("name", True): "lower(v.name) desc, a.id desc",
}
_MATCHES: LiteralString = """
        from agents a join agent_versions v on v.agent_id = a.id and v.version = a.version
        where a.deleted_at is null
          and (%(project_id)s::uuid is null or a.project_id = %(project_id)s or v.visibility <> 'project')
          and (%(is_active)s::boolean is null or v.is_active = %(is_active)s)
          and (%(name)s::text is null or v.name = %(name)s)
          and (%(pattern)s::text is null or v.name ilike %(pattern)s or a.slug ilike %(pattern)s
               or v.description ilike %(pattern)s)"""


async def search(tx: Transaction, wanted: AgentFilter) -> tuple[list[Agent], int]:
    """A page, and how many there are in all."""
    parameters: dict[str, object] = {
        "project_id": wanted.project_id,
        "is_active": wanted.is_active,
        "name": wanted.name,
        "pattern": f"%{like_escaped(wanted.text)}%" if wanted.text else None,
    }
    rows = await tx.many(
        _AgentRow,
        """
        select a.id, a.slug, a.created_at, a.updated_at, v.version, v.name, v.description, v.instructions, v.model,
          v.fallback_model, v.settings, v.knowledge_base_ids, v.tools, v.limits, v.permissions,
          v.subagents, v.context, v.deliberation, v.search_depth, v.tool_choice, v.standing_instructions, v.metadata,
          v.created_by, v.created_at as versioned_at,
          v.visibility, v.is_active, v.toolset_ids, v.knowledge, v.promoted_from, a.project_id, a.deleted_at"""
        + _MATCHES
        + " order by "
        + _ORDERS[wanted.sort, wanted.is_descending]
        + " limit %(limit)s offset %(offset)s",
        limit=wanted.limit,
        offset=wanted.offset,
        **parameters,
    )
    return [row.agent() for row in rows], await tx.value("select count(*)" + _MATCHES, **parameters)


async def known(tx: Transaction, ids: Sequence[UUID]) -> list[UUID]:
    """Which of these agents are there."""
    return await tx.values("select id from agents where id = any(%(ids)s) and deleted_at is null", ids=list(ids))


async def below(tx: Transaction, ids: Sequence[UUID]) -> list[UUID]:
    """These agents and all that they may give tasks to, directly or through others, as they are now."""
    return await tx.values(
        """
        with recursive reach as (
          select unnest(%(ids)s::uuid[]) as id
          union
          select unnest(v.subagents) from reach r
          join agents a on a.id = r.id and a.deleted_at is null
          join agent_versions v on v.agent_id = a.id and v.version = a.version
        ) select id from reach limit 10000""",
        ids=list(ids),
    )
