"""What a run's events tell, gathered for Neura's answer: tool calls, costs, sources, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from glia.identity.types import Principal
from glia.runs.events import (
    BudgetExceeded,
    ChildStarted,
    ContextCompacted,
    Event,
    ModelResponded,
    Payload,
    PlanMade,
    ReflectionMade,
    RunCancelled,
    RunCompleted,
    RunCreated,
    RunFailed,
    ToolCalled,
    ToolReturned,
    UnknownPayload,
)
from glia.surfaces.neura.costs import Costs
from glia.wiring import House

_SEARCHES_KNOWLEDGE = "knowledge_search"
_RECALLS = frozenset({"memory_search", "conversation_search"})
_REMEMBERED = "- "


@dataclass
class Tale:
    """contexts: names of what the model was sent besides messages. memories: found by the agent's own searches.

    asked_model: as the agent or the request named it; models: those that answered. refused: why a budget stopped it.
    """

    calls: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    costs: Costs = field(default_factory=Costs)
    contexts: dict[str, None] = field(default_factory=dict[str, None])
    models: dict[str, None] = field(default_factory=dict[str, None])
    asked_model: str | None = None
    memories: int = 0
    iterations: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    has_children: bool = False
    has_searched: bool = False
    began_at: datetime | None = None
    ended_at: datetime | None = None
    completed: RunCompleted | None = None
    ended_badly: RunFailed | RunCancelled | None = None
    refused: BudgetExceeded | None = None

    @property
    def answer(self) -> str:
        message = None if self.completed is None else self.completed.message
        return "" if message is None else message.content

    @property
    def sources(self) -> list[str]:
        """URLs and `kb://` addresses in the order in which the answer cites them."""
        message = None if self.completed is None else self.completed.message
        return [] if message is None else [citation.uri for citation in message.citations]

    @property
    def latency_ms(self) -> int:
        if self.began_at is None or self.ended_at is None:
            return 0
        return max(0, round((self.ended_at - self.began_at).total_seconds() * 1000))

    def note(self, event: Event, payload: Payload | UnknownPayload) -> None:
        match payload:
            case RunCreated(model=model):
                self.asked_model = model
                self.began_at = event.at
            case ModelResponded() as response:
                self._note_response(response)
            case ToolCalled(tool=tool, arguments=arguments):
                self.calls.append({"tool": tool, "args": arguments if isinstance(arguments, dict) else {}})
            case ToolReturned() as returned:
                self._note_return(returned)
            case ContextCompacted() | PlanMade() | ReflectionMade():
                if payload.usage.input_tokens:  # else no model was asked
                    self.costs.note_answer(payload.cost_micros)
            case ChildStarted():
                self.has_children = True
            case BudgetExceeded():
                self.refused = payload
            case RunCompleted():
                self.completed, self.ended_at = payload, event.at
            case RunFailed() | RunCancelled():
                self.ended_badly, self.ended_at = payload, event.at
            case _:
                pass

    def _note_response(self, response: ModelResponded) -> None:
        self.iterations = response.step
        self.input_tokens += response.usage.input_tokens
        self.output_tokens += response.usage.output_tokens
        self.models[response.model] = None
        self.costs.note_answer(response.cost_micros)
        if response.context:
            self.contexts[response.context] = None

    def _note_return(self, returned: ToolReturned) -> None:
        self.costs.note_return(returned)
        if returned.tool == _SEARCHES_KNOWLEDGE:
            self.has_searched = True
        elif returned.tool in _RECALLS and returned.status == "ok":
            self.memories += sum(line.startswith(_REMEMBERED) for line in returned.text.splitlines())


async def settle(house: House, principal: Principal, run_id: UUID, tale: Tale) -> None:
    """Adds the costs that stand beside the log, when the run had any."""
    if not (tale.has_children or tale.has_searched):
        return
    await house.meter.flush()  # embeddings are recorded a moment after they were made
    tale.costs.note_tree(await house.usage.of_run(principal, run_id))
