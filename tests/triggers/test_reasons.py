"""Conditions on events and figures."""

from __future__ import annotations

from typing import Any

import pytest

from glia.agents.types import AgentSpec
from glia.kit.errors import InvalidRequest
from glia.kit.ids import new_id
from glia.triggers.conditions import fits
from glia.triggers.service import read_when
from glia.triggers.templates import render
from glia.triggers.types import Comparison, OnEvent, OnMetric, Overlap
from tests.conftest import DatabaseUrls, make_principal
from tests.triggers.conftest import Place

FAILED = {"error": {"code": "upstream_failed", "message": "The model is away."}, "text": ""}


async def fail(place: Place, agent: object = None, event: dict[str, object] | None = None) -> None:
    session = await place.rig.sessions.create(place.principal, agent_id=agent or place.agent)  # type: ignore[arg-type]
    accepted = await place.rig.send(place.principal, session.id, is_background=True)
    await place.end(accepted.run_id, "failed", event or FAILED)


async def test_a_failed_run_of_an_agent_fires(place: Place):
    watched = (await place.rig.agents.create(place.principal, AgentSpec(name="Watched"))).id
    when = OnEvent("run.failed", watched, [Comparison("error.code", "eq", "upstream_failed")])
    trigger = await place.make(when, message="{{ event.type }} of {{ event.agent_id }}: {{ event.data.error.message }}")

    await fail(place)  # of another agent
    await fail(place, watched, {"error": {"code": "limit_reached", "message": "No."}})
    await fail(place, watched)
    await place.tick()

    (firing,) = await place.history(trigger)
    assert (firing.cause, firing.outcome) == ("event", "started")
    (*_, run) = await place.runs()
    assert await place.said(run) == f"run.failed of {watched}: The model is away."
    assert await place.value("select count(*) from trigger_events") == 0


async def test_every_event_fires_once_and_a_cooldown_passes_over_the_next(place: Place):
    each = await place.make(OnEvent("run.failed"), overlap=Overlap.QUEUE)
    calm = await place.make(OnEvent("run.failed", cooldown_seconds=3600), overlap=Overlap.QUEUE)
    for _ in range(3):
        await fail(place)
    await place.tick()
    await place.tick()

    assert len(await place.history(each)) == 3
    assert len(await place.history(calm)) == 1


async def test_a_paused_trigger_hears_nothing(place: Place):
    trigger = await place.make(OnEvent("run.failed"))
    await place.triggers.pause(place.principal, trigger.id)
    await fail(place)
    await place.triggers.resume(place.principal, trigger.id)

    await place.tick()

    assert await place.history(trigger) == []


async def test_a_trigger_does_not_hear_the_runs_that_it_starts_itself(place: Place):
    trigger = await place.make(OnEvent("run.failed"))
    await fail(place)
    await place.tick()
    (firing,) = await place.history(trigger)

    await place.end(firing.run_id, "failed")
    await place.tick()

    assert len(await place.history(trigger)) == 1


async def test_triggers_that_set_each_other_off_come_to_an_end(place: Place):
    one, other = [await place.make(OnEvent("run.failed"), overlap=Overlap.QUEUE) for _ in range(2)]
    await fail(place)
    for _ in range(20):
        await place.tick()
        for run in await place.runs():
            if not run.status.is_final:
                await place.end(run.id, "failed", FAILED)

    both = await place.history(one) + await place.history(other)
    assert len(both) < 30
    assert any("set each other off" in (firing.reason or "") for firing in both)


async def test_events_of_another_workspace_are_not_heard(place: Place):
    trigger = await place.make(OnEvent("run.failed"))
    stranger = await make_principal(place.db, name="Other")
    agent = (await place.rig.agents.create(stranger, AgentSpec(name="Theirs"))).id
    mine, place.principal = place.principal, stranger
    await fail(place, agent)
    place.principal = mine

    await place.tick()

    assert await place.history(trigger) == []


async def test_adding_events_notices_nothing_where_no_trigger_waits(place: Place):
    await place.make()
    await fail(place)

    assert await place.value("select count(*) from trigger_events") == 0


async def use(place: Place, tokens: int, *, minutes_ago: float = 0, cost: int = 0) -> None:
    await place.execute(
        """
        insert into usage_records (id, workspace_id, project_id, at, operation, model, agent_id, input_tokens,
          output_tokens, cost_micros, latency_ms)
        values (%(id)s, %(ws)s, %(project)s, clock_timestamp() - make_interval(secs => %(ago)s), 'chat', 'x/y',
          %(agent)s, %(tokens)s, 0, %(cost)s, 1)""",
        id=new_id(),
        ws=place.principal.workspace_id,
        project=place.principal.project_id,
        agent=place.agent,
        ago=minutes_ago * 60,
        tokens=tokens,
        cost=cost,
    )


async def test_a_figure_fires_when_it_rises_and_again_only_after_it_fell(place: Place):
    when = OnMetric("tokens", above=100, window_seconds=600, rearm_below=50)
    trigger = await place.make(when, overlap=Overlap.QUEUE, message="{{ metric.value }} over {{ metric.above }}")

    async def look() -> int:
        await place.pass_time(trigger)
        await place.tick()
        return len(await place.history(trigger))

    await use(place, 500, minutes_ago=20)
    assert await look() == 0
    await use(place, 101)
    assert await look() == 1
    assert await look() == 1
    await place.execute("update usage_records set input_tokens = 60 where at > now() - interval '10 minutes'")
    assert await look() == 1
    await use(place, 100)
    assert await look() == 1
    await place.execute("delete from usage_records")
    assert await look() == 1
    await use(place, 102)
    assert await look() == 2
    assert await place.said((await place.runs())[0]) == "101.0 over 100.0"


async def test_a_cooldown_keeps_a_figure_quiet(place: Place):
    trigger = await place.make(OnMetric("tokens", above=100, cooldown_seconds=3600), overlap=Overlap.QUEUE)
    for tokens in (200, -200, 200):
        await use(place, tokens)
        await place.pass_time(trigger)
        await place.tick()

    assert len(await place.history(trigger)) == 1


@pytest.mark.parametrize(
    ("metric", "above"),
    [("cost_micros", 900), ("model_calls", 1), ("failed_runs", 0), ("queue_wait_seconds", 0), ("tokens", 1)],
)
async def test_each_figure_can_be_measured(place: Place, metric: Any, above: float):
    trigger = await place.make(OnMetric(metric, above=above, agent_id=place.agent))
    for _ in range(2):
        await use(place, 5, cost=500)
    await fail(place)
    session = await place.rig.sessions.create(place.principal, agent_id=place.agent)
    await place.rig.send(place.principal, session.id, is_background=True)

    await place.tick()

    assert await place.outcomes(trigger) == ["started"]


DATA = {"n": 3, "text": "abc", "yes": True, "list": [{"id": 7}], "none": None, "tags": ["a", "b"]}


@pytest.mark.parametrize(
    ("field", "op", "value", "expected"),
    [
        ("n", "eq", 3, True),
        ("n", "eq", "3", False),
        ("n", "ne", 4, True),
        ("n", "gt", 2.5, True),
        ("n", "le", 2, False),
        ("n", "gt", "2", False),
        ("yes", "eq", True, True),
        ("yes", "eq", 1, False),
        ("yes", "gt", 0, False),
        ("text", "ge", "abb", True),
        ("text", "starts_with", "ab", True),
        ("text", "contains", "bc", True),
        ("tags", "contains", "b", True),
        ("tags", "contains", "c", False),
        ("tags", "starts_with", "a", False),
        ("list.0.id", "in", [6, 7], True),
        ("list.1.id", "eq", 7, False),
        ("list.-1.id", "eq", 7, False),
        ("gone", "ne", 1, False),
        ("gone", "exists", False, True),
        ("none", "exists", True, True),
        ("none", "eq", None, True),
        ("text.upper", "exists", True, False),
        ("__class__", "exists", True, False),
    ],
)
def test_comparisons(field: str, op: Any, value: Any, expected: bool):
    assert fits(DATA, [Comparison(field, op, value)]) is expected


def test_templates_put_values_in_once():
    values = {"payload": {"a": "{{ body }}", "n": [1, {"x": None}], "nul": "a\0b"}, "body": "secret"}

    assert render("{{ payload.a }} {{payload.n}} {{ payload.gone.deep }}|{{ payload.nul }}", values) == (
        '{{ body }} [1,{"x":null}] |ab'
    )
    assert render("{{ payload.a.__class__ }}{{ 1 + 1 }} {no} {{}}", values) == " {no} {{}}"


@pytest.mark.parametrize(
    ("when", "field"),
    [
        ({}, "when.kind"),
        ({"kind": "moon"}, "when.kind"),
        ({"kind": "cron"}, "when.cron"),
        ({"kind": "cron", "cron": "* * * * *", "every_seconds": 5}, "when.every_seconds"),
        ({"kind": "interval", "every_seconds": "5"}, "when.every_seconds"),
        ({"kind": "metric", "metric": "luck", "above": 1}, "when.metric"),
        ({"kind": "event", "event_type": "run.failed", "filter": [{"field": "a"}]}, "when.filter[0].op"),
        ({"kind": "event", "event_type": "run.failed", "filter": [{"field": "a", "op": "like"}]}, "when.filter[0].op"),
    ],
)
def test_what_is_wrong_with_a_when_is_named(when: dict[str, Any], field: str):
    with pytest.raises(InvalidRequest) as refused:
        read_when(when)

    assert refused.value.field == field


@pytest.mark.parametrize(
    ("when", "field"),
    [
        ({"kind": "interval", "every_seconds": 0}, "when.every_seconds"),
        ({"kind": "at", "at": "2001-01-01T00:00:00Z"}, "when.at"),
        ({"kind": "at", "at": "2040-01-01T00:00:00"}, "when.at"),
        ({"kind": "event", "event_type": "text.delta"}, "when.event_type"),
        ({"kind": "event", "event_type": "run.failed", "cooldown_seconds": -1}, "when.cooldown_seconds"),
        (
            {"kind": "event", "event_type": "run.failed", "filter": [{"field": "a b", "op": "eq", "value": 1}]},
            "when.filter[0].field",
        ),
        (
            {"kind": "event", "event_type": "run.failed", "filter": [{"field": "a", "op": "eq"}]},
            "when.filter[0].value",
        ),
        (
            {"kind": "event", "event_type": "run.failed", "filter": [{"field": "a", "op": "in", "value": 3}]},
            "when.filter[0].value",
        ),
        ({"kind": "metric", "metric": "tokens", "above": 1, "window_seconds": 1}, "when.window_seconds"),
        ({"kind": "metric", "metric": "tokens", "above": 1, "rearm_below": 2}, "when.rearm_below"),
        ({"kind": "metric", "metric": "tokens", "above": 1, "every_seconds": 1}, "when.every_seconds"),
    ],
)
async def test_what_cannot_be_is_refused(place: Place, when: dict[str, Any], field: str):
    with pytest.raises(InvalidRequest) as refused:
        await place.make(read_when(when))

    assert refused.value.field == field


async def test_a_message_that_could_never_be_filled_is_refused(place: Place, database_urls: DatabaseUrls):
    for message in ("{{ payload.x }}", "{{ nope }}", "{{ a b }}", "", " "):
        with pytest.raises(InvalidRequest) as refused:
            await place.make(message=message)
        assert refused.value.field == "message"
