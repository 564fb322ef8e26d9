"""What a model is writing: shown at once to watchers that want every token, stored in pieces of up to 100 ms."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby

import msgspec

from glia.runs.events import TextDelta, ThinkingDelta
from glia.runs.log import RunLog

_FIRST_PIECE_SECONDS = 0.03
_NEXT_PIECES_SECONDS = 0.1


@dataclass(frozen=True)
class Rest:
    """Pieces to store. stored: to be called once they are."""

    pieces: list[TextDelta | ThinkingDelta]
    stored: Callable[[], None]


class Deltas:
    """Collects one step's deltas. `rest` gives the last ones, to be stored with the response."""

    def __init__(self, log: RunLog, step: int) -> None:
        self._log = log
        self._step = step
        self._attempt = log.run.attempt
        self.text = ""
        self.thinking = ""
        self._shown: list[TextDelta | ThinkingDelta] = []
        """What watchers were shown and is not stored yet, in the order in which they saw it."""
        self._pieces = 0
        self._timer: asyncio.TimerHandle | None = None
        self._storing: asyncio.Task[None] | None = None

    def add_text(self, text: str) -> None:
        self._show(TextDelta(self._step, self._attempt, len(self.text), text))
        self.text += text

    def add_thinking(self, text: str) -> None:
        self._show(ThinkingDelta(self._step, self._attempt, len(self.thinking), text))
        self.thinking += text

    def _show(self, delta: TextDelta | ThinkingDelta) -> None:
        self._log.preview(delta)
        self._shown.append(delta)
        self._arm()

    def check(self) -> None:
        """Raises what storing a piece raised, such as Fenced, so that the model call stops too."""
        if self._storing is not None and self._storing.done():
            self._storing.result()

    async def settle(self) -> None:
        """Stops storing by itself and waits for a piece on its way, whose failure is raised.

        Being cancelled here does not stop that piece: it is known afterwards what is stored and what is not.
        """
        self.stop()
        if self._storing is not None:
            await asyncio.wait((self._storing,))
            self._storing.result()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def rest(self) -> Rest:
        """What is not stored yet."""
        count = len(self._shown)

        def note() -> None:
            del self._shown[:count]

        return Rest([_joined(list(same)) for _, same in groupby(self._shown, type)], note)

    def _arm(self) -> None:
        if self._timer is None:
            wait = _NEXT_PIECES_SECONDS if self._pieces else _FIRST_PIECE_SECONDS
            self._timer = asyncio.get_running_loop().call_later(wait, self._store)

    def _store(self) -> None:
        self._timer = None
        if self._storing is not None and not self._storing.done():
            self._arm()  # the database is slower than the model: the next piece is larger instead
            return
        rest = self.rest()
        if rest.pieces and (self._storing is None or self._storing.exception() is None):
            self._pieces += 1
            # Not in a TaskGroup: the task outlives this callback, and `settle` or `check` collects its outcome.
            self._storing = asyncio.create_task(self._log.append(*rest.pieces, stored=rest.stored))
            self._storing.add_done_callback(_seen)


def _joined(shown: list[TextDelta | ThinkingDelta]) -> TextDelta | ThinkingDelta:
    """Neighbours as one event, which remembers where one ended and the next began."""
    pieces = [len(delta.text) for delta in shown] if len(shown) > 1 else []
    return msgspec.structs.replace(shown[0], text="".join(delta.text for delta in shown), pieces=pieces)


def _seen(storing: asyncio.Task[None]) -> None:
    """A run that is left to another worker collects no outcomes; asyncio need not complain about it."""
    if not storing.cancelled():
        storing.exception()
