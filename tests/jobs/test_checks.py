"""The rules of a job's life, without a database."""

from dataclasses import replace

import pytest

from glia.jobs import checks
from glia.jobs.errors import IllegalMove
from glia.jobs.types import Job, JobChanges, JobStatus
from glia.kit.clock import now
from glia.kit.errors import InvalidRequest
from glia.kit.ids import new_id

_LEGAL = {
    ("pending", "in_progress"),
    ("pending", "cancelled"),
    ("in_progress", "paused"),
    ("in_progress", "completed"),
    ("in_progress", "failed"),
    ("in_progress", "cancelled"),
    ("paused", "in_progress"),
    ("paused", "cancelled"),
}


def a_job(status: str = "in_progress", **more: object) -> Job:
    id = new_id()
    job = Job(
        id=id,  # type: ignore[arg-type]  # a NewType
        title="Work",
        project_id=new_id(),
        run_id=None,
        root_id=id,
        depth=0,
        status=JobStatus(status),
        progress=0,
        completed_steps=0,
        current_step="",
        output=None,
        error=None,
        created_by="system",
        created_at=now(),
        updated_at=now(),
        started_at=None,
        finished_at=None,
        total_steps=4,
    )
    return replace(job, **more)  # type: ignore[arg-type]  # fields of Job


def test_only_the_named_moves_are_possible() -> None:
    possible: set[tuple[str, str]] = set()
    for before in JobStatus:
        for after in JobStatus:
            try:
                checks.changed(a_job(before), JobChanges(status=after))
            except IllegalMove:
                continue
            possible.add((before.value, after.value))

    assert possible == _LEGAL | {(status.value, status.value) for status in JobStatus}


def test_a_refused_move_names_the_way_out() -> None:
    with pytest.raises(IllegalMove, match="cannot become completed; it can become in_progress, cancelled"):
        checks.changed(a_job("pending"), JobChanges(status=JobStatus.COMPLETED))
    with pytest.raises(IllegalMove, match="it has ended"):
        checks.changed(a_job("failed"), JobChanges(status=JobStatus.IN_PROGRESS))


def test_steps_give_the_progress_unless_it_is_said() -> None:
    assert checks.changed(a_job(), JobChanges(completed_steps=1)).progress == 25
    assert checks.changed(a_job(), JobChanges(completed_steps=1, progress=40)).progress == 40
    done = checks.changed(a_job(), JobChanges(status=JobStatus.COMPLETED))
    assert (done.progress, done.completed_steps) == (100, 4)


@pytest.mark.parametrize(
    "changes",
    [
        JobChanges(progress=101),
        JobChanges(progress=-1),
        JobChanges(completed_steps=5),
        JobChanges(total_steps=0),
        JobChanges(priority=11),
        JobChanges(title=" "),
        JobChanges(tags=("",)),
        JobChanges(current_step="x" * 30_000),
        JobChanges(output={"x": "y" * 2_000_000}),
    ],
)
def test_what_a_job_cannot_be_is_refused(changes: JobChanges) -> None:
    with pytest.raises(InvalidRequest):
        checks.changed(a_job(), changes)


def test_an_ended_job_keeps_its_progress_but_takes_an_output() -> None:
    ended = a_job("completed", progress=100, completed_steps=4)

    assert checks.changed(ended, JobChanges(output={"a": 1})).output == {"a": 1}
    assert checks.changed(ended, JobChanges(status=JobStatus.COMPLETED, progress=100)).progress == 100
    with pytest.raises(IllegalMove):
        checks.changed(ended, JobChanges(progress=50))


def test_a_job_is_about_the_ids_in_its_input_and_output() -> None:
    one, two = str(new_id()), str(new_id())

    found = checks.resources_of(a_job(input={"dataset_id": one, "topic_id": "no id"}), {"id": two})

    assert found == [one, two]
