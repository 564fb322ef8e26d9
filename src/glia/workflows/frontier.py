"""What may begin next: steps whose predecessors have settled, and items of maps that have room."""

from __future__ import annotations

from collections import deque

from glia.workflows.state import State, Unit
from glia.workflows.types import MapAction


class Frontier:
    """Keeps count as units settle, so that looking for the next one never looks at all of them."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._graph = state.graph
        units = state.units
        self._left = {
            id: sum(not units[first].is_settled for first in firsts) for id, firsts in self._graph.before.items()
        }
        """For each step, how many before it have not settled."""
        self.ready = deque(id for id, left in self._left.items() if not left and units[id].status == "pending")
        self._next_item: dict[str, int] = {}
        self._open_items: dict[str, int] = {}
        self._failed_items: dict[str, Unit] = {}
        for unit in units.values():
            if unit.part == "item" and unit.key in state.active:
                self._open_items[unit.step] = self._open_items.get(unit.step, 0) + 1
            elif unit.part == "item" and unit.status == "failed":
                self._failed_items.setdefault(unit.step, unit)

    def settled(self, unit: Unit) -> None:
        """A unit has ended, in whichever way."""
        if unit.part == "item":
            self._open_items[unit.step] = self._open_items.get(unit.step, 1) - 1
            if unit.status == "failed":
                self._failed_items.setdefault(unit.step, unit)
        if unit.part != "step":
            return
        for id in self._graph.after[unit.key]:
            self._left[id] -= 1
            if not self._left[id]:
                self.ready.append(id)

    def why_skipped(self, id: str) -> str | None:
        """Why a step whose predecessors have all settled does not run; None when it does."""
        units = self._state.units
        branches = self._graph.branches[id]
        if branches and not any(
            units[condition].status == "completed" and units[condition].output["branch"] == branch
            for condition, branch in branches
        ):
            named = " or ".join(f"`{branch}` of {condition}" for condition, branch in branches)
            return f"The branch {named} was not taken."
        before = self._graph.before[id]
        if before and all(units[first].status == "skipped" for first in before):
            return "Everything before it was skipped."
        return None

    def next_item(self, of: Unit, action: MapAction) -> Unit | None:
        """The item of a map that may begin now; it counts as open from here on."""
        items = of.items or []
        if self.failed_item(of, action) is not None or self._open_items.get(of.key, 0) >= action.max_concurrency:
            return None
        for at in range(self._next_item.get(of.key, 0), len(items)):
            self._next_item[of.key] = at + 1
            if items[at].status == "pending":
                self._open_items[of.key] = self._open_items.get(of.key, 0) + 1
                return items[at]
        return None

    def has_open_items(self, of: Unit) -> bool:
        return self._open_items.get(of.key, 0) > 0

    def failed_item(self, of: Unit, action: MapAction) -> Unit | None:
        """The first item whose failure fails the map."""
        return self._failed_items.get(of.key) if action.on_item_error == "fail" else None

    def is_map_over(self, of: Unit, action: MapAction) -> bool:
        """Whether nothing of a map is at work and nothing more will be."""
        if self.has_open_items(of):
            return False
        return self.failed_item(of, action) is not None or self._next_item.get(of.key, 0) >= len(of.items or [])
