"""Triggers that a person or a public link fires, what they are called, and runs of one trigger side by side."""

from __future__ import annotations

import asyncio

import pytest

from glia.triggers import templates
from glia.triggers.errors import HookNotFound, TargetTaken, TriggerPaused, TriggerSlugTaken
from glia.triggers.types import OnDemand, Overlap, TriggerSpec

from .conftest import Place


async def test_nothing_but_a_person_fires_a_trigger_on_demand(place: Place):
    trigger = await place.make(OnDemand(), message="Say {{ payload.word }}.")

    await place.tick()
    fired = await place.triggers.fire(place.principal, trigger.id, {"word": "hello"})

    assert trigger.next_at is None
    assert fired.outcome == "started"
    (run,) = await place.runs()
    assert await place.said(run) == "Say hello."


async def test_parallel_firings_have_runs_of_their_own(place: Place):
    trigger = await place.make(OnDemand(), overlap=Overlap.PARALLEL)

    firings = [await place.triggers.fire(place.principal, trigger.id) for _ in range(3)]

    assert [firing.outcome for firing in firings] == ["started"] * 3
    assert len({firing.session_id for firing in firings}) == 3


@pytest.mark.parametrize(("given", "kept"), [(None, True), (False, False)])
async def test_a_firing_may_choose_where_its_session_is_listed(place: Place, given: bool | None, kept: bool):
    trigger = await place.make(OnDemand(), is_system=True)

    firing = await place.triggers.fire(place.principal, trigger.id, is_system=given)

    assert await place.value("select is_system from sessions where id = %(id)s", id=firing.session_id) is kept


async def test_a_link_fires_until_it_is_replaced_or_paused(place: Place):
    trigger = await place.make(OnDemand(), message="{{ payload.word }}", overlap=Overlap.PARALLEL)
    old = await place.triggers.share(place.principal, trigger.id)
    link = await place.triggers.share(place.principal, trigger.id)

    fired = await place.hooks.fire_shared(link, {"word": "hello"})
    other = await place.triggers.fire(place.principal, (await place.make(OnDemand())).id)

    assert fired.run_id is not None
    assert other.run_id is not None
    assert (await place.hooks.shared_run(link, fired.run_id)).workspace_id == place.principal.workspace_id
    with pytest.raises(HookNotFound):
        await place.hooks.shared_run(link, other.run_id)
    with pytest.raises(HookNotFound):
        await place.hooks.fire_shared(old, {})
    await place.triggers.pause(place.principal, trigger.id)
    with pytest.raises(TriggerPaused):
        await place.hooks.fire_shared(link, {})
    await place.triggers.unshare(place.principal, trigger.id)
    with pytest.raises(HookNotFound):
        await place.hooks.shared(link)


async def test_a_slug_is_one_triggers_however_many_ask_at_once(place: Place):
    made = await asyncio.gather(*(place.make(OnDemand(), slug="door") for _ in range(4)), return_exceptions=True)
    other = await place.make(OnDemand())

    assert sorted(type(one).__name__ for one in made) == ["Trigger", *["TriggerSlugTaken"] * 3]
    with pytest.raises(TriggerSlugTaken):
        await place.triggers.update(place.principal, other.id, {"slug": "door"})
    found = await place.triggers.find(place.principal, "door")
    assert (await place.triggers.update(place.principal, found.id, {"slug": "door"})).slug == "door"


async def test_a_target_may_be_kept_to_one_trigger(place: Place):
    await place.make(OnDemand())
    again = TriggerSpec(name="Again", agent_id=place.agent, message="Report.", when=OnDemand())

    with pytest.raises(TargetTaken):
        await place.triggers.create(place.principal, again, is_only=True)
    assert (await place.triggers.create(place.principal, again)).trigger.agent_id == place.agent


def test_a_template_tells_what_it_reads():
    assert templates.reads("Say {{ payload.word }}.", "payload")
    assert templates.reads({"a": [{"b": "{{body}}"}]}, "payload", "body")
    assert not templates.reads("It is {{ fired_at }}.", "payload", "body")
    assert not templates.reads(None, "payload")
