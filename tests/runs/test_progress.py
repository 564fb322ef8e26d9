"""Resuming is folding the log: whatever prefix a crash leaves, nothing that came back is asked for again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from glia.models.types import AssistantMessage, SystemMessage, ToolMessage
from glia.runs.events import (
    CalledTool,
    Event,
    EventsSummarised,
    MessageReceived,
    ModelRequested,
    ModelResponded,
    Payload,
    RunCancelled,
    RunCompleted,
    RunStarted,
    TextDelta,
    ToolCalled,
    ToolReturned,
    encode,
)
from glia.runs.model_events import StepUsage
from glia.runs.progress import Progress, fold

RUN = uuid4()
EARLIER = uuid4()


@dataclass
class Log:
    events: list[Event]

    def add(self, payload: Payload, run: UUID = RUN) -> None:
        at = datetime.now(UTC)
        self.events.append(Event(len(self.events) + 1, payload.type, at, run, 1, encode(payload)))


@st.composite
def logs(draw: st.DrawFn) -> list[Event]:
    """A session: perhaps a run that was cut short, then one with steps of parallel calls, returned in any order."""
    log = Log([])
    if draw(st.booleans()):
        log.add(MessageReceived("m0", "user", "before"), EARLIER)
        log.add(_response(1, [f"old{n}" for n in range(draw(st.integers(0, 2)))]), EARLIER)
        log.add(RunCancelled(draw(st.sampled_from(["", "partial"]))), EARLIER)
    log.add(MessageReceived("m1", "user", "go"))
    for step in range(1, draw(st.integers(1, 4)) + 1):
        if draw(st.booleans()):
            log.add(RunStarted(step, "w"))
        log.add(ModelRequested(step))
        log.add(TextDelta(step, 1, 0, "hm"))
        calls = [f"call{step}_{n}" for n in range(draw(st.integers(0, 3)))]
        log.add(_response(step, calls))
        for call in calls:
            log.add(ToolCalled(step, call, "t", {}, "once", f"{RUN}:{call}"))
        for call in draw(st.permutations(calls)):
            if draw(st.booleans()):
                stranger = Event(len(log.events) + 1, "dream.began", datetime.now(UTC), RUN, 1, json.dumps({"x": 1}))
                log.events.append(stranger)
            log.add(ToolReturned(step, call, "t", draw(st.sampled_from(["ok", "error", "unknown"])), "r", 1))
        if not calls:
            if draw(st.booleans()):
                log.add(RunCompleted())
            break
    return log.events


def _response(step: int, calls: list[str]) -> ModelResponded:
    called = [CalledTool(call, f"p_{call}", "t", "{}") for call in calls]
    return ModelResponded(step, "m", "text", "", called, StepUsage(1, 1), 2, 3, "stop")


def _answered(progress: Progress) -> None:
    """Providers refuse a request with a call that is not answered before the next message."""
    open_calls: list[str] = []
    for message in progress.talk.messages:
        if isinstance(message, ToolMessage):
            assert message.tool_call_id in open_calls
            open_calls.remove(message.tool_call_id)
        else:
            assert not open_calls
            if isinstance(message, AssistantMessage):
                open_calls = [call.provider_id for call in message.tool_calls]
    assert not open_calls


@given(logs(), st.data())
def test_whatever_prefix_is_left_no_returned_call_is_made_again(events: list[Event], data: st.DataObject) -> None:
    first = next(number for number, event in enumerate(events, 1) if event.run_id == RUN)  # stored with the run itself
    prefix = events[: data.draw(st.integers(first, len(events)))]

    progress = fold(prefix, RUN)

    returned = [event.payload.tool_call_id for event in prefix if isinstance(event.payload, ToolReturned)]
    assert not {call.id for call in progress.pending} & set(returned)
    answers = [e.payload for e in prefix if isinstance(e.payload, ModelResponded) and e.run_id == RUN]
    assert progress.step == len(answers)
    for call in list(progress.pending):  # going on: what is missing comes back, in the model's order
        progress.talk.take_back(ToolReturned(progress.step, call.id, "t", "ok", "late", 1))
    _answered(progress)


def test_a_summary_of_events_joins_the_conversation_after_the_calls_that_are_open() -> None:
    log = Log([])
    log.add(MessageReceived("m1", "user", "go"))
    log.add(ModelRequested(1))
    log.add(_response(1, ["call"]))
    log.add(EventsSummarised(1, 3, 3, "Tea was bought.", "rules"))
    log.add(ToolReturned(1, "call", "add", "ok", "5", 1))

    messages = fold(log.events, RUN).talk.messages

    assert [type(message) for message in messages[1:]] == [AssistantMessage, ToolMessage, SystemMessage]
    assert messages[-1].text.endswith("Tea was bought.")
