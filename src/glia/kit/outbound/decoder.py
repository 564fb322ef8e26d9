"""Undoes compression that a server applied unasked, a bounded piece at a time."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

PIECE_BYTES = 65536


class DecodeError(Exception):
    """The body is not what its Content-Encoding says."""


class Decoder:
    """Decodes gzip or deflate. Never holds more than one piece of output, so a bomb costs its reader nothing."""

    def __init__(self, encoding: str) -> None:
        """encoding: the Content-Encoding. Raises DecodeError when it is not one we read."""
        if encoding not in {"gzip", "x-gzip", "deflate"}:
            raise DecodeError(f"it is encoded as {encoding!r}, although plain bytes were asked for")
        self._is_gzip = encoding != "deflate"
        self._inflate = zlib.decompressobj(31 if self._is_gzip else 15)
        self._is_fresh = True

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The decoded bytes in pieces of at most 64 KiB. Raises DecodeError."""
        try:
            piece = b""
            # A full piece may leave output inside zlib even when all input is taken.
            while data or len(piece) == PIECE_BYTES:
                piece = self._step(data)
                if piece:
                    yield piece
                data = self._rest()
        except zlib.error as error:
            raise DecodeError("its compressed body is corrupt") from error

    def finish(self) -> None:
        """Raises DecodeError when the compressed body ended too early. An empty body is fine."""
        if not self._is_fresh and not self._inflate.eof:
            raise DecodeError("its compressed body ends in the middle")

    def _step(self, data: bytes) -> bytes:
        was_fresh, self._is_fresh = self._is_fresh, False
        try:
            return self._inflate.decompress(data, PIECE_BYTES)
        except zlib.error:
            if not was_fresh or self._is_gzip:
                raise
            # "deflate" means zlib framing, but many servers send the raw stream.
            self._inflate = zlib.decompressobj(-15)
            return self._inflate.decompress(data, PIECE_BYTES)

    def _rest(self) -> bytes:
        if not self._inflate.eof:
            return self._inflate.unconsumed_tail
        rest = self._inflate.unused_data.lstrip(b"\0")  # some writers pad with zeros
        if rest and self._is_gzip:
            self._inflate = zlib.decompressobj(31)  # gzip files may be joined end to end
            return rest
        return b""
