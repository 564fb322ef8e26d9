"""A step with a key is done once: what it answered is what it answers in later executions of its workflow."""

from glia.identity.types import Principal
from glia.kit.db import Database
from glia.runs.types import RunStatus
from glia.tools.types import ToolResult
from tests.conftest import DatabaseUrls
from tests.runs.rig import ScriptedModel, rig
from tests.workflows.stage import Ledger, ended, make, note, step

KEYED = {"reuse_key": "order-{{input.order}}", "arguments": {"order": "{{input.order}}"}}


async def test_a_step_with_a_key_is_done_once_for_each_value_of_it(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    ledger = Ledger()
    async with rig(db, database_urls.app, ScriptedModel(), [ledger.tool()]) as house:
        workflow = await make(house, principal, note("pay", **KEYED), note("tell", "pay", arguments={"step": "tell"}))
        other = await make(house, principal, note("pay", **KEYED))

        answers = []
        for order, flow in ((1, workflow), (1, workflow), (2, workflow), (1, other)):
            accepted = await house.workflows.start(principal, flow.id, {"order": order})
            answers.append(step(await ended(house, principal, flow, accepted), "pay"))

        assert [call["order"] for call in ledger.calls if "order" in call] == [1, 2, 1]
        assert [call for call in ledger.calls if "step" in call] == [{"step": "tell"}] * 3
        assert [answer.output["got"]["order"] for answer in answers] == [1, 1, 2, 1]
        assert [answer.attempts for answer in answers] == [1, 0, 1, 1]


async def test_a_step_that_failed_is_done_again_under_its_key(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    answers = [ToolResult("no", is_error=True), ToolResult("yes")]
    ledger = Ledger(lambda _given: answers.pop(0))
    async with rig(db, database_urls.app, ScriptedModel(), [ledger.tool()]) as house:
        workflow = await make(house, principal, note("pay", **KEYED))

        found = [
            await ended(house, principal, workflow, await house.workflows.start(principal, workflow.id, {"order": 1}))
            for _ in range(3)
        ]

        assert [one.status for one in found] == [RunStatus.FAILED, RunStatus.COMPLETED, RunStatus.COMPLETED]
        assert len(ledger.calls) == 2


async def test_what_was_undone_is_done_again_and_what_was_taken_over_is_not_undone(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    ledger = Ledger(lambda given: ToolResult("no", is_error=True) if given.get("fails") else None)
    undo = {"kind": "tool", "tool": "note", "arguments": {"undone": True}}
    steps = (
        note("pay", **KEYED, compensation=undo),
        note("send", "pay", arguments={"fails": "{{input.fails}}"}),
    )
    async with rig(db, database_urls.app, ScriptedModel(), [ledger.tool()]) as house:
        workflow = await make(house, principal, *steps)

        async def execute(*, fails: bool) -> RunStatus:
            given = {"order": 1, "fails": fails}
            return (
                await ended(house, principal, workflow, await house.workflows.start(principal, workflow.id, given))
            ).status

        done = [await execute(fails=fails) for fails in (True, False, True)]

        assert done == [RunStatus.FAILED, RunStatus.COMPLETED, RunStatus.FAILED]
        assert [call for call in ledger.calls if "fails" not in call] == [{"order": 1}, {"undone": True}, {"order": 1}]
