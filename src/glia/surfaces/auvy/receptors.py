"""/v1/receptors: what sets neurons and pathways going: the clock, requests from outside, or a person."""

from __future__ import annotations

from typing import Annotated, Any, cast
from uuid import UUID

from fastapi import APIRouter, Query, Response

from glia.identity.types import Principal
from glia.kit.errors import Conflict, InvalidRequest
from glia.kit.pages import LARGEST_LIMIT, Window
from glia.surfaces.auvy.auth import GivenBrain, InBrain
from glia.surfaces.auvy.invoke import text_of, trace_type_of
from glia.surfaces.auvy.neuron_config import type_of
from glia.surfaces.auvy.receptor_words import (
    FireBody,
    FiredOut,
    ReceptorBody,
    ReceptorChanges,
    ReceptorOut,
    ShareOut,
    channel_of,
    default_message,
    receptor_out,
    when_of,
)
from glia.surfaces.auvy.words import SURFACE, LimitText, OffsetText, id_in_path, own, page_of
from glia.surfaces.shared.bodies import Out, TheHouse, WatchedRoute, given
from glia.triggers.errors import TriggerNotFound
from glia.triggers.service import reads
from glia.triggers.types import Firing, Overlap, Trigger, TriggerSpec
from glia.wiring import House

router = APIRouter(prefix="/v1/receptors", tags=["receptors"], route_class=WatchedRoute)

_PAYLOAD_CHANNELS = ("http", "webhook", "slack", "email")


class RemovedReceptorOut(Out):
    id: UUID
    deleted: bool = True


@router.get("")
async def list_receptors(
    house: TheHouse,
    principal: InBrain,
    brain: GivenBrain,
    response: Response,
    neuron_id: Annotated[str | None, Query(description="Only the receptor of this neuron.")] = None,
    pathway_id: Annotated[str | None, Query(description="Only the receptor of this pathway.")] = None,
    limit: LimitText = None,
    offset: OffsetText = None,
) -> list[ReceptorOut]:
    """Receptors, newest first; the last 1,000 at most. `X-Total-Count` says how many there are."""
    number, passed = page_of(limit, offset)
    agent = None if neuron_id is None else id_in_path(neuron_id, "neuron")
    workflow = None if pathway_id is None else id_in_path(pathway_id, "pathway")
    window = Window(LARGEST_LIMIT)
    found = (await house.triggers.list(principal, window, agent_id=agent, workflow_id=workflow)).items
    seen = [trigger for trigger in found if brain in (None, trigger.project_id)]
    response.headers["X-Total-Count"] = str(len(seen))
    return [await receptor_out(house, principal, trigger) for trigger in seen[passed : passed + number]]


@router.post("", status_code=201)
async def create(body: ReceptorBody, house: TheHouse, principal: InBrain) -> ReceptorOut:
    """Make a receptor. 409 when its target has one already. What its channel needs to be told is shown only now."""
    agent, workflow = await _target(house, principal, body.neuron_id, body.pathway_id)
    spec = TriggerSpec(
        name=body.name,
        agent_id=agent,
        message=None if agent is None else body.message or default_message(body.channel, body.name),
        workflow_id=workflow,
        input=None if workflow is None else _input(body),
        when=when_of(body.channel, body.cron, body.timezone),
        overlap=Overlap.SKIP if body.channel == "cron" else Overlap.PARALLEL,
        slug=body.slug,
        metadata={SURFACE: {"channel": body.channel, "description": body.description}},
        is_system=await _is_system(house, principal, agent, body.trace_type),
    )
    made = await house.triggers.create(principal, spec, is_only=True)
    trigger = made.trigger
    if not body.is_active:
        trigger = await house.triggers.pause(principal, trigger.id)
    return await receptor_out(house, principal, trigger, secret=made.secret)


@router.get("/{workspace_slug}/{slug_or_id}")
async def get(
    workspace_slug: str, slug_or_id: str, house: TheHouse, principal: InBrain, brain: GivenBrain
) -> ReceptorOut:
    """One receptor, by its slug or UUID, below the slug of the workspace."""
    return await receptor_out(house, principal, await _named(house, principal, workspace_slug, slug_or_id, brain))


@router.patch("/{workspace_slug}/{slug_or_id}")
async def update(
    workspace_slug: str,
    slug_or_id: str,
    body: ReceptorChanges,
    house: TheHouse,
    principal: InBrain,
    brain: GivenBrain,
) -> ReceptorOut:
    """Change what is given. A receptor keeps its channel and its target."""
    found = await _named(house, principal, workspace_slug, slug_or_id, brain)
    fields = given(body)
    changes: dict[str, Any] = {name: fields[name] for name in ("name", "message", "slug") if name in fields}
    if "input" in fields:
        changes["input"] = body.input
    if "description" in fields:
        changes["metadata"] = {**found.metadata, SURFACE: {**own(found.metadata), "description": body.description}}
    if "cron" in fields or "timezone" in fields:
        changes["when"] = _changed_schedule(found, body)
    if changes:
        found = await house.triggers.update(principal, found.id, changes)
    if "is_active" in fields:
        change = house.triggers.resume if body.is_active else house.triggers.pause
        found = await change(principal, found.id)
    return await receptor_out(house, principal, found)


@router.delete("/{id}/share")
async def unshare(id: str, house: TheHouse, principal: InBrain, brain: GivenBrain) -> RemovedReceptorOut:
    """End the public link. The receptor stays."""
    found = await _receptor(house, principal, id, brain)
    await house.triggers.unshare(principal, found.id)
    return RemovedReceptorOut(id=found.id)


@router.delete("/{workspace_slug}/{slug_or_id}")
async def delete(
    workspace_slug: str, slug_or_id: str, house: TheHouse, principal: InBrain, brain: GivenBrain
) -> RemovedReceptorOut:
    """Delete a receptor; the jobs that it began stay."""
    found = await _named(house, principal, workspace_slug, slug_or_id, brain)
    await house.triggers.delete(principal, found.id)
    return RemovedReceptorOut(id=found.id)


@router.post("/{id}/fire", status_code=202)
async def fire(
    id: str, house: TheHouse, principal: InBrain, brain: GivenBrain, body: FireBody | None = None
) -> FiredOut:
    """Set the target going now. message, data and payload are what a request from outside would bring."""
    found = await _receptor(house, principal, id, brain)
    body = body or FireBody()
    wanted = trace_type_of(body.neuron_task_options)
    is_system = None if wanted is None else wanted == "system"
    return fired_out(
        found, await house.triggers.fire(principal, found.id, payload_of(found, body), is_system=is_system)
    )


@router.post("/{id}/share")
async def share(id: str, house: TheHouse, principal: InBrain, brain: GivenBrain) -> ShareOut:
    """Make a public link, by which anybody sets the target going. A link that was given out before ends."""
    found = await _receptor(house, principal, id, brain)
    token = await house.triggers.share(principal, found.id)
    return ShareOut(receptor_id=found.id, token=token, url=f"/v1/public/receptors/{token}")


def payload_of(trigger: Trigger, body: FireBody) -> dict[str, object] | None:
    """What the message's `{{ payload }}` stands for. Raises InvalidRequest for what a channel has no use for, and
    when the receptor repeats what it is told and is told nothing."""
    payload: dict[str, object] = dict(body.payload or {})
    if body.message is not None or body.data is not None:
        payload["message"] = text_of(body.message, body.data)
        payload["data"] = body.data
    if channel_of(trigger) not in _PAYLOAD_CHANNELS:
        if payload or body.payload is not None:
            raise InvalidRequest(
                "A receptor of this channel says what it was made with; give no message.", field="message"
            )
        return None
    if not payload and reads(trigger.message if trigger.agent_id else trigger.input, "payload", "body"):
        raise InvalidRequest("`message` is missing; give a message, `data` or `payload`.", field="message")
    return payload


def fired_out(trigger: Trigger, firing: Firing) -> FiredOut:
    """Raises Conflict when no job came of it."""
    if firing.run_id is None:
        raise Conflict(firing.reason or f"The receptor fired, and its job waits for its turn ({firing.outcome.value}).")
    return FiredOut(
        job_id=firing.run_id,
        status="pending",
        receptor_id=trigger.id,
        trace_id=firing.session_id if trigger.agent_id is not None else None,
        stream_url=f"/v1/jobs/{firing.run_id}/stream",
    )


async def _target(
    house: House, principal: Principal, neuron_id: str | None, pathway_id: str | None
) -> tuple[UUID | None, UUID | None]:
    if (neuron_id is None) == (pathway_id is None):
        raise InvalidRequest("Give either `neuron_id` or `pathway_id`.", field="neuron_id")
    field, text = ("neuron_id", neuron_id) if neuron_id is not None else ("pathway_id", pathway_id)
    try:
        id = UUID(text or "")
    except ValueError:
        raise InvalidRequest(f"`{field}` {str(text)[:100]!r} is not a UUID.", field=field) from None
    if neuron_id is not None:
        return (await house.agents.get(principal, id)).id, None
    return None, (await house.workflows.get(principal, id)).id


def _input(body: ReceptorBody) -> Any:
    """Any: JSON; what a request brings is the pathway's input unless something else is said."""
    if "input" in body.model_fields_set:
        return body.input
    return {} if body.channel == "cron" else "{{ payload }}"


async def _is_system(house: House, principal: Principal, agent: UUID | None, trace_type: str | None) -> bool:
    if trace_type is not None:
        return trace_type == "system"
    return agent is not None and type_of((await house.agents.get(principal, agent)).current) == "completion"


def _changed_schedule(found: Trigger, body: ReceptorChanges) -> Any:
    """Any: a schedule, for TriggerSpec.when."""
    if channel_of(found) != "cron":
        raise InvalidRequest("Only a receptor of the channel `cron` has a schedule.", field="cron")
    now = cast(Any, found.when)
    cron = body.cron if "cron" in body.model_fields_set else now.cron
    timezone = body.timezone if "timezone" in body.model_fields_set else now.timezone
    return when_of("cron", cron, timezone)


async def _named(house: House, principal: Principal, workspace: str, reference: str, brain: UUID | None) -> Trigger:
    mine = await house.identity.workspaces.get(principal)
    if workspace not in (mine.slug, str(mine.id)):
        raise TriggerNotFound(f"There is no receptor {workspace[:100]}/{reference[:100]} here.")
    return _in(await house.triggers.find(principal, reference), brain)


async def _receptor(house: House, principal: Principal, text: str, brain: UUID | None) -> Trigger:
    return _in(await house.triggers.get(principal, id_in_path(text, "receptor")), brain)


def _in(trigger: Trigger, brain: UUID | None) -> Trigger:
    if brain not in (None, trigger.project_id):
        raise TriggerNotFound(f"There is no receptor '{trigger.id}' in this brain.")
    return trigger
