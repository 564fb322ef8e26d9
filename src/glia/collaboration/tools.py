"""What agents may do together: shared spaces with a context and a log of updates."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from msgspec import Meta, Struct

from glia.collaboration.service import Author, Spaces
from glia.collaboration.types import News, SpaceRole, UpdateKind
from glia.identity.types import Principal, system_principal
from glia.kit.errors import Forbidden, GliaError, NotFound
from glia.tools.errors import InvalidArguments
from glia.tools.service import tool
from glia.tools.types import Effect, Tool, ToolContext, ToolResult

_MOST_UPDATES = 50


class CollaborationArguments(Struct, forbid_unknown_fields=True):
    action: Literal["create_workspace", "add_participant", "get_workspace", "broadcast_update"]
    workspace_id: Annotated[str | None, Meta(description="For all but create_workspace.")] = None
    name: Annotated[str | None, Meta(description="For create_workspace.")] = None
    description: str = ""
    agent_id: Annotated[str | None, Meta(description="For add_participant: an agent, or user_name a person.")] = None
    user_name: str | None = None
    role: Literal["member", "viewer", "admin"] = "member"
    content: Annotated[str | None, Meta(description="For broadcast_update.")] = None
    data: Annotated[dict[str, Any], Meta(description="For broadcast_update.")] = {}


def collaboration(spaces: Spaces) -> Tool:
    @tool(name="collaboration", effect=Effect.ONCE, timeout_seconds=30, is_default=False)
    async def collaboration(context: ToolContext, arguments: CollaborationArguments) -> ToolResult:
        """Works with others in shared workspaces: create one, add agents or people to it, look at its context and
        newest updates, and tell everybody in it something."""
        if context.agent_id is None:
            return ToolResult("Only agents take part in workspaces; this run has no agent.", is_error=True)
        principal = system_principal(context.workspace_id, context.project_id)
        try:
            return ToolResult(await _Call(spaces, principal, context.agent_id, arguments).do())
        except InvalidArguments:
            raise
        except GliaError as error:
            if error.status >= 500:
                raise
            return ToolResult(error.message, is_error=True)

    return collaboration


class _Call:
    def __init__(self, spaces: Spaces, principal: Principal, agent_id: UUID, arguments: CollaborationArguments) -> None:
        self._spaces = spaces
        self._principal = principal
        self._agent_id = agent_id
        self._asked = arguments

    async def do(self) -> str:
        asked = self._asked
        if asked.action == "create_workspace":
            made = await self._spaces.create(
                self._principal,
                _needed(asked.name, "name"),
                description=asked.description,
                owner=f"agent:{self._agent_id}",
            )
            await self._spaces.admit(self._principal, made.id, SpaceRole.ADMIN, agent_id=self._agent_id)
            return f"The workspace {made.name!r} is made; its id is {made.id}."
        id = await self._joined()
        match asked.action:
            case "add_participant":
                agent = None if asked.agent_id is None else _uuid(asked.agent_id, "agent_id")
                role = SpaceRole(asked.role)
                await self._spaces.admit(self._principal, id, role, user_name=asked.user_name, agent_id=agent)
                return f"They take part in {id} as {asked.role}."
            case "broadcast_update":
                news = News(UpdateKind.MESSAGE, _needed(asked.content, "content"), asked.data)
                update = await self._spaces.write(self._principal, id, news, author=Author(agent_id=self._agent_id))
                return f"It is update {update.seq} of the workspace."
            case _:
                return await self._shown(id)

    async def _joined(self) -> UUID:
        """The workspace's id. Raises NotFound for one that this agent does not take part in."""
        id = _uuid(_needed(self._asked.workspace_id, "workspace_id"), "workspace_id")
        _space, participants = await self._spaces.get(self._principal, id)
        own = next((one for one in participants if one.agent_id == self._agent_id), None)
        if own is None:
            raise NotFound(f"You take part in no workspace '{id}'.")
        if self._asked.action == "add_participant" and own.role not in (SpaceRole.ADMIN, SpaceRole.OWNER):
            raise Forbidden("Only those who lead a workspace may add others; ask one of them.")
        return id

    async def _shown(self, id: UUID) -> str:
        space, participants = await self._spaces.get(self._principal, id)
        updates = await self._spaces.updates(self._principal, id, limit=1000)
        shown = {
            "id": str(space.id),
            "name": space.name,
            "description": space.description,
            "shared_context": space.context,
            "participants": [
                {
                    "agent_id": None if one.agent_id is None else str(one.agent_id),
                    "user": one.user_name,
                    "role": one.role,
                }
                for one in participants
            ],
            "updates": [
                {"number": one.seq, "author": one.author, "kind": one.kind, "content": one.content}
                for one in updates[-_MOST_UPDATES:]
            ],
        }
        return orjson.dumps(shown, default=str).decode()


def _needed(value: str | None, field: str) -> str:
    if not value:
        raise InvalidArguments(f"`{field}` is missing; this action needs it.", field=field)
    return value


def _uuid(text: str, field: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InvalidArguments(f"`{field}` {text[:100]!r} is no id.", field=field) from None
