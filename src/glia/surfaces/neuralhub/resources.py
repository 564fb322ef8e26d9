"""/v1/resources: sandboxes, as NeuralHub calls them. Commands and uploads are in `resource_io.py`."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, NoReturn, cast
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi.responses import Response, StreamingResponse
from pydantic import Field

from glia.identity.types import Principal
from glia.kit.errors import Unavailable
from glia.kit.pages import LARGEST_LIMIT, Window
from glia.sandboxes.records import NewSandbox, SandboxRecord, SandboxStatus
from glia.surfaces.neuralhub.agents import LimitText
from glia.surfaces.neuralhub.scopes import needs
from glia.surfaces.neuralhub.words import NAME, id_of, resource_id
from glia.surfaces.shared.bodies import Body, Out, TheHouse, Time, WatchedRoute, number_of
from glia.wiring import House

router = APIRouter(prefix="/v1/resources", tags=["resources"], route_class=WatchedRoute)

Reader = Annotated[Principal, Depends(needs("resources:read"))]
Writer = Annotated[Principal, Depends(needs("resources:write", "sandboxes:read"))]

USUAL_PORT: Final = 8000
"""Where the programs of most templates listen when nobody tells them otherwise, as `python -m http.server` does."""

_URL_SECONDS: Final = 86_400


class ResourceBody(Body):
    """env: variables of every command. timeout: seconds that it lives unused; 0 for the server's usual. port: what
    `url` shows. allow_hosts: what may be reached from inside; nothing when empty."""

    template: Literal["python-data", "python", "nodejs", "shell"] = "python-data"
    env: dict[str, str] = Field(default_factory=dict[str, str])
    timeout: int = Field(0, ge=0, le=86_400)
    port: int = Field(USUAL_PORT, ge=1, le=65_535)
    allow_hosts: list[str] = Field(default_factory=list[str], max_length=100)


class ExtendBody(Body):
    """seconds: how long it lives unused, from now and from each use on."""

    seconds: int = Field(3600, ge=1, le=86_400)


class ResourceOut(Out):
    """url: shows the port inside to whoever has the address, for a day; null where this server shows no ports.

    expires_at: when it ends unless it is used before.
    """

    id: str
    template: str
    url: str | None
    port: int
    status: Literal["starting", "running", "paused", "sleeping", "stopped"]
    env: dict[str, str]
    created_at: Time
    expires_at: Time


class FileOut(Out):
    path: str
    kind: str
    size: int


class FilesOut(Out):
    files: list[FileOut]


@router.get("")
async def list_resources(house: TheHouse, principal: Reader, limit: LimitText = None) -> list[ResourceOut]:
    """The resources that live, newest first."""
    page = await house.sandboxes.list(principal, Window(LARGEST_LIMIT))
    living = [record for record in page.items if record.status is not SandboxStatus.STOPPED]
    return [resource_out(house, record) for record in living[: number_of(limit, "limit", LARGEST_LIMIT)]]


@router.post("", status_code=201)
async def create(body: ResourceBody, house: TheHouse, principal: Writer) -> ResourceOut:
    """Launch a resource. It runs when this answers."""
    wanted = NewSandbox(
        template=body.template,
        env=body.env,
        allow_hosts=tuple(body.allow_hosts),
        lease_seconds=body.timeout,
        metadata={NAME: {"port": body.port}},
    )
    return resource_out(house, await house.sandboxes.create(principal, wanted))


@router.get("/{resource}")
async def get_resource(resource: str, house: TheHouse, principal: Reader) -> ResourceOut:
    """One resource. Looking does not extend its life."""
    return resource_out(house, await house.sandboxes.get(principal, sandbox_id(resource)))


@router.delete("/{resource}", status_code=204, response_class=Response)
async def delete(resource: str, house: TheHouse, principal: Writer) -> Response:
    """Kill a resource at once, with its files."""
    await house.sandboxes.delete(principal, sandbox_id(resource))
    return Response(status_code=204)


@router.post("/{resource}/extend")
async def extend(resource: str, body: ExtendBody, house: TheHouse, principal: Writer) -> ResourceOut:
    """Let it live longer."""
    return resource_out(house, await house.sandboxes.extend(principal, sandbox_id(resource), body.seconds))


@router.get("/{resource}/files")
async def list_files(
    resource: str, house: TheHouse, principal: Reader, path: str = ".", limit: LimitText = None
) -> FilesOut:
    """What lies in a folder."""
    found = await house.sandboxes.files.list(
        principal, sandbox_id(resource), path, limit=number_of(limit, "limit", 1_000)
    )
    return FilesOut(files=[FileOut(path=_text(each.path), kind=each.kind, size=each.size_bytes) for each in found])


@router.get(
    "/{resource}/files/{path:path}",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}, "description": "The file's bytes."}},
)
async def download(resource: str, path: str, house: TheHouse, principal: Reader) -> Response:
    """A file's content. path: below /workspace, or absolute with two slashes."""
    id = sandbox_id(resource)
    found = await house.sandboxes.files.regular(principal, id, path)
    name = quote(found.path.rpartition("/")[2].encode("utf-8", "replace"), safe="")
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{name}",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cache-Control": "no-store",
    }
    chunks = house.sandboxes.files.read(principal, id, path)
    return StreamingResponse(chunks, media_type="application/octet-stream", headers=headers)


def sandbox_id(text: str) -> UUID:
    """With or without `sbx-`. What is neither cannot exist: a 404."""
    return id_of(text, "resource", prefix="sbx-")


def resource_out(house: House, record: SandboxRecord) -> ResourceOut:
    own = record.metadata.get(NAME)
    # Any: JSON that this surface has written.
    port = cast(dict[str, Any], own).get("port", USUAL_PORT) if isinstance(own, dict) else USUAL_PORT
    return ResourceOut(
        id=resource_id(record.id),
        template=record.template,
        url=_url(house, record, port),
        port=port,
        status=record.status.value,
        env=record.env,
        created_at=record.created_at,
        expires_at=record.lease_until,
    )


def _url(house: House, record: SandboxRecord, port: int) -> str | None:
    try:
        shown = house.sandboxes.previews.address(record.id, port, _URL_SECONDS)
    except Unavailable:
        return None
    return shown.origin_url or shown.url


def _text(path: str) -> str:
    """Names inside are bytes."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


_EXEC_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "cmd": {"type": "string", "description": "A line for the shell."},
                        "code": {"type": "string", "description": "In the template's language, or in `language`."},
                        "language": {"type": "string", "enum": ["python", "javascript", "shell"]},
                        "timeout": {"type": "number", "default": 60, "description": "Seconds."},
                        "stream": {"type": "boolean", "default": False},
                    },
                }
            }
        },
    }
}
_RAW: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


class ExecOut(Out):
    """result: the value of the last expression of `code`. exit_code: null when a signal ended it. duration: seconds."""

    stdout: str
    stderr: str
    exit_code: int | None
    signal: int | None
    result: str | None
    error: str | None
    timed_out: bool
    out_of_memory: bool
    truncated: bool
    duration: float


class WrittenOut(Out):
    path: str
    size: int


@router.post(
    "/{resource}/exec",
    response_model=ExecOut,
    openapi_extra=_EXEC_BODY,
    responses={
        200: {
            "content": {"text/event-stream": {}},
            "description": "The finished command; with `stream`, the events `start`, `stdout`, `stderr` and `exit`.",
        }
    },
)
async def run_command(resource: str) -> NoReturn:
    """Run a command (`cmd`) or a piece of code (`code`); exactly one of the two. Code keeps its variables from one call
    to the next, unless it is streamed: then it is a program of its own."""
    raise LookupError(resource)  # answered before the framework sees it


@router.put("/{resource}/files/{path:path}", response_model=WrittenOut, openapi_extra=_RAW)
async def upload(resource: str, path: str) -> NoReturn:
    """Write a file: the body is its content. Folders are made, a file that is there is replaced."""
    raise LookupError(resource, path)  # answered before the framework sees it
