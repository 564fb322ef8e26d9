"""Tells people that a step waits for them: by a POST to an address of theirs, or by mail."""

from __future__ import annotations

import asyncio
from typing import Any, cast
from uuid import UUID

import orjson

from glia.kit.errors import GliaError, UpstreamFailed
from glia.kit.jobs import JobContext
from glia.kit.mail import MAILTO, Mail
from glia.kit.outbound import Outbound, Timeouts
from glia.runs import approval_queries
from glia.runs.events import ApprovalRequested
from glia.runs.types import Run
from glia.workflows.types import ApprovalAction, Notice

KIND = "workflow.notify"

_PAUSES_SECONDS = (2.0, 15.0, 0.0)
_TIMEOUTS = Timeouts(connect_seconds=10.0, idle_seconds=30.0, total_seconds=30.0)
_LARGEST_ANSWER_BYTES = 64 * 1024


def notices_of(action: ApprovalAction, asked: ApprovalRequested, run: Run) -> list[dict[str, object]]:
    """What jobs of KIND are given, one for each who is to be told."""
    said: dict[str, object] = {
        "event": "approval.requested",
        "approval_id": str(asked.approval_id),
        "execution_id": str(run.id),
        "step": asked.tool_call_id,
        "message": asked.reason,
        "data": asked.arguments,
        "expires_at": None if asked.expires_at is None else asked.expires_at.isoformat(),
    }
    return [{"to": notice.to, "said": {**said, **_own(notice, asked.approval_id)}} for notice in action.notify]


def _own(notice: Notice, approval_id: UUID) -> dict[str, object]:
    links = {name: link.replace("{approval_id}", str(approval_id)) for name, link in notice.links.items()}
    return {"subject": notice.subject, "links": links}


class Notifier:
    def __init__(self, outbound: Outbound, mail: Mail, base: str) -> None:
        """base: where this server is found; put before links that are only paths."""
        self._outbound = outbound
        self._mail = mail
        self._base = base.rstrip("/")

    async def work(self, job: JobContext) -> None:
        """The function of jobs of KIND. Tries three times; whoever was told already is told again after a crash."""
        to, said = str(job.input["to"]), cast(dict[str, Any], job.input["said"])
        said["links"] = {
            name: self._base + link if link.startswith("/") else link for name, link in said["links"].items()
        }
        for pause in _PAUSES_SECONDS:
            if not await _is_pending(job, UUID(said["approval_id"])):
                return
            try:
                await self._tell(to, said)
            except GliaError:
                if not pause:
                    raise
                await asyncio.sleep(pause)
            else:
                return

    async def _tell(self, to: str, said: dict[str, Any]) -> None:
        if to.startswith(MAILTO):
            await self._mail.send(to.removeprefix(MAILTO), said["subject"] or said["message"], _letter(said))
            return
        response = await self._outbound.request(
            "POST",
            to,
            headers={"Content-Type": "application/json", "X-Webhook-Event": said["event"]},
            body=orjson.dumps(said),
            timeouts=_TIMEOUTS,
            largest_body_bytes=_LARGEST_ANSWER_BYTES,
        )
        if not 200 <= response.status < 300:
            raise UpstreamFailed(f"Who is to be told of the approval answered with {response.status}.")


async def _is_pending(job: JobContext, approval_id: UUID) -> bool:
    async with job.transaction() as tx:
        found = await approval_queries.get(tx, approval_id)
    return found is not None and found.status == "pending"


def _letter(said: dict[str, Any]) -> str:
    links = "\n".join(f"{name}: POST {link}" for name, link in said["links"].items())
    data = orjson.dumps(said["data"], option=orjson.OPT_INDENT_2).decode()
    return f"{said['message']}\n\n{links}\n\nApproval {said['approval_id']}, until {said['expires_at']}\n\n{data}\n"
