"""What only the database can tell about a definition: whether the agents, tools and workflows it names are there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from glia.identity.types import Principal
from glia.kit.db import Transaction
from glia.kit.errors import Forbidden, GliaError, InvalidRequest, NotFound
from glia.kit.mail import MAILTO, check_address
from glia.workflows import queries
from glia.workflows.acts import Crew, one_tool
from glia.workflows.errors import InvalidWorkflow, StepError
from glia.workflows.parsing import Parsed, parse
from glia.workflows.types import (
    DEEPEST_NESTING,
    Action,
    AgentAction,
    ApprovalAction,
    MapAction,
    Notice,
    Problem,
    SubworkflowAction,
    ToolAction,
    Undo,
    WorkflowSpec,
)
from glia.workflows.validation import checked

LONGEST_NAME = 200
LONGEST_DESCRIPTION = 10_000
_SLUG = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_MOST_SHOWN = 50

Own = tuple[UUID | None, str | None]
"""Id and slug of the workflow that is being checked: one that names itself would never end."""


async def check_spec(crew: Crew, principal: Principal, spec: WorkflowSpec, *, own: Own) -> None:
    """Raises InvalidWorkflow with the first problem; `problems` in its details has all."""
    problems = await problems_of(crew, principal, spec.definition, own=own)
    if not problems:
        return
    first = problems[0]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    listed = [{"field": problem.field, "message": problem.message} for problem in problems]
    raise InvalidWorkflow(f"`{first.field}`: {first.message}{more}", field=first.field, problems=listed)


async def problems_of(crew: Crew, principal: Principal, written: Mapping[str, Any], *, own: Own) -> list[Problem]:
    """At most 50, the first ones. Not inside a transaction: each question takes a connection of its own."""
    parsed, problems = checked(written)
    tools: dict[str, str | None] = {}
    for at, action in _actions(parsed):
        match action:
            case AgentAction():
                problems += await _agent_problems(crew, principal, action, at)
            case ToolAction(tool=name):
                if name not in tools:
                    tools[name] = await _tool_problem(crew, principal, name)
                if said := tools[name]:
                    problems.append(Problem(f"{at}.tool", said))
            case ApprovalAction(notify=notices):
                problems += _notice_problems(crew, notices, at)
            case SubworkflowAction():
                async with crew.db.transaction(principal.workspace_id) as tx:
                    problems += await _workflow_problems(tx, action, at, own)
            case _:
                pass
    return problems[:_MOST_SHOWN]


def _notice_problems(crew: Crew, notices: Sequence[Notice], at: str) -> list[Problem]:
    found: list[Problem] = []
    for index, notice in enumerate(notices):
        try:
            if notice.to.startswith(MAILTO):
                check_address(notice.to)
                crew.require_mail()
            else:
                crew.outbound.check(notice.to)
        except GliaError as error:
            found.append(Problem(f"{at}.notify[{index}].to", error.message))
    return found


def _actions(parsed: Parsed) -> Iterator[tuple[str, Action | Undo]]:
    for step in parsed.definition.steps:
        at = parsed.places[step.id]
        yield at, step.action
        if isinstance(step.action, MapAction):
            yield f"{at}.step", step.action.step
        if step.compensation is not None:
            yield f"{at}.compensation", step.compensation


async def _agent_problems(crew: Crew, principal: Principal, action: AgentAction, at: str) -> list[Problem]:
    try:
        agent = await crew.agents.find(principal, action.agent)
    except (NotFound, InvalidRequest, Forbidden) as error:
        return [Problem(f"{at}.agent", error.message)]
    if action.version is not None and not 1 <= action.version <= agent.version:
        said = f"The agent has no version {action.version}; it is at {agent.version}."
        return [Problem(f"{at}.version", said)]
    return []


async def _tool_problem(crew: Crew, principal: Principal, name: str) -> str | None:
    try:
        async with crew.db.transaction(principal.workspace_id) as tx:
            await crew.tools.check_names(principal, tx, (name,))
        one_tool(await crew.tools.resolve(principal, (name,), has_knowledge=False), name)
    except (NotFound, InvalidRequest, Forbidden, StepError) as error:
        return error.message
    return None


async def _workflow_problems(tx: Transaction, action: SubworkflowAction, at: str, own: Own) -> list[Problem]:
    id = await queries.find_id(tx, action.workflow)
    if id is None:
        try:
            id = UUID(action.workflow)
        except ValueError:
            id = None
    if action.workflow == own[1] or (id is not None and id == own[0]):
        return [Problem(f"{at}.workflow", "A workflow cannot be a step of itself; it would never end.")]
    found = None if id is None else await queries.get(tx, id)
    if found is None or id is None:
        return [Problem(f"{at}.workflow", f"There is no workflow {action.workflow[:100]!r} in this workspace.")]
    if action.version is not None and not 1 <= action.version <= found.version:
        return [Problem(f"{at}.version", f"The workflow has no version {action.version}; it is at {found.version}.")]
    return await _nesting_problems(tx, id, at, own)


async def _nesting_problems(tx: Transaction, id: UUID, at: str, own: Own) -> list[Problem]:
    """Follows the workflows below, as they are now, level by level."""
    level, seen = {id}, {id}
    for depth in range(DEEPEST_NESTING + 1):
        if not level:
            return []
        if depth == DEEPEST_NESTING:
            break
        below: set[UUID] = set()
        for one in level:
            found = await queries.get(tx, one)
            names = [] if found is None else _named(found.current.definition)
            for name in names:
                other = await queries.find_id(tx, name) or _uuid(name)
                if own[0] is not None and other == own[0]:
                    said = "This workflow leads back to the one it would be a step of; that would never end."
                    return [Problem(f"{at}.workflow", said)]
                if other is not None and other not in seen:
                    seen.add(other)
                    below.add(other)
        level = below
    return [Problem(f"{at}.workflow", f"Workflows would lie more than {DEEPEST_NESTING} levels deep.")]


def _named(definition: Mapping[str, Any]) -> list[str]:
    return [action.workflow for _at, action in _actions(parse(definition)) if isinstance(action, SubworkflowAction)]


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def check_title(spec: WorkflowSpec) -> None:
    if not spec.name.strip() or len(spec.name) > LONGEST_NAME or "\0" in spec.name:
        raise InvalidRequest(
            f"`name` has {len(spec.name)} characters; give the workflow a name of 1 to {LONGEST_NAME}.", field="name"
        )
    if len(spec.description) > LONGEST_DESCRIPTION or "\0" in spec.description:
        raise InvalidRequest(
            f"`description` has {len(spec.description)} characters; the most is {LONGEST_DESCRIPTION}.",
            field="description",
        )


def slug_or_refusal(slug: str | None) -> str | None:
    if slug is not None and not _SLUG.fullmatch(slug):
        raise InvalidRequest(
            f"`slug` {slug[:100]!r} may hold lower-case letters, digits, `.`, `_` and `-`, at most 100 of them.",
            field="slug",
        )
    return slug
