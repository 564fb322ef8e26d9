"""Reads server-sent events from the bytes of a stream."""

from __future__ import annotations

MAX_EVENT_BYTES = 8 * 1024 * 1024


class SseTooLong(ValueError):
    """One event is larger than any honest server sends."""


class SseParser:
    """Turns chunks of a body, cut anywhere, into the data of whole events.

    Only `data:` matters to model APIs: they repeat the event's name inside its JSON.
    """

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._max = max_event_bytes
        self._held_return = False
        self._ends_line = False
        self._is_start = True

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of every event that this chunk completed. Raises SseTooLong."""
        if self._is_start or self._held_return or b"\r" in chunk:
            chunk = self._normalised(chunk)
        if not chunk:
            return []
        # Parts are joined only when an event ends, so that a large event in small pieces costs linear time.
        is_complete = b"\n\n" in chunk or (self._ends_line and chunk[0] == 10)
        self._ends_line = chunk[-1] == 10
        if not is_complete:
            self._keep(chunk)
            return []
        if self._parts:
            self._parts.append(chunk)
            chunk = b"".join(self._parts)
            self._parts.clear()
        blocks = chunk.split(b"\n\n")
        self._size = 0
        if rest := blocks.pop():
            self._keep(rest)
        return _data_of(blocks)

    def finish(self) -> list[bytes]:
        """What a server left without the blank line that should end it."""
        rest = b"".join(self._parts)
        self._parts.clear()
        self._size = 0
        return _data_of([rest]) if rest else []

    def _keep(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > self._max:
            raise SseTooLong(f"An event of the stream is larger than {self._max} bytes.")
        self._parts.append(part)

    def _normalised(self, chunk: bytes) -> bytes:
        """Makes every line end a single newline, also one that two chunks share."""
        if self._is_start:
            self._is_start = not chunk
            chunk = chunk.removeprefix(b"\xef\xbb\xbf")
        if self._held_return:
            chunk = b"\r" + chunk
            self._held_return = False
        if chunk.endswith(b"\r"):
            self._held_return = True
            chunk = chunk[:-1]
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _data_of(blocks: list[bytes]) -> list[bytes]:
    found: list[bytes] = []
    for block in blocks:
        if block.startswith(b"data:") and b"\n" not in block:
            found.append(block[5:].strip())
        elif lines := [line[5:].removeprefix(b" ") for line in block.split(b"\n") if line.startswith(b"data:")]:
            found.append(b"\n".join(lines).strip())
    return found
