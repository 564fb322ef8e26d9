"""/v1/triggers: what starts runs by itself. The door for webhooks, /v1/hooks, is in `hooks.py`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import Field

from glia.identity.types import Principal
from glia.kit.errors import InvalidRequest
from glia.kit.ids import parse_id
from glia.surfaces.native.times import moment_of
from glia.surfaces.native.words import LimitText, ListOf, TheWindow, agent_id_of, page_of
from glia.surfaces.shared.bodies import (
    Body,
    Changes,
    Out,
    TheHouse,
    ThePrincipal,
    Time,
    WatchedRoute,
    given,
    id_of,
    number_of,
)
from glia.triggers.service import MOST_PREVIEWED, read_when
from glia.triggers.types import (
    Cron,
    Firing,
    Missed,
    NewTrigger,
    OnWebhook,
    Overlap,
    Status,
    Trigger,
    TriggerSpec,
    When,
)
from glia.wiring import House
from glia.workflows.errors import WorkflowNotFound

router = APIRouter(prefix="/v1/triggers", tags=["triggers"], route_class=WatchedRoute)

shared = APIRouter(prefix="/v1/shared", tags=["triggers"], route_class=WatchedRoute)

OverlapName = Literal["skip", "queue", "cancel_previous", "parallel"]
MissedName = Literal["once", "skip"]
StatusName = Literal["active", "paused", "ended"]
KindName = Literal["cron", "interval", "at", "event", "metric", "judged", "webhook", "manual"]
PREVIEWED = 5


class WhenBody(Body):
    """When it fires. Each kind has fields of its own.

    `cron`: cron (five fields), timezone (an IANA name, else UTC). `interval`: every_seconds (1 or more), starts_at.
    `at`: at. `event`: event_type, agent_id, filter, cooldown_seconds. `metric`: metric, above, window_seconds,
    rearm_below, every_seconds, cooldown_seconds, agent_id. `judged`: condition (in plain words), agent_id,
    cooldown_seconds. `webhook`: verification, filter. `manual`: fires only
    when somebody fires it.
    filter: comparisons `{field, op, value}` that must all hold; op is eq, ne, gt, ge, lt, le, in, contains,
    starts_with or exists.
    """

    kind: KindName
    cron: str | None = Field(None, max_length=1000)
    timezone: str | None = Field(None, max_length=200)
    every_seconds: int | None = None
    starts_at: str | None = Field(None, json_schema_extra={"format": "date-time"})
    at: str | None = Field(None, json_schema_extra={"format": "date-time"})
    event_type: str | None = None
    agent_id: str | None = Field(None, max_length=200)
    filter: list[dict[str, Any]] | None = None
    cooldown_seconds: int | None = None
    metric: str | None = None
    above: float | None = None
    window_seconds: int | None = None
    rearm_below: float | None = None
    condition: str | None = None
    verification: Literal["signed", "url_token"] | None = None


class TriggerBody(Body):
    """agent_id: the agent's id or slug. message: what it is told; `{{ placeholders }}` are filled in.

    workflow_id: a workflow's id or slug, in place of both. input: what it is started with, else `{}`; placeholders in
    its texts are filled in, and a text that is one placeholder becomes the value itself.
    session_id: say it in this session each time; null opens a new one for each firing. overlap: what becomes of a
    firing while the run of an earlier one is not over. missed: what becomes of firings that no process was there for.
    max_failures: pause after this many failures in a row; null for never.
    """

    name: str
    agent_id: str | None = Field(None, max_length=200)
    message: str | None = None
    workflow_id: str | None = Field(None, max_length=200)
    input: Any = None
    when: WhenBody
    session_id: str | None = None
    overlap: OverlapName = "skip"
    missed: MissedName = "once"
    max_failures: int | None = None
    slug: str | None = Field(None, max_length=100)
    metadata: dict[str, Any] = Field(default_factory=dict[str, Any])


class TriggerChanges(Changes):
    """when: replaces the old one whole, and counts from now on.

    Naming a workflow takes the agent away with its message and session; naming an agent takes the workflow and its
    input away.
    """

    name: str = ""
    agent_id: str = Field("", max_length=200)
    message: str = ""
    workflow_id: str = Field("", max_length=200)
    input: Any = None
    when: WhenBody | None = None
    session_id: str | None = None
    overlap: OverlapName = "skip"
    missed: MissedName = "once"
    max_failures: int | None = None
    slug: str | None = Field(None, max_length=100)
    metadata: dict[str, Any] = Field(default_factory=dict[str, Any])


class FireBody(Body):
    """payload: for `{{ payload }}` in the message of a webhook, to try it without a request from outside."""

    payload: dict[str, Any] | None = None


class SchedulePreviewBody(Body):
    when: WhenBody
    count: int = PREVIEWED


class TriggerOut(Out):
    """next_at: when it fires next, or, for a metric, is looked at next; null when no time is set.

    status: ended when its only time has passed. pause_reason: why it was paused without anybody asking.
    firings: how many there were, those that were skipped included. hook_path: where a signed webhook is sent to.
    is_shared: a public link fires it.
    """

    id: UUID
    name: str
    agent_id: UUID | None
    session_id: UUID | None
    message: str | None
    workflow_id: UUID | None
    input: Any
    when: dict[str, Any]
    overlap: OverlapName
    missed: MissedName
    max_failures: int | None
    status: StatusName
    pause_reason: str | None
    next_at: Time | None
    last_fired_at: Time | None
    firings: int
    hook_path: str | None
    slug: str | None
    is_shared: bool
    metadata: dict[str, Any]
    created_by: str
    created_at: Time
    updated_at: Time


class NewTriggerOut(TriggerOut):
    """secret: signs the requests to a webhook; shown only now. A webhook with a token in its address has none, and its
    hook_path is shown only now."""

    secret: str | None = None


class ShareOut(Out):
    """share_path: where anybody may POST `{"payload": {...}}` to. It is shown only now."""

    token: str
    share_path: str


class FiringOut(Out):
    """One time that there was a reason to fire. outcome: waiting and starting are on their way, the others final.

    reason: why no run came of it. missed: how many more times had passed unnoticed. run_status: of the run, now.
    """

    id: UUID
    trigger_id: UUID
    cause: Literal["schedule", "event", "metric", "webhook", "manual"]
    outcome: Literal["waiting", "starting", "started", "skipped", "failed"]
    reason: str | None
    missed: int
    scheduled_at: Time
    fired_at: Time
    run_id: UUID | None
    session_id: UUID | None
    run_status: str | None


class FiringTimeOut(Out):
    """local: the same moment on the clocks of the schedule's time zone."""

    at: Time
    local: str


@router.post("", status_code=201)
async def create(body: TriggerBody, house: TheHouse, principal: ThePrincipal) -> NewTriggerOut:
    """Make a trigger. For a webhook the answer holds its secret, or its address, which is not shown again."""
    spec = TriggerSpec(
        name=body.name,
        agent_id=None if body.agent_id is None else (await house.agents.find(principal, body.agent_id)).id,
        message=body.message,
        workflow_id=None if body.workflow_id is None else await _workflow_id(house, principal, body.workflow_id),
        input=body.input if body.workflow_id is None or "input" in body.model_fields_set else {},
        when=await _when(house, principal, body.when),
        session_id=None if body.session_id is None else id_of(body.session_id, "session_id"),
        overlap=Overlap(body.overlap),
        missed=Missed(body.missed),
        max_failures=body.max_failures,
        slug=body.slug,
        metadata=body.metadata,
    )
    return _new_out(await house.triggers.create(principal, spec))


@router.get("")
async def list_triggers(
    house: TheHouse,
    principal: ThePrincipal,
    window: TheWindow,
    agent_id: Annotated[str | None, Query(description="Only triggers of this agent; its id or slug.")] = None,
    workflow_id: Annotated[str | None, Query(description="Only triggers of this workflow; its id or slug.")] = None,
    kind: Annotated[KindName | None, Query(description="Only triggers of this kind.")] = None,
    status: Annotated[StatusName | None, Query(description="Only triggers in this state.")] = None,
) -> ListOf[TriggerOut]:
    """List triggers, newest first."""
    agent = None if agent_id is None else await agent_id_of(house, principal, agent_id)
    state = None if status is None else Status(status)
    workflow = None if workflow_id is None else await _workflow_id(house, principal, workflow_id)
    found = await house.triggers.list(principal, window, agent_id=agent, workflow_id=workflow, kind=kind, status=state)
    return page_of(found, trigger_out)


@router.post("/preview")
async def preview_new(body: SchedulePreviewBody, house: TheHouse, principal: ThePrincipal) -> ListOf[FiringTimeOut]:
    """The next times that a schedule would fire, before there is a trigger with it."""
    when = await _when(house, principal, body.when)
    return _times_out(when, await house.triggers.preview_of(principal, when, body.count))


@router.get("/{trigger}")
async def get(trigger: str, house: TheHouse, principal: ThePrincipal) -> TriggerOut:
    """One trigger."""
    return trigger_out(await house.triggers.get(principal, parse_id(trigger, "trigger")))


@router.patch("/{trigger}")
async def update(trigger: str, body: TriggerChanges, house: TheHouse, principal: ThePrincipal) -> TriggerOut:
    """Change a trigger."""
    id = parse_id(trigger, "trigger")
    await house.triggers.get(principal, id)
    changes = given(body)
    if "agent_id" in changes:
        changes["agent_id"] = (await house.agents.find(principal, body.agent_id)).id
    if "workflow_id" in changes:
        changes["workflow_id"] = await _workflow_id(house, principal, body.workflow_id)
    if changes.pop("when", None) is not None and body.when is not None:
        changes["when"] = await _when(house, principal, body.when)
    if body.session_id is not None:
        changes["session_id"] = id_of(body.session_id, "session_id")
    if "overlap" in changes:
        changes["overlap"] = Overlap(body.overlap)
    if "missed" in changes:
        changes["missed"] = Missed(body.missed)
    return trigger_out(await house.triggers.update(principal, id, changes))


@router.delete("/{trigger}", status_code=204, response_class=Response)
async def delete(trigger: str, house: TheHouse, principal: ThePrincipal) -> Response:
    """Delete a trigger with its history; the runs that it started stay."""
    await house.triggers.delete(principal, parse_id(trigger, "trigger"))
    return Response(status_code=204)


@router.post("/{trigger}/pause")
async def pause(trigger: str, house: TheHouse, principal: ThePrincipal) -> TriggerOut:
    """Stop it from firing by itself. What waits for its turn is dropped."""
    return trigger_out(await house.triggers.pause(principal, parse_id(trigger, "trigger")))


@router.post("/{trigger}/resume")
async def resume(trigger: str, house: TheHouse, principal: ThePrincipal) -> TriggerOut:
    """Let it fire again, from its next time on. Its failures so far are forgiven."""
    return trigger_out(await house.triggers.resume(principal, parse_id(trigger, "trigger")))


@router.post("/{trigger}/fire", status_code=202)
async def fire(trigger: str, house: TheHouse, principal: ThePrincipal, body: FireBody | None = None) -> FiringOut:
    """Fire it now, paused or not. The overlap rule holds: see `outcome`."""
    payload = None if body is None else body.payload
    return firing_out(await house.triggers.fire(principal, parse_id(trigger, "trigger"), payload))


@router.get("/{trigger}/firings")
async def firings(trigger: str, house: TheHouse, principal: ThePrincipal, window: TheWindow) -> ListOf[FiringOut]:
    """What came of it, newest first. The last 500 are kept."""
    found = await house.triggers.firings(principal, parse_id(trigger, "trigger"), window)
    return page_of(found, firing_out)


@router.get("/{trigger}/preview")
async def preview(
    trigger: str,
    house: TheHouse,
    principal: ThePrincipal,
    count: LimitText = None,
) -> ListOf[FiringTimeOut]:
    """The next times it fires, as if it were not paused; none for what no time brings about."""
    id = parse_id(trigger, "trigger")
    times = await house.triggers.preview(principal, id, number_of(count, "count", PREVIEWED, largest=MOST_PREVIEWED))
    return _times_out((await house.triggers.get(principal, id)).when, times)


@router.post("/{trigger}/secret")
async def renew_secret(trigger: str, house: TheHouse, principal: ThePrincipal) -> NewTriggerOut:
    """Give a webhook a new secret, or a new address; the old one is refused from now on."""
    return _new_out(await house.triggers.renew_secret(principal, parse_id(trigger, "trigger")))


@router.post("/{trigger}/share")
async def share(trigger: str, house: TheHouse, principal: ThePrincipal) -> ShareOut:
    """Make a public link that fires the trigger. A link that was given out before ends."""
    token = await house.triggers.share(principal, parse_id(trigger, "trigger"))
    return ShareOut(token=token, share_path=f"/v1/shared/{token}")


@router.delete("/{trigger}/share", status_code=204, response_class=Response)
async def unshare(trigger: str, house: TheHouse, principal: ThePrincipal) -> Response:
    """End the public link."""
    await house.triggers.unshare(principal, parse_id(trigger, "trigger"))
    return Response(status_code=204)


@shared.post("/{token}", status_code=202)
async def fire_shared(token: str, house: TheHouse, body: FireBody | None = None) -> FiringOut:
    """Fire the trigger of a public link. No key: whoever knows the link may."""
    payload = None if body is None else body.payload
    return firing_out(await house.hooks.fire_shared(token, payload or {}))


async def _when(house: House, principal: Principal, body: WhenBody) -> When:
    said = {name: value for name, value in given(body).items() if value is not None}
    for name in ("at", "starts_at"):
        if name in said:
            said[name] = moment_of(said[name], f"when.{name}")
    if "agent_id" in said and said["kind"] in {"event", "metric", "judged"}:
        said["agent_id"] = (await house.agents.find(principal, said["agent_id"])).id
    return read_when(said)


async def _workflow_id(house: House, principal: Principal, reference: str) -> UUID:
    try:
        return (await house.workflows.find(principal, reference)).id
    except WorkflowNotFound as error:
        raise InvalidRequest(error.message, field="workflow_id") from None


def trigger_out(trigger: Trigger) -> TriggerOut:
    return TriggerOut(**_shown(trigger))


def _new_out(made: NewTrigger) -> NewTriggerOut:
    shown = _shown(made.trigger)
    if made.token is not None:
        shown["hook_path"] = f"/v1/hooks/{made.token}"
    return NewTriggerOut(**shown, secret=made.secret)


def _shown(trigger: Trigger) -> dict[str, Any]:
    """Any: the fields of TriggerOut."""
    is_signed = isinstance(trigger.when, OnWebhook) and trigger.when.verification == "signed"
    names = [name for name in TriggerOut.model_fields if name not in {"when", "hook_path"}]
    return {
        **{name: getattr(trigger, name) for name in names},
        "when": msgspec.to_builtins(trigger.when),
        "hook_path": f"/v1/hooks/{trigger.id}" if is_signed else None,
    }


def firing_out(firing: Firing) -> FiringOut:
    return FiringOut(**{name: getattr(firing, name) for name in FiringOut.model_fields})


def _times_out(when: When, times: list[datetime]) -> ListOf[FiringTimeOut]:
    zone = ZoneInfo(when.timezone if isinstance(when, Cron) else "UTC")
    return ListOf(data=[FiringTimeOut(at=at, local=at.astimezone(zone).isoformat()) for at in times])
