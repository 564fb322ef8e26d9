"""Files of sandboxes, snapshots of their workspaces, and what code of a session has made."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response, StreamingResponse
from pydantic import Field

from glia.kit.ids import parse_id
from glia.sandboxes.types import FileInfo
from glia.surfaces.native.sandboxes import sandbox_id
from glia.surfaces.native.words import LimitText, ListOf, TheWindow, page_of
from glia.surfaces.shared.bodies import Body, Out, TheHouse, ThePrincipal, Time, WatchedRoute, id_of, number_of

router = APIRouter(prefix="/v1", tags=["sandboxes"], route_class=WatchedRoute)

_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,100}/[A-Za-z0-9!#$&^_.+-]{1,100}")


class FileOut(Out):
    """path: absolute, inside. modified_at: seconds since 1970. target: of a link."""

    path: str
    kind: Literal["file", "directory", "symlink", "other"]
    size_bytes: int
    modified_at: float
    mode: int
    target: str | None


class DirectoryBody(Body):
    path: str


class MoveBody(Body):
    source: str
    target: str


class SnapshotBody(Body):
    name: str = Field("", max_length=200)


class RestoreBody(Body):
    snapshot_id: str


class SnapshotOut(Out):
    """The files of a workspace as they were. size_bytes: of the compressed tar."""

    id: UUID
    session_id: UUID | None
    sandbox_id: UUID | None
    name: str
    size_bytes: int
    created_at: Time


class ArtifactOut(Out):
    """A file that code of a session made. path: where it lay, below /workspace."""

    id: UUID
    session_id: UUID
    run_id: UUID | None
    path: str
    name: str
    media_type: str
    size_bytes: int
    sha256: str
    created_at: Time


@router.get("/sandboxes/{sandbox}/files")
async def list_files(
    sandbox: str,
    house: TheHouse,
    principal: ThePrincipal,
    path: str = ".",
    depth: str | None = None,
    limit: LimitText = None,
) -> ListOf[FileOut]:
    """What lies in a folder. depth: how far down, 1 to 20. There are no pages: more files than `limit` are an error."""
    found = await house.sandboxes.files.list(
        principal,
        sandbox_id(sandbox),
        path,
        depth=number_of(depth, "depth", 1, largest=20),
        limit=number_of(limit, "limit", 1_000, largest=10_000),
    )
    return ListOf(data=[file_out(each) for each in found])


@router.get("/sandboxes/{sandbox}/files/stat")
async def stat(sandbox: str, house: TheHouse, principal: ThePrincipal, path: str = ".") -> FileOut:
    """One file or folder."""
    return file_out(await house.sandboxes.files.stat(principal, sandbox_id(sandbox), path))


@router.get(
    "/sandboxes/{sandbox}/files/content",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}, "description": "The file's bytes."}},
)
async def download(sandbox: str, house: TheHouse, principal: ThePrincipal, path: str = ".") -> Response:
    """A file's content."""
    id = sandbox_id(sandbox)
    found = await house.sandboxes.files.regular(principal, id, path)
    name = found.path.rpartition("/")[2]
    chunks = house.sandboxes.files.read(principal, id, path)
    return StreamingResponse(chunks, media_type="application/octet-stream", headers=attachment(name))


@router.get(
    "/sandboxes/{sandbox}/files/tar",
    response_class=Response,
    responses={200: {"content": {"application/x-tar": {}}, "description": "An uncompressed tar."}},
)
async def tar_out(sandbox: str, house: TheHouse, principal: ThePrincipal, path: str = ".") -> Response:
    """A folder, or one file, as a tar."""
    id = sandbox_id(sandbox)
    found = await house.sandboxes.files.stat(principal, id, path)
    name = f"{found.path.rpartition('/')[2] or 'root'}.tar"
    chunks = house.sandboxes.files.tar_out(principal, id, path)
    return StreamingResponse(chunks, media_type="application/x-tar", headers=attachment(name))


@router.post("/sandboxes/{sandbox}/files/directories", status_code=201)
async def make_directory(sandbox: str, body: DirectoryBody, house: TheHouse, principal: ThePrincipal) -> FileOut:
    """Make a folder with its parents. It may be there already."""
    id = sandbox_id(sandbox)
    await house.sandboxes.files.make_directory(principal, id, body.path)
    return file_out(await house.sandboxes.files.stat(principal, id, body.path))


@router.post("/sandboxes/{sandbox}/files/move")
async def move(sandbox: str, body: MoveBody, house: TheHouse, principal: ThePrincipal) -> FileOut:
    """Move or rename a file or folder; a file that is there is replaced."""
    id = sandbox_id(sandbox)
    await house.sandboxes.files.move(principal, id, body.source, body.target)
    return file_out(await house.sandboxes.files.stat(principal, id, body.target))


@router.delete("/sandboxes/{sandbox}/files", status_code=204, response_class=Response)
async def remove(sandbox: str, house: TheHouse, principal: ThePrincipal, path: str = "") -> Response:
    """Delete a file, a link, or a folder with all that is in it."""
    id = sandbox_id(sandbox)
    await house.sandboxes.require(principal, id)
    await house.sandboxes.files.remove(principal, id, path)
    return Response(status_code=204)


@router.post("/sandboxes/{sandbox}/snapshots", status_code=201)
async def make_snapshot(sandbox: str, body: SnapshotBody, house: TheHouse, principal: ThePrincipal) -> SnapshotOut:
    """Keep the files of /workspace as they are now. Memory is not kept."""
    return SnapshotOut.of(await house.sandboxes.snapshots.create(principal, sandbox_id(sandbox), body.name))


@router.get("/sandboxes/{sandbox}/snapshots")
async def list_snapshots(
    sandbox: str, house: TheHouse, principal: ThePrincipal, window: TheWindow
) -> ListOf[SnapshotOut]:
    """List a sandbox's snapshots, newest first."""
    id = sandbox_id(sandbox)
    await house.sandboxes.get(principal, id)
    return page_of(await house.sandboxes.snapshots.list(principal, window, sandbox_id=id), SnapshotOut.of)


@router.post("/sandboxes/{sandbox}/restore", status_code=204, response_class=Response)
async def restore(sandbox: str, body: RestoreBody, house: TheHouse, principal: ThePrincipal) -> Response:
    """Replace all files of /workspace by those of a snapshot."""
    id = sandbox_id(sandbox)
    await house.sandboxes.require(principal, id)
    await house.sandboxes.snapshots.restore(principal, id, id_of(body.snapshot_id, "snapshot_id"))
    return Response(status_code=204)


@router.get("/sandbox-snapshots")
async def all_snapshots(house: TheHouse, principal: ThePrincipal, window: TheWindow) -> ListOf[SnapshotOut]:
    """List the workspace's snapshots, newest first; also those of sandboxes that are gone."""
    return page_of(await house.sandboxes.snapshots.list(principal, window), SnapshotOut.of)


@router.get("/sandbox-snapshots/{snapshot}")
async def get_snapshot(snapshot: str, house: TheHouse, principal: ThePrincipal) -> SnapshotOut:
    """One snapshot."""
    return SnapshotOut.of(await house.sandboxes.snapshots.get(principal, parse_id(snapshot, "snapshot")))


@router.get(
    "/sandbox-snapshots/{snapshot}/file",
    response_class=Response,
    responses={200: {"content": {"application/gzip": {}}, "description": "A compressed tar."}},
)
async def download_snapshot(snapshot: str, house: TheHouse, principal: ThePrincipal) -> Response:
    """A snapshot's files as a .tar.gz."""
    found = await house.sandboxes.snapshots.get(principal, parse_id(snapshot, "snapshot"))
    chunks = house.sandboxes.snapshots.download(principal, found)
    headers = {**attachment("workspace.tar.gz"), "Content-Length": str(found.size_bytes)}
    return StreamingResponse(chunks, media_type="application/gzip", headers=headers)


@router.delete("/sandbox-snapshots/{snapshot}", status_code=204, response_class=Response)
async def delete_snapshot(snapshot: str, house: TheHouse, principal: ThePrincipal) -> Response:
    """Delete a snapshot."""
    await house.sandboxes.snapshots.delete(principal, parse_id(snapshot, "snapshot"))
    return Response(status_code=204)


@router.get("/sessions/{session}/artifacts", tags=["sessions"])
async def list_artifacts(
    session: str, house: TheHouse, principal: ThePrincipal, window: TheWindow
) -> ListOf[ArtifactOut]:
    """Plots, pages, tables and other files that the session's code has made, newest first."""
    found = await house.sandboxes.artifacts.list(principal, parse_id(session, "session"), window)
    return page_of(found, ArtifactOut.of)


@router.get("/sessions/{session}/artifacts/{artifact}", tags=["sessions"])
async def get_artifact(session: str, artifact: str, house: TheHouse, principal: ThePrincipal) -> ArtifactOut:
    """One artifact."""
    ids = parse_id(session, "session"), parse_id(artifact, "artifact")
    return ArtifactOut.of(await house.sandboxes.artifacts.get(principal, *ids))


@router.get(
    "/sessions/{session}/artifacts/{artifact}/file",
    tags=["sessions"],
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}, "description": "The file."}},
)
async def download_artifact(session: str, artifact: str, house: TheHouse, principal: ThePrincipal) -> Response:
    """An artifact's content, as a download."""
    ids = parse_id(session, "session"), parse_id(artifact, "artifact")
    found = await house.sandboxes.artifacts.get(principal, *ids)
    media_type = found.media_type if _MEDIA_TYPE.fullmatch(found.media_type) else "application/octet-stream"
    headers = {**attachment(found.name), "Content-Length": str(found.size_bytes)}
    return StreamingResponse(
        house.sandboxes.artifacts.content(principal, found), media_type=media_type, headers=headers
    )


def file_out(info: FileInfo) -> FileOut:
    """Names inside are bytes; what is no UTF-8 is shown with replacement characters."""

    def shown(text: str) -> str:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")

    return FileOut(
        path=shown(info.path),
        kind=info.kind,
        size_bytes=info.size_bytes,
        modified_at=info.modified_at,
        mode=info.mode,
        target=None if info.target is None else shown(info.target),
    )


def attachment(name: str) -> dict[str, str]:
    """Never shown inline: what code has made must not run as a page of this server."""
    named = quote(name.encode("utf-8", "replace"), safe="")
    return {
        "Content-Disposition": f"attachment; filename*=UTF-8''{named}",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox",
        "Cache-Control": "no-store",
    }
