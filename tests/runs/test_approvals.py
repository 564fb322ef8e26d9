"""Tool calls that a person decides about."""

import asyncio
from uuid import UUID

import pytest

from glia.agents.types import Limits, PermissionRule, Permissions
from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.pages import Window
from glia.models.types import ToolMessage
from glia.runs.errors import ApprovalDecidedAlready, ApprovalNotFound
from glia.runs.events import RunCompleted
from glia.runs.types import Accepted, Approval, RunStatus
from glia.tools.types import Effect, Permission, ToolContext, ToolResult
from tests.conftest import DatabaseUrls
from tests.runs.mishaps import at_rest
from tests.runs.rig import Rig, Say, ScriptedModel, make_tool, rig

ASK = Permissions(tools={"pay": Permission.ASK})


class Till:
    """A tool that counts what it did."""

    def __init__(self) -> None:
        self.paid: list[str] = []

    async def __call__(self, _context: ToolContext, arguments: str) -> ToolResult:
        self.paid.append(arguments)
        return ToolResult(f"paid {arguments}")


async def waits(house: Rig, who: Principal, run: UUID) -> None:
    async with asyncio.timeout(60):
        while (await house.runs.get(who, run)).status is not RunStatus.WAITING:
            await asyncio.sleep(0.01)


async def question(house: Rig, who: Principal, run: UUID) -> Approval:
    await waits(house, who, run)
    [asked] = (await house.approvals.list(who, Window(10), status="pending", run_id=run)).items
    return asked


def told(model: ScriptedModel) -> list[str]:
    return [message.text for message in model.requests[-1].messages if isinstance(message, ToolMessage)]


async def test_a_call_that_needs_consent_waits_without_a_worker_and_happens_once_it_is_given(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    till = Till()
    model = ScriptedModel(Say("One moment", calls=(("pay", {"amount": 5}),)), Say("Paid"))
    async with rig(db, database_urls.app, model, [make_tool("pay", till, Effect.ONCE)]) as house:
        session = await house.session(principal, tools=("pay",), permissions=ASK)
        accepted = await house.send(principal, session)

        asked = await question(house, principal, accepted.run_id)

        await at_rest(house)
        assert not till.paid
        assert (asked.tool, asked.arguments, asked.effect) == ("pay", {"amount": 5}, "once")
        assert (asked.agent_name, asked.run_kind) == ("Clerk", "agent")
        run = await house.runs.get(principal, accepted.run_id)
        assert run.waiting_for == ("approval",)
        await house.approvals.decide(principal, asked.id, "approved")
        assert isinstance((await house.finish(principal, accepted)).payload, RunCompleted)
        assert till.paid == ['{"amount":5}']
        types = await house.types(principal, session)
        order = [types.index(name) for name in ("approval.requested", "run.waiting", "approval.decided", "tool.called")]
        assert order == sorted(order)
        assert (await house.runs.get(principal, accepted.run_id)).waited_seconds > 0


async def test_a_denied_call_never_happens_and_the_model_reads_why(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    till = Till()
    model = ScriptedModel(Say(calls=(("pay", {"amount": 5}),)), Say("Very well"))
    async with rig(db, database_urls.app, model, [make_tool("pay", till, Effect.ONCE)]) as house:
        session = await house.session(principal, tools=("pay",), permissions=ASK)
        accepted = await house.send(principal, session)
        asked = await question(house, principal, accepted.run_id)

        await house.approvals.decide(principal, asked.id, "denied", note="Too much.")

        assert isinstance((await house.finish(principal, accepted)).payload, RunCompleted)
        assert not till.paid
        assert "Too much." in told(model)[0]
        with pytest.raises(ApprovalDecidedAlready):
            await house.approvals.decide(principal, asked.id, "approved")


async def test_edited_arguments_are_the_ones_that_are_used_and_the_model_is_told(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    till = Till()
    model = ScriptedModel(Say(calls=(("pay", {"amount": 500}),)), Say("Done"))
    async with rig(db, database_urls.app, model, [make_tool("pay", till, Effect.ONCE)]) as house:
        session = await house.session(principal, tools=("pay",), permissions=ASK)
        accepted = await house.send(principal, session)
        asked = await question(house, principal, accepted.run_id)

        shown = await house.approvals.decide(principal, asked.id, "approved", arguments={"amount": 50})

        await house.finish(principal, accepted)
        assert till.paid == ['{"amount":50}']
        assert '{"amount":50}' in told(model)[0]
        assert (shown.arguments, shown.edited_arguments) == ({"amount": 500}, {"amount": 50})


async def test_allowing_for_good_asks_no_second_time_until_it_is_taken_back(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    till = Till()
    pay = Say(calls=(("pay", {}),))
    model = ScriptedModel(pay, Say("1"), pay, Say("2"), pay, Say("3"))
    async with rig(db, database_urls.app, model, [make_tool("pay", till, Effect.ONCE)]) as house:
        session = await house.session(principal, tools=("pay",), permissions=ASK)
        first = await house.send(principal, session)
        asked = await question(house, principal, first.run_id)
        await house.approvals.decide(principal, asked.id, "approved", is_remembered=True)
        await house.finish(principal, first)

        await house.finish(principal, await house.send(principal, session))

        assert len(till.paid) == 2
        agent = asked.agent_id
        assert agent is not None
        assert await house.approvals.granted(principal, agent) == ["pay"]
        await house.approvals.revoke(principal, agent, "pay")
        third = await house.send(principal, session)
        await question(house, principal, third.run_id)
        assert len(till.paid) == 2


async def test_other_calls_of_the_same_answer_are_made_while_one_waits(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    till, looked = Till(), Till()
    model = ScriptedModel(Say(calls=(("pay", {}), ("look", {}))), Say("Done"))
    tools = [make_tool("pay", till, Effect.ONCE), make_tool("look", looked)]
    async with rig(db, database_urls.app, model, tools) as house:
        session = await house.session(principal, tools=("pay", "look"), permissions=ASK)
        accepted = await house.send(principal, session)

        asked = await question(house, principal, accepted.run_id)
        assert (len(looked.paid), len(till.paid)) == (1, 0)
        await house.approvals.decide(principal, asked.id, "approved")

        await house.finish(principal, accepted)
        assert (len(looked.paid), len(till.paid)) == (1, 1)
        assert len(told(model)) == 2


async def test_two_questions_of_one_run_wait_for_both_decisions(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    till = Till()
    model = ScriptedModel(Say(calls=(("pay", {"n": 1}), ("pay", {"n": 2}))), Say("Done"))
    async with rig(db, database_urls.app, model, [make_tool("pay", till, Effect.ONCE)]) as house:
        session = await house.session(principal, tools=("pay",), permissions=ASK)
        accepted = await house.send(principal, session)
        await waits(house, principal, accepted.run_id)
        both = (await house.approvals.list(principal, Window(10), status="pending")).items

        await house.approvals.decide(principal, both[0].id, "approved")
        assert (await house.runs.get(principal, accepted.run_id)).status is RunStatus.WAITING
        await house.approvals.decide(principal, both[1].id, "denied")

        await house.finish(principal, accepted)
        assert len(till.paid) == 1


async def test_a_question_that_nobody_answers_counts_as_denied_in_the_end(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    till = Till()
    model = ScriptedModel(Say(calls=(("pay", {}),)), Say("Never mind"))
    quick = Permissions(default=Permission.ASK, expires_after_seconds=1)
    async with rig(db, database_urls.app, model, [make_tool("pay", till, Effect.ONCE)]) as house:
        session = await house.session(principal, tools=("pay",), permissions=quick)
        accepted = await house.send(principal, session)

        last = await house.finish(principal, accepted)

        assert isinstance(last.payload, RunCompleted)
        assert not till.paid
        assert "in time" in told(model)[0]
        [asked] = (await house.approvals.list(principal, Window(10))).items
        assert asked.status == "expired"
        with pytest.raises(ApprovalDecidedAlready):
            await house.approvals.decide(principal, asked.id, "approved")


async def test_another_process_goes_on_when_the_one_that_asked_is_gone(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    till = Till()
    tools = [make_tool("pay", till, Effect.ONCE)]
    async with rig(db, database_urls.app, ScriptedModel(Say(calls=(("pay", {}),))), tools) as house:
        session = await house.session(principal, tools=("pay",), permissions=ASK)
        accepted = await house.send(principal, session)
        asked = await question(house, principal, accepted.run_id)

    async with rig(db, database_urls.app, ScriptedModel(Say("Done")), tools) as house:
        await house.approvals.decide(principal, asked.id, "approved")
        last = await house.finish(principal, Accepted(accepted.run_id, session, 0))

        assert isinstance(last.payload, RunCompleted)
        assert len(till.paid) == 1


async def test_cancelling_a_run_that_waits_withdraws_its_question(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    till = Till()
    model = ScriptedModel(Say(calls=(("pay", {}),)))
    async with rig(db, database_urls.app, model, [make_tool("pay", till, Effect.ONCE)]) as house:
        session = await house.session(principal, tools=("pay",), permissions=ASK)
        accepted = await house.send(principal, session)
        asked = await question(house, principal, accepted.run_id)

        run = await house.runs.cancel(principal, accepted.run_id)

        assert run.status is RunStatus.CANCELLED
        assert (await house.approvals.get(principal, asked.id)).status == "cancelled"
        assert (await house.types(principal, session))[-1] == "run.cancelled"
        with pytest.raises(ApprovalDecidedAlready):
            await house.approvals.decide(principal, asked.id, "approved")


async def test_waiting_does_not_count_against_the_time_limit(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    till = Till()
    model = ScriptedModel(Say(calls=(("pay", {}),)), Say("Done"))
    async with rig(db, database_urls.app, model, [make_tool("pay", till, Effect.ONCE)]) as house:
        limits = Limits(timeout_seconds=600)
        session = await house.session(principal, tools=("pay",), permissions=ASK, limits=limits)
        accepted = await house.send(principal, session)
        asked = await question(house, principal, accepted.run_id)
        async with db.across_workspaces() as tx:  # it has waited for longer than it may work
            await tx.execute(
                "update runs set started_at = started_at - interval '1 hour',"
                " waiting_since = waiting_since - interval '1 hour' where status = 'waiting'"
            )

        await house.approvals.decide(principal, asked.id, "approved")

        assert isinstance((await house.finish(principal, accepted)).payload, RunCompleted)


async def test_a_rule_asks_for_large_amounts_and_for_those_it_cannot_read(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    till = Till()
    rules = (PermissionRule("pay", Permission.ASK, "order.amount", "gt", 100),)
    amounts: list[object] = [{"order": {"amount": 7}}, {"order": {"amount": 700}}, {"order": {"amount": "700"}}, {}]
    model = ScriptedModel(Say(calls=tuple(("pay", amount) for amount in amounts)), Say("Done"))  # type: ignore[misc]
    async with rig(db, database_urls.app, model, [make_tool("pay", till, Effect.ONCE)]) as house:
        session = await house.session(principal, tools=("pay",), permissions=Permissions(rules=rules))
        accepted = await house.send(principal, session)
        await waits(house, principal, accepted.run_id)

        pending = (await house.approvals.list(principal, Window(10), status="pending")).items

        assert till.paid == ['{"order":{"amount":7}}']
        assert len(pending) == 3
        assert "order.amount" in pending[0].reason


async def test_a_forbidden_call_is_refused_without_a_question(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    till = Till()
    model = ScriptedModel(Say(calls=(("pay", {}),)), Say("I may not"))
    async with rig(db, database_urls.app, model, [make_tool("pay", till, Effect.ONCE)]) as house:
        never = Permissions(tools={"pay": Permission.NEVER})
        session = await house.session(principal, tools=("pay",), permissions=never)

        last = await house.finish(principal, await house.send(principal, session))

        assert isinstance(last.payload, RunCompleted)
        assert not till.paid
        assert "not allowed" in told(model)[0]


async def test_nobody_decides_for_another_workspace(
    db: Database, database_urls: DatabaseUrls, principal: Principal, stranger: Principal
) -> None:
    till = Till()
    model = ScriptedModel(Say(calls=(("pay", {}),)))
    async with rig(db, database_urls.app, model, [make_tool("pay", till, Effect.ONCE)]) as house:
        session = await house.session(principal, tools=("pay",), permissions=ASK)
        asked = await question(house, principal, (await house.send(principal, session)).run_id)

        with pytest.raises(ApprovalNotFound):
            await house.approvals.decide(stranger, asked.id, "approved")
        assert not (await house.approvals.list(stranger, Window(10))).items
