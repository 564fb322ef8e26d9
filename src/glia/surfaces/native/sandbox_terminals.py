"""/v1/sandboxes/{id}/terminals: programs that people type at. `terminal_socket.py` shows them over a WebSocket."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field

from glia.kit.errors import InvalidRequest
from glia.kit.ids import parse_id
from glia.sandboxes.records import NewTerminal, TerminalRecord
from glia.sandboxes.types import Size
from glia.surfaces.native.sandboxes import sandbox_id
from glia.surfaces.native.words import ListOf
from glia.surfaces.shared.bodies import Body, Out, TheHouse, ThePrincipal, Time, WatchedRoute

router = APIRouter(prefix="/v1/sandboxes/{sandbox}/terminals", tags=["sandboxes"], route_class=WatchedRoute)


class TerminalBody(Body):
    """command: a line for the shell; a shell to type at when empty. env: added to the sandbox's variables.

    columns, rows: of the screen, in characters, each from 1 to 1000.
    """

    command: str = ""
    cwd: str = "/workspace"
    env: dict[str, str] = Field(default_factory=dict[str, str])
    columns: int = 80
    rows: int = 24


class TerminalOut(Out):
    """reason: why it has ended. code, signal: how its program ended, if it did by itself.

    readers: connections that show it now. begin, end: the output that is kept, in bytes since its start.
    """

    id: UUID
    sandbox_id: UUID
    status: Literal["running", "ended"]
    command: str
    columns: int
    rows: int
    pid: int
    readers: int
    begin: int
    end: int
    created_by: str
    created_at: Time
    ended_at: Time | None
    code: int | None
    signal: int | None
    reason: str


@router.post("", status_code=201)
async def open_terminal(sandbox: str, body: TerminalBody, house: TheHouse, principal: ThePrincipal) -> TerminalOut:
    """Start a program on a terminal. It goes on for a while when nobody is connected to it."""
    id = sandbox_id(sandbox)
    await house.sandboxes.require(principal, id)
    wanted = NewTerminal(body.command, body.cwd, body.env, Size(body.columns, body.rows))
    return terminal_out(await house.sandboxes.terminals.open(principal, id, wanted))


@router.get("")
async def list_terminals(sandbox: str, house: TheHouse, principal: ThePrincipal) -> ListOf[TerminalOut]:
    """Terminals of this sandbox, oldest first; those that ended are shown for a few minutes."""
    id = sandbox_id(sandbox)
    await house.sandboxes.require(principal, id, "sandboxes:read")
    return ListOf(data=[terminal_out(each) for each in house.sandboxes.terminals.list(principal, id)])


@router.get("/{terminal}")
async def get_terminal(sandbox: str, terminal: str, house: TheHouse, principal: ThePrincipal) -> TerminalOut:
    """One terminal. Looking does not extend its time."""
    id = sandbox_id(sandbox)
    await house.sandboxes.require(principal, id, "sandboxes:read")
    return terminal_out(house.sandboxes.terminals.get(principal, id, terminal_id(terminal)))


@router.delete("/{terminal}", status_code=204, response_class=Response)
async def close_terminal(sandbox: str, terminal: str, house: TheHouse, principal: ThePrincipal) -> Response:
    """End its program with all that it has started."""
    id = sandbox_id(sandbox)
    await house.sandboxes.require(principal, id)
    await house.sandboxes.terminals.close(principal, id, terminal_id(terminal))
    return Response(status_code=204)


@router.get(
    "/{terminal}/socket",
    status_code=101,
    response_model=None,
    response_class=Response,
    responses={101: {"description": "The socket is open."}},
)
async def terminal_socket(
    sandbox: str, terminal: str, house: TheHouse, principal: ThePrincipal, after: int = 0
) -> Response:
    """Type at a terminal and see what it shows, over a WebSocket. after: a byte of its output to go on from.

    See docs/sandboxes.md for the messages.
    """
    id = sandbox_id(sandbox)
    await house.sandboxes.require(principal, id)
    house.sandboxes.terminals.get(principal, id, terminal_id(terminal))
    raise InvalidRequest(f"This address is a WebSocket; connect to it with one, `after` {after} or not.")


def terminal_out(record: TerminalRecord) -> TerminalOut:
    return TerminalOut(
        id=record.id,
        sandbox_id=record.sandbox_id,
        status=record.status,
        command=record.command,
        columns=record.size.columns,
        rows=record.size.rows,
        pid=record.pid,
        readers=record.readers,
        begin=record.begin,
        end=record.end,
        created_by=record.created_by,
        created_at=record.created_at,
        ended_at=record.ended_at,
        code=record.code,
        signal=record.signal,
        reason=record.reason,
    )


def terminal_id(text: str) -> UUID:
    return parse_id(text, "terminal")
