"""A worker vanishes, another goes on: nothing is lost, and no outside effect happens twice."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

import pytest

from glia.identity.types import Principal
from glia.kit.db import Database
from glia.runs import lease_queries, queries
from glia.runs.engine import EngineConfig
from glia.runs.events import RunCancelled, RunCompleted, TextDelta, ToolReturned
from glia.runs.log import RunLog
from glia.runs.toolbox import Toolbox
from glia.runs.types import Run, RunStatus
from glia.tools.types import Effect, Tool, ToolContext, ToolResult
from tests.conftest import DatabaseUrls
from tests.runs.mishaps import age_claims, deafen, ended, lapse, reached, until, vanish
from tests.runs.rig import Say, ScriptedModel, make_tool, rig


class Post:
    """A tool with an outside effect, which hangs the first time it is used."""

    def __init__(self) -> None:
        self.keys: list[str] = []

    async def __call__(self, context: ToolContext, arguments: str) -> ToolResult:
        self.keys.append(context.idempotency_key)
        if len(self.keys) == 1:
            await asyncio.sleep(30)
        return ToolResult("sent")

    def tool(self, effect: Effect) -> Tool:
        return make_tool("post", self, effect)


async def _send_twice(
    db: Database, urls: DatabaseUrls, principal: Principal, first: Effect, second: Effect
) -> tuple[Post, ToolReturned]:
    """One worker vanishes while it calls the tool, the next one takes over. first, second: the tool's effect then."""
    post = Post()
    async with rig(db, urls.app, ScriptedModel(Say(calls=(("post", {}),))), [post.tool(first)]) as one:
        session = await one.session(principal, tools=("post",))
        accepted = await one.send(principal, session)
        await until(lambda: _is(len(post.keys) == 1))
        await vanish(one)
        async with rig(db, urls.app, ScriptedModel(Say("Done")), [post.tool(second)]) as other:
            run = await ended(other, principal, accepted.run_id)
            events = await other.events(principal, session)
    assert run.status is RunStatus.COMPLETED
    assert run.attempt == 2
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    returned = [event.payload for event in events if event.type == "tool.returned"]
    assert len(returned) == 1
    assert isinstance(returned[0], ToolReturned)
    return post, returned[0]


async def _is(value: bool) -> bool:
    return value


async def test_a_tool_with_an_effect_is_never_called_again(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    post, returned = await _send_twice(db, database_urls, principal, Effect.ONCE, Effect.ONCE)

    assert len(post.keys) == 1
    assert returned.status == "unknown"


async def test_without_the_guard_the_effect_would_happen_twice(
    db: Database, database_urls: DatabaseUrls, principal: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Toolbox._result
    monkeypatch.setattr(Toolbox, "_result", lambda self, call, key, earlier: real(self, call, key, None))

    post, returned = await _send_twice(db, database_urls, principal, Effect.ONCE, Effect.ONCE)

    assert len(post.keys) == 2
    assert returned.status == "ok"


@pytest.mark.parametrize("effect", [Effect.IDEMPOTENT, Effect.READ])
async def test_a_tool_that_can_bear_it_is_called_again_with_the_same_key(
    db: Database, database_urls: DatabaseUrls, principal: Principal, effect: Effect
) -> None:
    post, returned = await _send_twice(db, database_urls, principal, effect, effect)

    assert len(post.keys) == 2
    assert len(set(post.keys)) == 1
    assert returned.status == "ok"


async def test_what_a_tool_was_when_it_was_called_decides(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    post, returned = await _send_twice(db, database_urls, principal, Effect.ONCE, Effect.READ)

    assert len(post.keys) == 1
    assert returned.status == "unknown"


async def _late_events(
    db: Database, urls: DatabaseUrls, principal: Principal, has_mixed_in: Callable[[], bool] = lambda: False
) -> list[int]:
    """Attempts of the events stored after a takeover by a worker that does not know that it was declared dead.

    The run does not end before that worker has been refused or has done it.
    """
    model = ScriptedModel(Say("late " * 9999, pause_seconds=0.05))
    async with rig(db, urls.app, model, beat_seconds=60) as one:

        async def has_tried() -> None:
            await until(lambda: _is(one.engine.running == 0 or has_mixed_in()))

        session = await one.session(principal)
        accepted = await one.send(principal, session)
        await reached(one, principal, session, "text.delta")
        await lapse(db, one.lease.worker_id)
        async with rig(db, urls.app, ScriptedModel(Say("slow", before=has_tried))) as other:
            run = await ended(other, principal, accepted.run_id)
            events = await other.events(principal, session)
    assert run.status is RunStatus.COMPLETED
    second = next(i for i, event in enumerate(events) if event.type == "run.started" and event.attempt == 2)
    return [event.attempt or 0 for event in events[second:]]


async def test_a_worker_that_was_declared_dead_writes_nothing_more(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    assert set(await _late_events(db, database_urls, principal)) == {2}


async def test_without_the_fence_late_writes_would_mix_in(
    db: Database, database_urls: DatabaseUrls, principal: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    places: list[queries.Place] = []

    async def append(db: Database, run: Run, entry: queries.Entry) -> queries.Place:
        payloads = [TextDelta(1, run.attempt, 0, "late")]
        async with db.transaction(run.workspace_id) as tx:
            places.append(await queries.append_unfenced(tx, run.session_id, run.id, run.attempt, payloads))
            return places[-1]

    real = queries.append

    async def unfenced(db: Database, run: Run, entry: queries.Entry) -> queries.Place | None:
        return await (append if run.attempt == 1 else real)(db, run, entry)

    monkeypatch.setattr(queries, "append", unfenced)
    before: list[int] = []

    def has_mixed_in() -> bool:
        """Since the other one asked for the first time, which is after it has begun."""
        before.append(len(places))
        return len(places) > before[0]

    assert set(await _late_events(db, database_urls, principal, has_mixed_in)) == {1, 2}


async def test_a_frozen_worker_dispatches_no_tool_when_it_wakes(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    assert await _calls_after_the_lease(db, database_urls, principal) == 0


async def test_without_looking_at_the_lease_it_would(
    db: Database, database_urls: DatabaseUrls, principal: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RunLog, "check_lease", lambda self: None)

    assert await _calls_after_the_lease(db, database_urls, principal) == 1


async def _calls_after_the_lease(db: Database, urls: DatabaseUrls, principal: Principal) -> int:
    """The lease lapses between the commit of `tool.called` and the call; nobody tells the run."""
    calls: list[str] = []

    async def act(context: ToolContext, arguments: str) -> ToolResult:
        calls.append(context.idempotency_key)
        return ToolResult("done")

    model = ScriptedModel(Say(calls=(("act", {}),)), Say("Done"))
    async with rig(db, urls.app, model, [make_tool("act", act, Effect.ONCE)]) as house:
        session = await house.session(principal, tools=("act",))
        real = house.live.stored

        def lapse_now(session_id: object, events: object) -> None:
            real(session_id, events)  # type: ignore[arg-type]
            if any(event.type == "tool.called" for event in events):  # type: ignore[attr-defined]
                deafen(house)
                house.lease._valid_until = 0.0

        house.live.stored = lapse_now  # type: ignore[method-assign]
        await house.send(principal, session)
        await until(lambda: _is(house.engine.running == 0))
    return len(calls)


async def test_a_run_lost_and_claimed_again_by_the_same_process_stays_claimed(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    clinging, is_here_again, may_end = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def cling(context: ToolContext, arguments: str) -> ToolResult:
        clinging.set()
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            await is_here_again.wait()  # takes its time to stop, and stops while the run is already here again
        return ToolResult("clung")

    async def hold() -> None:
        is_here_again.set()
        await may_end.wait()

    model = ScriptedModel(Say(calls=(("cling", {}),)), Say("Done", before=hold))
    async with rig(db, database_urls.app, model, [make_tool("cling", cling, Effect.ONCE)]) as house:
        session = await house.session(principal, tools=("cling",))
        accepted = await house.send(principal, session)
        await clinging.wait()
        first = house.engine._held[accepted.run_id].task

        await lapse(db, house.lease.worker_id)
        await asyncio.wait({first}, timeout=60)

        assert is_here_again.is_set()
        assert house.engine.running == 1
        await age_claims(db)
        may_end.set()
        run = await ended(house, principal, accepted.run_id)
        assert (run.status, run.attempt) == (RunStatus.COMPLETED, 2)


async def test_a_claim_whose_answer_was_lost_is_begun_again(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    assert await _lost_claim(db, database_urls, principal) == (RunStatus.COMPLETED, 2)


async def test_without_giving_back_a_lost_claim_would_stay_lost(
    db: Database, database_urls: DatabaseUrls, principal: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(*_: object) -> int:
        return 0

    monkeypatch.setattr(lease_queries, "give_back", nothing)

    with pytest.raises(TimeoutError):
        await _lost_claim(db, database_urls, principal, seconds=2)


async def _lost_claim(
    db: Database, urls: DatabaseUrls, principal: Principal, seconds: float = 60
) -> tuple[RunStatus, int]:
    async with rig(db, urls.app, ScriptedModel(Say("Done"))) as house:
        session = await house.session(principal)
        begin, house.engine.begin = house.engine.begin, lambda *_, **__: None  # type: ignore[method-assign]
        accepted = await house.send(principal, session)
        house.engine.begin = begin  # type: ignore[method-assign]
        await age_claims(db)
        run = await ended(house, principal, accepted.run_id, seconds)
        return run.status, run.attempt


async def test_a_run_that_takes_its_workers_down_is_parked(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    async with rig(db, database_urls.app, ScriptedModel(*[Say("x " * 9999, pause_seconds=0.05)] * 9)) as house:
        session = await house.session(principal)
        accepted = await house.send(principal, session)
        async with db.across_workspaces() as tx:
            await tx.execute("update runs set max_attempts = 2")
        for attempt in (1, 2):
            if attempt > 1:
                await reached(house, principal, session, "run.started", attempt)
            await until(lambda: _is(house.engine.running == 1))
            house.engine._held[accepted.run_id].task.cancel()  # neither cancelled nor handed back: it just goes
            await until(lambda: _is(house.engine.running == 0))
            await age_claims(db)

        run = await ended(house, principal, accepted.run_id)

        assert run.status is RunStatus.FAILED
        assert run.error is not None
        assert run.error["code"] == "crash_loop"
        assert re.search(r"Its last sign is `[a-z.]+`, stored in attempt 2 by worker [0-9a-f-]{36} at ", str(run.error))
        assert run.attempt == 3


async def test_runs_that_are_handed_back_in_good_order_never_count_as_crashing(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    config = EngineConfig(poll_seconds=0.05, drain_seconds=0.01)
    session = None
    for attempt in range(1, 5):
        last = attempt == 4
        model = ScriptedModel(Say("Done") if last else Say("x " * 9999, pause_seconds=0.05))
        async with rig(db, database_urls.app, model, config=config) as house:
            if session is None:
                session = await house.session(principal)
                accepted = await house.send(principal, session)
                async with db.across_workspaces() as tx:
                    await tx.execute("update runs set max_attempts = 2")
            else:
                await reached(house, principal, session, "run.started", attempt)
            if last:
                run = await ended(house, principal, accepted.run_id)
    assert (run.status, run.attempt) == (RunStatus.COMPLETED, 4)


async def test_draining_keeps_what_was_shown_and_lets_others_go_on(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    config = EngineConfig(poll_seconds=0.1, drain_seconds=0.05)
    async with rig(
        db, database_urls.app, ScriptedModel(Say("a b c " * 9999, pause_seconds=0.01)), config=config
    ) as one:
        session = await one.session(principal)
        accepted = await one.send(principal, session)
        await reached(one, principal, session, "text.delta")
    async with rig(db, database_urls.app, ScriptedModel(Say("Done"))) as other:
        run = await ended(other, principal, accepted.run_id)
        types = await other.types(principal, session)

    assert (run.status, run.attempt) == (RunStatus.COMPLETED, 2)
    assert types.index("text.delta") < types.index("run.started", 4)


@pytest.mark.parametrize("is_on", [True, False])
async def test_a_cancel_whose_note_was_lost_comes_with_the_beat(
    db: Database, database_urls: DatabaseUrls, principal: Principal, is_on: bool
) -> None:
    """The rig listens to no notes at all; `is_on` False switches the beat's list of cancelled runs off too."""
    model = ScriptedModel(Say("word " * (9999 if is_on else 100), pause_seconds=0.02))
    async with (
        rig(db, database_urls.app, model) as one,
        rig(db, database_urls.app, ScriptedModel(), is_working=False) as other,
    ):
        if not is_on:
            one.lease._on_cancelled = lambda _runs: None
        session = await one.session(principal)
        accepted = await one.send(principal, session)
        await reached(one, principal, session, "text.delta")

        await other.runs.cancel(principal, accepted.run_id)
        last = await one.finish(principal, accepted)

        assert isinstance(last.payload, RunCancelled if is_on else RunCompleted)


async def test_a_wish_to_cancel_outlives_the_worker(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    async with rig(db, database_urls.app, ScriptedModel(Say("x " * 9999, pause_seconds=0.02))) as one:
        session = await one.session(principal)
        accepted = await one.send(principal, session)
        await reached(one, principal, session, "text.delta")
        await vanish(one)
        async with rig(db, database_urls.app, ScriptedModel(), is_working=False) as clerk:
            await clerk.runs.cancel(principal, accepted.run_id)
        async with rig(db, database_urls.app, ScriptedModel()) as other:
            run = await ended(other, principal, accepted.run_id)

            assert run.status is RunStatus.CANCELLED
            assert other.model.requests == []


async def test_a_run_for_a_newer_engine_waits_and_is_seen_waiting(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    async with rig(db, database_urls.app, ScriptedModel(), is_working=False) as clerk:
        session = await clerk.session(principal)
        accepted = await clerk.send(principal, session)
    async with db.across_workspaces() as tx:
        await tx.execute("update runs set engine_abi = engine_abi + 1")

    async with rig(db, database_urls.app, ScriptedModel(Say("Done"))) as house:
        await asyncio.sleep(0.5)
        async with db.across_workspaces() as tx:
            pulse = await lease_queries.pulse(tx)
        waiting = await house.runs.get(principal, accepted.run_id)
        assert (pulse.queued, pulse.waiting_for_abi, pulse.workers) == (1, 1, 1)
        assert (waiting.status, waiting.attempt) == (RunStatus.QUEUED, 0)

        async with db.across_workspaces() as tx:
            await tx.execute("update runs set engine_abi = engine_abi - 1")  # as if this were the newer engine

        assert (await ended(house, principal, accepted.run_id)).status is RunStatus.COMPLETED


async def test_events_that_nobody_knows_disturb_neither_readers_nor_resuming(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    post = Post()
    async with rig(db, database_urls.app, ScriptedModel(Say(calls=(("post", {}),))), [post.tool(Effect.READ)]) as one:
        session = await one.session(principal, tools=("post",))
        accepted = await one.send(principal, session)
        await until(lambda: _is(len(post.keys) == 1))
        await vanish(one)
    async with db.transaction(principal.workspace_id) as tx:
        await tx.execute(
            """
            with s as (update sessions set last_seq = last_seq + 1 where id = %(id)s
                       returning id, workspace_id, last_seq)
            insert into events (session_id, seq, workspace_id, run_id, attempt, type, data)
            select id, last_seq, workspace_id, %(run)s, 1, 'dream.began', '{"depth": [1, 2]}' from s""",
            id=session,
            run=accepted.run_id,
        )
    async with rig(db, database_urls.app, ScriptedModel(Say("Done")), [post.tool(Effect.READ)]) as other:
        assert (await ended(other, principal, accepted.run_id)).status is RunStatus.COMPLETED
        seen: list[str] = []
        async for item in other.runs.follow(principal, session, after=0):
            assert item is not None
            seen.append(item.type)  # type: ignore[union-attr]
            if seen[-1] == "run.completed":
                break
        assert "dream.began" in seen
        assert [m.role for m in await other.runs.messages(principal, session)] == ["user", "assistant"]


async def test_a_reap_leaves_a_worker_alone_whose_beat_is_on_its_way(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    """The lease reads as lapsed, but the beat that renewed it in time is not committed yet."""
    model = ScriptedModel(Say("x " * 9999, pause_seconds=0.02))
    config = EngineConfig(poll_seconds=60, drain_seconds=0)
    async with rig(db, database_urls.app, model, beat_seconds=60, config=config) as house:
        session = await house.session(principal)
        accepted = await house.send(principal, session)
        worker = house.lease.worker_id
        await lapse(db, worker)
        async with db.across_workspaces() as beat:
            await beat.execute(
                "update workers set lease_until = clock_timestamp() + interval '1 minute' where id = %(id)s", id=worker
            )
            async with db.across_workspaces() as tx:
                assert await lease_queries.reap(tx) == 0

        run = await house.runs.get(principal, accepted.run_id)
        assert (run.status, run.attempt) == (RunStatus.RUNNING, 1)


async def test_a_reap_takes_the_runs_of_one_that_is_dead(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    model = ScriptedModel(Say("x " * 9999, pause_seconds=0.02))
    config = EngineConfig(poll_seconds=60, drain_seconds=0)
    async with rig(db, database_urls.app, model, beat_seconds=60, config=config) as house:
        session = await house.session(principal)
        accepted = await house.send(principal, session)
        await lapse(db, house.lease.worker_id)
        async with db.across_workspaces() as tx:
            assert await lease_queries.reap(tx) == 1

        assert (await house.runs.get(principal, accepted.run_id)).status is RunStatus.QUEUED


async def test_a_message_that_another_process_answers_says_who_began_it(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    """The accepting process has no room, so its interactive run is taken from the queue."""
    async with (
        rig(db, database_urls.app, ScriptedModel(), is_working=False) as front,
        rig(db, database_urls.app, ScriptedModel(Say("Done"))) as back,
    ):
        session = await front.session(principal)

        await back.finish(principal, await front.send(principal, session))

        assert (await front.types(principal, session)).count("run.started") == 1
