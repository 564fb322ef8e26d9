"""Who is watching which session in this process, and how a commit here or elsewhere reaches them.

Events stored by this process go straight to its own watchers. Other processes hear, at most every 50 ms and for many
sessions at once, that a session has grown, and read the log themselves.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from enum import Enum
from types import TracebackType
from uuid import UUID

import psycopg
import structlog

from glia.kit.db import Database
from glia.kit.errors import GliaError
from glia.kit.ids import new_id
from glia.runs.events import Event, Preview

log = structlog.get_logger(__name__)

CHANNEL = "glia_events"
_LARGEST_BACKLOG = 256
_ANNOUNCE_EVERY_SECONDS = 0.05
_TRY_AGAIN_SECONDS = 0.5
_SESSIONS_PER_NOTE = 200  # 36 characters each; a note holds just under 8,000
_ORIGIN = new_id().hex  # this process, which need not read what it has just written


class Signal(Enum):
    BEHIND = "behind"
    """The log holds more than the watcher was handed; it should read on from there."""


class Watcher:
    """One reader's inbox. A reader that is too slow loses the inbox, not events: it reads the log again."""

    def __init__(self, live: Live, session_id: UUID, wants_previews: bool) -> None:
        self._live = live
        self.session_id = session_id
        self.wants_previews = wants_previews
        self._inbox: deque[Event | Preview | Signal] = deque()
        self._waiting: asyncio.Future[None] | None = None

    def put(self, item: Event | Preview | Signal) -> None:
        if len(self._inbox) >= _LARGEST_BACKLOG:
            self._inbox.clear()
            item = Signal.BEHIND
        self._inbox.append(item)
        self._wake()

    async def next(self, timeout_seconds: float) -> Event | Preview | Signal | None:
        """The next item, or None when nothing came in time."""
        if not self._inbox:
            # A bare future and timer: idle readers do this all day, and asyncio.timeout costs twice as much.
            loop = asyncio.get_running_loop()
            self._waiting = loop.create_future()
            timer = loop.call_later(timeout_seconds, self._wake)
            try:
                await self._waiting
            finally:
                timer.cancel()
                self._waiting = None
        return self._inbox.popleft() if self._inbox else None

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def __enter__(self) -> Watcher:
        self._live.add(self)
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._live.remove(self)


class Live:
    def __init__(self, db: Database) -> None:
        self._db = db
        self._watchers: dict[UUID, set[Watcher]] = {}
        self._grown: set[UUID] = set()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._announce(), name="glia-announce")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @property
    def watchers(self) -> int:
        return sum(len(watchers) for watchers in self._watchers.values())

    def watch(self, session_id: UUID, *, previews: bool = False) -> Watcher:
        return Watcher(self, session_id, previews)

    def add(self, watcher: Watcher) -> None:
        self._watchers.setdefault(watcher.session_id, set()).add(watcher)

    def remove(self, watcher: Watcher) -> None:
        watchers = self._watchers.get(watcher.session_id)
        if watchers is not None:
            watchers.discard(watcher)
            if not watchers:
                del self._watchers[watcher.session_id]

    def stored(self, session_id: UUID, events: Sequence[Event]) -> None:
        """Events that this process has just committed."""
        for watcher in self._watchers.get(session_id, ()):
            for event in events:
                watcher.put(event)
        self._grown.add(session_id)
        self._wake.set()

    def look_again(self, session_id: UUID) -> None:
        """Events that this process may have committed or not: its watchers, and others, read the log."""
        self._tell_behind(self._watchers.get(session_id, ()))
        self._grown.add(session_id)
        self._wake.set()

    def preview(self, session_id: UUID, preview: Preview) -> None:
        for watcher in self._watchers.get(session_id, ()):
            if watcher.wants_previews:
                watcher.put(preview)

    def heard(self, note: str) -> None:
        """A note on CHANNEL: who wrote it, then session ids, comma-separated."""
        origin, _, sessions = note.partition(":")
        if origin == _ORIGIN:
            return
        for text in sessions.split(","):
            self._tell_behind(self._watchers.get(UUID(text), ()))

    def heard_nothing_for_a_while(self) -> None:
        """The line to the database was cut: notes may have been missed, so every watcher reads again."""
        for watchers in self._watchers.values():
            self._tell_behind(watchers)

    @staticmethod
    def _tell_behind(watchers: Iterable[Watcher]) -> None:
        for watcher in watchers:
            watcher.put(Signal.BEHIND)

    async def _announce(self) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(_ANNOUNCE_EVERY_SECONDS)
            self._wake.clear()
            grown, self._grown = list(self._grown), set()
            try:
                for note in _notes(grown):
                    await self._db.notify(CHANNEL, note)
            except (GliaError, psycopg.Error) as error:
                log.warning("could not tell other processes of new events", error=str(error))
                self._grown.update(grown)
                self._wake.set()
                await asyncio.sleep(_TRY_AGAIN_SECONDS)


def _notes(sessions: Sequence[UUID]) -> list[str]:
    return [
        f"{_ORIGIN}:{','.join(map(str, sessions[start : start + _SESSIONS_PER_NOTE]))}"
        for start in range(0, len(sessions), _SESSIONS_PER_NOTE)
    ]
