"""Connections at rest, ready for the next request to the same place."""

from __future__ import annotations

from collections.abc import Hashable

from glia.kit.outbound.connection import Connection
from glia.kit.outbound.exchange import Exchange

REST_SECONDS = 30.0
LARGEST_PER_KEY = 128
LARGEST_IN_ALL = 1024


class Pool:
    """Keeps at most 128 resting connections a key and 1,024 in all, each for at most 30 seconds."""

    def __init__(self) -> None:
        self._resting: dict[object, list[Connection]] = {}
        self._resting_count = 0
        self._open: set[Connection] = set()

    def add(self, connection: Connection, key: Hashable) -> None:
        connection.key = key
        if connection.is_open:
            self._open.add(connection)

    def take(self, key: Hashable) -> Connection | None:
        """The connection used last, so that those not needed grow old and close."""
        resting = self._resting.get(key)
        while resting:
            connection = resting.pop()
            self._resting_count -= 1
            if not resting:
                del self._resting[key]
            if connection.is_usable():
                return connection
            connection.abort()
        return None

    def give(self, connection: Connection, exchange: Exchange) -> None:
        """Takes a connection back: to rest if its exchange ended well, else it is closed at once."""
        if not (exchange.is_complete and exchange.is_clean and connection.is_open):
            exchange.fail("disconnect", "The answer was left before its end.")
            connection.abort()
            return
        resting = self._resting.get(connection.key, [])
        if len(resting) >= LARGEST_PER_KEY or self._resting_count >= LARGEST_IN_ALL:
            connection.abort()
            return
        connection.rest(_rest_seconds(exchange))
        resting.append(connection)
        self._resting[connection.key] = resting
        self._resting_count += 1

    def forget(self, connection: Connection) -> None:
        """The connection is closed."""
        self._open.discard(connection)
        resting = self._resting.get(connection.key)
        if resting and connection in resting:
            resting.remove(connection)
            self._resting_count -= 1
            if not resting:
                del self._resting[connection.key]

    def close(self) -> None:
        for connection in list(self._open):
            connection.abort()


def _rest_seconds(exchange: Exchange) -> float:
    """How long the server is likely to keep its side open, less a second for the way."""
    for name, value in exchange.fields:
        if name == b"keep-alive":
            for part in value.split(b","):
                word, _, number = part.strip().partition(b"=")
                if word.lower() == b"timeout" and number.isdigit():
                    return max(0.0, min(REST_SECONDS, int(number[:6]) - 1.0))
    return REST_SECONDS
