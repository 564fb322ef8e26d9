"""Many things in one request, each of which may fail by itself. Both spellings of each path."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from fastapi import APIRouter
from pydantic import BaseModel, ValidationError

from glia.kit.errors import GliaError, InvalidRequest
from glia.surfaces.neuronagent.agents import AgentBody, AgentOut, agent_out, delete_agent
from glia.surfaces.neuronagent.auth import TheAdmin, TheCaller, TheUser
from glia.surfaces.neuronagent.making import create_agent
from glia.surfaces.neuronagent.messages import delete_message
from glia.surfaces.neuronagent.tool_acts import delete_tool
from glia.surfaces.neuronagent.words import uuid_in
from glia.surfaces.shared.asgi import App, Message, Receive, Request, Scope, Send
from glia.surfaces.shared.bodies import Body, TheHouse, WatchedRoute, given
from glia.surfaces.shared.json_body import replay

router = APIRouter(prefix="/api/v1", tags=["batches"], route_class=WatchedRoute)

MOST_ITEMS = 100
ARRAYS = frozenset({"/api/v1/agents/batch", "/api/v1/batch/agents"})
"""Paths whose body may be a JSON array."""

T = TypeVar("T")


class AgentsBody(Body):
    """The body may also be the list itself."""

    agents: list[dict[str, Any]]


class AgentIdsBody(Body):
    """agent_ids: another name for `ids`."""

    ids: list[str] | None = None
    agent_ids: list[str] | None = None


class MessageIdsBody(Body):
    """message_ids: another name for `ids`."""

    ids: list[int] | None = None
    message_ids: list[int] | None = None


class NamesBody(Body):
    names: list[str]


class ItemOut(BaseModel):
    """index: of the item in the request. error: why it failed. data: what was made."""

    index: int
    success: bool
    error: str | None = None
    data: AgentOut | None = None


class BatchOut(BaseModel):
    results: list[ItemOut]
    total: int
    success: int
    failed: int


@router.post("/agents/batch")
@router.post("/batch/agents")
async def create_agents(body: AgentsBody, house: TheHouse, principal: TheUser) -> BatchOut:
    """Make several agents."""

    async def create(fields: dict[str, Any]) -> AgentOut:
        return agent_out(await create_agent(house, principal, given(_agent(fields))))

    return await _each(body.agents, create)


@router.post("/agents/batch/delete")
@router.post("/batch/agents/delete")
async def delete_agents(body: AgentIdsBody, house: TheHouse, principal: TheAdmin) -> BatchOut:
    """Delete several agents."""
    return await _each(
        _either(body.ids, body.agent_ids, "ids"), lambda each: delete_agent(house, principal, uuid_in(each, "ids"))
    )


@router.post("/messages/batch/delete")
@router.post("/batch/messages/delete")
async def delete_messages(body: MessageIdsBody, house: TheHouse, principal: TheCaller) -> BatchOut:
    """Delete several messages."""
    return await _each(
        _either(body.ids, body.message_ids, "ids"), lambda each: delete_message(house, principal, _above_zero(each))
    )


@router.post("/sessions/{id}/messages/batch/delete")
async def delete_messages_of(id: str, body: MessageIdsBody, house: TheHouse, principal: TheCaller) -> BatchOut:
    """Delete several messages of a session."""
    session = (await house.sessions.get(principal, uuid_in(id))).id
    return await _each(
        _either(body.ids, body.message_ids, "message_ids"),
        lambda each: delete_message(house, principal, _above_zero(each), session),
    )


@router.post("/tools/batch/delete")
@router.post("/batch/tools/delete")
async def delete_tools(body: NamesBody, house: TheHouse, principal: TheCaller) -> BatchOut:
    """Delete several tools."""
    return await _each(body.names, lambda name: delete_tool(house, principal, name))


class Arrays:
    """Lets the body of a batch be a bare JSON array: it is put into an object, as everything behind wants it."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"] in ARRAYS:
            return await self._app(scope, _wrapping(Request(scope, receive)), send)
        return await self._app(scope, receive, send)


def _wrapping(request: Request) -> Receive:
    """Reads the body when it is first asked for, so that who may not ask is refused before."""
    given: Receive | None = None

    async def receive() -> Message:
        nonlocal given
        if given is None:
            body = await request.body()
            given = replay(b'{"agents":' + body + b"}" if body.lstrip()[:1] == b"[" else body, request.receive)
        return await given()

    return receive


async def _each(items: Sequence[T], do: Callable[[T], Awaitable[AgentOut | None]]) -> BatchOut:
    if not 1 <= len(items) <= MOST_ITEMS:
        raise InvalidRequest(f"The batch has {len(items)} items; it must have between 1 and {MOST_ITEMS}.")
    results: list[ItemOut] = []
    for index, item in enumerate(items):
        try:
            results.append(ItemOut(index=index, success=True, data=await do(item)))
        except GliaError as error:
            results.append(ItemOut(index=index, success=False, error=error.message))
    done = sum(result.success for result in results)
    return BatchOut(results=results, total=len(results), success=done, failed=len(results) - done)


def _either(ids: list[T] | None, others: list[T] | None, name: str) -> list[T]:
    found = ids if ids is not None else others
    if found is None:
        raise InvalidRequest(f"`{name}` is missing.", field=name)
    return found


def _above_zero(id: int) -> int:
    if id < 1:
        raise InvalidRequest(f"{id} is no message's id; they are above 0.")
    return id


def _agent(fields: dict[str, Any]) -> AgentBody:
    try:
        return AgentBody.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidRequest(f"`{where}`: {first['msg'][:1].lower()}{first['msg'][1:]}.", field=where) from None
