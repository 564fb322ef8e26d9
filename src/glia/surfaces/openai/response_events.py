"""A run's log as a response: its events in order, and the object that they add up to.

A model's text comes in the pieces that the log remembers. So the numbers are the same, live and read again: who reads
on after one of them misses nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import orjson

from glia.runs.events import (
    CalledTool,
    Citation,
    ContextCompacted,
    Event,
    ModelResponded,
    PlanMade,
    Preview,
    ReflectionMade,
    RunCancelled,
    RunCompleted,
    RunCreated,
    RunFailed,
    RunStarted,
    TextDelta,
    ThinkingDelta,
    ToolCalled,
    ToolReturned,
)
from glia.runs.model_events import StepUsage, as_shown
from glia.surfaces.openai.ids import item_id
from glia.surfaces.openai.response_body import THOUGHTS
from glia.surfaces.openai.response_calls import PHASES, call_item, finish_call
from glia.surfaces.openai.response_thoughts import CONTENT, thoughts_content
from glia.surfaces.shared.text_cursor import TextCursor

Json = dict[str, Any]

_FAILURES = {"rate_limited": "rate_limit_exceeded", "context_too_long": "context_length_exceeded"}
_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


class ResponseEvents:
    """head: the response's fields that never change. Feed it a run's events; `response` is what they add up to."""

    def __init__(self, run_id: UUID, head: Json) -> None:
        self._run_id = run_id
        self._is_background: bool = head["background"]
        included = head.pop("include", ())
        self._shows_results = "file_search_call.results" in included
        self._shows_thoughts = THOUGHTS in included
        self._thoughts: dict[str, ModelResponded] = {}
        self._thought: Json | None = None
        """The reasoning of the step that is being read."""
        self.response: Json = {**head, "status": "queued" if self._is_background else "in_progress"}
        self.response |= {"output": [], "error": None, "incomplete_details": None, "usage": None, "completed_at": None}
        self._output: list[Json] = self.response["output"]
        self._events: list[Json] = []
        self._number = 0
        self._step = 0
        self._text, self._thinking = TextCursor(), TextCursor()
        self._open: tuple[int, Json] | None = None
        self._calls: dict[str, int] = {}
        self._has_started = False
        self._usage = StepUsage(0, 0)

    @property
    def is_over(self) -> bool:
        return self.response["status"] not in ("queued", "in_progress")

    @property
    def next_number(self) -> int:
        return self._number

    def take(self, item: Event | Preview) -> list[Json]:
        """The events that this one brings, numbered."""
        payload = item.delta if isinstance(item, Preview) else item.payload
        match payload:
            case RunCreated():
                self._begin()
            case RunStarted():
                self._start()
            case TextDelta() as delta:
                self._begin_step(delta.step)
                for piece in as_shown(delta):
                    self._say(self._text.take(piece))
            case ThinkingDelta() as delta:
                self._begin_step(delta.step)
                for piece in as_shown(delta):
                    self._think(self._thinking.take(piece))
            case ModelResponded() as response:
                self._responded(response, item.attempt if isinstance(item, Event) else None)
            case ToolCalled() as called:
                self._called(called)
            case ToolReturned() as returned:
                self._returned(returned)
            case ContextCompacted() | PlanMade() | ReflectionMade():
                self._count(payload.usage)
            case RunCompleted() | RunFailed() | RunCancelled() if isinstance(item, Event):
                self._end(payload, item.at.timestamp())
            case _:
                pass
        events, self._events = self._events, []
        return events

    def with_thoughts(self) -> list[Json]:
        """The output, its reasoning with what a provider wants to see again."""
        made = {id: {CONTENT: thoughts_content(response)} for id, response in self._thoughts.items()}
        return [{**item, **made.get(item["id"], {})} for item in self._output]

    def take_all(self, items: Iterable[Event]) -> None:
        for item in items:
            self.take(item)

    def _emit(self, type: str, **fields: object) -> None:
        self._events.append({"type": type, "sequence_number": self._number, **fields})
        self._number += 1

    def _tell(self, type: str) -> None:
        """Tells of the response as it is now, which the object will not be when the event is written."""
        self._emit(type, response=orjson.loads(orjson.dumps(self.response)))

    def _begin(self) -> None:
        self._tell("response.created")
        if self._is_background:
            self._tell("response.queued")
        else:
            self._start()

    def _start(self) -> None:
        if not self._has_started:
            self._has_started = True
            self.response["status"] = "in_progress"
            self._tell("response.in_progress")

    def _begin_step(self, step: int) -> None:
        if step > self._step:
            self._close()
            self._step, self._thought = step, None
            self._text, self._thinking = TextCursor(), TextCursor()

    def _add(self, kind: str, item: Json) -> tuple[int, Json]:
        index = len(self._output)
        found = {"id": item_id(kind, self._run_id, index), **item}
        self._output.append(found)
        self._emit("response.output_item.added", output_index=index, item=dict(found))
        return index, found

    def _say(self, text: str) -> None:
        if not text:
            return
        index, item = self._opened("message")
        item["content"][0]["text"] += text
        self._emit(
            "response.output_text.delta",
            item_id=item["id"],
            output_index=index,
            content_index=0,
            delta=text,
            logprobs=[],
        )

    def _think(self, text: str) -> None:
        if not text:
            return
        index, item = self._opened("reasoning")
        item["summary"][0]["text"] += text
        self._emit(
            "response.reasoning_summary_text.delta",
            item_id=item["id"],
            output_index=index,
            summary_index=0,
            delta=text,
        )

    def _opened(self, type: str) -> tuple[int, Json]:
        """The item of this type that is being written; a new one unless it is the last."""
        if self._open is not None and self._open[1]["type"] == type:
            return self._open
        self._close()
        self._open = self._open_message() if type == "message" else self._open_reasoning()
        return self._open

    def _open_message(self) -> tuple[int, Json]:
        index, item = self._add("msg", {"type": "message", "status": "in_progress", "role": "assistant", "content": []})
        part: Json = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
        item["content"] = [part]
        self._emit(
            "response.content_part.added", item_id=item["id"], output_index=index, content_index=0, part=dict(part)
        )
        return index, item

    def _open_reasoning(self) -> tuple[int, Json]:
        index, item = self._add("rs", {"type": "reasoning", "status": "in_progress", "summary": []})
        part: Json = {"type": "summary_text", "text": ""}
        item["summary"] = [part]
        self._thought = item
        self._emit(
            "response.reasoning_summary_part.added",
            item_id=item["id"],
            output_index=index,
            summary_index=0,
            part=dict(part),
        )
        return index, item

    def _close(self, status: str = "completed") -> None:
        if self._open is None:
            return
        (index, item), self._open = self._open, None
        item["status"] = status
        where: Json = {"item_id": item["id"], "output_index": index}
        if item["type"] == "message":
            part = item["content"][0]
            self._emit("response.output_text.done", **where, content_index=0, text=part["text"], logprobs=[])
            self._emit("response.content_part.done", **where, content_index=0, part=part)
        else:
            part = item["summary"][0]
            self._emit("response.reasoning_summary_text.done", **where, summary_index=0, text=part["text"])
            self._emit("response.reasoning_summary_part.done", **where, summary_index=0, part=part)
        self._emit("response.output_item.done", output_index=index, item=item)

    def _responded(self, response: ModelResponded, attempt: int | None) -> None:
        self._begin_step(response.step)
        is_speaking = self._open is not None and self._open[1]["type"] == "message"
        if response.thinking and not is_speaking:
            whole = ThinkingDelta(response.step, attempt or 1, 0, response.thinking)
            self._think(self._thinking.take(whole))
        if self._thought is not None:
            self._thoughts[self._thought["id"]] = response
            if self._shows_thoughts:
                self._thought[CONTENT] = thoughts_content(response)
        self._say(self._text.settle(response, attempt))
        self._count(response.usage)
        if response.tool_calls:
            self._close()

    def _called(self, called: ToolCalled) -> None:
        kind, item = call_item(called.tool, called.arguments)
        index, item = self._add(kind, item)
        self._calls[called.tool_call_id] = index
        self._phases(index, item, PHASES[item["type"]].first)

    def _phases(self, index: int, item: Json, names: Iterable[str]) -> None:
        for name in names:
            fields: Json = {}
            if name.endswith(("arguments.delta", "code.delta")):
                fields = {"delta": item.get("arguments") or item.get("code") or ""}
            elif name.endswith("arguments.done"):
                fields = {"arguments": item["arguments"]}
            elif name.endswith("code.done"):
                fields = {"code": item["code"]}
            self._emit(f"response.{name}", item_id=item["id"], output_index=index, **fields)

    def _returned(self, returned: ToolReturned) -> None:
        if returned.tool_call_id not in self._calls:  # nobody allowed it
            self._called(ToolCalled(returned.step, returned.tool_call_id, returned.tool, {}, "", ""))
        index = self._calls[returned.tool_call_id]
        item = self._output[index]
        finish_call(item, returned, shows_results=self._shows_results)
        phases = PHASES[item["type"]]
        self._phases(index, item, phases.failed if item["status"] == "failed" else phases.last)
        self._emit("response.output_item.done", output_index=index, item=item)

    def _count(self, usage: StepUsage) -> None:
        known = self._usage
        self._usage = StepUsage(
            known.input_tokens + usage.input_tokens,
            known.output_tokens + usage.output_tokens,
            known.cached_input_tokens + usage.cached_input_tokens,
            known.thinking_tokens + usage.thinking_tokens,
            known.cache_write_tokens + usage.cache_write_tokens,
        )

    def _end(self, ended: RunCompleted | RunFailed | RunCancelled, at: float) -> None:
        self.response["usage"] = _usage_json(self._usage)
        match ended:
            case RunCompleted():
                self._complete(ended, at)
            case RunFailed(error=error):
                self._close("incomplete")
                self._finish("failed", error={"code": _error_code(error.code), "message": error.message})
            case RunCancelled():
                self._close("incomplete")
                self._finish("cancelled")

    def _complete(self, completed: RunCompleted, at: float) -> None:
        text = completed.message.content if completed.message else ""
        has_message = self._open is not None and self._open[1]["type"] == "message"
        if not has_message and not completed.tool_calls and not any(i["type"] == "message" for i in self._output):
            self._opened("message")
            self._say(text)
        if completed.message and self._open is not None and self._open[1]["type"] == "message":
            self._annotate(completed.message.citations)
        reason = _INCOMPLETE.get(completed.finish_reason or "")
        self._close("incomplete" if reason else "completed")
        for call in completed.tool_calls or ():
            self._hand_over(call)
        if reason:
            self._finish("incomplete", incomplete_details={"reason": reason})
        else:
            self._finish("completed", completed_at=int(at))

    def _annotate(self, citations: list[Citation]) -> None:
        if self._open is None:
            return
        index, item = self._open
        part = item["content"][0]
        for number, citation in enumerate(citations):
            place = part["text"].find(citation.uri)
            annotation: Json = {
                "type": "file_citation",
                "file_id": citation.document_id,
                "filename": citation.document_name,
                "index": max(0, place - 1) if place >= 0 else len(part["text"]),
            }
            part["annotations"].append(annotation)
            self._emit(
                "response.output_text.annotation.added",
                item_id=item["id"],
                output_index=index,
                content_index=0,
                annotation_index=number,
                annotation=annotation,
            )

    def _hand_over(self, call: CalledTool) -> None:
        """A call of the client's function: in one piece, because the model's pieces of it are not kept."""
        fields: Json = {"type": "function_call", "call_id": call.provider_id, "name": call.name}
        index, item = self._add("fc", {**fields, "status": "in_progress", "arguments": ""})
        item |= {"arguments": call.arguments, "status": "completed"}
        where: Json = {"item_id": item["id"], "output_index": index}
        self._emit("response.function_call_arguments.delta", **where, delta=call.arguments)
        self._emit("response.function_call_arguments.done", **where, name=call.name, arguments=call.arguments)
        self._emit("response.output_item.done", output_index=index, item=item)

    def _finish(self, status: str, **fields: object) -> None:
        self.response |= {"status": status, **fields}
        self._tell(f"response.{status}")


def _usage_json(usage: StepUsage) -> Json:
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cached_input_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.thinking_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }


def _error_code(code: str) -> str:
    return _FAILURES.get(code, "server_error")
