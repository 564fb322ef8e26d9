"""/v1/sandboxes: making, using and ending them. Files are in `sandbox_files.py`, commands in `sandbox_exec.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field

from glia.kit.ids import parse_id
from glia.sandboxes.records import NewSandbox, SandboxRecord, SecretSpec
from glia.sandboxes.types import Limits
from glia.surfaces.native.times import moment_of
from glia.surfaces.native.usage import MomentText
from glia.surfaces.native.words import ListOf, TheWindow, page_of
from glia.surfaces.shared.bodies import Body, Out, TheHouse, ThePrincipal, Time, WatchedRoute, given, id_of

router = APIRouter(prefix="/v1", tags=["sandboxes"], route_class=WatchedRoute)

LanguageName = Literal["python", "javascript", "shell"]


class SandboxLimitsBody(Body):
    """cpus: cores, fractions allowed. memory_bytes: everything that runs inside, /tmp included. disk_bytes: /workspace.

    pids: processes and threads.
    """

    cpus: float = 1.0
    memory_bytes: int = 512 * 1024 * 1024
    disk_bytes: int = 512 * 1024 * 1024
    pids: int = 128


class SecretBody(Body):
    """A header that is set outside on requests to `hosts`; its value never enters the sandbox and is never shown again.

    Inside, the variable `name` holds a placeholder. template: the header's value, `{value}` replaced. scheme: how the
    host is called; inside, the program asks by `http://`.
    """

    name: str
    hosts: list[str]
    value: str
    header: str = "Authorization"
    template: str = "Bearer {value}"
    scheme: Literal["https", "http"] = "https"


class SandboxBody(Body):
    """template: as in /v1/sandbox-templates; the server's usual one when left away.

    allow_hosts: what may be reached, as `api.example.org`, `*.example.org`, `example.org:8443`; nothing when empty.
    lease_seconds: how long it lives unused. on_timeout: what happens then. snapshot_id: files to begin with.
    """

    name: str = ""
    template: str = Field("", max_length=64)
    limits: SandboxLimitsBody = Field(default_factory=SandboxLimitsBody)
    env: dict[str, str] = Field(default_factory=dict[str, str])
    allow_hosts: list[str] = Field(default_factory=list[str])
    secrets: list[SecretBody] = Field(default_factory=list[SecretBody])
    metadata: dict[str, Any] = Field(default_factory=dict[str, Any])
    lease_seconds: int = 0
    on_timeout: Literal["kill", "pause"] = "kill"
    snapshot_id: str | None = None


class LeaseBody(Body):
    lease_seconds: int


class SignalBody(Body):
    """signal: its number; 15 asks to end, 9 ends. It goes to the command and what it has started."""

    pid: int
    signal: int = 15


class CodeBody(Body):
    code: str
    language: LanguageName = "python"
    timeout_seconds: float = 60.0


class SandboxLimitsOut(Out):
    cpus: float
    memory_bytes: int
    disk_bytes: int
    temp_bytes: int
    pids: int
    open_files: int


class SecretOut(Out):
    """placeholder: what the variable `name` holds inside."""

    name: str
    hosts: list[str]
    header: str
    scheme: Literal["https", "http"]
    placeholder: str


class SandboxOut(Out):
    """status: `sleeping` has files and no processes, and starts again when it is used; `stopped` is for ever.

    reason: why it sleeps or stopped. session_id: of the session whose agent runs code in it, if it is one of those.
    """

    id: UUID
    project_id: UUID
    session_id: UUID | None
    name: str
    template: str
    status: Literal["starting", "running", "paused", "sleeping", "stopped"]
    reason: str
    limits: SandboxLimitsOut
    env: dict[str, str]
    allow_hosts: list[str]
    secrets: list[SecretOut]
    metadata: dict[str, Any]
    backend: str
    host_name: str
    lease_seconds: int
    lease_until: Time
    on_timeout: Literal["kill", "pause"]
    created_by: str
    created_at: Time
    started_at: Time | None
    ended_at: Time | None


class StatsOut(Out):
    """What it uses now. cpu_seconds: since it was started. sent_bytes, received_bytes: through its way out."""

    cpu_seconds: float
    memory_bytes: int
    pids: int
    disk_bytes: int
    sent_bytes: int
    received_bytes: int
    dropped_egress_entries: int


class EgressOut(Out):
    """One try to reach the outside. host: as far as it could be read. reason: why not, when it was not."""

    id: UUID
    at: Time
    method: str
    host: str
    port: int | None
    verdict: Literal["allowed", "denied", "failed"]
    reason: str
    sent_bytes: int
    received_bytes: int


class CodeOut(Out):
    """value: of the last expression. is_fresh: no variables of earlier runs were there."""

    language: LanguageName
    status: Literal["ok", "error", "timeout", "died"]
    stdout: str
    stderr: str
    value: str
    error: str
    exit_code: int | None
    is_oom: bool
    is_truncated: bool
    is_fresh: bool
    seconds: float


class TemplateOut(Out):
    """missing: why it cannot be used, and how to get it."""

    name: str
    description: str
    is_ready: bool
    missing: str


class BackendOut(Out):
    """Whether sandboxes work on this server; reason and fix say why not. limits: how each is held."""

    name: str
    is_available: bool
    reason: str
    fix: str
    limits: dict[str, Literal["enforced", "soft", "none"]]


class SandboxUsageOut(Out):
    """group: the day in UTC, the sandbox or the session; null for the total. memory_gib_seconds: GiB times seconds."""

    group: str | None
    sandboxes: int
    wall_seconds: float
    cpu_seconds: float
    memory_gib_seconds: float


@router.post("/sandboxes", status_code=201)
async def create(body: SandboxBody, house: TheHouse, principal: ThePrincipal) -> SandboxOut:
    """Make a sandbox. It runs when this answers."""
    wanted = NewSandbox(
        name=body.name,
        template=body.template,
        limits=replace(Limits(), **given(body.limits)),
        env=body.env,
        allow_hosts=tuple(body.allow_hosts),
        secrets=tuple(_secret(secret) for secret in body.secrets),
        metadata=body.metadata,
        lease_seconds=body.lease_seconds,
        on_timeout=body.on_timeout,
        snapshot_id=None if body.snapshot_id is None else id_of(body.snapshot_id, "snapshot_id"),
    )
    return sandbox_out(await house.sandboxes.create(principal, wanted))


@router.get("/sandboxes")
async def list_sandboxes(
    house: TheHouse, principal: ThePrincipal, window: TheWindow, session_id: str | None = None
) -> ListOf[SandboxOut]:
    """List sandboxes, newest first. session_id: only that session's."""
    session = None if session_id is None else id_of(session_id, "session_id")
    return page_of(await house.sandboxes.list(principal, window, session_id=session), sandbox_out)


@router.get("/sandboxes/{sandbox}")
async def get(sandbox: str, house: TheHouse, principal: ThePrincipal) -> SandboxOut:
    """One sandbox. Looking does not extend its lease."""
    return sandbox_out(await house.sandboxes.get(principal, sandbox_id(sandbox)))


@router.delete("/sandboxes/{sandbox}", status_code=204, response_class=Response)
async def delete(sandbox: str, house: TheHouse, principal: ThePrincipal) -> Response:
    """Kill a sandbox and delete its files. Nothing of it lives when this answers."""
    await house.sandboxes.delete(principal, sandbox_id(sandbox))
    return Response(status_code=204)


@router.post("/sandboxes/{sandbox}/code")
async def code(sandbox: str, body: CodeBody, house: TheHouse, principal: ThePrincipal) -> CodeOut:
    """Run a piece of code. Python and JavaScript keep their variables from one piece to the next."""
    ran = await house.sandboxes.code.run(
        principal, sandbox_id(sandbox), body.language, body.code, timeout_seconds=body.timeout_seconds
    )
    return CodeOut.of(ran)


@router.post("/sandboxes/{sandbox}/signal", status_code=204, response_class=Response)
async def signal(sandbox: str, body: SignalBody, house: TheHouse, principal: ThePrincipal) -> Response:
    """Send a signal to a command that `exec` has started."""
    await house.sandboxes.signal(principal, sandbox_id(sandbox), pid=body.pid, signal=body.signal)
    return Response(status_code=204)


@router.post("/sandboxes/{sandbox}/pause")
async def pause(sandbox: str, house: TheHouse, principal: ThePrincipal) -> SandboxOut:
    """Stop all its processes where they are; memory stays. Twice is no error."""
    return sandbox_out(await house.sandboxes.pause(principal, sandbox_id(sandbox)))


@router.post("/sandboxes/{sandbox}/resume")
async def resume(sandbox: str, house: TheHouse, principal: ThePrincipal) -> SandboxOut:
    """Go on after a pause, or start a sleeping sandbox again."""
    return sandbox_out(await house.sandboxes.resume(principal, sandbox_id(sandbox)))


@router.put("/sandboxes/{sandbox}/lease")
async def lease(sandbox: str, body: LeaseBody, house: TheHouse, principal: ThePrincipal) -> SandboxOut:
    """Set how long it lives unused, from now and from each use on."""
    return sandbox_out(await house.sandboxes.extend(principal, sandbox_id(sandbox), body.lease_seconds))


@router.get("/sandboxes/{sandbox}/stats")
async def stats(sandbox: str, house: TheHouse, principal: ThePrincipal) -> StatsOut:
    """What it uses now. 410 when it does not live."""
    now, way_out = await house.sandboxes.stats(principal, sandbox_id(sandbox))
    return StatsOut(
        cpu_seconds=now.cpu_seconds,
        memory_bytes=now.memory_bytes,
        pids=now.pids,
        disk_bytes=now.disk_bytes,
        sent_bytes=way_out.sent_bytes,
        received_bytes=way_out.received_bytes,
        dropped_egress_entries=way_out.dropped,
    )


@router.get("/sandboxes/{sandbox}/egress")
async def egress(sandbox: str, house: TheHouse, principal: ThePrincipal, window: TheWindow) -> ListOf[EgressOut]:
    """Every try to reach the outside, newest first; the last 5,000 are kept."""
    return page_of(await house.sandboxes.egress_log(principal, sandbox_id(sandbox), window), EgressOut.of)


@router.get("/sandbox-templates")
async def templates(house: TheHouse, principal: ThePrincipal) -> ListOf[TemplateOut]:
    """What sandboxes can be made from."""
    return ListOf(data=[TemplateOut.of(each) for each in await house.sandboxes.templates(principal)])


@router.get("/sandbox-backend")
async def backend(house: TheHouse, principal: ThePrincipal) -> BackendOut:
    """Whether sandboxes work here, and if not, why and what to do."""
    principal.require("sandboxes:read")
    probe = await house.sandboxes.probe()
    limits: Mapping[str, Any] = probe.limits
    return BackendOut(
        name=house.sandboxes.backend_name,
        is_available=probe.is_available,
        reason=probe.reason,
        fix=probe.fix,
        limits=dict(limits),
    )


@router.get("/usage/sandboxes", tags=["usage"])
async def usage(
    house: TheHouse,
    principal: ThePrincipal,
    since: MomentText = None,
    until: MomentText = None,
    group_by: Literal["day", "sandbox", "session"] | None = None,
) -> ListOf[SandboxUsageOut]:
    """What sandboxes took from `since` (30 days before `until`) up to `until` (now)."""
    rows = await house.sandboxes.usage(
        principal,
        since=None if since is None else moment_of(since, "since"),
        until=None if until is None else moment_of(until, "until"),
        group_by=group_by,
    )
    return ListOf(data=[SandboxUsageOut.of(row) for row in rows])


def sandbox_out(record: SandboxRecord) -> SandboxOut:
    return SandboxOut.of(record)


def sandbox_id(text: str) -> UUID:
    return parse_id(text, "sandbox")


def _secret(body: SecretBody) -> SecretSpec:
    return SecretSpec(
        name=body.name,
        hosts=tuple(body.hosts),
        value=body.value,
        header=body.header,
        template=body.template,
        scheme=body.scheme,
    )
