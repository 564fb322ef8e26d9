"""The graph behind a list of steps: what comes after what, and which branch leads where."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from msgspec import UNSET

from glia.workflows.conditions import templates_of
from glia.workflows.references import Reference, references_in
from glia.workflows.types import (
    Action,
    AgentAction,
    ApprovalAction,
    ConditionAction,
    Definition,
    HttpAction,
    MapAction,
    Step,
    SubworkflowAction,
    TimeAction,
    ToolAction,
    Undo,
)

Branch = Literal["then", "else"]


@dataclass(frozen=True)
class Graph:
    """before: the steps that each one comes after. after: the other way round. branches: conditions that lead to it."""

    definition: Definition
    steps: dict[str, Step]
    before: dict[str, frozenset[str]]
    after: dict[str, tuple[str, ...]]
    branches: dict[str, tuple[tuple[str, Branch], ...]]

    @property
    def last(self) -> list[str]:
        """Steps that nothing comes after."""
        return [id for id in self.steps if not self.after[id]]

    def undo(self, id: str) -> Undo | None:
        return self.steps[id].compensation


def graph_of(definition: Definition) -> Graph:
    """Edges to steps that are not there are left out; validation has refused them."""
    steps = {step.id: step for step in definition.steps}
    before: dict[str, dict[str, None]] = {id: {} for id in steps}
    branches: dict[str, list[tuple[str, Branch]]] = {id: [] for id in steps}

    def edge(first: str, second: str) -> None:
        if first in steps and second in steps:
            before[second][first] = None

    for step in definition.steps:
        for id in step.depends_on:
            edge(id, step.id)
        for id in step.next:
            edge(step.id, id)
        for branch, id in branches_of(step):
            edge(step.id, id)
            if id in steps:
                branches[id].append((step.id, branch))
        for _at, template in (*templates_in(step.action, ""), ("", step.reuse_key)):
            for _place, reference in references_in(template):
                if isinstance(reference, Reference) and reference.step is not None:
                    edge(reference.step, step.id)
    after: dict[str, list[str]] = {id: [] for id in steps}
    for second, firsts in before.items():
        for first in firsts:
            after[first].append(second)
    return Graph(
        definition,
        steps,
        {id: frozenset(firsts) for id, firsts in before.items()},
        {id: tuple(seconds) for id, seconds in after.items()},
        {id: tuple(found) for id, found in branches.items()},
    )


def branches_of(step: Step) -> list[tuple[Branch, str]]:
    if not isinstance(step.action, ConditionAction):
        return []
    return [*(("then", id) for id in step.action.then), *(("else", id) for id in step.action.else_)]


def templates_in(action: Action | Undo, at: str) -> Iterator[tuple[str, Any]]:
    """Everything in an action that may hold references, with its place."""
    match action:
        case AgentAction(prompt=prompt):
            yield f"{at}.prompt", prompt
        case ToolAction(arguments=arguments):
            yield f"{at}.arguments", arguments
        case HttpAction():
            yield f"{at}.url", action.url
            yield f"{at}.headers", action.headers
            yield f"{at}.query", action.query
            if action.body is not UNSET:
                yield f"{at}.body", action.body
        case SubworkflowAction(input=input):
            yield f"{at}.input", input
        case ApprovalAction(message=message, data=data):
            yield f"{at}.message", message
            yield f"{at}.data", data
        case TimeAction(seconds=seconds, until=until):
            yield f"{at}.seconds", seconds
            yield f"{at}.until", until
        case ConditionAction(if_=condition):
            yield from templates_of(condition, f"{at}.if")
        case MapAction(over=over, step=inner):
            yield f"{at}.over", over
            yield from templates_in(inner, f"{at}.step")


def cycle_in(graph: Graph) -> list[str]:
    """The steps of one cycle in their order, or none."""
    left = {id: len(firsts) for id, firsts in graph.before.items()}
    ready = [id for id, count in left.items() if not count]
    while ready:
        id = ready.pop()
        del left[id]
        for second in graph.after[id]:
            left[second] -= 1
            if not left[second]:
                ready.append(second)
    if not left:
        return []
    path: list[str] = []
    here = next(iter(left))
    while here not in path:
        path.append(here)
        here = next(first for first in graph.before[here] if first in left)
    return path[path.index(here) :][::-1]


def behind(graph: Graph, ids: list[str]) -> set[str]:
    """Everything that comes after these steps."""
    found: set[str] = set()
    open = list(ids)
    while open:
        for second in graph.after[open.pop()]:
            if second not in found:
                found.add(second)
                open.append(second)
    return found


def ancestors(graph: Graph) -> dict[str, frozenset[str]]:
    """For each step of a graph without cycles, all that comes before it."""
    found: dict[str, frozenset[str]] = {}
    left = {id: len(firsts) for id, firsts in graph.before.items()}
    ready = [id for id, count in left.items() if not count]
    while ready:
        id = ready.pop()
        found[id] = graph.before[id].union(*(found[first] for first in graph.before[id]))
        for second in graph.after[id]:
            left[second] -= 1
            if not left[second]:
                ready.append(second)
    return found
