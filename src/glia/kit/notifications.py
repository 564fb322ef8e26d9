"""What other processes say through the database: LISTEN on one connection, one handler per channel."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, LiteralString

import psycopg
import structlog
from psycopg import AsyncConnection, sql

log = structlog.get_logger(__name__)

_CHECK_SECONDS = 20.0
"""A silent line is asked for a sign of life this often, so that a dead one is noticed."""

_ANSWER_SECONDS = 5.0


class Notifications:
    def __init__(self, url: str) -> None:
        self._url = url
        self._handlers: dict[str, Callable[[str], None]] = {}
        self._on_reconnect: list[Callable[[], None]] = []
        self._task: asyncio.Task[None] | None = None
        self._listening = asyncio.Event()

    def on(self, channel: LiteralString, handler: Callable[[str], None]) -> None:
        """handler: called with the payload, on the event loop; it must be quick."""
        self._handlers[channel] = handler

    def on_reconnect(self, handler: Callable[[], None]) -> None:
        """Called when the line is there again after a cut, in which notes may have been missed."""
        self._on_reconnect.append(handler)

    async def start(self) -> None:
        """Returns once the channels are listened to."""
        self._task = asyncio.create_task(self._keep(), name="glia-notifications")
        async with asyncio.timeout(30):
            await self._listening.wait()

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _keep(self) -> None:
        was_cut = False
        while True:
            try:
                async with await AsyncConnection.connect(self._url, autocommit=True, connect_timeout=5) as connection:
                    await self._listen(connection, was_cut)
            except (psycopg.Error, OSError) as error:
                log.warning("the line for notifications was cut", error=str(error).strip().split("\n")[0])
            was_cut = True
            await asyncio.sleep(0.5)

    async def _listen(self, connection: AsyncConnection[Any], was_cut: bool) -> None:
        for channel in self._handlers:
            await connection.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))
        self._listening.set()
        if was_cut:
            for handler in self._on_reconnect:
                handler()
        while True:
            async for note in connection.notifies(timeout=_CHECK_SECONDS):
                self._handle(note.channel, note.payload)
            async with asyncio.timeout(_ANSWER_SECONDS):
                await connection.execute("select 1")

    def _handle(self, channel: str, payload: str) -> None:
        """Anyone who reaches the database can send a note; one that makes no sense must not end the listening."""
        try:
            self._handlers[channel](payload)
        except (ValueError, LookupError) as error:
            log.warning("a note was not understood", channel=channel, payload=payload[:100], error=str(error))
