"""/api/v1/agents/{agent_id}/files: an agent's virtual files. A path may come with its slashes percent-encoded."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response

from glia.kit.errors import InvalidRequest
from glia.surfaces.neuronagent.auth import TheCaller
from glia.surfaces.neuronagent.words import ThePart, uuid_in
from glia.surfaces.shared.bodies import Body, Out, TheHouse, Time, WatchedRoute
from glia.virtual_files.types import Tree, VirtualFile

router = APIRouter(prefix="/api/v1", tags=["files"], route_class=WatchedRoute)

Encoding = Literal["text", "base64"]
Session = Annotated[str | None, Query(description="The tree of this session of the agent's.")]


class FileBody(Body):
    path: str
    content: str
    encoding: Encoding = "text"
    mime_type: str | None = None
    session_id: str | None = None


class ContentBody(Body):
    content: str
    encoding: Encoding = "text"
    mime_type: str | None = None


class DestinationBody(Body):
    destination_path: str


class MadeOut(Out):
    id: UUID
    path: str
    agent_id: UUID


class FileOut(Out):
    """compressed: always false: files are kept as they are. storage_backend: always `database`."""

    id: UUID
    agent_id: UUID
    session_id: UUID | None
    path: str
    mime_type: str
    size: int
    compressed: bool = False
    storage_backend: str = "database"
    created_at: Time
    updated_at: Time


class WholeFileOut(FileOut):
    """content: text, or base64 for what is no text."""

    content: str
    encoding: Encoding


class FolderOut(Out):
    path: str
    files: list[FileOut]


class PlacesOut(Out):
    source_path: str
    destination_path: str


def tree_of(agent_id: str, session_id: str | None) -> Tree:
    session = None if session_id is None else uuid_in(session_id, "session_id")
    return Tree(uuid_in(agent_id, "agent_id"), session)


def content_of(content: str, encoding: Encoding) -> bytes:
    if encoding == "text":
        return content.encode()
    try:
        return base64.b64decode(content, validate=True)
    except binascii.Error:
        raise InvalidRequest("`content` is not base64.", field="content") from None


@router.post("/agents/{agent_id}/files", status_code=201)
async def create(agent_id: str, body: FileBody, house: TheHouse, principal: TheCaller) -> MadeOut:
    """Make a file where there is none."""
    content = content_of(body.content, body.encoding)
    made = await house.virtual_files.write(
        principal,
        tree_of(agent_id, body.session_id),
        body.path,
        content,
        media_type=body.mime_type,
        must_be_new=True,
    )
    return MadeOut.of(made)


@router.get("/agents/{agent_id}/files")
async def list_files(
    agent_id: str, house: TheHouse, principal: TheCaller, part: ThePart, path: str = "/", session_id: Session = None
) -> FolderOut:
    """Every file below a path, without content."""
    found = await house.virtual_files.list(principal, tree_of(agent_id, session_id), path)
    return FolderOut(path=path, files=[_shown(file) for file in part.of(found)])


@router.post("/agents/{agent_id}/files/{path:path}/copy")
async def copy(
    agent_id: str,
    path: str,
    body: DestinationBody,
    house: TheHouse,
    principal: TheCaller,
    session_id: Session = None,
) -> PlacesOut:
    """Copy a file to a path where there is none."""
    tree = tree_of(agent_id, session_id)
    made = await house.virtual_files.copy(principal, tree, path, body.destination_path)
    return PlacesOut(source_path=_absolute(path), destination_path=made.path)


@router.post("/agents/{agent_id}/files/{path:path}/move")
async def move(
    agent_id: str,
    path: str,
    body: DestinationBody,
    house: TheHouse,
    principal: TheCaller,
    session_id: Session = None,
) -> PlacesOut:
    """Move a file to a path where there is none."""
    tree = tree_of(agent_id, session_id)
    made = await house.virtual_files.move(principal, tree, path, body.destination_path)
    return PlacesOut(source_path=_absolute(path), destination_path=made.path)


@router.get("/agents/{agent_id}/files/{path:path}")
async def read(
    agent_id: str,
    path: str,
    house: TheHouse,
    principal: TheCaller,
    encoding: Annotated[Encoding | None, Query(description="`base64` for text as well.")] = None,
    session_id: Session = None,
) -> WholeFileOut:
    """A file with its content."""
    file, content = await house.virtual_files.read(principal, tree_of(agent_id, session_id), path)
    text = None if encoding == "base64" or not file.is_text else _text(content)
    shown = _shown(file).model_dump()
    if text is not None:
        return WholeFileOut(**shown, content=text, encoding="text")
    return WholeFileOut(**shown, content=base64.b64encode(content).decode(), encoding="base64")


@router.put("/agents/{agent_id}/files/{path:path}", status_code=204, response_class=Response)
async def write(
    agent_id: str, path: str, body: ContentBody, house: TheHouse, principal: TheCaller, session_id: Session = None
) -> Response:
    """Give a file new content; it is made when it is not there."""
    tree, content = tree_of(agent_id, session_id), content_of(body.content, body.encoding)
    await house.virtual_files.write(principal, tree, path, content, media_type=body.mime_type)
    return Response(status_code=204)


@router.delete("/agents/{agent_id}/files/{path:path}", status_code=204, response_class=Response)
async def delete(
    agent_id: str, path: str, house: TheHouse, principal: TheCaller, session_id: Session = None
) -> Response:
    """Delete a file."""
    await house.virtual_files.delete(principal, tree_of(agent_id, session_id), path)
    return Response(status_code=204)


def _shown(file: VirtualFile) -> FileOut:
    return FileOut(
        id=file.id,
        agent_id=file.agent_id,
        session_id=file.session_id,
        path=file.path,
        mime_type=file.media_type,
        size=file.size_bytes,
        created_at=file.created_at,
        updated_at=file.updated_at,
    )


def _absolute(path: str) -> str:
    return "/" + "/".join(name for name in path.split("/") if name)


def _text(content: bytes) -> str | None:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None
