"""What memory adds to a run, seen by the model that answers it."""

from __future__ import annotations

from functools import partial

import pytest
from tests.conftest import DatabaseUrls
from tests.runs import rig as rigs
from tests.runs.rig import Say, ScriptedModel, rig

from glia.identity.types import Principal
from glia.kit.db import Database
from glia.memory.block_tools import memory_block_edit
from glia.memory.blocks import MemoryBlocks
from glia.memory.service import Memories
from glia.memory.types import BlockSpec
from glia.models.types import SystemMessage
from glia.runs.work import agent_work


async def test_a_run_begins_with_the_blocks_and_can_edit_them(
    db: Database, database_urls: DatabaseUrls, principal: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = MemoryBlocks(db)
    edit = memory_block_edit(blocks, Memories(db))
    monkeypatch.setattr(rigs, "agent_work", partial(agent_work, pin=partial(blocks.pinned, edit=edit)))
    call = ("memory_block_edit", {"label": "human", "action": "append", "text": "Owns a dog."})
    model = ScriptedModel(Say("Hello."), Say(calls=(call,)), Say("Noted."), Say("Woof."))
    async with rig(db, database_urls.app, model) as r:
        session = await r.session(principal, instructions="Be brief.")
        agent_id = (await r.sessions.get(principal, session)).agent_id
        await r.finish(principal, await r.send(principal, session))
        block = await blocks.create(principal, BlockSpec("human", "Ada.", agent_id=agent_id))
        await r.finish(principal, await r.send(principal, session))
        await r.finish(principal, await r.send(principal, session))

    prompts = [request.messages[0] for request in model.requests]
    assert prompts[0] == SystemMessage("Be brief.")  # nothing is added where there is nothing
    assert "edit" not in " ".join(tool.name for tool in model.requests[0].tools)
    assert "Be brief." in prompts[1].text
    assert ">\nAda.\n</block>" in prompts[1].text
    assert [tool.name for tool in model.requests[1].tools] == ["memory_block_edit"]
    assert "Ada.\nOwns a dog." in prompts[3].text
    (latest, _) = await blocks.versions(principal, block.id)
    assert latest.changed_by == f"agent:{agent_id}"
    assert latest.run_id is not None


async def test_an_agent_that_lists_its_tools_gets_no_other(
    db: Database, database_urls: DatabaseUrls, principal: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = MemoryBlocks(db)
    edit = memory_block_edit(blocks, Memories(db))
    monkeypatch.setattr(rigs, "agent_work", partial(agent_work, pin=partial(blocks.pinned, edit=edit)))
    model = ScriptedModel(Say("Hello."))
    async with rig(db, database_urls.app, model) as r:
        session = await r.session(principal, tools=())
        agent_id = (await r.sessions.get(principal, session)).agent_id
        await blocks.create(principal, BlockSpec("human", "Ada.", agent_id=agent_id))
        await r.finish(principal, await r.send(principal, session))

    assert "Ada." in model.requests[0].messages[0].text
    assert model.requests[0].tools == []
