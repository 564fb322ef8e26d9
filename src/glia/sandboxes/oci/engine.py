"""The Docker Engine API over its unix socket. `glia.kit.outbound` speaks to addresses; this is a file of the machine,
named by the operator, so there is nothing to resolve and nothing to judge."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from glia.kit.errors import GliaError, UpstreamFailed

_LARGEST_ANSWER = 4 * 1024 * 1024
_LONGEST_HEAD = 64 * 1024
_API = "/v1.41"


class EngineFailed(UpstreamFailed):
    """answer_status: what the engine answered; 0 when it did not."""

    code = "container_engine_failed"

    def __init__(self, message: str, *, answer_status: int = 0) -> None:
        super().__init__(message)
        self.answer_status = answer_status


class Engine:
    def __init__(self, socket: Path) -> None:
        self.socket = socket

    async def call(
        self, method: str, path: str, *, query: dict[str, str] | None = None, body: object = None, seconds: float = 30.0
    ) -> Any:
        """The decoded answer; None without one. Raises EngineFailed, also for every status past 399."""
        target = f"{_API}{quote(path, safe='/:')}" + (f"?{urlencode(query)}" if query else "")
        content = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {target} HTTP/1.1\r\nHost: engine\r\nConnection: close\r\nContent-Type: application/json\r\n"
        try:
            async with asyncio.timeout(seconds):
                status, answer = await self._exchange(
                    f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content
                )
        except TimeoutError:
            raise EngineFailed(f"The container engine did not answer {method} {path} within {seconds:g} s.") from None
        except OSError as error:
            raise EngineFailed(f"The container engine at {str(self.socket)!r} cannot be reached: {error}.") from error
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError, IndexError):
            raise EngineFailed("The container engine's answer is no HTTP.") from None
        decoded = _decoded(answer)
        if status >= 400:
            said = decoded.get("message", "") if isinstance(decoded, dict) else ""  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  # JSON
            raise EngineFailed(f"The container engine answered {status}: {str(said)[:300]}", answer_status=status)  # pyright: ignore[reportUnknownArgumentType]
        return decoded

    async def _exchange(self, request: bytes) -> tuple[int, bytes]:
        reader, writer = await asyncio.open_unix_connection(str(self.socket), limit=_LONGEST_HEAD)
        try:
            writer.write(request)
            await writer.drain()
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {
                name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])
            }
            return int(head[0].split(" ")[1]), await _content(reader, headers)
        finally:
            writer.close()


async def _content(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() == "chunked":
        content = b""
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            if size < 0 or len(content) + size > _LARGEST_ANSWER:
                raise ValueError("too large")
            content += await reader.readexactly(size)
            await reader.readexactly(2)
        return content
    length = int(headers.get("content-length", "0"))
    if not 0 <= length <= _LARGEST_ANSWER:
        raise ValueError("too large")
    return await reader.readexactly(length)


def _decoded(answer: bytes) -> Any:
    try:
        return json.loads(answer) if answer else None
    except ValueError:
        return None


def is_missing(error: GliaError) -> bool:
    return isinstance(error, EngineFailed) and error.answer_status == 404
