"""Runs and what they may cost: nothing overshoots, a run without room waits, and what it has done is kept."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from glia.agents.types import AgentSettings, Limits
from glia.identity.types import Principal
from glia.kit.clock import now
from glia.kit.db import Database
from glia.kit.errors import Conflict
from glia.kit.outbound import Outbound, OutboundPolicy
from glia.kit.pages import Window
from glia.models.discovery import Configuration
from glia.models.prices import Price, Prices
from glia.models.providers import Provider
from glia.models.service import Models
from glia.models.types import FinishReason, ModelEvent, ModelRequest, ModelResponse, TextDelta, TokenUsage, ToolCall
from glia.runs.events import BudgetExceeded, ModelResponded, RunFailed, RunWaiting
from glia.runs.model_calls import ModelCalls
from glia.runs.types import Accepted, RunStatus
from glia.tools.types import ToolContext, ToolResult
from glia.usage import spending as spending_module
from glia.usage.service import Credits, Usage
from glia.usage.types import BudgetSpec
from tests.conftest import DatabaseUrls
from tests.runs.rig import Rig, make_tool, rig

PRICE = Price(input=0, output=1_000_000)
"""An output token costs a micro-dollar, input nothing: so a call may cost as much as its answer may be long."""

Open = Callable[..., AbstractAsyncContextManager[Rig]]


class Talker:
    """Answers every request with `says` output tokens, after `calls` tool calls. gate: what it waits for in between."""

    def __init__(self, says: int = 40, calls: int = 0) -> None:
        self.says = says
        self.calls = calls
        self.requests: list[ModelRequest] = []
        self.at_work = 0
        self.gate: Callable[[], Awaitable[None]] | None = None

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        self.requests.append(request)
        yield TextDelta("Well. ")
        if self.gate is not None:
            await self.gate()
        done = sum(type(message).__name__ == "ToolMessage" for message in request.messages)
        calls = () if done >= self.calls else (ToolCall(f"call_{uuid4().hex}", "p", "note", "{}"),)
        said = min(self.says, request.settings.max_output_tokens or self.says)
        reason = FinishReason.TOOL_CALLS if calls else FinishReason.STOP
        yield ModelResponse("Well. ", "", calls, TokenUsage(10, said), reason, "", None, 1)


async def note(_context: ToolContext, _arguments: str) -> ToolResult:
    return ToolResult("noted")


@pytest.fixture
def talker() -> Talker:
    return Talker()


@pytest.fixture
def opened(db: Database, database_urls: DatabaseUrls, talker: Talker) -> Open:
    def open_(price: Price | None = PRICE, is_local: bool = False, **options: Any) -> AbstractAsyncContextManager[Rig]:
        provider = Provider("far", "http://192.0.2.1/v1", default_model="talker", is_local=is_local)
        prices = Prices({} if price is None else {"far/*": price})
        models = Models(Outbound(OutboundPolicy(frozenset())), Configuration((provider,)), prices=prices)
        models._clients["far"] = talker  # type: ignore[assignment]
        return rig(db, database_urls.app, talker, [make_tool("note", note)], models=models, **options)  # type: ignore[arg-type]

    return open_


@pytest.fixture
async def house(opened: Open) -> AsyncIterator[Rig]:
    async with opened() as found:
        yield found


async def until(house: Rig, principal: Principal, run: UUID, status: RunStatus, seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while (await house.runs.get(principal, run)).status is not status:
            await asyncio.sleep(0.02)


async def end(house: Rig, principal: Principal, accepted: Accepted, seconds: float = 60) -> str:
    """How a run ends that has waited."""
    async with asyncio.timeout(seconds):
        while not (run := await house.runs.get(principal, accepted.run_id)).status.is_final:
            await asyncio.sleep(0.02)
    return run.status


async def payloads(house: Rig, principal: Principal, accepted: Accepted, kind: type[Any]) -> list[Any]:
    events = await house.runs.run_events(principal, accepted.run_id, after=0, limit=1000)
    return [event.payload for event in events if isinstance(event.payload, kind)]


async def state(house: Rig, principal: Principal, budget: UUID) -> tuple[int, int]:
    found = (await house.budgets.get(principal, budget)).state
    return found.spent_micros, found.reserved_micros


async def test_a_run_settles_what_it_held_with_its_own_event(house: Rig, principal: Principal, talker: Talker) -> None:
    budget = await house.budgets.create(principal, BudgetSpec(scope="workspace", limit_micros=10_000))
    talker.calls = 1
    session = await house.session(principal)

    await house.finish(principal, await house.send(principal, session))

    assert await state(house, principal, budget.id) == (80, 0)
    assert [request.settings.max_output_tokens for request in talker.requests] == [4096, 4096]
    records = (await Usage(house.db).list(principal, Window())).items
    assert [record.cost_micros for record in records] == [40, 40]


async def test_without_limits_a_request_is_not_touched(house: Rig, principal: Principal, talker: Talker) -> None:
    session = await house.session(principal)

    await house.finish(principal, await house.send(principal, session))

    assert talker.requests[0].settings.max_output_tokens is None


async def test_an_answer_is_capped_so_that_it_fits_and_a_length_of_the_agents_own_stays(
    house: Rig, principal: Principal, talker: Talker
) -> None:
    await house.budgets.create(principal, BudgetSpec(scope="workspace", limit_micros=1_000))
    talker.says = 5
    own = await house.session(principal, settings=AgentSettings(max_output_tokens=300))

    await house.finish(principal, await house.send(principal, own))
    await house.finish(principal, await house.send(principal, await house.session(principal)))

    assert [request.settings.max_output_tokens for request in talker.requests] == [300, 995]


async def test_a_run_without_room_waits_and_goes_on_when_the_budget_is_raised(
    house: Rig, principal: Principal, talker: Talker
) -> None:
    budget = await house.budgets.create(principal, BudgetSpec(scope="workspace", limit_micros=300))
    talker.says, talker.calls = 280, 1
    session = await house.session(principal)
    accepted = await house.send(principal, session)
    await until(house, principal, accepted.run_id, RunStatus.WAITING)

    run = await house.runs.get(principal, accepted.run_id)
    (exceeded,) = await payloads(house, principal, accepted, BudgetExceeded)
    assert (run.waiting_for, run.wake_at, run.cost_micros) == (("budget",), None, 280)
    assert (exceeded.budget_id, exceeded.unit, exceeded.limit, exceeded.spent) == (budget.id, "micros", 300, 280)
    assert exceeded.step == 2
    assert await state(house, principal, budget.id) == (280, 0)
    await house.budgets.update(principal, budget.id, {"limit_micros": 1_000})

    assert await end(house, principal, accepted) == "completed"
    types = await house.types(principal, session)
    assert types.count("tool.returned") == 1  # partial work was kept, not done again
    assert types.count("model.responded") == 2
    assert (await house.runs.get(principal, accepted.run_id)).cost_micros == 560


async def test_a_run_goes_on_when_its_period_ends(house: Rig, principal: Principal, db: Database) -> None:
    budget = await house.budgets.create(principal, BudgetSpec(scope="workspace", limit_micros=100, period="month"))
    accepted = await house.send(principal, await house.session(principal))
    await until(house, principal, accepted.run_id, RunStatus.WAITING)
    (waiting,) = await payloads(house, principal, accepted, RunWaiting)
    assert waiting.wake_at == budget.state.window_end

    async with db.transaction(principal.workspace_id) as tx:  # a month later there is more
        await tx.execute("update budgets set limit_micros = 5000")
        await tx.execute("update runs set wake_at = %(now)s", now=now())

    assert await end(house, principal, accepted) == "completed"


async def test_an_agents_own_limit_pauses_the_run_and_is_raised_for_it(
    house: Rig, principal: Principal, talker: Talker
) -> None:
    talker.says, talker.calls = 280, 1
    session = await house.session(principal, limits=Limits(max_cost_micros=300))
    accepted = await house.send(principal, session)
    await until(house, principal, accepted.run_id, RunStatus.WAITING)

    await house.runs.resume(principal, accepted.run_id, max_cost_micros=310)
    async with asyncio.timeout(60):
        while len(await payloads(house, principal, accepted, BudgetExceeded)) < 2:
            await asyncio.sleep(0.02)
    await until(house, principal, accepted.run_id, RunStatus.WAITING)
    await house.runs.resume(principal, accepted.run_id, max_cost_micros=900)

    assert await end(house, principal, accepted) == "completed"
    assert (await house.runs.get(principal, accepted.run_id)).cost_micros == 560
    assert (await house.budgets.list(principal, Window())).items == []
    with pytest.raises(Conflict, match="max_cost_micros"):
        await house.runs.resume(principal, accepted.run_id, max_cost_micros=1_000)


async def test_credit_that_does_not_cover_a_call_pauses_the_run_until_more_is_granted(
    house: Rig, principal: Principal, talker: Talker
) -> None:
    ledger = Credits(house.db, house.spending)
    ledger.on_raised = house.runs.limits_raised
    await ledger.enable(principal, is_enabled=True)
    accepted = await house.send(principal, await house.session(principal))
    await until(house, principal, accepted.run_id, RunStatus.WAITING)
    assert talker.requests == []

    await ledger.grant(principal, 1_000)
    assert await end(house, principal, accepted) == "completed"

    found = await ledger.balance(principal)
    assert (found.balance_micros, found.held_micros, found.spent_micros) == (960, 0, 40)


async def test_a_limit_that_is_raised_while_the_run_is_about_to_wait_is_not_missed(
    house: Rig, principal: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget = await house.budgets.create(principal, BudgetSpec(scope="workspace", limit_micros=100))
    real = house.spending.is_raised

    async def raised_just_before(tx: Any, refused: Any) -> bool:
        await house.budgets.update(principal, budget.id, {"limit_micros": 5_000})
        return await real(tx, refused)

    monkeypatch.setattr(house.spending, "is_raised", raised_just_before)
    accepted = await house.send(principal, await house.session(principal))

    assert await end(house, principal, accepted) == "completed"


async def test_a_waiting_run_can_be_cancelled(house: Rig, principal: Principal) -> None:
    budget = await house.budgets.create(principal, BudgetSpec(scope="workspace", limit_micros=100))
    accepted = await house.send(principal, await house.session(principal))
    await until(house, principal, accepted.run_id, RunStatus.WAITING)

    await house.runs.cancel(principal, accepted.run_id)

    assert await end(house, principal, accepted) == "cancelled"
    assert await state(house, principal, budget.id) == (0, 0)


async def test_a_run_that_is_cancelled_in_a_call_settles_what_was_said(
    house: Rig, principal: Principal, talker: Talker
) -> None:
    budget = await house.budgets.create(principal, BudgetSpec(scope="workspace", limit_micros=10_000))
    talker.gate = asyncio.Event().wait  # type: ignore[assignment]
    accepted = await house.send(principal, await house.session(principal))
    async with asyncio.timeout(60):
        while not talker.requests:
            await asyncio.sleep(0.02)

    await house.runs.cancel(principal, accepted.run_id)
    await house.finish(principal, accepted)

    spent, reserved = await state(house, principal, budget.id)
    assert reserved == 0
    assert 0 < spent < 50


async def test_a_model_without_a_price_is_refused_before_it_is_asked(
    opened: Open, principal: Principal, talker: Talker
) -> None:
    async with opened(price=None) as house:
        await house.budgets.create(principal, BudgetSpec(scope="workspace", limit_micros=10_000))
        accepted = await house.send(principal, await house.session(principal))

        failed = (await house.finish(principal, accepted)).payload

    assert isinstance(failed, RunFailed)
    assert failed.error.code == "price_unknown"
    assert "GLIA_PRICES" in failed.error.message
    assert talker.requests == []


async def test_a_local_model_is_free(opened: Open, principal: Principal) -> None:
    async with opened(price=None, is_local=True) as house:
        await house.budgets.create(principal, BudgetSpec(scope="workspace", limit_micros=0))

        accepted = await house.send(principal, await house.session(principal))

        assert (await house.finish(principal, accepted)).type == "run.completed"


@pytest.mark.parametrize("scope", ["agent", "session", "project", "workspace"])
async def test_a_budget_of_any_scope_holds_a_run(house: Rig, principal: Principal, scope: str, talker: Talker) -> None:
    session = await house.session(principal)
    agent = (await house.sessions.get(principal, session)).agent_id
    subject = {"agent": agent, "session": session, "project": principal.project_id, "workspace": None}[scope]
    spec = BudgetSpec(scope=scope, subject_id=subject, limit_micros=100)  # type: ignore[arg-type]
    budget = await house.budgets.create(principal, spec)

    accepted = await house.send(principal, session)
    await until(house, principal, accepted.run_id, RunStatus.WAITING)

    assert talker.requests == []
    (exceeded,) = await payloads(house, principal, accepted, BudgetExceeded)
    assert exceeded.budget_id == budget.id


async def test_a_budget_of_a_key_holds_its_runs_and_no_others(house: Rig, principal: Principal, db: Database) -> None:
    key = uuid4()
    async with db.transaction(principal.workspace_id) as tx:
        await tx.execute(
            "insert into api_keys (id, workspace_id, project_id, name, prefix, key_hash, scopes, created_by)"
            " values (%(id)s, %(ws)s, %(project)s, 'x', 'x', '\\x00', '{*}', 'x')",
            id=key,
            ws=principal.workspace_id,
            project=principal.project_id,
        )
    await house.budgets.create(principal, BudgetSpec(scope="key", subject_id=key, limit_micros=0))

    other = await house.send(principal, await house.session(principal))
    limited = await house.send(replace(principal, key_id=key), await house.session(principal))

    assert (await house.finish(principal, other)).type == "run.completed"
    await until(house, principal, limited.run_id, RunStatus.WAITING)


async def test_children_share_what_their_parent_may_cost(house: Rig, principal: Principal, talker: Talker) -> None:
    parent = await house.send(
        principal, await house.session(principal, limits=Limits(max_cost_micros=1_000)), is_background=True
    )
    await house.finish(principal, parent)
    async with house.db.transaction(principal.workspace_id) as tx:  # a parent that has spent 900 and waits
        await tx.execute(
            "update runs set status = 'waiting', waiting_for = '{approval}', waiting_since = now() where id = %(id)s",
            id=parent.run_id,
        )
    budget = await house.budgets.create(principal, BudgetSpec(scope="run", subject_id=parent.run_id, limit_micros=290))
    agent = (await house.sessions.get(principal, parent.session_id)).agent_id
    assert agent is not None
    assert await state(house, principal, budget.id) == (40, 0)

    child = await house.start(principal, agent, parent_run_id=parent.run_id)
    await until(house, principal, child.run_id, RunStatus.WAITING)
    (exceeded,) = await payloads(house, principal, child, BudgetExceeded)
    await house.budgets.update(principal, budget.id, {"limit_micros": 300})

    assert (exceeded.budget_id, exceeded.scope) == (budget.id, "run")
    assert await end(house, principal, child) == "completed"
    assert await state(house, principal, budget.id) == (80, 0)


async def test_a_hundred_runs_on_one_cap_overshoot_by_nothing(
    house: Rig, principal: Principal, talker: Talker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glia.runs.purse._LONGEST_STAY_SECONDS", 1.0)
    limit = 1_050
    budget = await house.budgets.create(principal, BudgetSpec(scope="workspace", limit_micros=limit))
    agents = [await house.session(principal, settings=AgentSettings(max_output_tokens=100)) for _ in range(100)]
    talker.says = 100
    most, finished = 0, asyncio.Event()

    async def watch() -> None:
        nonlocal most
        while not finished.is_set():
            most = max(most, sum(await state(house, principal, budget.id)))
            await asyncio.sleep(0.01)

    watching = asyncio.create_task(watch())
    runs = [await house.send(principal, session) for session in agents]
    async with asyncio.timeout(120):
        while True:
            found = [(await house.runs.get(principal, run.run_id)).status for run in runs]
            if (
                not {RunStatus.QUEUED, RunStatus.RUNNING} & set(found)
                and (await state(house, principal, budget.id))[1] == 0
            ):
                break
            await asyncio.sleep(0.1)
    finished.set()
    await watching

    spent, _ = await state(house, principal, budget.id)
    assert spent == 1_000
    assert most <= limit
    assert found.count(RunStatus.COMPLETED) == 10
    assert len(talker.requests) == 10


async def test_without_reserving_runs_overshoot(
    house: Rig, principal: Principal, talker: Talker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: the same budget, looked at before each call and paid afterwards."""
    budget = await house.budgets.create(principal, BudgetSpec(scope="workspace", limit_micros=1_050))
    talker.says = 100
    begun = 0

    async def together() -> None:
        nonlocal begun
        begun += 1
        async with asyncio.timeout(60):
            while begun < 15:
                await asyncio.sleep(0.01)

    async def look(self: Any, call: Any) -> None:
        spent, _ = await state(house, principal, budget.id)
        assert spent + 100 <= 1_050

    talker.gate = together
    monkeypatch.setattr(spending_module.Spending, "reserve", look)
    runs = [await house.send(principal, await house.session(principal)) for _ in range(15)]
    for run in runs:
        await house.finish(principal, run)

    assert (await state(house, principal, budget.id))[0] == 1_500


async def test_a_run_that_resumes_after_its_worker_died_replaces_what_it_held(
    opened: Open, principal: Principal, talker: Talker
) -> None:
    async with opened(beat_seconds=0.1) as first:
        budget = await first.budgets.create(principal, BudgetSpec(scope="workspace", limit_micros=1_000))
        stuck = asyncio.Event()
        talker.gate = stuck.wait  # type: ignore[assignment]
        accepted = await first.send(
            principal, await first.session(principal, settings=AgentSettings(max_output_tokens=400))
        )
        async with asyncio.timeout(60):
            while not talker.requests:
                await asyncio.sleep(0.02)
        assert await state(first, principal, budget.id) == (0, 400)
        async with first.db.across_workspaces() as tx:  # as if the worker had vanished
            await tx.execute("update workers set lease_until = clock_timestamp() - interval '1 minute'")
        talker.gate = None
        async with asyncio.timeout(60):
            while len(talker.requests) < 2:
                await asyncio.sleep(0.05)
                async with first.db.across_workspaces() as tx:
                    await tx.execute(
                        "update runs set status = 'queued', worker_id = null where status = 'running' and attempt = 1"
                    )
        await first.finish(principal, accepted)
        stuck.set()

        assert await state(first, principal, budget.id) == (40, 0)
        (responded,) = await payloads(first, principal, accepted, ModelResponded)
        assert responded.cost_micros == 40


async def test_what_a_run_held_when_it_ended_without_a_word_is_booked_in_full(
    house: Rig, principal: Principal, db: Database
) -> None:
    budget = await house.budgets.create(principal, BudgetSpec(scope="workspace", limit_micros=1_000))
    accepted = await house.send(principal, await house.session(principal))
    await house.finish(principal, accepted)
    async with db.transaction(principal.workspace_id) as tx:
        await tx.execute(
            "insert into holds (id, workspace_id, run_id, step, model, micros, tokens, budget_ids, window_starts)"
            " values (%(id)s, %(ws)s, %(run)s, 9, 'far/x', 100, 5, %(budgets)s, array[to_timestamp(0)])",
            id=uuid4(),
            ws=principal.workspace_id,
            run=accepted.run_id,
            budgets=[budget.id],
        )
        await tx.execute("update budget_windows set reserved_micros = 100, reserved_tokens = 5, reserved_calls = 1")
        await tx.execute("update runs set status = 'running' where id = %(id)s", id=accepted.run_id)
    async with db.transaction(principal.workspace_id) as tx:
        await tx.execute("update runs set status = 'failed' where id = %(id)s", id=accepted.run_id)

    found = (await house.budgets.get(principal, budget.id)).state
    assert (found.spent_micros, found.reserved_micros, found.unconfirmed_micros) == (140, 0, 100)


def test_the_event_is_readable() -> None:
    event = BudgetExceeded(1, "run", "micros", 5, 3, 0, 4, "No.", uuid4(), now() + timedelta(days=1))
    from glia.runs.events import encode

    assert json.loads(encode(event))["limit"] == 5


async def test_the_cap_that_a_budget_set_is_shown_as_it_was_sent(
    house: Rig, principal: Principal, talker: Talker
) -> None:
    await house.budgets.create(principal, BudgetSpec(scope="workspace", limit_micros=100_000))
    accepted = await house.send(principal, await house.session(principal))
    await house.finish(principal, accepted)

    sent = await ModelCalls(house.db).get(principal, accepted.run_id, 1)

    assert talker.requests[0].settings.max_output_tokens is not None
    assert sent.settings["max_output_tokens"] == talker.requests[0].settings.max_output_tokens
