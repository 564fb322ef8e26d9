import json
from typing import Any
from uuid import UUID

from glia.agents.service import Agents
from glia.agents.types import AgentSpec
from glia.collaboration.service import Spaces
from glia.collaboration.tools import collaboration
from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.ids import new_id
from glia.tools.types import ToolContext, ToolResult


async def call(db: Database, principal: Principal, caller: UUID, **arguments: Any) -> ToolResult:
    context = ToolContext(principal.workspace_id, principal.project_id, caller, new_id(), new_id(), "k")
    return await collaboration(Spaces(db)).call(context, json.dumps(arguments))


async def test_agents_share_a_workspace_and_nobody_else_sees_it(db: Database, principal: Principal) -> None:
    agents = Agents(db)
    one, two, stranger = [(await agents.create(principal, AgentSpec(name=name))).id for name in ("One", "Two", "Three")]
    made = await call(db, principal, one, action="create_workspace", name="Plan")
    id = made.text.rpartition(" ")[2].rstrip(".")

    added = await call(db, principal, one, action="add_participant", workspace_id=id, agent_id=str(two))
    told = await call(db, principal, two, action="broadcast_update", workspace_id=id, content="Done.")
    seen = await call(db, principal, one, action="get_workspace", workspace_id=id)
    refused = await call(db, principal, two, action="add_participant", workspace_id=id, user_name="Ann")
    hidden = await call(db, principal, stranger, action="get_workspace", workspace_id=id)

    assert not added.is_error
    assert not told.is_error
    found = json.loads(seen.text)
    assert found["updates"][-1]["content"] == "Done."
    assert str(two) in {one["agent_id"] for one in found["participants"]}
    assert refused.is_error
    assert hidden.is_error
    assert "no workspace" in hidden.text
