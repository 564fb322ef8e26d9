"""What can go wrong with jobs."""

from __future__ import annotations

from glia.kit.errors import Conflict, InvalidRequest, NotFound


class JobNotFound(NotFound):
    code = "job_not_found"


class IllegalMove(InvalidRequest):
    """A status that cannot follow the job's present one."""

    code = "illegal_move"


class BelongsToRun(Conflict):
    """The job's state is its run's; only cancelling it can be asked for."""

    code = "job_belongs_to_run"
