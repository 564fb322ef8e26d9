"""Neura's cost object: what a run cost, by what it was spent on, read from its log and the usage of its tree.

Every part is a sum of real figures in micro-dollars. A part in which one figure is not known is null, and so is the
sum.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from glia.runs.events import ToolReturned
from glia.surfaces.shared.money import usd
from glia.usage.types import RunCost


@dataclass
class Costs:
    """In micro-dollars; None where a figure is not known."""

    embedding: int | None = 0
    llm: int | None = 0
    search: int | None = 0
    sandbox: int | None = 0
    sub_agent: int | None = 0
    inference: int | None = 0

    @property
    def total(self) -> int | None:
        total = 0
        for part in (self.embedding, self.llm, self.search, self.sandbox, self.sub_agent, self.inference):
            if part is None:
                return None
            total += part
        return total

    @property
    def unknown(self) -> list[str]:
        return [name for name, part in self.wire().items() if part is None and name != "total_cost"]

    def wire(self) -> dict[str, float | None]:
        """In USD, with all seven parts."""
        return {
            "embedding_cost": usd(self.embedding),
            "llm_cost": usd(self.llm),
            "search_cost": usd(self.search),
            "sandbox_cost": usd(self.sandbox),
            "sub_agent_cost": usd(self.sub_agent),
            "inference_cost": usd(self.inference),
            "total_cost": usd(self.total),
        }

    def note_answer(self, cost_micros: int | None) -> None:
        """A model call of the run itself. Code runs on this machine, which charges nothing."""
        self.llm = _sum(self.llm, cost_micros)

    def note_return(self, returned: ToolReturned) -> None:
        charge = returned.charge
        if charge is None:
            return
        if charge.operation == "search":
            self.search = _sum(self.search, charge.cost_micros)
        else:
            self.inference = _sum(self.inference, charge.cost_micros)

    def note_tree(self, costs: Iterable[RunCost]) -> None:
        """What was recorded beside the log: embeddings of the run's searches, and everything of runs below it."""
        for cost in costs:
            known = None if cost.has_unknown else cost.cost_micros
            if cost.is_below:
                self.sub_agent = _sum(self.sub_agent, known)
            elif cost.operation == "embeddings":
                self.embedding = _sum(self.embedding, known)


def _sum(so_far: int | None, more: int | None) -> int | None:
    return None if so_far is None or more is None else so_far + more
