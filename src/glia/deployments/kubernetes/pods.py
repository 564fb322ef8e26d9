"""What a pod says of itself, in our words. Pure rules."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from glia.deployments.kubernetes.things import Thing, label, named, part, parts, text, whole
from glia.deployments.kubernetes.wishes import CONTAINER, DEPLOYMENT, DOWNLOAD_CONTAINER, GENERATION, VERSION
from glia.deployments.types import Ended

_NOT_DOWNLOADED = "its program was not downloaded: "
_NOT_STARTED = ("ContainerCreating", "PodInitializing", "")
_HOPELESS = frozenset({"InvalidImageName"})
"""What waiting does not mend."""


@dataclass(frozen=True)
class Pod:
    """One replica. id: its UID. starts: how often its program, or the download of it, was started again. failing: it
    has ended, and waits for its next start. failure: how it ended the last time; empty when it never did. is_over: it
    ended for good, as one that was evicted. has_output: its program has been started at least once. is_up: its program
    runs now."""

    id: UUID
    name: str
    deployment_id: UUID
    version_id: UUID
    generation: int
    machine: str
    ip: str
    port: int
    state: str
    reason: str
    is_ready: bool
    is_leaving: bool
    is_over: bool
    is_up: bool
    has_output: bool
    starts: int
    failing: bool
    failure: str
    created_at: datetime
    started_at: datetime | None

    @property
    def address(self) -> str:
        """What `dialling.dial` takes."""
        if not self.ip:
            return ""
        return f"tcp://[{self.ip}]:{self.port}" if ":" in self.ip else f"tcp://{self.ip}:{self.port}"


def read(thing: Thing) -> Pod | None:
    """None for a pod that is not one of a deployment's."""
    metadata, spec, status = part(thing, "metadata"), part(thing, "spec"), part(thing, "status")
    deployment_id, version_id = label(thing, DEPLOYMENT), label(thing, VERSION)
    generation = text(part(metadata, "labels"), GENERATION)
    if deployment_id is None or version_id is None or not generation.isdecimal():
        return None
    program = named(parts(status, "containerStatuses"), CONTAINER)
    download = named(parts(status, "initContainerStatuses"), DOWNLOAD_CONTAINER)
    is_leaving = bool(metadata.get("deletionTimestamp"))
    is_ready = _condition(status, "Ready").get("status") == "True" and not is_leaving
    state, reason = _judged(status, program, download, is_ready=is_ready)
    running = part(program, "state", "running")
    is_up = "running" in part(program, "state")
    return Pod(
        id=UUID(metadata["uid"]),
        name=metadata["name"],
        deployment_id=deployment_id,
        version_id=version_id,
        generation=int(generation),
        machine=text(spec, "nodeName"),
        ip=text(status, "podIP"),
        port=_port(spec),
        state="stopping" if is_leaving else state,
        reason=reason,
        is_ready=is_ready,
        is_leaving=is_leaving,
        is_over=status.get("phase") in ("Failed", "Succeeded"),
        is_up=is_up,
        has_output=is_up or bool(_ending(program)),
        starts=whole(program, "restartCount") + whole(download, "restartCount"),
        failing=not is_up and (bool(_ending(program)) or _has_failed(download)),
        failure=_failure(program, download),
        created_at=datetime.fromisoformat(metadata["creationTimestamp"]),
        started_at=datetime.fromisoformat(running["startedAt"]) if running.get("startedAt") else None,
    )


def _failure(program: Thing, download: Thing) -> str:
    if ending := _ending(program):
        return _ended(ending)
    return _NOT_DOWNLOADED + _ended(_ending(download)) if _has_failed(download) else ""


def _judged(status: Thing, program: Thing, download: Thing, *, is_ready: bool) -> tuple[str, str]:
    """The state and why."""
    if status.get("phase") == "Failed":
        return "failed", _sentence(text(status, "reason") or "Failed", text(status, "message"))
    if is_ready:
        return "running", ""
    scheduled = _condition(status, "PodScheduled")
    if scheduled.get("status") == "False":
        return "pending", _sentence(text(scheduled, "reason"), text(scheduled, "message"))
    failed = _NOT_DOWNLOADED if _has_failed(download) else None
    return _stuck(download, failed) or _stuck(program, "") or ("starting", "")


def _stuck(container: Thing, failed: str | None) -> tuple[str, str] | None:
    """failed: said before how it ended; None when its end is no failure."""
    waiting = part(container, "state", "waiting")
    why, ending = text(waiting, "reason"), _ending(container)
    if why in _HOPELESS:
        return "failed", _sentence(why, text(waiting, "message"))
    if failed is not None and ending and "running" not in part(container, "state"):
        return "backoff", failed + _ended(ending) + (f" ({why})" if why else "")
    if why not in _NOT_STARTED:
        return "backoff", _sentence(why, text(waiting, "message"))
    return None


def _has_failed(container: Thing) -> bool:
    """Of a container that is to end by itself."""
    ending = _ending(container)
    return bool(ending) and ending.get("exitCode") != 0


def _ending(container: Thing) -> Thing:
    """How it ended last; empty when it never did."""
    return part(container, "state", "terminated") or part(container, "lastState", "terminated")


def _ended(ending: Thing) -> str:
    """In the words of the other backend."""
    was_oom = ending.get("reason") == "OOMKilled"
    said = str(Ended(ending.get("exitCode"), was_oom=was_oom)) + (" (OOMKilled)" if was_oom else "")
    message = " ".join(text(ending, "message").split())
    return f"{said}: {message[:500].rstrip('.')}" if message else said


def _sentence(reason: str, message: str) -> str:
    return ": ".join(each for each in (reason, " ".join(message.split())[:500].rstrip(".")) if each)


def _condition(status: Thing, kind: str) -> Thing:
    return named(parts(status, "conditions"), kind, "type")


def _port(spec: Thing) -> int:
    ports = parts(named(parts(spec, "containers"), CONTAINER), "ports")
    return whole(ports[0], "containerPort") if ports else 0


def rollout_problem(deployment: Thing) -> str:
    """Why Kubernetes has given up on a Deployment, or cannot make its pods; empty when it goes on."""
    status = part(deployment, "status")
    if whole(status, "observedGeneration") < whole(deployment["metadata"], "generation"):
        return ""  # of what was wanted before
    failure, progress = _condition(status, "ReplicaFailure"), _condition(status, "Progressing")
    if progress.get("status") != "False":
        return ""
    found = failure if failure.get("status") == "True" else progress
    return _sentence(text(found, "reason"), text(found, "message"))
