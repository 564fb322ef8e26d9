"""/v1/agents/{agent}/files: an agent's private tree of files, and those of its sessions"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Literal
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response

from glia.kit.errors import InvalidRequest
from glia.surfaces.native.words import ListOf, TheWindow, agent_id_of, page_of
from glia.surfaces.shared.bodies import Body, Out, TheHouse, ThePrincipal, Time, WatchedRoute, id_of
from glia.virtual_files.types import Action, Hit, Tree

router = APIRouter(prefix="/v1/agents/{agent}/files", tags=["agent files"], route_class=WatchedRoute)

Session = Annotated[str | None, Query(description="The tree of this session of the agent's instead of its own.")]
Path = Annotated[str, Query(description="The file, as `/notes/today.md`.")]


class AgentFileBody(Body):
    """content: as text, or in base64. media_type: told from the path and the content when left away.

    must_be_new: 409 when there is a file already; otherwise it is replaced.
    """

    path: str
    content: str
    encoding: Literal["text", "base64"] = "text"
    media_type: str | None = None
    must_be_new: bool = False


class PlacesBody(Body):
    source: str
    target: str


class AgentFileOut(Out):
    """version: counts the contents that this path has had."""

    id: UUID
    agent_id: UUID
    session_id: UUID | None
    path: str
    media_type: str
    size_bytes: int
    version: int
    created_at: Time
    updated_at: Time


class FileHitOut(AgentFileOut):
    """line: the first that holds the words, from 1; null when they are in the path."""

    line: int | None
    excerpt: str

    @classmethod
    def hit(cls, hit: Hit) -> FileHitOut:
        return cls(**AgentFileOut.of(hit.file).model_dump(), line=hit.line, excerpt=hit.excerpt)


class AccessOut(Out):
    """other_path: where it was moved to. accessed_by: `agent:<id>` for the agent itself in one of its runs."""

    id: UUID
    session_id: UUID | None
    path: str
    action: Action
    other_path: str | None
    accessed_by: str
    at: Time


async def _tree(house: TheHouse, principal: ThePrincipal, agent: str, session_id: str | None) -> Tree:
    session = None if session_id is None else id_of(session_id, "session_id")
    return Tree(await agent_id_of(house, principal, agent), session)


@router.get("")
async def list_files(
    agent: str,
    house: TheHouse,
    principal: ThePrincipal,
    folder: Annotated[str, Query(description="Only what lies below it.")] = "/",
    session_id: Session = None,
) -> ListOf[AgentFileOut]:
    """Every file below a folder, by path."""
    tree = await _tree(house, principal, agent, session_id)
    return ListOf(data=[AgentFileOut.of(file) for file in await house.virtual_files.list(principal, tree, folder)])


@router.get("/search")
async def search_files(
    agent: str,
    house: TheHouse,
    principal: ThePrincipal,
    query: Annotated[str, Query(description="Words in a path or a text; case does not count.")],
    folder: str = "/",
    session_id: Session = None,
) -> ListOf[FileHitOut]:
    """At most 50 files whose path or text holds the words."""
    tree = await _tree(house, principal, agent, session_id)
    hits = await house.virtual_files.search(principal, tree, query, folder)
    return ListOf(data=[FileHitOut.hit(hit) for hit in hits])


@router.get("/accesses")
async def list_accesses(
    agent: str,
    house: TheHouse,
    principal: ThePrincipal,
    window: TheWindow,
    path: Annotated[str | None, Query(description="Only what happened to this path.")] = None,
) -> ListOf[AccessOut]:
    """Who read, wrote, moved and deleted what, newest first."""
    id = await agent_id_of(house, principal, agent)
    return page_of(await house.virtual_files.accesses(principal, id, window, path=path), AccessOut.of)


@router.get("/content", response_class=Response)
async def read_file(
    agent: str, house: TheHouse, principal: ThePrincipal, path: Path, session_id: Session = None
) -> Response:
    """The content of a file, as it is."""
    tree = await _tree(house, principal, agent, session_id)
    file, content = await house.virtual_files.read(principal, tree, path)
    # Never shown as a page of this server's own: a browser would run what it holds.
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(file.path.rpartition('/')[2])}",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(content, media_type=file.media_type, headers=headers)


@router.put("")
async def write_file(
    agent: str, body: AgentFileBody, house: TheHouse, principal: ThePrincipal, session_id: Session = None
) -> AgentFileOut:
    """Keep a file: a new one, or new content for one."""
    tree = await _tree(house, principal, agent, session_id)
    made = await house.virtual_files.write(
        principal, tree, body.path, _content(body), media_type=body.media_type, must_be_new=body.must_be_new
    )
    return AgentFileOut.of(made)


@router.post("/copy", status_code=201)
async def copy_file(
    agent: str, body: PlacesBody, house: TheHouse, principal: ThePrincipal, session_id: Session = None
) -> AgentFileOut:
    """Copy a file to a path where there is none."""
    tree = await _tree(house, principal, agent, session_id)
    return AgentFileOut.of(await house.virtual_files.copy(principal, tree, body.source, body.target))


@router.post("/move")
async def move_file(
    agent: str, body: PlacesBody, house: TheHouse, principal: ThePrincipal, session_id: Session = None
) -> AgentFileOut:
    """Move a file to a path where there is none."""
    tree = await _tree(house, principal, agent, session_id)
    return AgentFileOut.of(await house.virtual_files.move(principal, tree, body.source, body.target))


@router.delete("", status_code=204, response_class=Response)
async def delete_file(
    agent: str, house: TheHouse, principal: ThePrincipal, path: Path, session_id: Session = None
) -> Response:
    """Delete a file for good."""
    await house.virtual_files.delete(principal, await _tree(house, principal, agent, session_id), path)
    return Response(status_code=204)


def _content(body: AgentFileBody) -> bytes:
    if body.encoding == "text":
        return body.content.encode()
    try:
        return base64.b64decode(body.content, validate=True)
    except binascii.Error:
        raise InvalidRequest("`content` is not base64; send it as text, or encode it.", field="content") from None
