"""What can go wrong with sandboxes."""

from __future__ import annotations

from glia.kit.errors import (
    Conflict,
    GliaError,
    InvalidRequest,
    NotFound,
    StorageFull,
    TooLarge,
    Unavailable,
    UpstreamFailed,
)


class SandboxUnavailable(Unavailable):
    """No sandbox can be made on this machine; the message gives the reason and the way to fix it."""

    code = "sandbox_unavailable"


class TemplateMissing(Unavailable):
    code = "sandbox_template_missing"


class UnknownTemplate(InvalidRequest):
    code = "unknown_template"


class SandboxStartFailed(Unavailable):
    code = "sandbox_start_failed"


class SandboxIdTaken(Conflict):
    code = "sandbox_id_taken"


class SandboxGone(GliaError):
    """It is dead: killed, expired, out of memory, or ended by its own code."""

    code, status = "sandbox_gone", 410


class SandboxPaused(Conflict):
    code = "sandbox_paused"


class AgentFailed(UpstreamFailed):
    """The process inside that serves us said something that it must not say, or nothing for too long."""

    code = "sandbox_agent_failed"


class CommandNotFound(InvalidRequest):
    code = "command_not_found"


class ProcessNotFound(NotFound):
    code = "process_not_found"


class FileMissing(NotFound):
    code = "file_not_found"


class FileTaken(Conflict):
    code = "file_exists"


class NotAFile(InvalidRequest):
    code = "not_a_file"


class NotADirectory(InvalidRequest):
    code = "not_a_directory"


class PathRefused(InvalidRequest):
    """The sandbox may not do that with this path: read-only, too long, a loop of links."""

    code = "path_refused"


class TooManyFiles(TooLarge):
    code = "too_many_files"


class TarRefused(InvalidRequest):
    code = "tar_refused"


class SnapshotTooLarge(TooLarge):
    code = "snapshot_too_large"


class WorkspaceFull(StorageFull):
    code = "workspace_full"


class PortClosed(UpstreamFailed):
    """Nothing listens at that port inside."""

    code = "sandbox_port_closed"


class SandboxStreamClosed(UpstreamFailed):
    code = "sandbox_stream_closed"


class SandboxNotFound(NotFound):
    code = "sandbox_not_found"


class SandboxElsewhere(Unavailable):
    """Its processes and files are on another machine, or in another server process; the message names it."""

    code = "sandbox_elsewhere"


class TooManySandboxes(Conflict):
    code = "too_many_sandboxes"


class ServerFull(Unavailable):
    code = "sandbox_server_full"


class SnapshotNotFound(NotFound):
    code = "snapshot_not_found"


class ArtifactNotFound(NotFound):
    code = "artifact_not_found"


class TerminalNotFound(NotFound):
    code = "terminal_not_found"


class TerminalEnded(GliaError):
    """Its program is over; what it has shown can still be read for a while."""

    code, status = "terminal_ended", 410


class TerminalBusy(Conflict):
    """Its program does not read what is typed."""

    code = "terminal_busy"


class TooManyTerminals(Conflict):
    code = "too_many_terminals"
