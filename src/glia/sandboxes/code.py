"""Running code: in a sandbox that someone made, or in the one that belongs to a session and keeps its state."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import structlog

from glia.identity.types import Principal, system_principal
from glia.kit.errors import Conflict, GliaError, InvalidRequest, Unavailable
from glia.sandboxes.artifacts import Artifacts, Collected, look
from glia.sandboxes.drivers import driver
from glia.sandboxes.errors import CommandNotFound, SandboxElsewhere, ServerFull, SnapshotNotFound, TooManySandboxes
from glia.sandboxes.hosting import Hosting
from glia.sandboxes.interpreter import Interpreter, Piece
from glia.sandboxes.live import Live, Use
from glia.sandboxes.records import CodeRun, Language, NewSandbox, SandboxRecord, SandboxStatus, Snapshot
from glia.sandboxes.snapshots import Snapshots
from glia.sandboxes.types import Command, Exited, Stderr, Stdout

log = structlog.get_logger(__name__)

LARGEST_CODE = 256 * 1024
LONGEST_SECONDS = 300.0
USUAL_SECONDS = 60.0
_LARGEST_OUTPUT_BYTES = 256 * 1024
_ENV = {
    "PYTHONIOENCODING": "utf-8",
    "PYTHONUNBUFFERED": "1",
    "MPLBACKEND": "Agg",
}
_DRIVERS: Mapping[Language, tuple[str, str, str]] = {
    "python": ("python3", "-c", "python.txt"),
    "javascript": ("node", "-e", "node.js"),
}


@dataclass(frozen=True)
class SessionRun:
    """run: of the code. collected: what it made. snapshot: the workspace afterwards, when it changed and was kept.

    is_restored: a new sandbox was started with the files of earlier runs; their variables are gone.
    note: what went wrong besides the code itself.
    """

    run: CodeRun
    collected: Collected
    snapshot: Snapshot | None
    is_restored: bool = False
    note: str = ""


class Maker(Protocol):
    """What Sandboxes does for this part of it."""

    @property
    def use(self) -> Use: ...

    async def create(
        self, principal: Principal, wanted: NewSandbox, *, session_id: UUID | None = None
    ) -> SandboxRecord: ...

    async def of_session(self, principal: Principal, session_id: UUID) -> SandboxRecord | None: ...

    async def give_up(self, record: SandboxRecord) -> None: ...


class Code:
    def __init__(self, hosting: Hosting, sandboxes: Maker, snapshots: Snapshots, artifacts: Artifacts) -> None:
        self._hosting = hosting
        self._sandboxes = sandboxes
        self._snapshots = snapshots
        self._artifacts = artifacts

    async def run(
        self,
        principal: Principal,
        id: UUID,
        language: Language,
        code: str,
        *,
        timeout_seconds: float = USUAL_SECONDS,
    ) -> CodeRun:
        """Runs code in a sandbox; Python and JavaScript keep their variables from one run to the next."""
        check(code, timeout_seconds)
        async with self._sandboxes.use(principal, id) as live, live.code:
            return await run_code(live, language, code, timeout_seconds)

    async def run_for_session(
        self,
        session: tuple[UUID, UUID, UUID],
        run_id: UUID | None,
        language: Language,
        code: str,
        timeout_seconds: float,
    ) -> SessionRun:
        """session: workspace, project and session. Its sandbox is made, or brought back, when it does not live."""
        check(code, timeout_seconds)
        workspace_id, project_id, session_id = session
        principal = system_principal(workspace_id, project_id)
        id, is_restored = await self._box_of(principal, session_id)
        async with self._sandboxes.use(principal, id) as live, live.code:
            before = await look(live.box)
            ran = await run_code(live, language, code, timeout_seconds)
            if not live.box.is_alive:
                return SessionRun(ran, Collected(), None, is_restored)
            after = await look(live.box)
            collected = await self._artifacts.collect(
                live, after.new_since(before), session_id=session_id, run_id=run_id
            )
            snapshot, note = None, ""
            if after.is_unlike(before):
                snapshot, note = await self._snapshot(live)
            return SessionRun(ran, collected, snapshot, is_restored, note)

    async def _snapshot(self, live: Live) -> tuple[Snapshot | None, str]:
        try:
            return await self._snapshots.take(live), ""
        except GliaError as error:
            log.warning("a workspace was not kept", sandbox=str(live.id), error=error.message)
            return None, f"The files are not kept beyond this sandbox: {error.message}"

    async def _box_of(self, principal: Principal, session_id: UUID) -> tuple[UUID, bool]:
        """The session's sandbox, and whether it is a new one with the old files in it."""
        async with self._hosting.lock(session_id):
            record = await self._sandboxes.of_session(principal, session_id)
            if record is not None:
                try:
                    async with self._sandboxes.use(principal, record.id):
                        return record.id, record.status is SandboxStatus.SLEEPING
                except SandboxElsewhere:
                    # Its files were kept after each run, so it can go on here; the other process ends its own.
                    await self._sandboxes.give_up(record)
            latest = await self._snapshots.latest_of_session(principal.workspace_id, session_id)
            return await self._make(principal, session_id, latest), latest is not None

    async def _make(self, principal: Principal, session_id: UUID, latest: Snapshot | None) -> UUID:
        hosts = self._hosting.config.hosts
        wanted = NewSandbox(name="session", allow_hosts=hosts, snapshot_id=None if latest is None else latest.id)
        for _ in range(3):
            try:
                return (await self._sandboxes.create(principal, wanted, session_id=session_id)).id
            except (TooManySandboxes, ServerFull) as error:
                if not await self._make_room(principal.workspace_id, error):
                    raise
            except SnapshotNotFound:
                wanted = NewSandbox(name="session", allow_hosts=hosts)
        raise Unavailable("No place was free for a sandbox; try again shortly.")

    async def _make_room(self, workspace_id: UUID, error: Conflict | Unavailable) -> bool:
        """Ends the session's sandbox that nobody has used for longest; its files are kept as a snapshot."""
        idle = [
            live
            for live in self._hosting.all()
            if live.record.session_id is not None
            and live.uses == 0
            and (live.record.workspace_id == workspace_id or isinstance(error, ServerFull))
        ]
        if not idle:
            return False
        oldest = min(idle, key=lambda live: live.lease_until)
        async with self._hosting.lock(oldest.id):
            if self._hosting.find(oldest.id) is oldest and oldest.uses == 0:
                await self._hosting.end(oldest, SandboxStatus.STOPPED, "Its place was needed for another session.")
        return True


def check(code: str, timeout_seconds: float) -> None:
    if len(code.encode(errors="replace")) > LARGEST_CODE:
        raise InvalidRequest(f"`code` is larger than {LARGEST_CODE} bytes; put it into a file.", field="code")
    if not 0 < timeout_seconds <= LONGEST_SECONDS:
        raise InvalidRequest(
            f"`timeout_seconds` is {timeout_seconds:g}; it must be more than 0 and at most {LONGEST_SECONDS:g}.",
            field="timeout_seconds",
        )


async def run_code(live: Live, language: Language, code: str, timeout_seconds: float) -> CodeRun:
    """The lock `live.code` is held. Raises what the sandbox raises."""
    started = time.monotonic()
    env = {**_ENV, **live.record.inner_env}
    if language == "shell":
        return await _shell(live, code, env, timeout_seconds)
    program, flag, source = _DRIVERS[language]
    interpreter = live.interpreters.get(language)
    if interpreter is None or not interpreter.is_alive:
        interpreter = Interpreter(live.box, (program, flag, driver(source)), env)
        live.interpreters[language] = interpreter
    is_fresh = not interpreter.has_run
    try:
        piece = await interpreter.run(code, timeout_seconds)
    except CommandNotFound:
        raise CommandNotFound(
            f"This sandbox has no {program}, so it cannot run {language}; its template is {live.record.template!r}.",
            field="language",
        ) from None
    return _of_piece(language, piece, is_fresh=is_fresh, seconds=time.monotonic() - started)


def _of_piece(language: Language, piece: Piece, *, is_fresh: bool, seconds: float) -> CodeRun:
    report, lost = piece.report, piece.lost
    error, exit_code = report.get("error"), report.get("exit_code")
    is_ok = report.get("status") == "ok"
    return CodeRun(
        language=language,
        status="died"
        if lost and not piece.is_timed_out
        else "timeout"
        if piece.is_timed_out
        else "ok"
        if is_ok
        else "error",
        stdout=piece.stdout.decode("utf-8", "replace"),
        stderr=piece.stderr.decode("utf-8", "replace"),
        value=str(report.get("value", "")),
        error=error if isinstance(error, str) else _death(lost) if lost else "",
        exit_code=exit_code if isinstance(exit_code, int) else lost.code if lost else None,
        is_oom=lost is not None and lost.oom,
        is_truncated=piece.is_truncated,
        is_fresh=is_fresh,
        seconds=seconds,
    )


def _death(lost: Exited) -> str:
    if lost.oom:
        return "The interpreter was killed because the sandbox ran out of memory; its variables are gone."
    how = f"by signal {lost.signal}" if lost.signal is not None else f"with code {lost.code}"
    return f"The interpreter ended {how}; its variables are gone."


async def _shell(live: Live, code: str, env: Mapping[str, str], timeout_seconds: float) -> CodeRun:
    stdout, stderr, last = bytearray(), bytearray(), None
    command = Command(
        ("/bin/sh", "-c", code), env=env, timeout_seconds=timeout_seconds, output_bytes=_LARGEST_OUTPUT_BYTES
    )
    async with aclosing(live.box.exec(command)) as frames:
        async for frame in frames:
            match frame:
                case Stdout(data=data):
                    stdout += data
                case Stderr(data=data):
                    stderr += data
                case Exited():
                    last = frame
                case _:
                    pass
    last = last or Exited(code=None, signal=9)
    status = "timeout" if last.timed_out else "died" if last.oom else "ok" if last.code == 0 else "error"
    return CodeRun(
        language="shell",
        status=status,
        stdout=stdout.decode("utf-8", "replace"),
        stderr=stderr.decode("utf-8", "replace"),
        error="" if status == "ok" else _shell_error(last),
        exit_code=last.code,
        is_oom=last.oom,
        is_truncated=last.truncated,
        seconds=last.wall_seconds,
    )


def _shell_error(last: Exited) -> str:
    if last.oom:
        return "The sandbox ran out of memory."
    if last.timed_out:
        return ""
    return f"It ended by signal {last.signal}." if last.signal is not None else f"It ended with code {last.code}."
