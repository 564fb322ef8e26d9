"""What can go wrong with workflows."""

from __future__ import annotations

from glia.kit.errors import Conflict, GliaError, InvalidRequest, NotFound


class WorkflowNotFound(NotFound):
    code = "workflow_not_found"


class ExecutionNotFound(NotFound):
    code = "execution_not_found"


class WorkflowSlugTaken(Conflict):
    code = "slug_taken"


class KeyUsedOtherwise(Conflict):
    """The key that names an execution was used before, with another input."""

    code = "idempotency_key_reused"


class InvalidWorkflow(InvalidRequest):
    """The first problem of a definition; all of them are in the details."""

    code = "invalid_workflow"


class StepError(GliaError):
    """A step could not do its part. is_final: another try would not help, or must not be made."""

    code, status = "step_failed", 422

    def __init__(self, message: str, *, code: str = "step_failed", is_final: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.is_final = is_final


class WorkflowFailed(GliaError):
    """A step failed, and the workflow with it."""

    code, status = "step_failed", 422
