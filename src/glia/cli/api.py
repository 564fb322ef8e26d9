"""The commands' way to a running server: requests as JSON, a run as its events, errors as sentences."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from glia.cli.home import data_directory
from glia.kit.errors import GliaError, InvalidRequest, Unauthorized, Unavailable
from glia.kit.outbound import Outbound, OutboundFailed, OutboundPolicy, Timeouts
from glia.kit.sse import SseParser

URL_VARIABLE, KEY_VARIABLE = "GLIA_URL", "GLIA_API_KEY"
LARGEST_UPLOAD = 512 * 1024 * 1024
DEFAULT_URL = "http://127.0.0.1:8700"
FINAL_EVENTS = frozenset({"run.completed", "run.failed", "run.cancelled"})

_STREAMING = Timeouts(connect_seconds=5, idle_seconds=45)  # the server says something at least every 15 s
_ASKING = Timeouts(connect_seconds=5, idle_seconds=120)
_RECONNECT_SECONDS = 60.0

Json = dict[str, Any]
"""An object as it came from the server; its fields are those of the native wire."""


class ServerAbsent(Unavailable):
    code = "server_absent"


class Refused(GliaError):
    """The server answered with an error; the message is the server's own."""


def _content(file: Path) -> bytes:
    try:
        size = file.stat().st_size
        if size > LARGEST_UPLOAD:
            raise InvalidRequest(
                f"{file.name} has {size:,} bytes; the most that is sent from here is {LARGEST_UPLOAD:,}. Split it."
            )
        return file.read_bytes()
    except OSError as error:
        raise InvalidRequest(f"{file.name} cannot be read: {error.strerror}.") from error


class Api:
    """The native surface of one server. Made by `connect`."""

    def __init__(self, outbound: Outbound, url: str, key: str, key_place: str) -> None:
        self._outbound = outbound
        self.url = url.rstrip("/")
        self._key_place = key_place
        self._headers = {"authorization": f"Bearer {key}", "accept": "application/json"}

    async def get(self, path: str, **query: str | int) -> Json:
        return await self._send("GET", f"{path}?{urlencode(query)}" if query else path)

    async def post(self, path: str, body: Mapping[str, object] | None = None) -> Json:
        content = json.dumps(body or {}).encode()
        return await self._send("POST", path, content, {"content-type": "application/json"})

    async def patch(self, path: str, body: Mapping[str, object]) -> Json:
        return await self._send("PATCH", path, json.dumps(body).encode(), {"content-type": "application/json"})

    async def all(self, path: str) -> list[Json]:
        """Every item of a list, page by page."""
        found: list[Json] = []
        cursor: str | None = None
        while True:
            page = await self.get(path, limit=100, **({"cursor": cursor} if cursor else {}))
            found.extend(page["data"])
            cursor = page.get("next_cursor")
            if not page.get("has_more") or not cursor:
                return found

    async def upload(self, path: str, file: Path, *, folder: str = "") -> Json:
        """Sends a file as the multipart field `file`. folder: where it goes, as the field `path`.

        Raises InvalidRequest for a file that cannot be read, or is over LARGEST_UPLOAD: it is held in memory.
        """
        boundary = f"glia-{secrets.token_hex(16)}"
        name = file.name.translate({ord('"'): "%22", ord("\r"): "%0D", ord("\n"): "%0A"})
        head = f'--{boundary}\r\ncontent-disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
        lies_in = f'--{boundary}\r\ncontent-disposition: form-data; name="path"\r\n\r\n{folder}\r\n' if folder else ""
        head = lies_in + head
        body = b"".join((head.encode(), await asyncio.to_thread(_content, file), f"\r\n--{boundary}--\r\n".encode()))
        return await self._send("POST", path, body, {"content-type": f"multipart/form-data; boundary={boundary}"})

    async def ask(self, session_id: str, content: str) -> AsyncGenerator[Json, None]:
        """Says something in a session; yields the run's events, up to the last one, as they happen.

        Previews of text that is not stored yet are among them. When the connection breaks, the events are followed
        from where it broke, because the run goes on without us.
        """
        path = f"/v1/sessions/{session_id}/messages"
        body = {"content": content, "stream": True, "previews": True}
        seq, run_id = 0, None
        events = self._stream("POST", path, json.dumps(body).encode())
        give_up_at = 0.0
        while True:
            try:
                async for event in events:
                    give_up_at = 0.0
                    seq = event.get("seq", seq)
                    run_id = run_id or event.get("run_id")
                    if event.get("run_id") in (run_id, None):
                        yield event
                    if event["type"] in FINAL_EVENTS and event.get("run_id") == run_id:
                        return
            except (OutboundFailed, ServerAbsent):
                # Before the first event nobody knows whether the message arrived, and it must not be said twice.
                if seq == 0:
                    raise
            now = asyncio.get_running_loop().time()
            give_up_at = give_up_at or now + _RECONNECT_SECONDS
            if seq == 0 or now > give_up_at:
                raise ServerAbsent(
                    f"The connection to {self.url} was lost; the run goes on there without this command."
                )
            await asyncio.sleep(0.5)
            events = self._stream("GET", f"/v1/sessions/{session_id}/events/stream?after={seq}&previews=true")

    async def _stream(self, method: str, path: str, body: bytes | None = None) -> AsyncGenerator[Json, None]:
        headers = {**self._headers, "accept": "text/event-stream"}
        if body is not None:
            headers["content-type"] = "application/json"
        try:
            async with self._outbound.stream(
                method, self.url + path, headers=headers, body=body, timeouts=_STREAMING, trusted=True
            ) as answer:
                if answer.status >= 400:
                    raise self._refusal(answer.status, await answer.read(1_000_000))
                parser = SseParser()
                async for chunk in answer.chunks():
                    for data in parser.feed(chunk):
                        yield json.loads(data)
        except OutboundFailed as error:
            if error.kind == "connect":
                raise self._absent() from None
            raise

    async def _send(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Json:
        try:
            answer = await self._outbound.request(
                method,
                self.url + path,
                headers={**self._headers, **(headers or {})},
                body=body,
                timeouts=_ASKING,
                trusted=True,
            )
        except OutboundFailed as error:
            if error.kind == "connect":
                raise self._absent() from None
            raise
        if answer.status >= 400:
            raise self._refusal(answer.status, answer.body)
        return json.loads(answer.body) if answer.body else {}

    def _refusal(self, status: int, body: bytes) -> GliaError:
        if status == 401:
            return Unauthorized(
                f"{self.url} does not accept the key in {self._key_place}. Make another with `glia key create`, and "
                f"set {KEY_VARIABLE} to it."
            )
        try:
            error = json.loads(body)["error"]
            refused = Refused(str(error["message"]))
            refused.code = str(error["code"])
        except (ValueError, KeyError, TypeError):
            said = body[:200].decode(errors="replace").strip()
            refused = Refused(f"{self.url} is no Glia, or one that is in trouble: it answered {status} {said!r}.")
        refused.status = status
        return refused

    def _absent(self) -> ServerAbsent:
        return ServerAbsent(
            f"No Glia answers at {self.url}. Start it with `glia serve`, or set {URL_VARIABLE} to where it runs."
        )


@asynccontextmanager
async def connect(data_dir: str | None = None) -> AsyncGenerator[Api, None]:
    """The server at GLIA_URL, with the key in GLIA_API_KEY or in the data directory's credentials.json."""
    key, place = _key(data_dir)
    outbound = Outbound(OutboundPolicy())
    try:
        yield Api(outbound, os.environ.get(URL_VARIABLE) or DEFAULT_URL, key, place)
    finally:
        await outbound.close()


def segment(text: str) -> str:
    """Text as one part of a path."""
    return quote(text, safe="")


def _key(data_dir: str | None) -> tuple[str, str]:
    if key := os.environ.get(KEY_VARIABLE):
        return key.strip(), KEY_VARIABLE
    path = data_directory(data_dir) / "credentials.json"
    way_out = f"Set {KEY_VARIABLE} to a key; `glia key create` makes one beside a running `glia serve`."
    try:
        return str(json.loads(path.read_text())["api_key"]), str(path)
    except FileNotFoundError:
        raise Unauthorized(f"There is no key: {str(path)!r} does not exist. {way_out}") from None
    except OSError as error:
        raise Unauthorized(f"There is no key: {str(path)!r} cannot be read ({error.strerror}). {way_out}") from None
    except (ValueError, KeyError, TypeError):
        raise Unauthorized(f"There is no key: {str(path)!r} is damaged. {way_out}") from None
