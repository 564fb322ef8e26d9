"""/api/v1/compliance: the audit log, and reports of what was done and refused in a span of time."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import WithJsonSchema

from glia.identity.types import AuditEntry, Principal
from glia.kit.clock import now
from glia.kit.errors import InvalidRequest
from glia.surfaces.neuronagent.auth import TheAdmin
from glia.surfaces.neuronagent.words import OffsetText, Part, moment_in, part_from, usd
from glia.surfaces.shared.bodies import Body, Out, TheHouse, Time, WatchedRoute, number_of
from glia.wiring import House

router = APIRouter(prefix="/api/v1/compliance", tags=["compliance"], route_class=WatchedRoute)

ReportType = Literal["soc2", "iso27001", "gdpr", "hipaa", "sox"]
_MOST_ENTRIES = 100_000
LimitText = Annotated[
    str | None,
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 1000}),
    Query(description="100 if not given."),
]


class SpanBody(Body):
    start_date: str
    end_date: str


class ReportOut(Out):
    """metrics: counted from the audit log, the runs' log and the usage records; see docs/neuronagent.md."""

    type: ReportType
    start_date: Time
    end_date: Time
    generated: Time
    metrics: dict[str, Any]


class EntryOut(Out):
    """event_type: what was done, as `key.created`; action: its verb."""

    id: UUID
    event_type: str
    user_id: str | None
    resource_type: str
    resource_id: str
    action: str
    timestamp: Time
    metadata: dict[str, Any]
    created_at: Time


@router.post("/reports/{type}")
async def report(type: ReportType, body: SpanBody, house: TheHouse, principal: TheAdmin) -> ReportOut:
    """What happened in a span of time, as the standard asks for it."""
    since, until = moment_in(body.start_date, "start_date"), moment_in(body.end_date, "end_date")
    if since is None or until is None or since >= until:
        raise InvalidRequest("`start_date` must be before `end_date`.", field="start_date")
    metrics = await _metrics(house, principal, type, since, until)
    return ReportOut(type=type, start_date=since, end_date=until, generated=now(), metrics=metrics)


@router.get("/audit-logs")
async def audit_logs(
    house: TheHouse,
    principal: TheAdmin,
    event_type: Annotated[str | None, Query(description="Only these, as `key.created`.")] = None,
    user_id: Annotated[str | None, Query(description="Only what this user or key did.")] = None,
    limit: LimitText = None,
    offset: OffsetText = None,
) -> list[EntryOut]:
    """Who changed what, newest first."""
    part = Part(number_of(limit, "limit", 100), number_of(offset, "offset", 0, smallest=0, largest=100_000))
    found = await part_from(
        lambda window: house.identity.audit_log(principal, window),
        part,
        lambda entry: event_type in (None, entry.action) and user_id in (None, str(entry.actor_id)),
    )
    return [_entry(entry) for entry in found]


async def _metrics(
    house: House, principal: Principal, type: ReportType, since: datetime, until: datetime
) -> dict[str, Any]:
    entries = await part_from(
        lambda window: house.identity.audit_log(principal, window),
        Part(limit=_MOST_ENTRIES),
        lambda entry: since <= entry.at < until,
    )
    actions = Counter(entry.action for entry in entries)
    counts = asdict(await house.figures.counts(principal, since, until))
    usage = await house.usage.summary(principal, since=since, until=until, group_by="model")
    models = {row.group: row.calls for row in usage}
    metrics: dict[str, Any] = {
        "audit_events": len(entries),
        "audit_events_by_type": dict(actions),
        "actors": len({entry.actor_id for entry in entries if entry.actor_id is not None}),
        **counts,
    }
    if type in ("soc2", "iso27001"):
        metrics["access_changes"] = sum(n for name, n in actions.items() if name.split(".")[0] in ("key", "user"))
        metrics["change_events"] = sum(n for name, n in actions.items() if name.endswith((".updated", ".created")))
        metrics["failed_run_rate"] = counts["failed_runs"] / counts["runs"] if counts["runs"] else 0.0
    if type in ("gdpr", "hipaa"):
        metrics["erasures"] = sum(n for name, n in actions.items() if name.endswith(".deleted"))
        metrics["model_providers"] = models
        metrics["data_sent_outside"] = any(not str(name).startswith("glia/") for name in models)
    if type == "sox":
        metrics["model_calls"] = sum(models.values())
        metrics["cost"] = usd(sum(row.cost_micros or 0 for row in usage))
    return metrics


def _entry(entry: AuditEntry) -> EntryOut:
    kind, _, id = entry.subject.partition(":")
    return EntryOut(
        id=entry.id,
        event_type=entry.action,
        user_id=entry.actor_kind if entry.actor_id is None else str(entry.actor_id),
        resource_type=kind,
        resource_id=id,
        action=entry.action.rpartition(".")[2],
        timestamp=entry.at,
        metadata=dict(entry.data),
        created_at=entry.at,
    )
