"""What may be kept: definitions are read, checked and versioned before anything runs."""

from typing import Any

import pytest

from glia.agents.types import AgentSpec
from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.errors import InvalidRequest
from glia.kit.pages import Window
from glia.runs.types import RunStatus
from glia.workflows.acts import one_tool
from glia.workflows.errors import (
    InvalidWorkflow,
    KeyUsedOtherwise,
    StepError,
    WorkflowNotFound,
    WorkflowSlugTaken,
)
from glia.workflows.schema import fault
from glia.workflows.types import WorkflowSpec
from glia.workflows.validation import checked
from tests.conftest import DatabaseUrls
from tests.runs.rig import ScriptedModel, rig
from tests.workflows.stage import Ledger, ended, make, note

WAIT = {"id": "w", "kind": "wait_time", "seconds": 1}


def told(*steps: Any, **more: Any) -> dict[str, str]:
    _parsed, problems = checked({"steps": list(steps), **more})
    return {problem.field: problem.message for problem in problems}


def one(**step: Any) -> dict[str, str]:
    return told({"id": "a", **step})


@pytest.mark.parametrize(
    ("found", "field", "part"),
    [
        (told(), "steps", "at least one step"),
        (told("x"), "steps[0]", "is an object"),
        (told(WAIT, WAIT), "steps[1].id", "is the id of steps[0] too"),
        (one(kind="teleport"), "steps[0].kind", "'teleport' is not a kind of step"),
        (one(kind="wait_time", seconds=1, speed=2), "steps[0].speed", "no such field"),
        (one(kind="wait_time"), "steps[0]", "either `seconds` or `until`"),
        (one(kind="wait_time", until="tomorrow"), "steps[0].until", "with its zone"),
        (one(kind="wait_time", seconds=-1), "steps[0].seconds", "between 0 and"),
        (told({**WAIT, "depends_on": ["x"]}), "steps[0].depends_on[0]", "no step 'x'"),
        (told({**WAIT, "next": ["x"]}), "steps[0].next[0]", "no step 'x'"),
        (told({**WAIT, "id": "a.b"}), "steps[0].id", "must begin with a letter"),
        (one(kind="agent", agent="x", prompt="{{steps.b.output}}"), "steps[0].prompt", "which is not there"),
        (one(kind="agent", agent="x", prompt="{{steps.a.output}}"), "steps[0].prompt", "own output"),
        (one(kind="agent", agent="x", prompt="{{secrets.key}}"), "steps[0].prompt", "must begin with one of"),
        (one(kind="agent", agent="x", prompt="{{input.a b}}"), "steps[0].prompt", "cannot be read at"),
        (one(kind="agent", agent="x", prompt="{{input.__class__()}}"), "steps[0].prompt", "cannot be read at"),
        (one(kind="agent", agent="x", prompt="{{ open"), "steps[0].prompt", "not closed"),
        (one(kind="agent", agent="x", prompt="{{item}}"), "steps[0].prompt", "only inside the `step` of a map"),
        (one(kind="tool", tool="x", arguments={"a": ["{{steps.z.output}}"]}), "steps[0].arguments.a[0]", "'z'"),
        (one(kind="tool", tool="x", retry={"max_attempts": 0}), "steps[0].retry.max_attempts", "between 1 and 100"),
        (one(kind="tool", tool="x", timeout_seconds=0), "steps[0].timeout_seconds", "above 0"),
        (one(kind="http", url="ftp://x/"), "steps[0].url", "http:// or https://"),
        (one(kind="http", url="https://{{input.host}}/x"), "steps[0].url", "host must be written out"),
        (one(kind="http", url="https://x/", body={}), "steps[0].body", "sends no body"),
        (
            one(kind="http", url="https://x/", headers={"Authorization": "Bearer x"}),
            "steps[0].headers.Authorization",
            "custom tool",
        ),
        (one(kind="map", over="{{input.a}}s", step={}), "steps[0].step.kind", "missing"),
        (
            one(kind="map", over="some", step={"kind": "tool", "tool": "x"}),
            "steps[0].over",
            "one reference to a list",
        ),
        (
            one(kind="map", over=[], step={"kind": "wait_time", "seconds": 1}),
            "steps[0].step.kind",
            "wait_time",
        ),
        (one(kind="condition", **{"if": {"left": 1, "op": "eq", "right": 1}}), "steps[0]", "branches to nothing"),
        (
            one(kind="condition", **{"if": {"left": 1, "op": "eq", "right": 1}, "then": ["x"]}),
            "steps[0].then",
            "no such step",
        ),
        (one(kind="condition", **{"if": {"left": 1}, "then": ["a"]}), "steps[0].if.op", "missing"),
        (one(kind="condition", **{"if": {}, "then": ["a"]}), "steps[0].if", "It is empty"),
        (told({**WAIT, "compensation": {"kind": "tool", "tool": "x"}}), "steps[0].compensation", "nothing to undo"),
        (told(WAIT, output={"x": "{{steps.q.output}}"}), "output.x", "'q'"),
        (told(WAIT, input_schema={"type": "thing"}), "input_schema.type", "not a JSON type"),
        (told(WAIT, input_schema={"pattern": "x"}), "input_schema.pattern", "not applied"),
        (told(*[{**WAIT, "id": f"s{n}"} for n in range(501)]), "steps", "the most is 500"),
        (told(WAIT, extra=1), "extra", "no such field"),
        (told({**WAIT, "name": "x" * 1_000_000}), "steps", "bytes"),
    ],
)
def test_what_makes_no_sense_is_told_with_its_place(found: dict[str, str], field: str, part: str) -> None:
    assert field in found, found
    assert part in found[field], found[field]


def test_circles_are_shown_and_what_lies_behind_them() -> None:
    found = told(
        {**WAIT, "id": "a", "depends_on": ["c"]},
        {**WAIT, "id": "b", "depends_on": ["a"]},
        {**WAIT, "id": "c", "depends_on": ["b"]},
        {**WAIT, "id": "d", "depends_on": ["c"]},
        {**WAIT, "id": "e"},
    )

    circle = [text for text in found.values() if "in a circle" in text]
    assert len(circle) == 1
    assert all(f" {id} " in circle[0].replace(".", " ").replace(":", ": ") for id in "abc")
    assert "'d' can never be reached" in found["steps[3]"]
    assert "steps[4]" not in found


def test_a_reference_is_an_edge() -> None:
    first = {"id": "a", "kind": "agent", "agent": "x", "prompt": "{{steps.b.output}}"}
    second = {"id": "b", "kind": "agent", "agent": "x", "prompt": "{{steps.a.output}}"}

    assert any("in a circle" in text for text in told(first, second).values())


async def test_agents_tools_and_workflows_must_be_there(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    async with rig(db, database_urls.app, ScriptedModel(), [Ledger().tool()]) as house:
        agent = await house.agents.create(principal, AgentSpec(name="Clerk"))
        steps = [
            {"id": "a", "kind": "agent", "agent": "nobody", "prompt": "x"},
            {"id": "b", "kind": "agent", "agent": agent.slug, "prompt": "x", "version": 9},
            {"id": "c", "kind": "tool", "tool": "notes"},
            {"id": "d", "kind": "workflow", "workflow": "none"},
            {"id": "e", "kind": "map", "over": [1], "step": {"kind": "tool", "tool": "gone"}},
            note("f", compensation={"kind": "tool", "tool": "lost"}),
        ]
        problems = await house.workflows.validate(principal, {"steps": steps})
        with pytest.raises(InvalidWorkflow) as refused:
            await house.workflows.create(principal, WorkflowSpec("Bad", {"steps": steps}))

        assert [problem.field for problem in problems] == [
            "steps[0].agent",
            "steps[1].version",
            "steps[2].tool",
            "steps[3].workflow",
            "steps[4].step.tool",
            "steps[5].compensation.tool",
        ]
        assert "'note'" in problems[2].message
        assert refused.value.field == "steps[0].agent"
        assert len(refused.value.details["problems"]) == 6  # type: ignore[arg-type]
        assert (await house.workflows.list(principal, Window(10))).items == []


async def test_workflows_that_lead_back_to_themselves_are_refused(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    async with rig(db, database_urls.app, ScriptedModel()) as house:
        inner = await make(house, principal, WAIT)
        outer = await make(house, principal, {"id": "s", "kind": "workflow", "workflow": str(inner.id)})

        for target in (outer, inner):
            steps = [{"id": "s", "kind": "workflow", "workflow": target.slug}]
            with pytest.raises(InvalidWorkflow, match="never end"):
                await house.workflows.update(principal, inner.id, {"definition": {"steps": steps}})


async def test_each_change_is_a_version_and_executions_keep_theirs(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    ledger = Ledger()
    async with rig(db, database_urls.app, ScriptedModel(), [ledger.tool()]) as house:
        made = await make(house, principal, note("a"), output="one")
        changed = await house.workflows.update(principal, made.id, {"definition": {"output": "two"}})
        bare = await house.workflows.update(principal, made.id, {"definition": {"output": None}, "name": "Other"})

        assert (made.version, changed.version, bare.version) == (1, 2, 3)
        assert "output" not in bare.current.definition
        assert [found.version for found in await house.workflows.versions(principal, made.id)] == [3, 2, 1]
        outputs = []
        for version in (1, 2, None):
            accepted = await house.workflows.start(principal, made.slug, {}, version=version)
            outputs.append((await ended(house, principal, made, accepted)).output)
        assert outputs == ["one", "two", {"a": {"got": {"step": "a"}}}]
        await house.workflows.delete(principal, made.id)
        with pytest.raises(WorkflowNotFound):
            await house.workflows.start(principal, made.slug, {})


async def test_a_slug_is_given_once(db: Database, database_urls: DatabaseUrls, principal: Principal) -> None:
    async with rig(db, database_urls.app, ScriptedModel()) as house:
        first = await make(house, principal, WAIT)
        second = await make(house, principal, WAIT)
        with pytest.raises(WorkflowSlugTaken):
            await house.workflows.create(principal, WorkflowSpec("Flow", {"steps": [WAIT]}), slug=first.slug)

        assert (first.slug, second.slug.startswith("flow-")) == ("flow", True)


async def test_the_input_must_satisfy_its_schema(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    schema = {
        "type": "object",
        "required": ["amount"],
        "additionalProperties": False,
        "properties": {
            "amount": {"type": "number", "exclusiveMinimum": 0},
            "lines": {"type": "array", "maxItems": 2, "items": {"anyOf": [{"type": "string"}, {"const": 1}]}},
        },
    }
    async with rig(db, database_urls.app, ScriptedModel(), is_working=False) as house:
        workflow = await make(house, principal, WAIT, input_schema=schema)

        for given, field in (
            ({}, "input.amount"),
            ({"amount": 0}, "input.amount"),
            ({"amount": True}, "input.amount"),
            ({"amount": 1, "more": 1}, "input.more"),
            ({"amount": 1, "lines": ["a", 2]}, "input.lines[1]"),
            ({"amount": 1, "lines": ["a", "b", "c"]}, "input.lines"),
            ([], "input"),
            ({"amount": 1, "text": "\0"}, "input"),
        ):
            with pytest.raises(InvalidRequest) as refused:
                await house.workflows.start(principal, workflow.id, given)
            assert refused.value.field == field
        assert await house.workflows.start(principal, workflow.id, {"amount": 1, "lines": ["a", 1]})


async def test_the_same_key_names_the_same_execution(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    ledger = Ledger()
    async with rig(db, database_urls.app, ScriptedModel(), [ledger.tool()]) as house:
        workflow = await make(house, principal, note("a"))
        other = await make(house, principal, note("a"))
        first = await house.workflows.start(principal, workflow.id, {"n": 1}, dedupe_key="k")
        again = await house.workflows.start(principal, workflow.id, {"n": 1}, dedupe_key="k")
        elsewhere = await house.workflows.start(principal, other.id, {"n": 1}, dedupe_key="k")
        with pytest.raises(KeyUsedOtherwise):
            await house.workflows.start(principal, workflow.id, {"n": 2}, dedupe_key="k")
        await ended(house, principal, workflow, first)

        assert (again.run_id, again.outcome) == (first.run_id, "known")
        assert elsewhere.run_id != first.run_id
        found = await house.workflows.executions(principal, workflow.id, Window(10), status=RunStatus.COMPLETED)
        assert [execution.id for execution in found.items] == [first.run_id]


async def test_another_workspaces_workflow_is_not_there(
    db: Database, database_urls: DatabaseUrls, principal: Principal, stranger: Principal
) -> None:
    async with rig(db, database_urls.app, ScriptedModel(), is_working=False) as house:
        workflow = await make(house, principal, WAIT)

        with pytest.raises(WorkflowNotFound):
            await house.workflows.start(stranger, workflow.id, {})
        with pytest.raises(InvalidWorkflow):
            await make(house, stranger, {"id": "s", "kind": "workflow", "workflow": str(workflow.id)})


def test_a_schema_and_an_input_that_are_both_large_are_refused_soon() -> None:
    schema = {"type": "array", "items": {"anyOf": [{"const": n} for n in range(2000)]}}

    found = fault(schema, [-1] * 100_000)
    assert found is not None

    found = fault(schema, [1999] * 100_000)
    assert found is not None
    assert "smaller" in found[1]
    assert fault({"uniqueItems": True}, list(range(100_000))) is None
    assert fault({"uniqueItems": True}, [{"a": 1, "b": 2}, {"b": 2, "a": 1}]) is not None


def test_a_step_calls_one_tool_even_where_a_name_stands_for_many() -> None:
    ledger = Ledger()
    many = [ledger.tool("files_read"), ledger.tool("files_write")]

    assert one_tool(many, "files_write").name == "files_write"
    assert one_tool(many[:1], "files").name == "files_read"
    with pytest.raises(StepError, match="files_read, files_write"):
        one_tool(many, "files")
    with pytest.raises(StepError, match="agents only"):
        one_tool([], "knowledge_search")
