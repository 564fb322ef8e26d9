"""Shows a run in the terminal: the answer on standard output, what leads to it on standard error."""

from __future__ import annotations

import json
import sys
from typing import Any, cast

import click

from glia.cli.api import Json

_WIDEST = 100


class Show:
    """Takes a run's events one by one. is_answer_shown: print the text as it comes."""

    def __init__(self, *, is_answer_shown: bool = True) -> None:
        self._is_answer_shown = is_answer_shown
        self._writing: tuple[int, int] = (0, 0)
        """The step and attempt whose text is being printed."""
        self._printed = 0
        self._is_line_open = False
        self._is_thinking = False
        self.outcome: Json = {}
        """The last event: `run.completed`, `run.failed` or `run.cancelled`."""

    @property
    def is_completed(self) -> bool:
        return self.outcome.get("type") == "run.completed"

    def event(self, event: Json) -> None:
        data: Json = event.get("data") or {}
        match event["type"]:
            case "text.preview" | "text.delta":
                self._text(data["step"], data["attempt"], data["offset"], data["text"])
            case "thinking.preview" | "thinking.delta":
                self._thinking()
            case "model.responded":
                self._text(data["step"], self._writing[1], 0, data.get("text") or "")
            case "tool.called":
                self._step(f"→ {data['tool']}({_arguments(data.get('arguments'))})")
            case "tool.returned":
                self._step(_returned(data))
            case "run.started" if data.get("reason") == "recovered":
                self._step(f"↻ goes on after its worker vanished (attempt {data['attempt']})")
            case "run.completed" | "run.failed" | "run.cancelled":
                self.outcome = event
                self._end(event["type"], data)
            case _:
                pass  # what a newer server says may be skipped

    def _text(self, step: int, attempt: int, offset: int, text: str) -> None:
        """Prints what was not printed yet. Previews come before the stored text, and say the same."""
        if (step, attempt) < self._writing:
            return
        if (step, attempt) != self._writing:
            if step == self._writing[0] and self._printed:
                self._step("↻ the model begins this answer again")
            self._end_line()
            self._writing, self._printed = (step, attempt), 0
        if offset > self._printed:
            return  # a preview was missed; the stored text fills the gap
        fresh = text[self._printed - offset :]
        self._printed += len(fresh)
        if fresh and self._is_answer_shown:
            self._is_thinking = False
            sys.stdout.write(fresh)
            sys.stdout.flush()
            self._is_line_open = not fresh.endswith("\n")

    def _thinking(self) -> None:
        if not self._is_thinking:
            self._is_thinking = True
            self._step("… thinking")

    def _step(self, text: str) -> None:
        self._end_line()
        click.secho(f"  {text}", err=True, dim=True)

    def _end_line(self) -> None:
        if self._is_line_open:
            sys.stdout.write("\n")
            sys.stdout.flush()
            self._is_line_open = False

    def _end(self, type: str, data: Json) -> None:
        self._end_line()
        if type == "run.completed" and self._is_answer_shown:
            message: Json = data.get("message") or {}
            for line in sources(message.get("citations") or []):
                click.echo(line)
        elif type == "run.failed":
            click.echo(f"The run failed: {data['error']['message']}", err=True)
        elif type == "run.cancelled":
            click.echo("Cancelled.", err=True)


def sources(citations: list[Json]) -> list[str]:
    """Where the answer's citations lead, one line each."""
    lines = ["", "Sources"] if citations else []
    for citation in citations:
        page = f", page {citation['page']}" if citation.get("page") is not None else ""
        lines.append(f"  {citation['document_name']}{page}: {_short(citation.get('quote') or '')!r}")
        lines.append(f"    {citation['uri']}")
    return lines


def _arguments(arguments: Any) -> str:
    if isinstance(arguments, dict):
        items = cast(Json, arguments)
        return _short(", ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in items.items()))
    return _short(str(arguments))


def _returned(data: Json) -> str:
    found: list[Json] = data.get("sources") or []
    if data["status"] == "unknown":
        what = "outcome unknown; it is not called again"
    elif data["status"] == "error":
        what = f"error: {_short(data.get('text') or '')}"
    elif found:
        names = list(dict.fromkeys(str(source["document_name"]) for source in found))
        what = _short(f"{len(found)} passages from {', '.join(names)}")
    else:
        what = _short(data.get("text") or "")
    return f"← {what} ({data['duration_ms']} ms)"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _WIDEST else f"{line[: _WIDEST - 1]}…"
