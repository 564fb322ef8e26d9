"""What passes through unread: a provider's stream, and its errors."""

from __future__ import annotations

import msgspec

from glia.gateway.errors import KeyRefused, NotAnAnswer, ProviderRefused
from glia.gateway.types import Answer
from glia.kit.outbound import StreamedResponse
from glia.models.service import ResolvedModel

LARGEST_ANSWER_BYTES = 32 * 1024 * 1024
_LARGEST_ERROR_BYTES = 256 * 1024
_LARGEST_HELD_BYTES = 64 * 1024


class _Chunk(msgspec.Struct, gc=False):
    choices: list[msgspec.Raw] | None = None
    usage: msgspec.Raw = msgspec.Raw()


_read_chunk = msgspec.json.Decoder(_Chunk).decode


class UsageHider:
    """Takes the one event out of a stream that only tells the usage, for a client that has not asked for it.

    Whole events pass at once; the beginning of an unfinished one waits for its end.
    """

    def __init__(self) -> None:
        self._held = b""

    def feed(self, piece: bytes) -> bytes:
        if self._held:
            piece = self._held + piece
            self._held = b""
        end = _end_of_events(piece)
        if end < len(piece):
            if len(piece) - end > _LARGEST_HELD_BYTES:  # no event of a usage is that large
                return piece
            self._held = piece[end:]
            piece = piece[:end]
        return piece if b'"usage"' not in piece else _without_usage(piece)

    def finish(self) -> bytes:
        """What the provider left unfinished."""
        held, self._held = self._held, b""
        return held


async def refuse_unless_ok(answer: StreamedResponse, resolved: ResolvedModel) -> None:
    """Raises ProviderRefused with the provider's own words, or a GliaError where those would mislead a client."""
    status = answer.status
    if 200 <= status < 300:
        return
    if status in {401, 403}:
        raise KeyRefused(resolved, status)
    body = await answer.read(_LARGEST_ERROR_BYTES)
    if status < 400 or not _is_error_body(body):
        raise NotAnAnswer(resolved, status)
    if resolved.provider.api_key:
        body = body.replace(resolved.provider.api_key.encode(), b"***")
    raise ProviderRefused(Answer(status, body, answer.headers.get("retry-after")))


def require_stream(answer: StreamedResponse, resolved: ResolvedModel) -> None:
    if not (answer.headers.get("content-type") or "").startswith("text/event-stream"):
        raise NotAnAnswer(resolved, answer.status)


def require_object(body: bytes, resolved: ResolvedModel, status: int) -> None:
    if body.lstrip()[:1] != b"{":
        raise NotAnAnswer(resolved, status)


def _end_of_events(piece: bytes) -> int:
    """Where the last whole event ends; 0 when none does."""
    if piece.endswith(b"\n\n"):
        return len(piece)
    if b"\r" in piece:
        crlf = piece.rfind(b"\r\n\r\n")
        return max(piece.rfind(b"\n\n") + 2 if b"\n\n" in piece else 0, crlf + 4 if crlf >= 0 else 0)
    return piece.rfind(b"\n\n") + 2 if b"\n\n" in piece else 0


def _without_usage(piece: bytes) -> bytes:
    gap = b"\r\n\r\n" if b"\r\n\r\n" in piece else b"\n\n"
    return b"".join(event + gap for event in piece.split(gap)[:-1] if not _tells_only_usage(event))


def _tells_only_usage(event: bytes) -> bool:
    if b'"usage"' not in event:
        return False
    data = b"".join(line[5:] for line in event.splitlines() if line.startswith(b"data:"))
    try:
        chunk = _read_chunk(data)
    except (msgspec.DecodeError, RecursionError):
        return False
    return chunk.choices == [] and bytes(chunk.usage) not in (b"", b"null")


def _is_error_body(body: bytes) -> bool:
    """An object, or Google's list around one."""
    return body.lstrip()[:1] in (b"{", b"[")
