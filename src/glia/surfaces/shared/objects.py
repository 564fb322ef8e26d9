"""Objects on their way in and out, on bare ASGI: bodies of any size, streamed to the store and from it."""

from __future__ import annotations

import asyncio
import mimetypes
import re
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from datetime import UTC
from email.utils import format_datetime
from pathlib import Path
from urllib.parse import quote, urlencode

from glia.identity.service import IdempotentAnswers
from glia.kit.errors import TooLarge
from glia.kit.ids import new_id
from glia.storage.errors import RangeRefused
from glia.storage.service import DEFAULT_MEDIA_TYPE, Objects
from glia.storage.types import StoredObject
from glia.surfaces.shared import sse
from glia.surfaces.shared.asgi import App, Receive, Request, Scope, Send, ignored_header, send_json
from glia.surfaces.shared.idempotency import answer_once
from glia.surfaces.shared.json_body import Fields
from glia.surfaces.shared.multipart import received_file
from glia.surfaces.shared.routes import Route

_READ_AT_ONCE = 256 * 1024
_FORM_TYPES = frozenset({"", "application/x-www-form-urlencoded", DEFAULT_MEDIA_TYPE})
"""What clients send that were told of no type, curl among them."""

_SHOWN = re.compile(r"(image/(png|jpeg|gif|webp|avif)|audio/.*|video/.*|text/plain|application/pdf)")
"""What a browser may show by itself; none of it can run a script. Everything else is a download."""

_RANGE = re.compile(r"bytes=\s*([0-9]{0,18})-([0-9]{0,18})\s*")
_FILENAME = re.compile(r"filename\*?=(?:UTF-8'')?\"?([^\";]+)", re.IGNORECASE)


@dataclass(frozen=True)
class Transfers:
    """show: the JSON that tells of an upload. spool: for forms, which are taken apart on the disk first."""

    objects: Objects
    answers: IdempotentAnswers
    spool: Path
    show: Callable[[Request, StoredObject], object]
    is_strict: bool = False

    async def upload(self, request: Request, send: Send) -> None:
        """The body is the content, or a form with one file; `filename` in the query names it."""
        request.principal.require("storage:write")
        if _media_type(request) == "multipart/form-data":
            return await self._upload_form(request, send)
        name = _name_of(request)
        # Not the content, which is not there yet: a repeat under the same key is answered without reading it again.
        told = f"{name} {request.headers.get('content-type', '')} {request.headers.get('content-length', '')}"

        async def answer(send: Send) -> None:
            given = _media_type(request)
            stored_as = name or f"upload-{new_id()}{mimetypes.guess_extension(given) or ''}"
            kept = await self.objects.put(
                request.principal,
                stored_as,
                _body(request),
                media_type=_guessed(given, stored_as),
                expected_bytes=int(request.headers.get("content-length") or 0),
            )
            await send_json(send, 201, self.show(request, kept))

        return await answer_once(self.answers, request, told.encode(), send, answer)

    async def _upload_form(self, request: Request, send: Send) -> None:
        largest = self.objects.largest_bytes
        if int(request.headers.get("content-length") or 0) > largest + 2**20:
            raise TooLarge(f"The object is larger than {largest} bytes, the most this server takes.")
        async with received_file(request, self.spool, largest_bytes=largest, may_be_empty=True) as upload:
            Fields(self.is_strict).ignore(upload.ignored)
            name = _name_of(request) or upload.name or f"upload-{new_id()}"

            async def answer(send: Send) -> None:
                kept = await self.objects.put(
                    request.principal,
                    name,
                    _file(upload.path),
                    media_type=_guessed(upload.media_type, name),
                    expected_bytes=upload.size_bytes,
                )
                await send_json(send, 201, self.show(request, kept), ignored_header(upload.ignored))

            await answer_once(self.answers, request, f"{upload.sha256} {name}".encode(), send, answer)

    async def download(self, request: Request, send: Send, workspace: str, name: str) -> None:
        """For who has a key."""
        await self._send(request, send, await self.objects.get(request.principal, f"{workspace}/{name}"))

    async def open_link(self, request: Request, send: Send, workspace: str, name: str) -> None:
        """For who has a signed address."""
        query = request.query
        found = await self.objects.linked(f"{workspace}/{name}", query.get("expires", ""), query.get("signature", ""))
        await self._send(request, send, found)

    async def _send(self, request: Request, send: Send, found: StoredObject) -> None:
        start, length, status = _part(request, found)
        headers = [*_headers(found), (b"content-length", str(length).encode())]
        if status == 206:
            headers.append((b"content-range", f"bytes {start}-{start + length - 1}/{found.size_bytes}".encode()))
        if request.headers.get("if-none-match") == _etag(found):
            status, headers = 304, _headers(found)
        if request.method == "HEAD" or status == 304:
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return
        chunks = self.objects.read(found, start=start, length=length)
        await sse.send_while_read(request.receive, send, status, headers, chunks)


def origin_of(scope: Scope, public_url: str | None) -> str:
    """Where clients reach this surface, without a slash at the end."""
    prefix: str = scope.get("state", {}).get("prefix", "")
    if public_url:
        return public_url.rstrip("/") + prefix
    host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "localhost")
    return f"{scope.get('scheme', 'http')}://{host}{prefix}"


def signed_url(objects: Objects, found: StoredObject, origin: str, seconds: int | None = None) -> str:
    """An address below `origin` that opens the object without a key for a while."""
    link = objects.link(found, seconds)
    query = urlencode({"expires": link.expires, "signature": link.signature})
    return f"{origin}/v1/storage/{quote(link.pathname)}?{query}"


def is_signed(scope: Scope) -> bool:
    """Whether a request brings a signature instead of a key."""
    return scope["method"] in {"GET", "HEAD"} and b"signature=" in scope.get("query_string", b"")


async def _body(request: Request) -> AsyncGenerator[bytes]:
    while True:
        message = await request.piece()
        if data := message.get("body", b""):
            yield data
        if not message.get("more_body", False):
            return


async def _file(path: Path) -> AsyncGenerator[bytes]:
    with await asyncio.to_thread(path.open, "rb") as content:
        while data := await asyncio.to_thread(content.read, _READ_AT_ONCE):
            yield data


def _name_of(request: Request) -> str:
    query = request.query
    if name := query.get("filename") or query.get("pathname") or request.headers.get("x-filename"):
        return name
    found = _FILENAME.search(request.headers.get("content-disposition", ""))
    return found.group(1).strip() if found else ""


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _guessed(media_type: str, name: str) -> str:
    """The type the client said, or what the name tells."""
    if media_type not in _FORM_TYPES:
        return media_type
    return mimetypes.guess_type(name, strict=False)[0] or DEFAULT_MEDIA_TYPE


def _etag(found: StoredObject) -> str:
    return f'"{found.sha256}"'


def _headers(found: StoredObject) -> list[tuple[bytes, bytes]]:
    """What others have uploaded never runs as a page of this server."""
    kind = "inline" if _SHOWN.fullmatch(found.media_type) else "attachment"
    name = quote(found.name.rpartition("/")[2].encode(), safe="")
    told = {
        "content-type": found.media_type,
        "etag": _etag(found),
        "last-modified": format_datetime(found.updated_at.astimezone(UTC), usegmt=True),
        "accept-ranges": "bytes",
        "content-disposition": f"{kind}; filename*=UTF-8''{name}",
        "x-content-type-options": "nosniff",
        "content-security-policy": "default-src 'none'; sandbox",
        "cache-control": "private, no-cache",
    }
    return [(name.encode(), value.encode("latin-1")) for name, value in told.items()]


def _part(request: Request, found: StoredObject) -> tuple[int, int, int]:
    """Where to begin, how much, and the status. More than one range, or one in other units, means the whole."""
    size = found.size_bytes
    match = _RANGE.fullmatch(request.headers.get("range", ""))
    is_meant = request.headers.get("if-range", _etag(found)) == _etag(found)
    if match is None or not is_meant or match.groups() == ("", ""):
        return 0, size, 200
    first, last = match.groups()
    if not first:
        length = min(int(last), size)
        start, end = size - length, size - 1
    else:
        start, end = int(first), min(int(last), size - 1) if last else size - 1
    if start > end or start >= size:
        raise RangeRefused(f"The range {request.headers['range'][:60]!r} is outside of the {size} bytes.")
    return start, end - start + 1, 206


LINKED = "/v1/linked-storage/"
"""Where signed addresses arrive behind the door; nobody is told of it, and it asks for no key."""


class SignedDoor:
    """In front of a surface's gate: a signed address of an object goes to a route that asks for no key."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/v1/storage/") and is_signed(scope):
            scope = {**scope, "path": LINKED + scope["path"].removeprefix("/v1/storage/")}
        await self._app(scope, receive, send)


def storage_routes(transfers: Transfers) -> list[Route]:
    """The hot routes of objects, the same on every surface."""
    object_path, linked = "/v1/storage/{workspace}/{name:path}", LINKED + "{workspace}/{name:path}"
    return [
        Route("POST", "/v1/storage/upload", transfers.upload),
        *(Route(method, object_path, transfers.download) for method in ("GET", "HEAD")),
        *(Route(method, linked, transfers.open_link) for method in ("GET", "HEAD")),
    ]
