"""/v1/sessions/{session}/console: what people see of the code that ran in a session."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field

from glia.kit.ids import parse_id
from glia.surfaces.shared.bodies import Changes, Out, TheHouse, ThePrincipal, Time, WatchedRoute, given

router = APIRouter(prefix="/v1/sessions/{session}/console", tags=["sessions"], route_class=WatchedRoute)


class ConsoleBody(Changes):
    """Each part that is given replaces what was there."""

    terminal_lines: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])
    files: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])
    artifacts: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])
    details: dict[str, Any] = Field(default_factory=dict[str, Any])


class ConsoleOut(Out):
    """terminal_lines: the newest 2,000, each with `type` (command, output, error) and `text`."""

    id: UUID
    session_id: UUID
    terminal_lines: list[Any]
    files: list[Any]
    artifacts: list[Any]
    details: dict[str, Any]
    created_at: Time
    updated_at: Time


@router.get("")
async def get(session: str, house: TheHouse, principal: ThePrincipal) -> ConsoleOut:
    """The record that running code writes, or that a client has saved."""
    return ConsoleOut.of(await house.sandboxes.consoles.get(principal, parse_id(session, "session")))


@router.put("")
async def save(session: str, body: ConsoleBody, house: TheHouse, principal: ThePrincipal) -> ConsoleOut:
    """Save parts of the record."""
    return ConsoleOut.of(await house.sandboxes.consoles.save(principal, parse_id(session, "session"), given(body)))


@router.delete("", status_code=204, response_class=Response)
async def delete(session: str, house: TheHouse, principal: ThePrincipal) -> Response:
    """Forget the record; the files and artifacts themselves stay."""
    await house.sandboxes.consoles.delete(principal, parse_id(session, "session"))
    return Response(status_code=204)
