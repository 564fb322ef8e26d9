"""A run's events as spans, by the GenAI semantic conventions: one for the run, one per model call and tool call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from glia.runs.events import (
    ContextCompacted,
    Event,
    MessageReceived,
    ModelRequested,
    ModelResponded,
    PlanMade,
    ReflectionMade,
    RunCompleted,
    RunFailed,
    ToolCalled,
    ToolReturned,
)
from glia.traces import content
from glia.traces.queries import TracedRun
from glia.traces.types import (
    Moment,
    Span,
    SpanKind,
    TraceParent,
    Value,
    read_traceparent,
    span_id_of,
    trace_id_of,
)

_MOST_MOMENTS = 128
_AGENT = "agent"

# Where the conventions have a name of their own for a provider.
_PROVIDERS = {"google": "gcp.gemini", "mistral": "mistral_ai", "xai": "x_ai"}


@dataclass(frozen=True)
class Naming:
    """has_content: texts too. is_latest: only the newest attribute names."""

    has_content: bool = False
    is_latest: bool = False

    def provider(self, model: str | None) -> dict[str, Value]:
        """model: `provider/name`."""
        if not model or "/" not in model:
            return {}
        provider = model.split("/", 1)[0]
        name = _PROVIDERS.get(provider, provider)
        named: dict[str, Value] = {"gen_ai.provider.name": name}
        return named if self.is_latest else {**named, "gen_ai.system": name}


def spans_of(run: TracedRun, events: Sequence[Event], naming: Naming) -> list[Span]:
    """The run's span first. Empty when the caller's trace is not recorded."""
    caller = read_traceparent(run.traceparent)
    if caller is not None and not caller.is_sampled:
        return []
    story = _Story(run, events, naming, caller)
    return [story.whole(), *story.model_calls(), *story.asides(), *story.tool_calls()]


class _Story:
    """One run, read from its events."""

    def __init__(self, run: TracedRun, events: Sequence[Event], naming: Naming, caller: TraceParent | None) -> None:
        self._run = run
        self._naming = naming
        self._caller = caller
        self._trace_id = caller.trace_id if caller is not None else trace_id_of(run.root_run_id)
        self._span_id = span_id_of("run", run.id)
        self._events = events
        self._payloads = [(event, event.payload) for event in events]
        self._responses = [(event, p) for event, p in self._payloads if isinstance(p, ModelResponded)]
        self._returned = {p.tool_call_id: (event, p) for event, p in self._payloads if isinstance(p, ToolReturned)}

    def whole(self) -> Span:
        run = self._run
        is_agent = run.kind == _AGENT
        first = self._responses[0][1].model if self._responses else run.model
        attributes: dict[str, Value | None] = {
            "glia.run.id": str(run.id),
            "glia.run.kind": run.kind,
            "glia.run.status": run.status,
            "glia.run.attempts": run.attempt,
            "glia.workspace.id": str(run.workspace_id),
            "glia.cost_micros": run.cost_micros,
            "gen_ai.conversation.id": str(run.session_id),
        }
        if is_agent:
            attributes |= {
                "gen_ai.operation.name": "invoke_agent",
                "gen_ai.agent.id": str(run.agent_id),
                "gen_ai.agent.name": run.agent_name,
                "gen_ai.agent.version": None if run.agent_version is None else str(run.agent_version),
                "gen_ai.request.model": _name_of(run.model or first),
                "gen_ai.usage.input_tokens": run.input_tokens,
                "gen_ai.usage.output_tokens": run.output_tokens,
                **self._naming.provider(first),
            }
        if self._naming.has_content:
            said = [p for _, p in self._payloads if isinstance(p, MessageReceived)]
            answers = [p for _, p in self._payloads if isinstance(p, RunCompleted)]
            attributes |= content.of_run(said, answers)
        failure = self._failure()
        if failure is not None:
            attributes["error.type"] = failure
        return Span(
            trace_id=self._trace_id,
            span_id=self._span_id,
            parent_span_id=self._parent(),
            name=f"invoke_agent {run.agent_name}" if is_agent else f"job {run.kind}",
            kind=SpanKind.INTERNAL,
            start=run.created_at,
            end=run.finished_at,
            attributes=_present(attributes),
            moments=tuple(self._moments()),
            error=failure,
        )

    def model_calls(self) -> Iterator[Span]:
        for event, response in self._responses:
            start = event.at - timedelta(milliseconds=response.latency_ms)
            yield self._chat(response.step, max(start, self._run.created_at), event.at, response)
        answered = {response.step for _, response in self._responses}
        asked = [(event, p) for event, p in self._payloads if isinstance(p, ModelRequested) and p.step not in answered]
        if asked and self._run.status != "completed":  # cut off: the provider failed, or somebody cancelled
            event, request = asked[-1]
            yield self._chat(request.step, event.at, self._run.finished_at, None)

    def _chat(self, step: int, start: datetime, end: datetime, response: ModelResponded | None) -> Span:
        model = response.model if response is not None else self._run.model
        attributes: dict[str, Value | None] = {
            "gen_ai.operation.name": "chat",
            **self._naming.provider(model),
            "gen_ai.request.model": _name_of(self._run.model or model),
            "gen_ai.conversation.id": str(self._run.session_id),
            "glia.step": step,
        }
        error = None
        if response is not None:
            attributes |= _usage(response)
            if self._naming.has_content:
                attributes |= content.of_answer(response)
        else:
            error = attributes["error.type"] = self._failure() or self._run.status
        return self._child(
            span_id=span_id_of("chat", f"{self._run.id}:{step}"),
            name=f"chat {_name_of(model)}" if model else "chat",
            kind=SpanKind.CLIENT,
            start=start,
            end=end,
            attributes=attributes,
            error=error,
        )

    def asides(self) -> Iterator[Span]:
        """Model calls beside the answer: plans, reflections and summaries. The event before says when each began."""
        before = self._run.created_at
        for event, payload in self._payloads:
            if isinstance(payload, PlanMade | ReflectionMade | ContextCompacted):
                yield self._aside(event, payload, before)
            before = event.at

    def _aside(self, event: Event, payload: PlanMade | ReflectionMade | ContextCompacted, start: datetime) -> Span:
        operation = "plan" if isinstance(payload, PlanMade) else "chat"
        name = self._run.agent_name if isinstance(payload, PlanMade) else _name_of(payload.model)
        attributes: dict[str, Value | None] = {
            "gen_ai.operation.name": operation,
            **self._naming.provider(payload.model),
            "gen_ai.request.model": _name_of(payload.model),
            "gen_ai.response.model": _name_of(payload.model),
            "gen_ai.usage.input_tokens": payload.usage.input_tokens,
            "gen_ai.usage.output_tokens": payload.usage.output_tokens,
            "gen_ai.conversation.id": str(self._run.session_id),
            "glia.cost_micros": payload.cost_micros,
            "glia.event": payload.type,
        }
        return self._child(
            span_id=span_id_of("aside", f"{self._run.id}:{event.seq}"),
            name=f"{operation} {name}",
            kind=SpanKind.CLIENT,
            start=start,
            end=event.at,
            attributes=attributes,
            error=None,
        )

    def tool_calls(self) -> Iterator[Span]:
        for event, called in self._payloads:
            if isinstance(called, ToolCalled):
                yield self._tool(event, called)

    def _tool(self, event: Event, called: ToolCalled) -> Span:
        end_event, returned = self._returned.get(called.tool_call_id, (None, None))
        end = self._run.finished_at if end_event is None else end_event.at
        status = self._run.status if returned is None else returned.status
        error = None if status == "ok" else {"error": "tool_error", "unknown": "outcome_unknown"}.get(status, status)
        attributes: dict[str, Value | None] = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": called.tool,
            "gen_ai.tool.call.id": called.tool_call_id,
            "gen_ai.tool.type": "function",
            "gen_ai.conversation.id": str(self._run.session_id),
            "glia.step": called.step,
            "glia.tool.effect": called.effect,
            "error.type": error,
        }
        if self._naming.has_content:
            attributes |= content.of_tool(called, returned)
        return self._child(
            span_id=span_id_of("tool", called.tool_call_id),
            name=f"execute_tool {called.tool}",
            kind=SpanKind.INTERNAL,
            start=event.at,
            end=end,
            attributes=attributes,
            error=error,
        )

    def _child(
        self,
        *,
        span_id: bytes,
        name: str,
        kind: SpanKind,
        start: datetime,
        end: datetime,
        attributes: dict[str, Value | None],
        error: str | None,
    ) -> Span:
        end = max(start, end)
        return Span(self._trace_id, span_id, self._span_id, name, kind, start, end, _present(attributes), (), error)

    def _parent(self) -> bytes | None:
        run = self._run
        if run.parent_call_id is not None:
            return span_id_of("tool", run.parent_call_id)
        if run.parent_run_id is not None:
            return span_id_of("run", run.parent_run_id)
        return None if self._caller is None else self._caller.span_id

    def _failure(self) -> str | None:
        return next((p.error.code for _, p in reversed(self._payloads) if isinstance(p, RunFailed)), None)

    def _moments(self) -> Iterator[Moment]:
        """What is no span of its own: starts and resumptions, waits, approvals, and types that are newer than this."""
        shown = [
            event
            for event, payload in self._payloads
            if not isinstance(
                payload, MessageReceived | ModelRequested | ModelResponded | ToolCalled | ToolReturned | RunCompleted
            )
        ]
        for event in shown[:_MOST_MOMENTS]:
            attributes: dict[str, Value] = {} if event.attempt is None else {"glia.run.attempt": event.attempt}
            yield Moment(event.type, event.at, attributes)


def _usage(response: ModelResponded) -> dict[str, Value | None]:
    usage = response.usage
    return {
        "gen_ai.response.model": _name_of(response.model),
        "gen_ai.response.finish_reasons": [response.finish_reason],
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": usage.cached_input_tokens or None,
        "gen_ai.usage.cache_creation.input_tokens": usage.cache_write_tokens or None,
        "glia.cost_micros": response.cost_micros,
        "glia.usage.is_estimated": usage.is_estimated or None,
    }


def _name_of(model: str | None) -> str | None:
    """`provider/name` without the provider."""
    return None if model is None else model.split("/", 1)[-1]


def _present(attributes: dict[str, Value | None]) -> dict[str, Value]:
    return {name: value for name, value in attributes.items() if value is not None}
