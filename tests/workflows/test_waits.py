"""Steps that wait for people, times and other processes; none of them holds a worker."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.errors import InvalidRequest
from glia.kit.pages import Window
from glia.runs.types import Accepted, Approval, RunStatus
from glia.workflows.types import WorkflowSpec
from tests.conftest import DatabaseUrls
from tests.runs.mishaps import at_rest
from tests.runs.rig import Rig, Say, ScriptedModel, rig
from tests.workflows.stage import Ledger, ended, make, note, statuses, step, until, waits

ASK: dict[str, Any] = {
    "id": "ask",
    "kind": "wait_approval",
    "message": "Refund {{input.amount}}?",
    "data": {"amount": "{{input.amount}}"},
}


async def questions(house: Rig, who: Principal) -> list[Approval]:
    return (await house.approvals.list(who, Window(10), status="pending")).items


async def test_an_approved_step_goes_on_with_what_the_person_made_of_it(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    ledger = Ledger()
    async with rig(db, database_urls.app, ScriptedModel(), [ledger.tool()]) as house:
        workflow = await make(house, principal, ASK, note("pay", arguments={"n": "{{steps.ask.output.data.amount}}"}))
        accepted = await house.workflows.start(principal, workflow.id, {"amount": 900})
        waiting = await waits(house, principal, workflow, accepted)
        [asked] = await questions(house, principal)

        assert (asked.reason, asked.arguments, asked.run_kind) == ("Refund 900?", {"amount": 900}, "workflow")
        assert (step(waiting, "ask").status, step(waiting, "ask").approval_id) == ("waiting", asked.id)
        await at_rest(house)
        with pytest.raises(InvalidRequest):  # there is no agent that could remember it
            await house.approvals.decide(principal, asked.id, "approved", is_remembered=True)
        await house.approvals.decide(principal, asked.id, "approved", note="less", arguments={"amount": 450})

        done = await ended(house, principal, workflow, accepted)
        assert (done.status, ledger.calls) == (RunStatus.COMPLETED, [{"n": 450}])
        assert step(done, "ask").output["note"] == "less"


async def test_a_denied_step_fails_or_lets_a_branch_decide(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    ledger = Ledger()
    decide = {
        "id": "ok",
        "kind": "condition",
        "if": {"left": "{{steps.ask.status}}", "op": "eq", "right": "completed"},
        "then": ["pay"],
        "else": ["tell"],
    }
    async with rig(db, database_urls.app, ScriptedModel(), [ledger.tool()]) as house:
        strict = await make(house, principal, ASK, note("pay", "ask"))
        lenient = await make(
            house,
            principal,
            {**ASK, "on_error": "continue"},
            decide,
            note("pay"),
            note("tell", arguments={"why": "{{steps.ask.error.message}}"}),
        )
        outcomes = []
        for workflow in (strict, lenient):
            accepted = await house.workflows.start(principal, workflow.id, {"amount": 1})
            await waits(house, principal, workflow, accepted)
            [asked] = await questions(house, principal)
            await house.approvals.decide(principal, asked.id, "denied", note="too much")
            outcomes.append(await ended(house, principal, workflow, accepted))

        assert [found.status for found in outcomes] == [RunStatus.FAILED, RunStatus.COMPLETED]
        assert (step(outcomes[0], "ask").error or {})["code"] == "approval_denied"
        assert statuses(outcomes[1])["pay"] == "skipped"
        assert ledger.calls == [{"why": "It was denied by system. They said: too much"}]


async def test_a_question_that_nobody_answers_expires(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    async with rig(db, database_urls.app, ScriptedModel()) as house:
        workflow = await make(house, principal, {**ASK, "expires_after_seconds": 1})
        accepted = await house.workflows.start(principal, workflow.id, {"amount": 1})

        done = await ended(house, principal, workflow, accepted)

        assert (step(done, "ask").error or {})["code"] == "approval_expired"
        [asked] = (await house.approvals.list(principal, Window(10))).items
        assert asked.status == "expired"


async def test_one_of_two_questions_lets_its_branch_go_on(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    ledger = Ledger()
    async with rig(db, database_urls.app, ScriptedModel(), [ledger.tool()]) as house:
        other = {**ASK, "id": "other"}
        workflow = await make(house, principal, ASK, other, note("a", "ask"), note("b", "other"))
        accepted = await house.workflows.start(principal, workflow.id, {"amount": 1})
        await waits(house, principal, workflow, accepted)
        asked = {found.tool_call_id: found.id for found in await questions(house, principal)}

        await house.approvals.decide(principal, asked["other"], "approved")
        await until(house, principal, workflow, accepted, lambda found: statuses(found)["b"] == "completed")
        assert ledger.calls == [{"step": "b"}]
        await house.approvals.decide(principal, asked["ask"], "approved")

        assert (await ended(house, principal, workflow, accepted)).status is RunStatus.COMPLETED


async def _waiting(house: Rig, who: Principal, *steps: dict[str, Any], input: Any) -> tuple[Any, Accepted]:
    workflow = await make(house, who, *steps)
    accepted = await house.workflows.start(who, workflow.id, input)
    await waits(house, who, workflow, accepted)
    return workflow, accepted


async def test_waits_for_times_and_people_outlive_the_process(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    ledger = Ledger()
    moment = (datetime.now(UTC) + timedelta(seconds=3)).isoformat()
    steps = (
        note("before"),
        {"id": "pause", "kind": "wait_time", "seconds": 3, "depends_on": ["before"]},
        {"id": "moment", "kind": "wait_time", "until": "{{input.moment}}"},
        ASK,
        note("after", "pause", "moment", "ask"),
    )
    async with rig(db, database_urls.app, ScriptedModel(), [ledger.tool()]) as house:
        workflow, accepted = await _waiting(house, principal, *steps, input={"moment": moment, "amount": 3})
        found = await waits(house, principal, workflow, accepted)
        assert {"approval"} <= set(found.waiting_for) <= {"time", "approval"}  # a slow machine sees only the person
        await at_rest(house)

    async with rig(db, database_urls.app, ScriptedModel(), [ledger.tool()]) as house:
        [asked] = await questions(house, principal)
        await house.approvals.decide(principal, asked.id, "approved")

        done = await ended(house, principal, workflow, accepted)

        assert done.status is RunStatus.COMPLETED, done.error
        assert ledger.calls == [{"step": "before"}, {"step": "after"}]
        assert (step(done, "pause").duration_seconds or 0) >= 3
        at = step(done, "moment").finished_at
        assert at is not None and at >= datetime.fromisoformat(moment)


async def test_a_workflow_that_waits_for_an_agent_is_finished_by_the_next_process(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    from tests.workflows.test_execution import agent

    slow = ScriptedModel(Say(" ".join(["word"] * 9999), pause_seconds=0.05))
    async with rig(db, database_urls.app, slow) as house:
        clerk = await agent(house, principal)
        workflow, accepted = await _waiting(
            house, principal, {"id": "a", "kind": "agent", "agent": clerk, "prompt": "x"}, input={}
        )

    async with rig(db, database_urls.app, ScriptedModel(Say("Found"))) as house:
        done = await ended(house, principal, workflow, accepted)

        assert (done.status, step(done, "a").output.strip()) == (RunStatus.COMPLETED, "Found")
        assert len((await house.runs.list(principal, Window(10), root_run_id=done.id)).items) == 2


async def test_a_workflow_that_fails_gives_up_what_it_waits_for(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    async with rig(db, database_urls.app, ScriptedModel()) as house:
        late = {"id": "late", "kind": "wait_time", "seconds": 3600}
        soon = {"id": "soon", "kind": "wait_time", "seconds": 0.3}
        bad = {
            "id": "bad",
            "kind": "condition",
            "depends_on": ["soon"],
            "if": {"left": 1, "op": "lt", "right": "x"},
            "then": ["late2"],
        }
        late2 = {"id": "late2", "kind": "wait_time", "seconds": 1}
        workflow = await make(house, principal, late, soon, bad, ASK, late2)
        accepted = await house.workflows.start(principal, workflow.id, {"amount": 1})

        done = await ended(house, principal, workflow, accepted)

        assert (done.status, statuses(done)["late"], statuses(done)["ask"]) == (RunStatus.FAILED, "skipped", "skipped")
        assert (step(done, "bad").error or {})["code"] == "incomparable"
        async with asyncio.timeout(60):
            while await questions(house, principal):
                await asyncio.sleep(0.02)


async def test_a_workflow_that_takes_too_long_fails_and_is_undone(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    ledger = Ledger()
    undo = {"kind": "tool", "tool": "note", "arguments": {"n": 0}}
    async with rig(db, database_urls.app, ScriptedModel(), [ledger.tool()]) as house:
        spec = WorkflowSpec(
            "Slow",
            {
                "steps": [
                    {**note("pay", arguments={"n": 1}), "compensation": undo},
                    {"id": "wait", "kind": "wait_time", "seconds": 3600, "depends_on": ["pay"]},
                ],
                "timeout_seconds": 600,
            },
        )
        workflow = await house.workflows.create(principal, spec)
        accepted = await house.workflows.start(principal, workflow.id, None)
        await waits(house, principal, workflow, accepted)
        async with db.across_workspaces() as tx:
            await tx.execute(
                "update runs set created_at = created_at - interval '1 hour', wake_at = clock_timestamp()"
                " where status = 'waiting'"
            )

        done = await ended(house, principal, workflow, accepted)

        assert done.status is RunStatus.FAILED
        assert (step(done, "wait").status, (step(done, "wait").error or {})["code"]) == ("failed", "timeout")
        assert ledger.calls == [{"n": 1}, {"n": 0}]
