"""Makes sandboxes as containers, with any engine that speaks the Docker Engine API."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import socket
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from glia.kit.errors import GliaError
from glia.sandboxes import asking
from glia.sandboxes.bubblewrap.workspaces import Workspace, Workspaces
from glia.sandboxes.errors import (
    SandboxIdTaken,
    SandboxStartFailed,
    SandboxUnavailable,
    TemplateMissing,
    UnknownTemplate,
)
from glia.sandboxes.oci.container import INNER_ID, LABEL, SERVER_LABEL, settings
from glia.sandboxes.oci.engine import Engine, EngineFailed, is_missing
from glia.sandboxes.oci.sandbox import OciSandbox, clear, oom_counter, remove_container
from glia.sandboxes.types import LimitHold, Probe, Sandbox, SandboxId, SandboxSpec, Swept, TemplateState

IMAGES = {"python": "python:3.12-slim", "shell": "python:3.12-slim"}
"""Every image needs Python 3.9 as `python3`, which runs the agent."""

_AGENT = Path(__file__).parents[1] / "agent"
_START_SECONDS = 60.0
_REMEMBER_FAILURE_SECONDS = 30.0


class OciBackend:
    name = "oci"

    def __init__(
        self, socket: Path, state: Path, *, runtime: str | None = None, images: Mapping[str, str] = IMAGES
    ) -> None:
        """socket: of the engine. runtime: one that the engine knows, such as `runsc`. images: by template."""
        self._engine = Engine(socket)
        self._state, self._runtime, self._images = state, runtime, dict(images)
        self._workspaces = Workspaces(state)
        self._living: dict[SandboxId, OciSandbox] = {}
        self._busy: set[asyncio.Future[Any]] = set()
        self._server = secrets.token_hex(8)
        self._probe: Probe | None = None
        self._probed_at = 0.0
        self._probing = asyncio.Lock()

    async def probe(self) -> Probe:
        async with self._probing:
            is_stale = time.monotonic() - self._probed_at > _REMEMBER_FAILURE_SECONDS
            if self._probe is None or (not self._probe.is_available and is_stale):
                self._probe = await self._try_out()
                self._probed_at = time.monotonic()
            return self._probe

    async def _try_out(self) -> Probe:
        try:
            known = await self._engine.call("GET", "/info")
        except EngineFailed as error:
            return Probe(is_available=False, reason=error.message, fix="Start Docker or Podman, and name its socket.")
        runtimes = sorted(known.get("Runtimes") or {})
        if self._runtime is not None and self._runtime not in runtimes:
            reason = f"The container engine knows no runtime {self._runtime!r}; it knows {', '.join(runtimes)}."
            return Probe(
                is_available=False, reason=reason, fix="Add it to the engine's configuration, or name another."
            )
        ready = [state.name for state in await self.templates() if state.is_ready]
        if not ready:
            images = ", ".join(sorted({*self._images.values()}))
            return Probe(is_available=False, reason=f"None of the images is there: {images}.", fix="`docker pull` one.")
        try:
            trial = await self._start(SandboxId(f"probe-{secrets.token_hex(6)}"), SandboxSpec(ready[0]))
            await trial.kill()
        except GliaError as error:
            fix = "Look into the engine's log, and at the runtime and the image that are configured."
            return Probe(is_available=False, reason=f"A trial sandbox did not start. {error.message}", fix=fix)
        return self._judged(known)

    def _judged(self, known: dict[str, Any]) -> Probe:
        def held(name: str) -> LimitHold:
            return "enforced" if known.get(name) else "none"

        limits: dict[str, LimitHold] = {
            "cpu": held("CpuCfsQuota"),
            "memory": held("MemoryLimit"),
            "pids": held("PidsLimit"),
            "disk": "soft",
            "pause": "enforced",
        }
        runtime = self._runtime or known.get("DefaultRuntime") or "runc"
        reason = "A container engine does not limit the size of /workspace, so it is looked at before each command."
        return Probe(is_available=True, reason=reason, limits=limits, details=(f"Containers of {runtime}.", reason))

    async def templates(self) -> tuple[TemplateState, ...]:
        return tuple([await self._template(name, image) for name, image in self._images.items()])

    async def _template(self, name: str, image: str) -> TemplateState:
        missing = ""
        try:
            await self._engine.call("GET", f"/images/{image}/json")
        except EngineFailed as error:
            missing = f"The image {image!r} is not there. Run `docker pull {image}`."
            missing = missing if is_missing(error) else error.message
        return TemplateState(name, f"the image {image}", is_ready=not missing, missing=missing)

    # --- Lives --------------------------------------------------------------------------------------------------------

    async def create(self, id: SandboxId, spec: SandboxSpec) -> Sandbox:
        probe = await self.probe()
        if not probe.is_available:
            raise SandboxUnavailable(f"{probe.reason} {probe.fix}".strip())
        if id in self._living:
            raise SandboxIdTaken(f"A sandbox {id!r} is there already.")
        starting = asyncio.ensure_future(self._start(id, spec))
        self._busy.add(starting)
        starting.add_done_callback(self._busy.discard)
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            await asyncio.shield(_undo(starting))
            raise

    async def adopt(self, id: SandboxId) -> Sandbox | None:
        """The agent ends with its server, so there is one only if it is ours."""
        return self._living.get(id)

    async def _start(self, id: SandboxId, spec: SandboxSpec) -> OciSandbox:
        image = self._images.get(spec.template)
        if image is None:
            raise UnknownTemplate(
                f"There is no template {spec.template!r}; there are {', '.join(self._images)}.", field="template"
            )
        if missing := (await self._template(spec.template, image)).missing:
            raise TemplateMissing(f"The template {spec.template!r} cannot be used. {missing}")
        workspace = await asyncio.to_thread(self._prepare, id, spec)
        container = ""
        listener = _listening(workspace.folder / "agent.sock")
        try:
            body = settings(
                id, spec, image=image, runtime=self._runtime, agent=self._state / "agent", files=workspace.files,
                control=workspace.folder / "agent.sock", server=self._server,
            )  # fmt: skip
            made = await self._engine.call("POST", "/containers/create", query={"name": f"glia-{id}"}, body=body)
            container = str(made["Id"])
            await self._engine.call("POST", f"/containers/{container}/start", seconds=_START_SECONDS)
            control = await self._accepted(listener, container)
            state = (await self._engine.call("GET", f"/containers/{container}/json"))["State"]
        except (GliaError, OSError, TimeoutError) as error:
            await self._abort(container, workspace)
            raise SandboxStartFailed(f"The sandbox {id!r} did not start: {error}") from error
        finally:
            listener.close()
        sandbox = OciSandbox(
            id,
            spec,
            engine=self._engine,
            container=container,
            control=control,
            workspace=workspace,
            oom_counter=oom_counter(int(state.get("Pid", 0))),
            on_end=self._forget,
        )
        self._living[id] = sandbox
        try:
            await asking.ping(sandbox.dial)
        except GliaError as error:
            await sandbox.kill()
            raise SandboxStartFailed(f"The sandbox {id!r} did not start: {error.message}") from error
        return sandbox

    def _prepare(self, id: SandboxId, spec: SandboxSpec) -> Workspace:
        agent = self._state / "agent"
        if not agent.exists():
            beside = self._state / f"agent.{os.getpid()}.part"
            shutil.copytree(_AGENT, beside, ignore=shutil.ignore_patterns("__pycache__"))
            with suppress(OSError):  # somebody else was faster
                beside.rename(agent)
            shutil.rmtree(beside, ignore_errors=True)
        workspace = self._workspaces.take(id)
        if spec.keeps_workspace:
            workspace.keep()
        is_root = os.geteuid() == 0
        workspace.open(disk_bytes=spec.limits.disk_bytes, uid=INNER_ID if is_root else None, blanks=None)
        if not is_root:
            workspace.files.chmod(0o777)  # the folder above is closed to everybody else
            workspace.folder.chmod(0o700)
        if is_root and spec.egress_socket is not None:
            os.chown(spec.egress_socket, INNER_ID, INNER_ID)
        return workspace

    async def _accepted(self, listener: socket.socket, container: str) -> socket.socket:
        """The agent's connection, or why it does not come."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(_START_SECONDS):
            accepting = asyncio.ensure_future(loop.sock_accept(listener))
            try:
                while not accepting.done():
                    await asyncio.wait({accepting}, timeout=0.5)
                    state = (await self._engine.call("GET", f"/containers/{container}/json"))["State"]
                    if not accepting.done() and not state.get("Running"):
                        raise SandboxStartFailed(f"its container ended with {state.get('ExitCode')}.")
                control, _ = await accepting
            finally:
                accepting.cancel()
        control.setblocking(False)
        return control

    async def _abort(self, container: str, workspace: Workspace) -> None:
        with suppress(EngineFailed):
            if container:
                await remove_container(self._engine, container)
        await asyncio.to_thread(clear, workspace, workspace.is_kept)

    def _forget(self, id: SandboxId) -> None:
        self._living.pop(id, None)

    # --- What is kept and what is left --------------------------------------------------------------------------------

    async def has_workspace(self, id: SandboxId) -> bool:
        return await asyncio.to_thread(self._workspaces.exists, id)

    async def remove_workspace(self, id: SandboxId) -> None:
        if id in self._living:
            raise SandboxIdTaken(f"The sandbox {id!r} lives; kill it first.")
        if await self.has_workspace(id):
            await asyncio.to_thread(clear, self._workspaces.take(id), False)

    async def sweep(self, keep: Collection[SandboxId] | None = None) -> Swept:
        containers = await self._containers()
        killed: list[SandboxId] = []
        removed: list[SandboxId] = []
        for id in sorted({*self._workspaces.ids(), *containers}):
            try:
                workspace = self._workspaces.take(id)
            except SandboxIdTaken:
                continue
            if id in containers:
                await remove_container(self._engine, containers[id])
                killed.append(id)
            is_kept = workspace.is_kept and (keep is None or id in keep)
            if not is_kept:
                removed.append(id)
            await asyncio.to_thread(clear, workspace, is_kept)
        return Swept(tuple(killed), tuple(removed))

    async def _containers(self) -> dict[SandboxId, str]:
        """Of any server that works in our folder; which of them lives is told by the folders' locks."""
        query = {"all": "1", "filters": f'{{"label": ["{SERVER_LABEL}"]}}'}
        found = await self._engine.call("GET", "/containers/json", query=query)
        folder = str(self._state)
        ours = [
            entry for entry in found if any(mount.get("Source", "").startswith(folder) for mount in entry["Mounts"])
        ]
        return {SandboxId(entry["Labels"][LABEL]): str(entry["Id"]) for entry in ours}

    async def close(self) -> None:
        while self._busy or self._living:
            if self._busy:
                await asyncio.wait(set(self._busy))
            await asyncio.gather(*(sandbox.kill() for sandbox in list(self._living.values())))


async def _undo(starting: asyncio.Future[OciSandbox]) -> None:
    with suppress(GliaError):
        await (await starting).kill()


def _listening(path: Path) -> socket.socket:
    """Where the agent calls. Bound by its short name, since a socket's path may have 107 bytes."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        listener.bind(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.close(folder)
    path.chmod(0o666)
    listener.listen(1)
    listener.setblocking(False)
    return listener
