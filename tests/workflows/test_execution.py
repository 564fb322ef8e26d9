"""What steps do, in which order, and what becomes of their outputs."""

import asyncio
from dataclasses import replace
from typing import Any

from glia.agents.types import AgentSpec
from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.ids import new_id
from glia.kit.pages import Window
from glia.runs.types import RunStatus
from glia.tools.types import Effect, Permission, ToolResult
from tests.conftest import DatabaseUrls
from tests.runs.mishaps import at_rest
from tests.runs.rig import Rig, Say, ScriptedModel, rig
from tests.workflows.stage import Ledger, ended, make, note, run, statuses, step, waits


async def agent(house: Rig, who: Principal, name: str = "Clerk") -> str:
    return (await house.agents.create(who, AgentSpec(name=name, tools=()))).slug


async def test_outputs_flow_from_step_to_step(db: Database, database_urls: DatabaseUrls, principal: Principal) -> None:
    ledger = Ledger()
    async with rig(db, database_urls.app, ScriptedModel(), [ledger.tool()]) as house:
        done = await run(
            house,
            principal,
            note("first", arguments={"n": "{{input.n}}", "text": "number {{input.n}} of {{input.of.all[1]}}"}),
            note("second", arguments={"whole": "{{steps.first.output.got}}", "by": "{{execution.id}}"}),
            input={"n": 7, "of": {"all": [8, 9]}},
            output={"answer": "{{steps.second.output.got.whole.n}}"},
        )

        assert done.status is RunStatus.COMPLETED, done.error
        assert ledger.calls == [
            {"n": 7, "text": "number 7 of 9"},
            {"whole": {"n": 7, "text": "number 7 of 9"}, "by": str(done.id)},
        ]
        assert done.output == {"answer": 7}
        assert ledger.keys == [f"{done.id}:first", f"{done.id}:second"]
        first = step(done, "first")
        assert (first.attempts, first.kind) == (1, "tool")
        assert first.duration_seconds is not None


async def test_an_agents_answer_can_be_taken_as_text_or_as_json(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    model = ScriptedModel(Say("A plain answer"), Say('```json\n{"city": "Rome"}\n```'))
    async with rig(db, database_urls.app, model) as house:
        clerk = await agent(house, principal)
        done = await run(
            house,
            principal,
            {"id": "text", "kind": "agent", "agent": clerk, "prompt": "About {{input.topic}}"},
            {"id": "json", "kind": "agent", "agent": clerk, "prompt": "{{steps.text.output}}", "output": "json"},
            input={"topic": "trains"},
            output="{{steps.json.output.city}}",
        )

        assert done.output == "Rome", done.error
        assert step(done, "text").output.strip() == "A plain answer"
        tree = (await house.runs.list(principal, Window(10), root_run_id=done.id)).items
        assert {run.kind for run in tree} == {"workflow", "agent"}
        assert {run.id for run in tree if run.parent_run_id == done.id} == {found.run_id for found in done.steps}


async def test_a_condition_takes_one_branch_and_skips_what_hangs_on_the_other(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    ledger = Ledger()
    steps = (
        {
            "id": "large",
            "kind": "condition",
            "if": {
                "all": [
                    {"left": "{{input.n}}", "op": "gt", "right": 10},
                    {"not": {"left": "{{input.off}}", "op": "exists"}},
                ]
            },
            "then": ["big"],
            "else": ["small"],
        },
        note("big"),
        note("after_big", "big"),
        note("small"),
        note(
            "join", "after_big", "small", arguments={"big": "{{steps.big.output}}", "small": "{{steps.small.status}}"}
        ),
    )
    async with rig(db, database_urls.app, ScriptedModel(), [ledger.tool()]) as house:
        workflow = await make(house, principal, *steps)
        outcomes = {}
        for n in (5, 50):
            accepted = await house.workflows.start(principal, workflow.id, {"n": n})
            outcomes[n] = await ended(house, principal, workflow, accepted)

        assert statuses(outcomes[5]) == {
            "large": "completed",
            "big": "skipped",
            "after_big": "skipped",
            "small": "completed",
            "join": "completed",
        }
        assert step(outcomes[5], "join").output == {"got": {"big": None, "small": "completed"}}
        assert statuses(outcomes[50])["small"] == "skipped"
        assert step(outcomes[50], "large").output == {"branch": "then"}


async def test_steps_that_do_not_need_each_other_run_at_the_same_time(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    ledger = Ledger()
    ledger.seconds = 0.2
    async with rig(db, database_urls.app, ScriptedModel(), [ledger.tool()]) as house:
        done = await run(house, principal, note("a"), note("b"), note("c"), note("d", "a", "b", "c"))

        assert done.status is RunStatus.COMPLETED
        assert ledger.most_at_once == 3
        assert ledger.calls[-1] == {"step": "d"}


async def test_a_map_keeps_its_order_and_its_limit(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    ledger = Ledger()
    ledger.seconds = 0.03
    async with rig(db, database_urls.app, ScriptedModel(), [ledger.tool()]) as house:
        done = await run(
            house,
            principal,
            {
                "id": "each",
                "kind": "map",
                "over": "{{input.names}}",
                "max_concurrency": 3,
                "step": {"kind": "tool", "tool": "note", "arguments": {"name": "{{item.first}}", "at": "{{index}}"}},
            },
            note("after", arguments={"third": "{{steps.each.output[2].got.name}}"}),
            input={"names": [{"first": f"n{n}"} for n in range(12)]},
        )

        assert done.status is RunStatus.COMPLETED, done.error
        assert 2 <= ledger.most_at_once <= 3
        assert [item.output["got"] for item in step(done, "each").items] == [
            {"name": f"n{n}", "at": n} for n in range(12)
        ]
        assert step(done, "after").output == {"got": {"third": "n2"}}


async def test_a_map_of_sub_workflows_starts_the_next_when_one_has_ended(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    ledger = Ledger()
    async with rig(db, database_urls.app, ScriptedModel(), [ledger.tool()]) as house:
        child = await make(
            house, principal, note("one", arguments={"n": "{{input.n}}"}), output="{{steps.one.output.got.n}}"
        )
        done = await run(
            house,
            principal,
            {
                "id": "each",
                "kind": "map",
                "over": [1, 2, 3, 4, 5],
                "max_concurrency": 2,
                "step": {"kind": "workflow", "workflow": child.slug, "input": {"n": "{{item}}"}},
            },
            output="{{steps.each.output}}",
        )

        assert done.output == [1, 2, 3, 4, 5], done.error
        tree = (await house.runs.list(principal, Window(10), root_run_id=done.id)).items
        assert sorted(run.depth for run in tree) == [0, 1, 1, 1, 1, 1]


async def test_an_empty_map_is_an_empty_list(db: Database, database_urls: DatabaseUrls, principal: Principal) -> None:
    ledger = Ledger()
    inner = {"kind": "tool", "tool": "note", "arguments": {}}
    async with rig(db, database_urls.app, ScriptedModel(), [ledger.tool()]) as house:
        done = await run(house, principal, {"id": "each", "kind": "map", "over": [], "step": inner})

        assert (done.status, done.output) == (RunStatus.COMPLETED, {"each": []})


async def test_one_failed_item_fails_the_map_or_becomes_null(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    ledger = Ledger(lambda given: ToolResult("no twos", is_error=True) if given["n"] == 2 else None)
    inner = {"kind": "tool", "tool": "note", "arguments": {"n": "{{item}}"}}
    each = {"id": "each", "kind": "map", "over": [1, 2, 3], "max_concurrency": 1, "step": inner}
    async with rig(db, database_urls.app, ScriptedModel(), [ledger.tool()]) as house:
        failed = await run(house, principal, each)
        done = await run(house, principal, {**each, "on_item_error": "continue"})

        assert failed.status is RunStatus.FAILED
        assert step(failed, "each").error == {"code": "item_failed", "message": "Item 1 failed: no twos"}
        assert [item.status for item in step(failed, "each").items] == ["completed", "failed", "pending"]
        assert done.output == {"each": [{"got": {"n": 1}}, None, {"got": {"n": 3}}]}


async def test_a_try_that_fails_is_made_again_under_the_same_key(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    ledger = Ledger(lambda _given: ToolResult("not yet", is_error=True) if len(ledger.calls) < 3 else None)
    retry = {"max_attempts": 3, "delay_seconds": 0.05, "factor": 2}
    async with rig(db, database_urls.app, ScriptedModel(), [ledger.tool(effect=Effect.IDEMPOTENT)]) as house:
        done = await run(house, principal, note("a", retry=retry))

        assert (done.status, step(done, "a").attempts) == (RunStatus.COMPLETED, 3)
        assert len(set(ledger.keys)) == 1
        types = await house.types(principal, done.session_id)
        assert types.count("step.retried") == 2


async def test_a_long_pause_before_another_try_holds_no_worker(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    ledger = Ledger(lambda _given: ToolResult("not yet", is_error=True) if len(ledger.calls) < 2 else None)
    async with rig(db, database_urls.app, ScriptedModel(), [ledger.tool()]) as house:
        workflow = await make(house, principal, note("a", retry={"max_attempts": 2, "delay_seconds": 2.5}))
        accepted = await house.workflows.start(principal, workflow.id, {})

        waiting = await waits(house, principal, workflow, accepted)
        assert (waiting.waiting_for, step(waiting, "a").status) == (("time",), "retrying")
        await at_rest(house)
        done = await ended(house, principal, workflow, accepted)
        assert (done.status, step(done, "a").attempts) == (RunStatus.COMPLETED, 2)


async def test_a_step_that_takes_too_long_fails(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    ledger = Ledger()
    ledger.seconds = 30
    tools = [ledger.tool("read", Effect.READ), ledger.tool("once", Effect.ONCE)]
    async with rig(db, database_urls.app, ScriptedModel(), tools) as house:
        late = note("a", tool="read", timeout_seconds=0.2, retry={"max_attempts": 2, "delay_seconds": 0})
        read = await run(house, principal, late)
        once = await run(house, principal, {**late, "tool": "once"})

        assert step(read, "a").attempts == 2
        assert (step(read, "a").error or {})["code"] == "timeout"
        assert step(once, "a").attempts == 1  # it may have taken effect, so there is no second try
        assert (step(once, "a").error or {})["code"] == "outcome_unknown"


async def test_a_run_that_takes_too_long_is_stopped(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    model = ScriptedModel(Say(" ".join(["word"] * 9999), pause_seconds=0.05))
    async with rig(db, database_urls.app, model) as house:
        slow = {"id": "a", "kind": "agent", "agent": await agent(house, principal), "prompt": "x", "timeout_seconds": 1}
        done = await run(house, principal, {**slow, "on_error": "continue"})

        assert (done.status, step(done, "a").status) == (RunStatus.COMPLETED, "failed")
        assert (step(done, "a").error or {})["code"] == "timeout"
        child = step(done, "a").run_id
        assert child is not None
        async with asyncio.timeout(60):
            while (await house.runs.get(principal, child)).status is not RunStatus.CANCELLED:
                await asyncio.sleep(0.02)


async def test_what_was_done_is_undone_in_reverse_order(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    ledger = Ledger(lambda given: ToolResult("boom", is_error=True) if given.get("step") == "d" else None)

    def undo(id: str) -> dict[str, Any]:
        return {"kind": "tool", "tool": "note", "arguments": {"undo": id, "of": f"{{{{steps.{id}.output.got.step}}}}"}}

    steps = (
        note("a", compensation=undo("a")),
        note("b", "a"),
        note("c", "b", compensation=undo("c")),
        note("d", "c", compensation={"kind": "tool", "tool": "note", "arguments": {"undo": "d"}}),
        note("e", "d"),
    )
    async with rig(db, database_urls.app, ScriptedModel(), [ledger.tool()]) as house:
        done = await run(house, principal, *steps)
        left = await run(house, principal, *steps[:3], {**steps[3], "on_error": "fail"}, steps[4])

        assert done.status is RunStatus.FAILED
        assert (done.error or {})["message"] == "The step 'd' failed: boom"
        assert ledger.calls[:6] == [
            {"step": "a"},
            {"step": "b"},
            {"step": "c"},
            {"step": "d"},
            {"undo": "c", "of": "c"},
            {"undo": "a", "of": "a"},
        ]
        assert [found.id for found in done.steps if found.is_compensated] == ["a", "c"]
        assert statuses(done)["e"] == "pending"
        assert len(ledger.calls) == 6 + 4  # the second one leaves what was done
        assert not any(found.is_compensated for found in left.steps)


async def test_a_failed_step_may_be_passed_over(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    ledger = Ledger(lambda given: ToolResult("boom", is_error=True) if given.get("step") == "a" else None)
    async with rig(db, database_urls.app, ScriptedModel(), [ledger.tool()]) as house:
        done = await run(
            house,
            principal,
            note("a", on_error="continue"),
            note("b", arguments={"why": "{{steps.a.error.message}}", "out": "{{steps.a.output.x}}"}),
        )

        assert done.status is RunStatus.COMPLETED, done.error
        assert ledger.calls[1] == {"why": "boom", "out": None}


async def test_a_reference_that_leads_nowhere_fails_its_step_with_the_place(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    ledger = Ledger()
    async with rig(db, database_urls.app, ScriptedModel(), [ledger.tool()]) as house:
        done = await run(house, principal, note("a", arguments={"x": "{{input.missing.part}}"}))

        error = step(done, "a").error or {}
        assert (done.status, error["code"], ledger.calls) == (RunStatus.FAILED, "invalid_reference", [])
        assert "{{input.missing.part}}" in error["message"]


async def test_a_tool_that_nobody_may_call_is_not_called(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    ledger = Ledger()
    async with rig(db, database_urls.app, ScriptedModel(), [ledger.tool()]) as house:
        done = await run(house, principal, note("a", permission="never"))

        assert (step(done, "a").error or {})["code"] == "tool_not_allowed"
        assert ledger.calls == []


async def test_a_sub_workflow_that_fails_fails_its_step(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    ledger = Ledger(lambda _given: ToolResult("boom", is_error=True))
    async with rig(db, database_urls.app, ScriptedModel(), [ledger.tool()]) as house:
        child = await make(house, principal, note("one"))
        done = await run(house, principal, {"id": "sub", "kind": "workflow", "workflow": child.slug})

        assert done.status is RunStatus.FAILED
        assert (step(done, "sub").error or {})["message"].endswith("The step 'one' failed: boom")


async def test_cancelling_an_execution_stops_its_children(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    model = ScriptedModel(Say(" ".join(["word"] * 9999), pause_seconds=0.05))
    async with rig(db, database_urls.app, model) as house:
        clerk = await agent(house, principal)
        workflow = await make(
            house,
            principal,
            {"id": "a", "kind": "agent", "agent": clerk, "prompt": "x"},
            {"id": "ask", "kind": "wait_approval", "message": "Go on?"},
        )
        accepted = await house.workflows.start(principal, workflow.id, {})
        await waits(house, principal, workflow, accepted)

        await house.runs.cancel(principal, accepted.run_id)

        assert (await ended(house, principal, workflow, accepted)).status is RunStatus.CANCELLED
        async with asyncio.timeout(60):
            while True:
                tree = (await house.runs.list(principal, Window(10), root_run_id=accepted.run_id)).items
                if {run.status for run in tree} == {RunStatus.CANCELLED}:
                    break
                await asyncio.sleep(0.02)
        assert (await house.approvals.list(principal, Window(10), status="pending")).items == []


async def test_permission_of_the_tool_is_the_laxest_there_is(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    ledger = Ledger()
    tool = replace(ledger.tool(), permission=Permission.ASK)
    async with rig(db, database_urls.app, ScriptedModel(), [tool]) as house:
        workflow = await make(house, principal, note("a"))
        accepted = await house.workflows.start(principal, workflow.id, {})
        await waits(house, principal, workflow, accepted)
        [asked] = (await house.approvals.list(principal, Window(10), status="pending")).items

        await house.approvals.decide(principal, asked.id, "approved", arguments={"step": "edited"})

        done = await ended(house, principal, workflow, accepted)
        assert (done.status, ledger.calls) == (RunStatus.COMPLETED, [{"step": "edited"}])
        assert (asked.tool, asked.run_kind, asked.arguments) == ("note", "workflow", {"step": "a"})


async def test_outputs_and_what_is_made_of_them_have_their_limits(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    big, deep, small = Ledger(), Ledger(), Ledger()
    big_tool, deep_tool = big.tool("big", Effect.READ), deep.tool("deep", Effect.READ)
    answers = {"big": "x" * 300_000, "deep": "[" * 500 + "]" * 500, "fits": "x" * 200_000}
    for ledger, name in ((big, "big"), (deep, "deep"), (small, "fits")):
        ledger._answer = lambda _given, name=name: ToolResult(answers[name])
    many = {"all": ["{{steps.fits.output}}"] * 20}
    async with rig(
        db, database_urls.app, ScriptedModel(), [big_tool, deep_tool, small.tool("fits", Effect.READ)]
    ) as house:
        done = await run(
            house,
            principal,
            note("big", tool="big", on_error="continue"),
            note("deep", tool="deep", on_error="continue"),
            note("fits", tool="fits"),
            note("many", tool="fits", arguments=many, on_error="continue"),
        )

        codes = {found.id: (found.error or {}).get("code") for found in done.steps}
        assert codes == {"big": "output_too_large", "deep": "output_too_large", "fits": None, "many": "input_too_large"}
        assert done.status is RunStatus.COMPLETED


async def test_a_hundred_children_are_not_a_hundred_beginnings(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    """Each beginning reads the log anew: with one for each child, the cost would grow with its square."""
    ledger = Ledger()
    async with rig(db, database_urls.app, ScriptedModel(), [ledger.tool()]) as house:
        child = await make(house, principal, note("one", arguments={"n": "{{input}}"}))
        inner = {"kind": "workflow", "workflow": child.slug, "input": "{{item}}"}
        each = {"id": "each", "kind": "map", "over": list(range(100)), "max_concurrency": 10, "step": inner}
        workflow = await make(house, principal, each)
        accepted = await house.workflows.start(principal, workflow.id, {})

        done = await ended(house, principal, workflow, accepted, 60)

        assert (done.status, len(ledger.calls)) == (RunStatus.COMPLETED, 100)
        assert done.attempt < 20


async def test_what_an_execution_begins_counts_for_the_key_that_began_it(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    caller = replace(principal, key_id=new_id())
    async with rig(db, database_urls.app, ScriptedModel(Say("Done"))) as house:
        clerk = await agent(house, principal)
        child = await make(house, principal, {"id": "ask", "kind": "agent", "agent": clerk, "prompt": "x"})
        done = await run(house, caller, {"id": "sub", "kind": "workflow", "workflow": child.slug})

        tree = (await house.runs.list(principal, Window(10), root_run_id=done.id)).items
        assert {(found.kind, found.depth, found.key_id) for found in tree} == {
            ("workflow", 0, caller.key_id),
            ("workflow", 1, caller.key_id),
            ("agent", 2, caller.key_id),
        }
