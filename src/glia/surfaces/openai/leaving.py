"""Stops waiting for an answer when nobody waits for it any more."""

from __future__ import annotations

import asyncio
from types import TracebackType

from glia.surfaces.shared.asgi import Disconnected, Receive

_LOOK_EVERY_SECONDS = 0.05


class Patience:
    """Who is waiting for an answer. One per surface, so that one timer serves all requests under way.

    A client is watched from about 0.1 s on: a quick answer pays for neither a timer nor a task of its own.
    """

    def __init__(self) -> None:
        self._new: set[WhileClientWaits] = set()
        self._known: set[WhileClientWaits] = set()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, wait: WhileClientWaits) -> None:
        self._new.add(wait)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_LOOK_EVERY_SECONDS, self._look)

    def remove(self, wait: WhileClientWaits) -> None:
        self._new.discard(wait)
        self._known.discard(wait)

    def _look(self) -> None:
        """Those that were waiting at the last look already are watched from now on."""
        for wait in self._known:
            wait.watch()
        self._known, self._new = self._new, set()
        is_needed = bool(self._known)
        self._timer = asyncio.get_running_loop().call_later(_LOOK_EVERY_SECONDS, self._look) if is_needed else None


class WhileClientWaits:
    """A `with` block that is cancelled, and then raises Disconnected, when the client goes away.

    Enter it after the body was read.
    """

    def __init__(self, patience: Patience, receive: Receive) -> None:
        self._patience = patience
        self._receive = receive
        self._has_left = False
        self._watcher: asyncio.Task[None] | None = None

    def __enter__(self) -> None:
        self._worker = asyncio.current_task()
        self._patience.add(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._patience.remove(self)
        if self._watcher is not None:
            self._watcher.cancel()
        if self._has_left and self._worker is not None:
            # As in asyncio.timeout: another cancellation that came at the same time goes on.
            is_ours = self._worker.uncancel() == 0
            if is_ours and kind is asyncio.CancelledError:
                raise Disconnected from error

    def watch(self) -> None:
        # Not in a TaskGroup: the end of the block ends it in any case.
        self._watcher = asyncio.create_task(self._wait())

    async def _wait(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._has_left = True
        if self._worker is not None:
            self._worker.cancel()
