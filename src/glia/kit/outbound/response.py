"""What a caller gets back, and how long it is willing to wait for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from glia.kit.outbound.decoder import DecodeError, Decoder
from glia.kit.outbound.errors import OutboundFailed
from glia.kit.outbound.exchange import Exchange
from glia.kit.outbound.headers import Headers


@dataclass(frozen=True)
class Timeouts:
    """connect_seconds: name look-up, connection and TLS together.

    idle_seconds: the longest wait for the next bytes. total_seconds: the whole call, redirects and body included.
    """

    connect_seconds: float = 10
    idle_seconds: float = 60
    total_seconds: float | None = None


@dataclass(frozen=True)
class Response:
    """A whole answer. url: where it came from in the end, after redirects."""

    status: int
    headers: Headers
    body: bytes
    url: str


class StreamedResponse:
    """An answer whose body is still arriving. Usable inside its `async with` block only."""

    def __init__(self, exchange: Exchange, name: str, url: str) -> None:
        self.status = exchange.status
        self.url = url
        self.headers, self._decoder = decoding(exchange, name)
        self._exchange = exchange
        self._name = name

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives, what one read brought in one piece. Raises OutboundFailed when it breaks off.

        A reader that stops asking makes the server wait.
        """
        next_piece = self._exchange.next_piece
        if self._decoder is None:
            while piece := await next_piece():
                yield piece
            return
        try:
            while piece := await next_piece():
                for decoded in self._decoder.feed(piece):
                    yield decoded
            self._decoder.finish()
        except DecodeError as error:
            raise undecodable(self._name, error) from error

    async def read(self, limit: int) -> bytes:
        """The rest of the body. Raises OutboundFailed of kind `too_large` past `limit` bytes."""
        pieces: list[bytes] = []
        size = 0
        async for piece in self.chunks():
            size += len(piece)
            if size > limit:
                raise too_large(self._name, limit)
            pieces.append(piece)
        return b"".join(pieces)


def decoding(exchange: Exchange, name: str) -> tuple[Headers, Decoder | None]:
    """The answer's headers, and a decoder if its body needs one; the headers then describe the decoded body."""
    headers = Headers(exchange.fields)
    encoding = (headers.get("content-encoding") or "identity").strip().lower()
    if encoding == "identity":
        return headers, None
    try:
        return headers.without("content-encoding", "content-length"), Decoder(encoding)
    except DecodeError as error:
        if exchange.is_complete and not exchange.has_body:
            return headers, None  # as with HEAD and 304, which describe a body they do not bring
        raise undecodable(name, error) from error


def whole(exchange: Exchange, name: str, url: str, limit: int) -> Response:
    """The collected answer, decoded, at most `limit` bytes of it."""
    headers, decoder = decoding(exchange, name)
    body = exchange.take()
    if decoder is not None:
        body = _decoded(decoder, body, name, limit)
    return Response(exchange.status, headers, body, url)


def _decoded(decoder: Decoder, body: bytes, name: str, limit: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    try:
        for piece in decoder.feed(body):
            size += len(piece)
            if size > limit:
                raise too_large(name, limit)
            pieces.append(piece)
        decoder.finish()
    except DecodeError as error:
        raise undecodable(name, error) from error
    return b"".join(pieces)


def too_large(name: str, limit: int) -> OutboundFailed:
    return OutboundFailed(f"The answer of {name} is larger than {limit} bytes.", kind="too_large", is_sent=True)


def undecodable(name: str, error: DecodeError) -> OutboundFailed:
    return OutboundFailed(f"The answer of {name} cannot be read: {error}.", kind="protocol", is_sent=True)
