"""Who sees an agent, its promotion, deletion and restore."""

from __future__ import annotations

from dataclasses import replace

import pytest

from glia.agents.errors import AgentNotFound, SlugTaken, ToolsetAttached, ToolsetNotAttached
from glia.agents.service import Agents
from glia.agents.types import AgentFilter, AgentSpec
from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.errors import Forbidden
from glia.kit.ids import new_id


@pytest.fixture
def agents(db: Database) -> Agents:
    return Agents(db)


async def test_promoting_copies_an_older_version_and_says_so(agents: Agents, principal: Principal) -> None:
    agent = await agents.create(principal, AgentSpec(name="Clerk", instructions="First."))
    await agents.update(principal, agent.id, {"instructions": "Second."})

    promoted = await agents.promote(principal, agent.id, 1)

    assert (promoted.version, promoted.current.promoted_from, promoted.current.instructions) == (3, 1, "First.")
    with pytest.raises(AgentNotFound):
        await agents.promote(principal, agent.id, 9)


async def test_a_deleted_agent_comes_back_unless_its_slug_was_taken(agents: Agents, principal: Principal) -> None:
    agent = await agents.create(principal, AgentSpec(name="Clerk"))
    await agents.delete(principal, agent.id)
    other = await agents.create(principal, AgentSpec(name="Clerk"))

    with pytest.raises(SlugTaken):
        await agents.restore(principal, agent.id)
    await agents.purge(principal, other.id)
    restored = await agents.restore(principal, agent.id)

    assert (restored.slug, restored.deleted_at) == ("clerk", None)
    with pytest.raises(AgentNotFound):
        await agents.restore(principal, other.id)
    with pytest.raises(AgentNotFound):
        await agents.get(principal, other.id, version=1)


async def test_sharing_and_curating_take_the_right_admins(db: Database, principal: Principal) -> None:
    async def never(_workspace: object) -> bool:
        return False

    agents = Agents(db, is_home=never)
    user = replace(principal, scopes=frozenset({"*", "-identity"}))
    agent = await agents.create(user, AgentSpec(name="Clerk"))

    with pytest.raises(Forbidden):
        await agents.update(user, agent.id, {"visibility": "workspace"})
    with pytest.raises(Forbidden):
        await agents.update(principal, agent.id, {"visibility": "core"})
    shared = await agents.update(principal, agent.id, {"visibility": "workspace"})
    elsewhere, total = await agents.search(principal, AgentFilter(project_id=new_id()))

    assert shared.current.visibility == "workspace"
    assert ([one.id for one in elsewhere], total) == ([agent.id], 1)


async def test_a_toolset_is_attached_once(agents: Agents, principal: Principal) -> None:
    agent, toolset = await agents.create(principal, AgentSpec(name="Clerk")), new_id()

    attached = await agents.attach_toolset(principal, agent.id, toolset)
    with pytest.raises(ToolsetAttached):
        await agents.attach_toolset(principal, agent.id, toolset)
    detached = await agents.detach_toolset(principal, agent.id, toolset)
    with pytest.raises(ToolsetNotAttached):
        await agents.detach_toolset(principal, agent.id, toolset)

    assert (attached.current.toolset_ids, detached.current.toolset_ids) == ((toolset,), ())
