"""Does the tasks that no agent does. Done again from the start when its process was killed; nothing outside changes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any, Protocol, cast
from uuid import UUID

import orjson

from glia.identity.types import Principal, system_principal
from glia.jobs.service import Jobs
from glia.kit.db import Transaction
from glia.kit.errors import GliaError, InvalidRequest
from glia.kit.jobs import JobContext
from glia.sandboxes.records import CodeRun, Language, NewSandbox, SandboxRecord
from glia.tasks.data import process
from glia.tasks.errors import TaskFailed
from glia.tasks.types import CODE, DATA, TURN

_LARGEST_OUTPUT_BYTES = 2_000_000
_USUAL_SECONDS, _LONGEST_SECONDS = 30.0, 300.0
_MOST_RETRIES = 10
_LANGUAGES: dict[str, Language] = {
    "python": "python",
    "javascript": "javascript",
    "js": "javascript",
    "bash": "shell",
    "shell": "shell",
}
_DURATION = re.compile(r"(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?")


class Boxes(Protocol):
    """Where code is run."""

    async def create(self, principal: Principal, wanted: NewSandbox) -> SandboxRecord: ...

    async def delete(self, principal: Principal, id: UUID) -> None: ...

    @property
    def code(self) -> Runner: ...


class Runner(Protocol):
    async def run(
        self, principal: Principal, id: UUID, language: Language, code: str, *, timeout_seconds: float = ...
    ) -> CodeRun: ...


class TaskWork:
    """jobs: set once there are any, which are made after the engine that calls this."""

    jobs: Jobs

    def __init__(self, boxes: Boxes) -> None:
        self._boxes = boxes

    async def work(self, job: JobContext) -> None:
        """The function of jobs of KIND. Raises what the task came to grief over, which fails it."""
        given = cast(dict[str, Any], job.input.get("input") or {})
        kind = str(job.input.get("kind"))
        retries = _whole(given, "max_retries", 0, _MOST_RETRIES)
        await job.progress("working", 0, 1)
        output = await self._tried(job, kind, given, retries)
        if len(orjson.dumps(output, default=str)) > _LARGEST_OUTPUT_BYTES:
            raise TaskFailed(f"The result has more than {_LARGEST_OUTPUT_BYTES} bytes; select or limit it.")
        async with job.transaction() as tx:
            await self.jobs.set_output(tx, job.run_id, _storable(output))
        await job.progress("working", 1, 1)

    async def _tried(self, job: JobContext, kind: str, given: Mapping[str, Any], retries: int) -> dict[str, object]:
        """What cannot be done at all is not tried again."""
        for number in range(retries):
            try:
                return await self._output(job, kind, given)
            except InvalidRequest:
                raise
            except GliaError:
                await job.progress("retrying", number + 1, retries + 1)
        return await self._output(job, kind, given)

    async def _output(self, job: JobContext, kind: str, given: Mapping[str, Any]) -> dict[str, object]:
        match kind:
            case "data_processing":
                return await asyncio.to_thread(process, _text(given, "data"), *_transform(given))
            case "code_execution":
                return await self._run_code(job, given)
            case _:
                raise InvalidRequest(
                    f"There is no task type {kind[:50]!r}; there are {TURN}, {DATA} and {CODE}.", field="task_type"
                )

    async def _run_code(self, job: JobContext, given: Mapping[str, Any]) -> dict[str, object]:
        """In a sandbox of its own, which is gone afterwards."""
        name = str(given.get("language") or "python").lower()
        language = _LANGUAGES.get(name)
        if language is None:
            raise InvalidRequest(f"`language` {name[:50]!r} is none of python, javascript, bash.", field="language")
        code, seconds = _text(given, "code"), duration(given.get("timeout"))
        principal = system_principal(job.workspace_id, job.project_id)
        box = await self._boxes.create(principal, NewSandbox(name="task", lease_seconds=max(60, int(seconds) + 60)))
        try:
            ran = await self._boxes.code.run(principal, box.id, language, code, timeout_seconds=seconds)
        finally:
            await asyncio.shield(self._boxes.delete(principal, box.id))
        output: dict[str, object] = {
            "status": "completed" if ran.status == "ok" else ran.status,
            "output": ran.stdout,
            "stderr": ran.stderr,
            "value": ran.value,
            "error": ran.error or None,
            "exit_code": ran.exit_code,
            "duration_seconds": round(ran.seconds, 3),
            "is_truncated": ran.is_truncated,
        }
        if ran.status != "ok":
            async with job.transaction() as tx:
                await self.jobs.set_output(tx, job.run_id, _storable(output))
            raise TaskFailed(
                (ran.error or ran.stderr or f"The code ended as {ran.status}.")[:2_000], exit_code=ran.exit_code
            )
        return output

    async def ended(self, tx: Transaction, run_id: UUID, *, code: str, message: str) -> None:
        """The job shows its run's own state; there is nothing to undo."""
        del tx, run_id, code, message


def duration(given: Any) -> float:
    """Seconds out of `30s`, `1m30s` or a number; 30 when not given. Raises InvalidRequest."""
    if given is None:
        return _USUAL_SECONDS
    seconds = float(given) if isinstance(given, int | float) and not isinstance(given, bool) else None
    if isinstance(given, str) and given and (found := _DURATION.fullmatch(given.strip())):
        seconds = 60.0 * int(found[1] or 0) + float(found[2] or 0)
    if seconds is None or not 0 < seconds <= _LONGEST_SECONDS:
        raise InvalidRequest(
            f"`timeout` {str(given)[:50]!r} must be like `30s`, above 0 and at most {_LONGEST_SECONDS:g}s.",
            field="timeout",
        )
    return seconds


def _transform(given: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    transform: object = given.get("transform") or {}
    if not isinstance(transform, dict):
        raise InvalidRequest("`transform` must be an object.", field="transform")
    return str(given.get("type") or "auto"), cast(dict[str, Any], transform)


def _text(given: Mapping[str, Any], name: str) -> str:
    found = given.get(name)
    if not isinstance(found, str) or not found.strip():
        raise InvalidRequest(f"`input.{name}` is missing; it must be a text.", field=f"input.{name}")
    return found


def _whole(given: Mapping[str, Any], name: str, smallest: int, largest: int) -> int:
    found = given.get(name, smallest)
    if isinstance(found, bool) or not isinstance(found, int) or not smallest <= found <= largest:
        raise InvalidRequest(f"`input.{name}` must be between {smallest} and {largest}.", field=f"input.{name}")
    return found


def _storable(output: dict[str, object]) -> dict[str, object]:
    """Without the character that PostgreSQL cannot keep in JSON."""
    packed = orjson.dumps(output, default=str)
    return orjson.loads(packed.replace(b"\\u0000", b"\\ufffd")) if b"\\u0000" in packed else orjson.loads(packed)
