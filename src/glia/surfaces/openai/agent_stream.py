"""Runs of an agent as the chunks of one chat completion."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from glia.gateway.service import DONE, Chunks
from glia.gateway.types import ChatCall
from glia.identity.types import Principal
from glia.runs.events import Event, ModelResponded, Preview, RunCancelled, RunCompleted, RunFailed, RunWaiting
from glia.runs.events import TextDelta as StoredText
from glia.runs.events import ThinkingDelta as StoredThinking
from glia.runs.model_events import as_shown
from glia.runs.service import Runs, Watcher
from glia.runs.types import Accepted
from glia.surfaces.openai.outcomes import bad_end, called, citations, finish_reason, usage_of
from glia.surfaces.openai.words import error_event
from glia.surfaces.shared import sse
from glia.surfaces.shared.text_cursor import TextCursor

Watched = tuple[Accepted, Watcher | None]
"""A run, and who has watched it since before it was accepted."""
_MOST_WAITING = 64
"""Chunks that wait for a slow reader; then the streams of several runs wait too."""


async def answer_chunks(
    runs: Runs, principal: Principal, call: ChatCall, watched: Sequence[Watched], request_id: str
) -> AsyncGenerator[bytes, None]:
    """Ends with the last run, or with the first error. The reader may leave early; the runs go on."""
    id = watched[0][0].run_id
    chunks = [Chunks(call.model, id, index) for index in range(len(watched))]
    streams = [
        AgentStream(runs, principal, accepted, each, request_id, watcher)
        for each, (accepted, watcher) in zip(chunks, watched, strict=True)
    ]
    async with aclosing(streams[0].chunks() if len(streams) == 1 else _merged(streams)) as found:
        async for chunk in found:
            yield chunk
    completed = [stream.completed for stream in streams if stream.completed is not None]
    if len(completed) == len(streams):
        yield (chunks[0].usage(usage_of(completed)) if call.wants_usage else b"") + DONE


async def _merged(streams: Sequence[AgentStream]) -> AsyncGenerator[bytes, None]:
    """The chunks of all as they come."""
    queue: asyncio.Queue[bytes | None] = asyncio.Queue(_MOST_WAITING)

    async def pass_on(stream: AgentStream) -> None:
        async with aclosing(stream.chunks()) as chunks:
            async for chunk in chunks:
                await queue.put(chunk)
        await queue.put(None if stream.completed else b"")

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(pass_on(stream)) for stream in streams]
        left = len(streams)
        while left:
            chunk = await queue.get()
            if chunk is None:
                left -= 1
            elif chunk:
                yield chunk
            else:  # that one failed and has said so
                break
        for task in tasks:
            task.cancel()


class AgentStream:
    """A run as one choice of a streamed chat completion. completed: how it ended, when it ended well."""

    def __init__(
        self,
        runs: Runs,
        principal: Principal,
        accepted: Accepted,
        chunks: Chunks,
        request_id: str,
        watcher: Watcher | None,
    ) -> None:
        """watcher: entered before the run was accepted; None to read from the log."""
        self._runs = runs
        self._principal = principal
        self._accepted = accepted
        self._request_id = request_id
        self._watcher = watcher
        self._chunks = chunks
        self.completed: RunCompleted | None = None
        self._text = TextCursor()
        self._thinking = TextCursor()

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Ends with the run. The reader may leave early; the run goes on."""
        accepted = self._accepted
        items = self._runs.follow(self._principal, accepted.session_id, after=accepted.after, watcher=self._watcher)
        async with aclosing(items):
            async for item in items:
                if item is None:
                    yield sse.HEARTBEAT
                elif item.run_id == accepted.run_id:
                    if chunk := self._chunk(item):
                        yield chunk
                    if isinstance(item, Event) and (item.is_final or item.needs_someone):
                        return

    def _chunk(self, item: Event | Preview) -> bytes:
        match item.delta if isinstance(item, Preview) else item.payload:
            case StoredText() as delta:
                return b"".join(self._said(self._text.take(piece)) for piece in as_shown(delta))
            case StoredThinking() as delta:
                thoughts = (self._thinking.take(piece) for piece in as_shown(delta))
                return b"".join(self._chunks.thinking(thought) for thought in thoughts if thought)
            case ModelResponded() as response:
                return self._said(self._text.settle(response, item.attempt if isinstance(item, Event) else None))
            case RunCompleted() as completed:
                self.completed = completed
                return self._end(completed)
            case RunFailed() | RunCancelled() | RunWaiting(needs_someone=True) as ended:
                return error_event(bad_end(ended, self._accepted), self._request_id)
            case _:
                return b""

    def _said(self, text: str) -> bytes:
        return self._chunks.text(text) if text else b""

    def _end(self, completed: RunCompleted) -> bytes:
        calls = called(completed)
        ending = self._chunks.tool_calls(calls) if calls else b""
        return ending + self._chunks.delta({"citations": citations(completed)}, finish_reason(completed))
