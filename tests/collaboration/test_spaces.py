from __future__ import annotations

import asyncio

import pytest

from glia.agents.service import Agents
from glia.agents.types import AgentSpec
from glia.collaboration.errors import OnlyLooking
from glia.collaboration.service import Author, Spaces
from glia.collaboration.types import News, SpaceRole, UpdateKind
from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.errors import InvalidRequest, NotFound
from glia.kit.pages import Window
from tests.conftest import make_principal


async def test_a_space_is_shared_and_its_log_says_what_happened(db: Database, principal: Principal) -> None:
    spaces = Spaces(db)
    agent = (await Agents(db).create(principal, AgentSpec(name="Clerk"))).id
    space = await spaces.create(principal, "Launch", context={"stage": 1})

    await spaces.admit(principal, space.id, SpaceRole.VIEWER, agent_id=agent)
    with pytest.raises(OnlyLooking):
        await spaces.write(principal, space.id, News(UpdateKind.MESSAGE, "Hi"), author=Author(agent))
    await spaces.admit(principal, space.id, SpaceRole.MEMBER, agent_id=agent)
    await spaces.write(principal, space.id, News(UpdateKind.MESSAGE, "Hi"), author=Author(agent))
    await spaces.update(principal, space.id, {"context": {"stage": 2}}, author=Author(agent))

    found, participants = await spaces.get(principal, space.id)
    assert found.context == {"stage": 2}
    assert [(one.agent_id, one.role) for one in participants] == [(None, "owner"), (agent, "member")]
    updates = await spaces.updates(principal, space.id)
    assert [(one.seq, one.kind) for one in updates] == [
        (1, "state_change"),
        (2, "state_change"),
        (3, "message"),
        (4, "context_sync"),
    ]
    assert updates[2].agent_id == agent
    assert await spaces.updates(principal, space.id, after=3) == updates[3:]
    assert [one.id for one in (await spaces.list(principal, Window(), agent_id=agent)).items] == [space.id]


async def test_writers_at_the_same_time_leave_no_gap(db: Database, principal: Principal) -> None:
    spaces = Spaces(db)
    space = await spaces.create(principal, "Busy")

    await asyncio.gather(
        *(spaces.write(principal, space.id, News(UpdateKind.ACTION, str(number))) for number in range(20))
    )

    assert [one.seq for one in await spaces.updates(principal, space.id)] == list(range(1, 21))


async def test_others_have_no_part_in_it(db: Database, principal: Principal) -> None:
    spaces, stranger = Spaces(db), await make_principal(db)
    space = await spaces.create(principal, "Ours")
    agent = (await Agents(db).create(stranger, AgentSpec(name="Spy"))).id

    with pytest.raises(NotFound):
        await spaces.updates(stranger, space.id)
    with pytest.raises(InvalidRequest):
        await spaces.admit(principal, space.id, SpaceRole.MEMBER, agent_id=agent)
    with pytest.raises(OnlyLooking):
        await spaces.write(principal, space.id, News(UpdateKind.MESSAGE, "Hi"), author=Author(user_name="eve"))
    await spaces.delete(principal, space.id)
    with pytest.raises(NotFound):
        await spaces.get(principal, space.id)
