"""What a job must be like. Every refusal names the field. Pure rules."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

import orjson

from glia.jobs.errors import IllegalMove
from glia.jobs.types import Job, JobChanges, JobSpec, JobStatus
from glia.kit.errors import InvalidRequest

T = TypeVar("T")

LONGEST_TITLE = 500
LONGEST_TEXT = 20_000
LARGEST_OBJECT_BYTES = 1024 * 1024
MOST_STEPS = 1_000_000
_MOST_TAGS = 50
_LONGEST_TAG = 100
_MOST_RESOURCES = 50
_ID = re.compile(r"\S{1,200}")


def check_spec(spec: JobSpec) -> None:
    if not spec.title.strip():
        raise InvalidRequest("`title` is empty; say what the job is.", field="title")
    for field, text, most in (
        ("title", spec.title, LONGEST_TITLE),
        ("kind", spec.kind, 100),
        ("description", spec.description, LONGEST_TEXT),
    ):
        if len(text) > most:
            raise InvalidRequest(f"`{field}` has {len(text)} characters; the most is {most}.", field=field)
    if not spec.kind.strip():
        raise InvalidRequest("`kind` is empty; leave it away for `general`.", field="kind")
    _check_number("priority", spec.priority, 1, 10)
    _check_number("total_steps", spec.total_steps, 1, MOST_STEPS)
    _check_tags(spec.tags)
    for field, value in (("input", spec.input), ("metadata", spec.metadata)):
        _check_size(field, value)


def changed(before: Job, changes: JobChanges) -> Job:
    """The job after these changes. Raises IllegalMove, InvalidRequest."""
    status = changes.status or before.status
    if not before.status.may_become(status):
        raise IllegalMove(_why_not(before.status, status), field="status")
    total = before.total_steps if changes.total_steps is None else changes.total_steps
    done = before.completed_steps if changes.completed_steps is None else changes.completed_steps
    _check_number("total_steps", total, 1, MOST_STEPS)
    _check_number("completed_steps", done, 0, total)
    after = replace(
        before,
        status=status,
        total_steps=total,
        completed_steps=done,
        progress=_progress(before, changes, done, total),
        current_step=_or(changes.current_step, before.current_step),
        output=_or(changes.output, before.output),
        error=_or(changes.error, before.error),
        title=_or(changes.title, before.title),
        description=_or(changes.description, before.description),
        priority=_or(changes.priority, before.priority),
        tags=_or(changes.tags, before.tags),
        metadata=_or(changes.metadata, before.metadata),
    )
    if before.status.is_final and _moved(before, after):
        raise IllegalMove(f"The job is {before.status.value}; its progress stays as it is.", field="status")
    if status is JobStatus.COMPLETED:
        after = replace(after, progress=100.0, completed_steps=total)
    check_spec(after)
    for field, text in (("current_step", after.current_step), ("error", after.error)):
        if text is not None and len(text) > LONGEST_TEXT:
            raise InvalidRequest(f"`{field}` has {len(text)} characters; the most is {LONGEST_TEXT}.", field=field)
    _check_size("output", after.output or {})
    return after


def ids_in(*objects: Mapping[str, object] | None) -> Iterable[str]:
    """What the fields of these objects that end in `id` name, as `dataset_id` does."""
    for found in objects:
        for name, value in (found or {}).items():
            if isinstance(value, str) and (name == "id" or name.endswith("_id")) and _ID.fullmatch(value):
                yield value


def resources_of(job: JobSpec, output: Mapping[str, object] | None = None) -> list[str]:
    """By which ids a job can be found: those that were named, and those in its input and output."""
    found = [*job.resources, *ids_in(job.input, output)]
    return list(dict.fromkeys(found))[:_MOST_RESOURCES]


def _progress(before: Job, changes: JobChanges, done: int, total: int) -> float:
    if changes.progress is not None:
        if not 0 <= changes.progress <= 100:
            raise InvalidRequest(f"`progress` is {changes.progress:g}; it must be between 0 and 100.", field="progress")
        return changes.progress
    if changes.completed_steps is not None or changes.total_steps is not None:
        return round(100.0 * done / total, 2)
    return before.progress


def _moved(before: Job, after: Job) -> bool:
    return any(
        getattr(before, name) != getattr(after, name)
        for name in ("progress", "completed_steps", "total_steps", "current_step")
    )


def _or(changed: T | None, before: T) -> T:
    return before if changed is None else changed


def _why_not(status: JobStatus, wanted: JobStatus) -> str:
    possible = [next.value for next in JobStatus if next is not status and status.may_become(next)]
    way_out = f"it can become {', '.join(possible)}" if possible else "it has ended; create another job"
    return f"The job is {status.value} and cannot become {wanted.value}; {way_out}."


def _check_number(field: str, value: int, smallest: int, largest: int) -> None:
    if not smallest <= value <= largest:
        raise InvalidRequest(f"`{field}` is {value}; it must be between {smallest} and {largest}.", field=field)


def _check_tags(tags: tuple[str, ...]) -> None:
    if len(tags) > _MOST_TAGS:
        raise InvalidRequest(f"`tags` has {len(tags)} entries; the most is {_MOST_TAGS}.", field="tags")
    for tag in tags:
        if not tag or len(tag) > _LONGEST_TAG:
            raise InvalidRequest(f"A tag has 1 to {_LONGEST_TAG} characters; {tag[:50]!r} has not.", field="tags")


def _check_size(field: str, value: Mapping[str, object]) -> None:
    size = len(orjson.dumps(value, default=str))
    if size > LARGEST_OBJECT_BYTES:
        raise InvalidRequest(f"`{field}` has {size} bytes; the most is {LARGEST_OBJECT_BYTES}.", field=field)
