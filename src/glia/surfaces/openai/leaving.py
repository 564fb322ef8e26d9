"""Stops waiting for an answer when nobody waits for it any more."""

from __future__ import annotations

import asyncio
from types import TracebackType

from glia.surfaces.shared.asgi import Disconnected, Receive

_WATCH_AFTER_SECONDS = 0.05


class WhileClientWaits:
    """A `with` block that is cancelled, and then raises Disconnected, when the client goes away.

    Watching begins a moment late, so that a quick answer does not pay for a task of its own. Enter it after the
    body was read.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._has_left = False

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        self._worker = asyncio.current_task()
        self._watcher: asyncio.Task[None] | None = None
        self._timer = loop.call_later(_WATCH_AFTER_SECONDS, self._watch)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()
        if self._has_left and self._worker is not None:
            # As in asyncio.timeout: another cancellation that came at the same time goes on.
            is_ours = self._worker.uncancel() == 0
            if is_ours and kind is asyncio.CancelledError:
                raise Disconnected from error

    def _watch(self) -> None:
        # Not in a TaskGroup: the block around it ends it in any case.
        self._watcher = asyncio.create_task(self._wait())

    async def _wait(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._has_left = True
        if self._worker is not None:
            self._worker.cancel()
