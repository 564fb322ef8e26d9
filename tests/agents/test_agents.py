from uuid import UUID

import pytest

from glia.agents.errors import AgentNotFound, SlugTaken
from glia.agents.service import Agents
from glia.agents.types import AgentSpec, Limits
from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.errors import Forbidden, InvalidRequest
from glia.kit.pages import Window, read_cursor


@pytest.fixture
def agents(db: Database) -> Agents:
    return Agents(db)


async def test_an_agent_is_kept_as_it_was_given(agents: Agents, principal: Principal, unknown_id: UUID) -> None:
    spec = AgentSpec(
        name="Ärchivist & Co",
        instructions="Answer briefly.",
        model="openai/gpt-5",
        knowledge_base_ids=(unknown_id,),
        tools=("calculator",),
        limits=Limits(max_iterations=3),
        metadata={"team": "books"},
    )

    agent = await agents.create(principal, spec)

    found = await agents.get(principal, agent.id)
    assert found == agent
    assert found.slug == "archivist-co"
    assert found.version == 1
    assert found.current.knowledge_base_ids == (unknown_id,)
    assert found.current.limits.max_iterations == 3
    assert found.current.metadata == {"team": "books"}
    assert await agents.find(principal, "archivist-co") == agent
    assert await agents.find(principal, str(agent.id)) == agent


async def test_every_change_is_a_new_version_and_the_old_one_stays(agents: Agents, principal: Principal) -> None:
    agent = await agents.create(principal, AgentSpec(name="Clerk", instructions="Be brief."))

    changed = await agents.update(principal, agent.id, {"instructions": "Be thorough."})

    assert changed.version == 2
    assert changed.current.name == "Clerk"
    first = await agents.get(principal, agent.id, version=1)
    assert first.current.instructions == "Be brief."
    assert [version.version for version in await agents.versions(principal, agent.id)] == [2, 1]


async def test_another_workspace_sees_nothing(agents: Agents, principal: Principal, stranger: Principal) -> None:
    agent = await agents.create(principal, AgentSpec(name="Clerk"))

    with pytest.raises(AgentNotFound):
        await agents.get(stranger, agent.id)
    with pytest.raises(AgentNotFound):
        await agents.update(stranger, agent.id, {"name": "Mine"})
    with pytest.raises(AgentNotFound):
        await agents.delete(stranger, agent.id)
    assert (await agents.list(stranger, Window())).items == []
    assert (await agents.get(principal, agent.id)).current.name == "Clerk"


async def test_a_list_is_paged_newest_first(agents: Agents, principal: Principal) -> None:
    for number in range(5):
        await agents.create(principal, AgentSpec(name=f"Agent {number}"))

    first = await agents.list(principal, Window(limit=3))
    second = await agents.list(principal, Window(limit=3, after=read_cursor(first.next_cursor)))

    assert [agent.slug for agent in first.items] == ["agent-4", "agent-3", "agent-2"]
    assert first.has_more
    assert [agent.slug for agent in second.items] == ["agent-1", "agent-0"]
    assert not second.has_more
    assert second.next_cursor is None


async def test_a_slug_that_was_asked_for_is_given_once(agents: Agents, principal: Principal) -> None:
    await agents.create(principal, AgentSpec(name="Clerk"), slug="clerk")

    with pytest.raises(SlugTaken):
        await agents.create(principal, AgentSpec(name="Clerk"), slug="clerk")
    other = await agents.create(principal, AgentSpec(name="Clerk"))
    assert other.slug.startswith("clerk-")


async def test_a_deleted_agent_frees_its_slug_and_keeps_its_versions(agents: Agents, principal: Principal) -> None:
    agent = await agents.create(principal, AgentSpec(name="Clerk"), slug="clerk")

    await agents.delete(principal, agent.id)

    with pytest.raises(AgentNotFound):
        await agents.get(principal, agent.id)
    assert (await agents.get(principal, agent.id, version=1)).slug == "clerk"
    assert (await agents.create(principal, AgentSpec(name="Clerk"), slug="clerk")).slug == "clerk"


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        (AgentSpec(name="  "), "name"),
        (AgentSpec(name="x" * 201), "name"),
        (AgentSpec(name="x", limits=Limits(max_iterations=0)), "limits.max_iterations"),
        (AgentSpec(name="x", limits=Limits(timeout_seconds=10**9)), "limits.timeout_seconds"),
    ],
)
async def test_a_spec_out_of_bounds_names_its_field(
    agents: Agents, principal: Principal, spec: AgentSpec, field: str
) -> None:
    with pytest.raises(InvalidRequest) as error:
        await agents.create(principal, spec)
    assert error.value.field == field


async def test_a_key_without_the_scope_is_refused(agents: Agents, principal: Principal) -> None:
    reader = Principal(principal.workspace_id, principal.project_id, frozenset({"agents:read"}))

    with pytest.raises(Forbidden, match="agents:write"):
        await agents.create(reader, AgentSpec(name="Clerk"))
    assert (await agents.list(reader, Window())).items == []
