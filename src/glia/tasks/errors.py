"""What can go wrong with tasks."""

from __future__ import annotations

from glia.kit.errors import Conflict, GliaError, NotFound


class TaskNotFound(NotFound):
    code = "task_not_found"


class TaskEnded(Conflict):
    code = "task_ended"


class TaskUnderWay(Conflict):
    code = "task_under_way"


class TaskFailed(GliaError):
    """The work was done and came out badly, such as code that ended with an error."""

    code, status = "task_failed", 422
