"""How the agent speaks with the host.

A connection begins with `i` (answered by the listening process) or `f` (by a forked one) and one message; its parts are
the operation and its arguments. Message: the number of parts, then each with its length, all as 4 bytes, big endian.
Then frames go both ways: one byte for the kind, 4 bytes for the length, the content. `wire.py` is the other side.
"""

from __future__ import annotations

import _socket
import errno
import os

CHUNK = 65536
LARGEST_MESSAGE = 4 * 1024 * 1024


class Failed(Exception):
    """code: the name of an errno, or a word of ours."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Link:
    """A connection to the host, used without waiting for what it may send later."""

    def __init__(self, fd: int) -> None:
        self.socket = _socket.socket(fileno=fd)
        self.socket.settimeout(None)

    def receive(self, size: int) -> bytes:
        parts: list[bytes] = []
        while size:
            data = self.socket.recv(min(size, CHUNK))
            if not data:
                raise OSError(errno.ECONNRESET, "the host went away")
            parts.append(data)
            size -= len(data)
        return b"".join(parts)

    def message(self) -> list[bytes]:
        return [self.receive(self.length()) for _ in range(self.length())]

    def length(self) -> int:
        length = int.from_bytes(self.receive(4), "big")
        if length > LARGEST_MESSAGE:
            raise Failed("E2BIG", "the request is too long")
        return length

    def frame(self) -> tuple[bytes, bytes]:
        """Kind and content of the next frame from the host."""
        kind = self.receive(1)
        return kind, self.receive(self.length())

    def send(self, kind: bytes, content: bytes = b"") -> None:
        self.socket.sendall(kind + len(content).to_bytes(4, "big") + content)

    def done(self, *parts: object) -> None:
        self.send(b"k", packed(parts))

    def fail(self, code: str, message: str) -> None:
        self.send(b"f", packed([code, message]))
        self.outlast()

    def outlast(self) -> None:
        """Takes what the host still sends until it hangs up: to hang up first would lose it what we said last."""
        while self.socket.recv(CHUNK):
            pass

    def close(self) -> None:
        self.socket.close()


def packed(parts: tuple[object, ...] | list[object]) -> bytes:
    texts = [part if isinstance(part, bytes) else os.fsencode(str(part)) for part in parts]
    return b"".join([len(texts).to_bytes(4, "big"), *(len(text).to_bytes(4, "big") + text for text in texts)])
