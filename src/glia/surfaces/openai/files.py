"""/v1/files: uploads go to disk as they arrive, then among the workspace's files."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from glia.files.types import FileRef, Fingerprint
from glia.identity.service import IdempotentAnswers
from glia.kit import clock
from glia.kit.errors import InvalidRequest
from glia.kit.pages import Window
from glia.surfaces.openai.ids import FILE, read_id, shown
from glia.surfaces.shared.asgi import Request, Send, ignored_header, int_parameter, send_json
from glia.surfaces.shared.idempotency import answer_once
from glia.surfaces.shared.multipart import Upload, received_file
from glia.wiring import House

Json = dict[str, Any]

PURPOSES = ("assistants", "batch", "evals", "fine-tune", "user_data", "vision")
_FIELDS = ("purpose", "expires_after[anchor]", "expires_after[seconds]")
_PURPOSE = re.compile(r"[\w.-]{1,64}", re.ASCII)
_LARGEST_LIST = 1000
_SHORTEST_SECONDS, _LONGEST_SECONDS = 3600, 2_592_000


class FileRoutes:
    def __init__(self, house: House, answers: IdempotentAnswers) -> None:
        self._house = house
        self._files = house.files
        self._answers = answers

    async def upload(self, request: Request, send: Send) -> None:
        request.principal.require("files:write")
        limits = self._house.settings.limits
        async with received_file(
            request, self._house.spool, largest_bytes=limits.upload_bytes, wanted=_FIELDS
        ) as upload:
            if upload.ignored and self._house.settings.strict_fields:
                raise InvalidRequest(f"`{upload.ignored[0]}` is no field of this form.", field=upload.ignored[0])

            async def answer(send: Send) -> None:
                await self._keep(request, send, upload)

            # Not the bytes as they came: a client that tries again draws another boundary.
            content = f"{upload.sha256} {upload.name} {sorted(upload.fields.items())}".encode()
            await answer_once(self._answers, request, content, send, answer)

    async def _keep(self, request: Request, send: Send, upload: Upload) -> None:
        purpose = upload.fields.get("purpose", "")
        if not _PURPOSE.fullmatch(purpose):
            what = f"`purpose` is {purpose[:64]!r}" if purpose else "`purpose` is missing"
            raise InvalidRequest(f"{what}; send one, such as {', '.join(PURPOSES)}.", field="purpose")
        seconds = _lifetime(upload)
        file = await self._files.upload(
            request.principal,
            upload.path,
            name=upload.name or "file",
            media_type=upload.media_type or "application/octet-stream",
            purpose=purpose,
            expires_at=None if seconds is None else clock.now() + timedelta(seconds=seconds),
            fingerprint=Fingerprint(upload.sha256, upload.size_bytes),
        )
        await send_json(send, 200, file_json(file), ignored_header(upload.ignored))

    async def list(self, request: Request, send: Send) -> None:
        query = request.query
        limit = int_parameter(query, "limit", _LARGEST_LIST, smallest=1, largest=_LARGEST_LIST)
        order = query.get("order", "desc")
        if order not in ("asc", "desc"):
            raise InvalidRequest(f"`order` is {order[:50]!r}; it must be 'asc' or 'desc'.", field="order")
        after = query.get("after")
        window = Window(limit, read_id(FILE, after, "file", "after") if after else None)
        page = await self._files.list_uploaded(
            request.principal, window, purpose=query.get("purpose"), is_ascending=order == "asc"
        )
        data = [file_json(file) for file in page.items]
        ends: Json = {"first_id": data[0]["id"] if data else None, "last_id": data[-1]["id"] if data else None}
        await send_json(send, 200, {"object": "list", "data": data, **ends, "has_more": page.has_more})

    async def get(self, request: Request, send: Send, id: str) -> None:
        file = await self._files.get_uploaded(request.principal, read_id(FILE, id, "file"))
        await send_json(send, 200, file_json(file))

    async def content(self, request: Request, send: Send, id: str) -> None:
        file = await self._files.get_uploaded(request.principal, read_id(FILE, id, "file"))
        headers = [
            (b"content-type", b"application/octet-stream"),
            (b"content-length", str(file.size_bytes).encode()),
            (b"content-disposition", f"attachment; filename*=UTF-8''{quote(file.name)}".encode()),
            (b"x-content-type-options", b"nosniff"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        async for part in self._files.stream(request.principal.workspace_id, file.id):
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def delete(self, request: Request, send: Send, id: str) -> None:
        file_id = read_id(FILE, id, "file")
        await self._files.delete_uploaded(request.principal, file_id)
        await send_json(send, 200, {"id": shown(FILE, file_id), "object": "file", "deleted": True})


def file_json(file: FileRef) -> Json:
    return {
        "id": shown(FILE, file.id),
        "object": "file",
        "bytes": file.size_bytes,
        "created_at": int(file.created_at.timestamp()),
        "expires_at": None if file.expires_at is None else int(file.expires_at.timestamp()),
        "filename": file.name,
        "purpose": file.purpose,
        "status": "processed",
        "status_details": None,
    }


def _lifetime(upload: Upload) -> int | None:
    """Seconds of `expires_after`. Raises InvalidRequest."""
    text = upload.fields.get("expires_after[seconds]")
    anchor = upload.fields.get("expires_after[anchor]", "created_at")
    if anchor != "created_at":
        raise InvalidRequest("`expires_after.anchor` must be 'created_at'.", field="expires_after.anchor")
    if text is None:
        return None
    return int_parameter(
        {"expires_after.seconds": text},
        "expires_after.seconds",
        0,
        smallest=_SHORTEST_SECONDS,
        largest=_LONGEST_SECONDS,
    )
