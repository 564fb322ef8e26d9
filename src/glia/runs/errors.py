"""What can go wrong with runs."""

from __future__ import annotations

from glia.kit.errors import Conflict, GliaError, NotFound


class RunNotFound(NotFound):
    code = "run_not_found"


class SessionBusy(Conflict):
    code = "session_busy"


class SessionQueueFull(GliaError):
    """As many messages wait for the run at work as may."""

    code, status = "session_queue_full", 429


class ApprovalNotFound(NotFound):
    code = "approval_not_found"


class ApprovalDecidedAlready(Conflict):
    """Someone decided it before, it has expired, or its run has ended."""

    code = "approval_decided"


class Fenced(Exception):
    """This process no longer holds the run: its lease lapsed or another worker took over. Stop, write nothing."""


class LimitReached(GliaError):
    """The run used up one of its agent's limits. Its finished steps stay in the log."""

    code, status = "limit_reached", 422


class WrongFormat(GliaError):
    """The model's answer is not the JSON that was asked for."""

    code, status = "model_wrong_format", 502


class CrashLoop(GliaError):
    """The run was begun again and again without ever ending, so it is parked."""

    code, status = "crash_loop", 500


class MessageNotFound(NotFound):
    code = "message_not_found"


class SnapshotNotFound(NotFound):
    code = "snapshot_not_found"
