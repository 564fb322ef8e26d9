"""A process that vanishes: the next one goes on, and repeats nothing that is done."""

from collections import Counter
from typing import Any

import orjson
import pytest

from glia.identity.types import Principal
from glia.kit.db import Database
from glia.runs.types import RunStatus
from glia.tools.types import Effect
from tests.conftest import DatabaseUrls
from tests.runs.mishaps import reached, until, vanish
from tests.runs.rig import ScriptedModel, rig
from tests.workflows.stage import Ledger, ended, make, note, step


@pytest.mark.parametrize("effect", list(Effect))
async def test_completed_steps_stay_and_a_call_in_doubt_is_made_again_only_if_it_may_be(
    db: Database, database_urls: DatabaseUrls, principal: Principal, effect: Effect
) -> None:
    """Tools that bear it are called again, which is the control: without its effect so would be the other."""
    before, hanging = Ledger(), Ledger()
    hanging.seconds = 60
    tools = [before.tool(), hanging.tool("hang", effect)]
    async with rig(db, database_urls.app, ScriptedModel(), tools) as house:
        workflow = await make(house, principal, note("a"), note("b", "a", tool="hang"), note("c", "b"))
        accepted = await house.workflows.start(principal, workflow.id, {})
        await reached(house, principal, accepted.session_id, "tool.called", 2)
        await vanish(house)

    hanging.seconds = 0
    async with rig(db, database_urls.app, ScriptedModel(), tools) as house:
        done = await ended(house, principal, workflow, accepted)

        once = effect is Effect.ONCE
        assert done.status is (RunStatus.FAILED if once else RunStatus.COMPLETED)
        assert before.calls == ([{"step": "a"}] if once else [{"step": "a"}, {"step": "c"}])
        assert len(hanging.calls) == (1 if once else 2)
        assert len(set(hanging.keys)) == 1
        assert step(done, "b").attempts == 1
        if once:
            assert (step(done, "b").error or {})["code"] == "outcome_unknown"


@pytest.mark.parametrize("boundary", range(1, 19))
async def test_a_process_that_vanishes_at_any_event_leaves_nothing_to_repeat(
    db: Database, database_urls: DatabaseUrls, principal: Principal, boundary: int
) -> None:
    ledger = Ledger()
    inner = {"kind": "tool", "tool": "note", "arguments": {"n": "{{item}}"}}
    decide = {"id": "ok", "kind": "condition", "depends_on": ["a"], "then": ["each"], "else": ["never"]}
    steps = (
        note("a"),
        {**decide, "if": {"left": "{{steps.a.output.got.step}}", "op": "eq", "right": "a"}},
        {"id": "each", "kind": "map", "over": [1, 2], "max_concurrency": 1, "on_item_error": "continue", "step": inner},
        note("never"),
        note("last", "each"),
    )
    a_may_fail = ({**steps[0], "on_error": "continue"}, *steps[1:4], {**steps[4], "on_error": "continue"})
    async with rig(db, database_urls.app, ScriptedModel(), [ledger.tool()]) as house:
        workflow = await make(house, principal, *a_may_fail)
        accepted = await house.workflows.start(principal, workflow.id, {})

        async def is_there() -> bool:
            return len(await house.types(principal, accepted.session_id)) >= boundary

        await until(is_there)
        await vanish(house)

    async with rig(db, database_urls.app, ScriptedModel(), [ledger.tool()]) as house:
        done = await ended(house, principal, workflow, accepted)

        assert done.status is RunStatus.COMPLETED, done.error
        assert max(Counter(ledger.keys).values()) == 1
        codes = {(found.error or {}).get("code") for found in done.steps} - {None}
        assert codes <= {"outcome_unknown"}
        events = await house.runs.run_events(principal, accepted.run_id, after=0, limit=1000)
        ends = [event for event in events if event.type in ("step.completed", "step.failed", "step.skipped")]
        assert max(Counter(orjson.loads(event.data)["step"] for event in ends).values()) == 1
        assert {found.status for found in done.steps} <= {"completed", "failed", "skipped"}


async def test_a_map_goes_on_with_the_items_that_are_missing(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    ledger = Ledger()
    ledger.seconds = 0.05
    inner: dict[str, Any] = {"kind": "tool", "tool": "note", "arguments": {"n": "{{item}}"}}
    each = {"id": "each", "kind": "map", "over": list(range(30)), "max_concurrency": 4, "step": inner}
    tools = [ledger.tool(effect=Effect.IDEMPOTENT)]
    async with rig(db, database_urls.app, ScriptedModel(), tools) as house:
        workflow = await make(house, principal, each, output="{{steps.each.output}}")
        accepted = await house.workflows.start(principal, workflow.id, {})
        await reached(house, principal, accepted.session_id, "step.completed", 10)
        await vanish(house)

    called = len(ledger.calls)
    async with rig(db, database_urls.app, ScriptedModel(), tools) as house:
        done = await ended(house, principal, workflow, accepted)

        assert done.output == [{"got": {"n": n}} for n in range(30)]
        assert len(ledger.calls) - called <= 30 - 10
        assert len(set(ledger.keys)) == 30
        assert ledger.most_at_once <= 4


async def test_what_was_begun_to_be_undone_is_undone_to_the_end(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    ledger, slow = Ledger(), Ledger()
    slow.seconds = 60
    tools = [ledger.tool(), slow.tool("slow", Effect.IDEMPOTENT)]
    undo = {"kind": "tool", "tool": "slow", "arguments": {"undo": "b"}}
    bad = {"id": "bad", "kind": "condition", "depends_on": ["b"], "then": ["late"]}
    steps = (
        note("a", compensation={"kind": "tool", "tool": "note", "arguments": {"undo": "a"}}),
        note("b", "a", compensation=undo),
        {**bad, "if": {"left": 1, "op": "lt", "right": "x"}},
        note("late"),
    )
    async with rig(db, database_urls.app, ScriptedModel(), tools) as house:
        workflow = await make(house, principal, *steps)
        accepted = await house.workflows.start(principal, workflow.id, {})
        await reached(house, principal, accepted.session_id, "tool.called", 3)
        await vanish(house)

    slow.seconds = 0
    async with rig(db, database_urls.app, ScriptedModel(), tools) as house:
        done = await ended(house, principal, workflow, accepted)

        assert [found.id for found in done.steps if found.is_compensated] == ["a", "b"]
        assert ledger.calls == [{"step": "a"}, {"step": "b"}, {"undo": "a"}]


async def test_the_cost_of_a_long_workflow_grows_with_its_length_only(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    """CPU time of this process, database not included. Four times the steps may cost little more than four times."""
    import time

    ledger = Ledger()
    async with rig(db, database_urls.app, ScriptedModel(), [ledger.tool()]) as house:
        spent: dict[int, float] = {}
        for count in (10, 50, 200):  # the first warms up
            steps = [note(f"s{n}", *([f"s{n - 1}"] if n else [])) for n in range(count)]
            workflow = await make(house, principal, *steps)
            began = time.process_time()
            accepted = await house.workflows.start(principal, workflow.id, {})
            await house.finish(principal, accepted, 60)
            spent[count] = time.process_time() - began

        print(f"CPU ms a step: {spent[50] / 50 * 1000:.2f} of 50, {spent[200] / 200 * 1000:.2f} of 200")
        assert spent[200] / 200 < 2 * spent[50] / 50
        events = await house.runs.run_events(principal, accepted.run_id, after=0, limit=1000)
        assert len(events) == 200 * 4 + 4  # created, started, workflow.completed, run.completed
