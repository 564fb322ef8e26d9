"""Triggers that start workflows: what the input becomes, and that nothing else differs."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from glia.kit.errors import InvalidRequest
from glia.runs.types import Run
from glia.triggers import templates
from glia.triggers.types import Interval, OnEvent, OnMetric, OnWebhook, Overlap, Status, Trigger
from glia.workflows.types import Workflow, WorkflowSpec
from tests.triggers.conftest import Place

SCHEMA = {"type": "object", "required": ["amount"], "properties": {"amount": {"type": "number"}}}
STEPS = [{"id": "pause", "kind": "wait_time", "seconds": 1}]


async def make_workflow(place: Place, **definition: Any) -> Workflow:
    return await place.rig.workflows.create(place.principal, WorkflowSpec("Flow", {"steps": STEPS, **definition}))


async def make(place: Place, workflow: Workflow, input: Any, **spec: Any) -> Trigger:
    return await place.make(agent_id=None, message=None, workflow_id=workflow.id, input=input, **spec)


async def input_of(place: Place, run: Run) -> Any:
    return await place.value("select input->'input' from runs where id = %(id)s", id=run.id)


async def test_a_due_trigger_starts_an_execution_with_its_input(place: Place):
    workflow = await make_workflow(place)
    trigger = await make(place, workflow, {"at": "{{ scheduled_at }}", "by": "{{ trigger.name }}!", "n": [1, None]})
    await place.execute("update triggers set next_at = '2024-01-05T06:00Z' where id = %(id)s", id=trigger.id)

    await place.tick()

    (firing,) = await place.history(trigger)
    (run,) = await place.runs()
    assert (firing.outcome, firing.run_id, firing.session_id) == ("started", run.id, run.session_id)
    assert await input_of(place, run) == {"at": "2024-01-05T06:00:00+00:00", "by": "Report!", "n": [1, None]}
    assert (await place.rig.workflows.execution(place.principal, workflow.id, run.id)).workflow_id == workflow.id


async def test_values_keep_their_type_and_are_not_filled_in_again(place: Place):
    workflow = await make_workflow(place, input_schema=SCHEMA)
    trigger = await make(
        place,
        workflow,
        {"amount": "{{payload.amount}}", "all": "{{ payload }}", "no": "{{ payload.x }}"},
        when=OnWebhook(),
    )
    payload = {"amount": 1.5, "text": "{{ trigger.id }}", "list": [True]}

    await place.triggers.fire(place.principal, trigger.id, payload)

    (run,) = await place.runs()
    assert await input_of(place, run) == {"amount": 1.5, "all": payload, "no": None}


async def test_an_input_that_does_not_fit_is_a_failed_firing(place: Place):
    workflow = await make_workflow(place, input_schema=SCHEMA)
    trigger = await make(place, workflow, {"amount": "{{ payload.amount }}"}, when=OnWebhook(), max_failures=2)

    first = await place.triggers.fire(place.principal, trigger.id, {"amount": "much"})
    await place.triggers.fire(place.principal, trigger.id, {})

    assert first.outcome == "failed"
    assert "amount" in (first.reason or "")
    assert await place.runs() == []
    assert (await place.again(trigger)).status is Status.PAUSED


@pytest.mark.parametrize("payload", [{"a": "x" * 200_000}, {"a": "\0"}], ids=["large", "nul"])
async def test_an_input_that_cannot_be_kept_is_a_failed_firing(place: Place, payload: dict[str, Any]):
    trigger = await make(place, await make_workflow(place), ["{{ payload }}"] * 50, when=OnWebhook())

    firing = await place.triggers.fire(place.principal, trigger.id, payload)

    assert firing.outcome == "failed"
    assert firing.reason
    assert await place.runs() == []


async def test_a_deep_payload_is_refused_rather_than_broken():
    deep: Any = 1
    for _ in range(500):
        deep = [deep]

    with pytest.raises(InvalidRequest, match="nested"):
        templates.fill({"all": "{{ payload }}"}, {"payload": deep})


async def test_a_deleted_workflow_is_a_failed_firing(place: Place):
    workflow = await make_workflow(place)
    trigger = await make(place, workflow, {})
    await place.rig.workflows.delete(place.principal, workflow.id)

    firing = await place.triggers.fire(place.principal, trigger.id)

    assert firing.outcome == "failed"
    assert "no workflow" in (firing.reason or "")


@pytest.mark.parametrize(
    ("overlap", "outcome", "before"),
    [(Overlap.SKIP, "skipped", False), (Overlap.QUEUE, "waiting", False), (Overlap.CANCEL_PREVIOUS, "started", True)],
)
async def test_overlap_holds_for_executions(place: Place, overlap: Overlap, outcome: str, before: bool):
    trigger = await make(place, await make_workflow(place), {}, overlap=overlap)
    first = await place.triggers.fire(place.principal, trigger.id)

    second = await place.triggers.fire(place.principal, trigger.id)

    assert second.outcome == outcome
    assert first.run_id is not None
    asked_at = await place.value("select cancel_requested_at from runs where id = %(id)s", id=first.run_id)
    assert (asked_at is not None) is before
    if outcome == "waiting":
        await place.end(first.run_id)
        await place.execute("update trigger_firings set retry_at = now() where outcome = 'waiting'")
        await place.tick()
        assert await place.outcomes(trigger) == ["started", "started"]


async def _forget(place: Place, trigger: Trigger) -> None:
    """As if the process had died between the start and its note."""
    await place.execute(
        """
        update trigger_firings set outcome = 'starting', run_id = null, session_id = null, retry_at = now(),
          message = '{"at": 1.0}' where trigger_id = %(id)s""",
        id=trigger.id,
    )


async def test_a_firing_that_is_taken_up_again_finds_its_execution(place: Place):
    one, other = await make_workflow(place), await make_workflow(place)
    trigger = await make(place, one, {"at": 1.0})
    first = await place.triggers.fire(place.principal, trigger.id)
    await _forget(place, trigger)
    await place.triggers.update(place.principal, trigger.id, {"workflow_id": other.id, "input": {"at": 2}})

    await place.tick()

    (firing,) = await place.history(trigger)
    assert (firing.outcome, firing.run_id) == ("started", first.run_id)
    assert len(await place.runs()) == 1


async def test_failed_executions_pause_a_trigger(place: Place):
    trigger = await make(place, await make_workflow(place), {}, max_failures=2)
    for _ in range(2):
        firing = await place.triggers.fire(place.principal, trigger.id)
        await place.end(firing.run_id, "failed", {"error": {"code": "x", "message": "x"}})

    await place.tick()

    assert (await place.again(trigger)).status is Status.PAUSED


async def test_a_trigger_does_not_hear_agents_of_its_own_execution(place: Place):
    trigger = await make(
        place, await make_workflow(place), {"run": "{{ event.run_id }}"}, when=OnEvent("run.completed")
    )
    theirs = await place.rig.start(place.principal, place.agent)
    await place.end(theirs.run_id)
    await place.tick()
    (firing,) = await place.history(trigger)
    run = next(run for run in await place.runs() if run.id == firing.run_id)
    assert await input_of(place, run) == {"run": str(theirs.run_id)}

    own = await place.rig.start(place.principal, place.agent, parent_run_id=firing.run_id, dedupe_key="child")
    await place.end(own.run_id)
    await place.tick()

    assert len(await place.history(trigger)) == 1


async def test_a_key_that_only_looks_like_a_firings_breaks_nothing(place: Place):
    workflow = await make_workflow(place)
    key = "trigger:" + "-" * 36
    accepted = await place.rig.workflows.start(place.principal, workflow.id, {}, dedupe_key=key)

    await place.end(accepted.run_id, "failed", {"error": {"code": "x", "message": "x"}})

    assert (await place.rig.runs.get(place.principal, accepted.run_id)).status == "failed"


async def test_a_figure_fires_a_workflow(place: Place):
    trigger = await make(
        place, await make_workflow(place), {"value": "{{ metric.value }}"}, when=OnMetric("failed_runs", above=0)
    )
    failed = await place.rig.start(place.principal, place.agent)
    await place.end(failed.run_id, "failed", {"error": {"code": "x", "message": "x"}})
    await place.execute("update runs set finished_at = now() where id = %(id)s", id=failed.run_id)
    await place.pass_time(trigger)

    await place.tick()

    (firing,) = await place.history(trigger)
    run = next(run for run in await place.runs() if run.id == firing.run_id)
    assert await input_of(place, run) == {"value": 1}


async def test_a_trigger_changes_from_agent_to_workflow_and_back(place: Place):
    workflow = await make_workflow(place)
    trigger = await place.make(Interval(60))

    changed = await place.triggers.update(place.principal, trigger.id, {"workflow_id": workflow.id})
    assert (changed.agent_id, changed.message, changed.workflow_id, changed.input) == (None, None, workflow.id, {})
    with pytest.raises(InvalidRequest, match="message"):
        await place.triggers.update(place.principal, trigger.id, {"agent_id": place.agent})
    back = await place.triggers.update(place.principal, trigger.id, {"agent_id": place.agent, "message": "Hello."})
    assert (back.agent_id, back.message, back.workflow_id, back.input) == (place.agent, "Hello.", None, None)


@pytest.mark.parametrize(
    "input", ["{{ payload.x }}", {"{{ trigger.id }}": 1}, {"a": ["{{ env }}"]}, {"a": "\0"}, "x" * 100_001]
)
async def test_an_input_that_could_never_be_filled_in_is_refused(place: Place, input: Any):
    with pytest.raises(InvalidRequest) as refused:
        await make(place, await make_workflow(place), input)

    assert refused.value.field == "input"


def test_an_input_may_be_any_json():
    for template in (None, 3, "a", [], {"a": {"b": [1, "{{ trigger.id }}"]}}):
        templates.check_input(template, "cron")
    assert orjson.loads(templates.fill("{{ trigger }}", {"trigger": {"id": "1"}})) == {"id": "1"}
