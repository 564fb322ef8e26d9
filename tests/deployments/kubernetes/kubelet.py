"""The fake's machines: they run the containers of pods, start them again when they end, ask how they are, keep their
output, and end them."""

from __future__ import annotations

import asyncio
import base64
import copy
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from glia.deployments import health
from glia.deployments.dialling import dial
from glia.deployments.errors import ReplicaGone
from tests.deployments.kubernetes.containers import Process, Runtime, volume
from tests.deployments.kubernetes.controllers import _condition, is_ready
from tests.deployments.kubernetes.store import Refused, Store, Thing, stamp

_CHUNK = 16 * 1024
_TICK = 0.03


@dataclass
class Output:
    """Of one start of a container: its pieces with their times in nanoseconds; a piece is a line, or a part of one."""

    pieces: list[tuple[int, bytes]] = field(default_factory=list)
    is_over: bool = False
    _rest: bytes = b""

    def add(self, at: float, data: bytes) -> None:
        moment = int(at * 1e9)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self.pieces += [(moment, line[n : n + _CHUNK]) for n in range(0, max(1, len(line)), _CHUNK)]
            self.pieces[-1] = (moment, self.pieces[-1][1] + b"\n")
        while len(self._rest) > _CHUNK:
            self.pieces.append((moment, self._rest[:_CHUNK]))
            self._rest = self._rest[_CHUNK:]

    def close(self) -> None:
        if self._rest:
            self.pieces.append((time.time_ns(), self._rest + b"\n"))
        self._rest, self.is_over = b"", True


@dataclass
class Kubelet:
    """missing_images: that cannot be pulled. backoff_seconds: before the first start after an end, doubled each time.
    hurry: by which the periods of probes and the time before SIGTERM are divided."""

    store: Store
    runtime: Runtime
    missing_images: set[str] = field(default_factory=set)
    backoff_seconds: float = 0.1
    hurry: float = 10.0
    outputs: dict[str, list[Output]] = field(default_factory=dict)
    processes: dict[str, Process] = field(default_factory=dict)
    folders: dict[str, Path] = field(default_factory=dict)
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    log_requests: int = 0
    _next_ip: int = 1

    def step(self) -> None:
        for pod in self.store.all("pods"):
            name = pod["metadata"]["name"]
            if pod["spec"].get("nodeName") and name not in self.tasks:
                self._next_ip += 1
                ip = f"127.88.{self._next_ip // 250}.{self._next_ip % 250 + 1}"
                self.tasks[name] = asyncio.create_task(self._live(name, ip))
        for name, task in list(self.tasks.items()):
            if task.done() and name not in self.store.things["pods"]:
                del self.tasks[name]
                if not task.cancelled():
                    task.result()

    async def close(self) -> None:
        for task in self.tasks.values():
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)
        for process in self.processes.values():
            process.kill()
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and any(process.ended() is None for process in self.processes.values()):
            await asyncio.sleep(0.02)
        for folder in self.folders.values():
            shutil.rmtree(folder, ignore_errors=True)

    async def _live(self, name: str, ip: str) -> None:
        life = Life(self, name, ip)
        await life.run()

    # --- What it tells ------------------------------------------------------------------------------------------------

    def figures(self) -> list[Thing]:
        found: list[Thing] = []
        for name, process in self.processes.items():
            pod = self.store.things["pods"].get(name)
            if pod is not None and is_ready(pod):
                used = process.used()
                usage = {"cpu": "12345678n", "memory": f"{used.memory_bytes // 1024}Ki"}
                metadata = {"name": name, "namespace": self.store.namespace, "labels": pod["metadata"]["labels"]}
                found.append(
                    {"metadata": metadata, "window": "15s", "containers": [{"name": "program", "usage": usage}]}
                )
        return found

    def summary(self, machine: str) -> Thing:
        pods: list[Thing] = []
        for name, process in self.processes.items():
            pod = self.store.things["pods"].get(name)
            if pod is not None and pod["spec"]["nodeName"] == machine:
                network = {"name": "eth0", "rxBytes": process.used().network_bytes, "txBytes": 0}
                pods.append({"podRef": {"name": name, "uid": pod["metadata"]["uid"]}, "network": network})
        return {"node": {"nodeName": machine}, "pods": pods}

    async def output(self, name: str, query: Any) -> AsyncIterator[bytes]:
        """As a kubelet streams it; the first piece is empty. Raises Refused before that."""
        self.log_requests += 1
        container, outputs = query.get("container", "program"), self.outputs.get(name, [])
        if not outputs:
            raise Refused(
                400, "BadRequest", f'container "{container}" in pod "{name}" is waiting to start: PodInitializing'
            )
        wanted = outputs[-1]
        if query.get("previous") == "true" and not wanted.is_over:
            if len(outputs) < 2:
                raise Refused(
                    400, "BadRequest", f'previous terminated container "{container}" in pod "{name}" not found'
                )
            wanted = outputs[-2]
        yield b""
        since = _since(query)
        at, is_whole = 0, True
        follows = query.get("follow") == "true"
        while True:
            is_over = wanted.is_over
            while at < len(wanted.pieces):
                moment, data = wanted.pieces[at]
                at += 1
                if moment >= since:
                    head = f"{_nano(moment)} ".encode() if is_whole and query.get("timestamps") == "true" else b""
                    is_whole = data.endswith(b"\n")
                    yield head + data
            if is_over or not follows:
                return
            await asyncio.sleep(0.02)
            yield b""  # whoever sends it looks whether the connection is to be cut


def _since(query: Any) -> int:
    """Whole seconds, since the API server hands it on in a format without fractions."""
    if text := query.get("sinceTime"):
        return int(datetime.fromisoformat(text).timestamp()) * 10**9
    return 0


def _nano(moment: int) -> str:
    whole = datetime.fromtimestamp(moment // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f"{moment % 10**9:09d}".rstrip("0")  # as Go writes it
    return f"{whole}.{fraction}Z" if fraction else f"{whole}Z"


class Life:
    """One pod on its machine."""

    def __init__(self, kubelet: Kubelet, name: str, ip: str) -> None:
        self.kubelet, self.store, self.name, self.ip = kubelet, kubelet.store, name, ip
        pod = self.store.get("pods", name)
        self.spec: Thing = pod["spec"]
        self.download: Thing = {
            "name": "download",
            "state": {"waiting": {"reason": "PodInitializing"}},
            "restartCount": 0,
        }
        self.program: Thing = {
            "name": "program",
            "state": {"waiting": {"reason": "PodInitializing"}},
            "restartCount": 0,
            "ready": False,
            "started": False,
        }
        self.folder = kubelet.folders[name] = volume()
        self.door: asyncio.Server | None = None
        self.connections: set[asyncio.Task[None]] = set()

    @property
    def pod(self) -> Thing | None:
        return self.store.things["pods"].get(self.name)

    @property
    def is_leaving(self) -> bool:
        return self.pod is None or bool(self.pod["metadata"].get("deletionTimestamp"))

    async def run(self) -> None:
        if await self._begin():
            while not self.is_leaving:
                await self._once()
                if not self.is_leaving:
                    await self._back_off(self.program)
                    self.program["restartCount"] += not self.is_leaving
        await self._close_door()
        self.kubelet.processes.pop(self.name, None)
        if (pod := self.pod) is not None:
            freed = copy.deepcopy(pod)
            freed["metadata"]["finalizers"] = [f for f in freed["metadata"].get("finalizers", []) if f != "kubelet"]
            self.store.update("pods", freed)
        shutil.rmtree(self.folder, ignore_errors=True)

    async def _begin(self) -> bool:
        """Images and the download; False when the pod was ended before."""
        for container, status in (
            (self.spec["initContainers"][0], self.download),
            (self.spec["containers"][0], self.program),
        ):
            while container["image"] in self.kubelet.missing_images and not self.is_leaving:
                why = f'Back-off pulling image "{container["image"]}": not found'
                status["state"] = {"waiting": {"reason": "ImagePullBackOff", "message": why}}
                self.tell()
                await asyncio.sleep(0.1)
        self.program["state"] = {"waiting": {"reason": "PodInitializing"}}
        while not self.is_leaving:
            env = await self._environment(self.spec["initContainers"][0], self.download)
            if env is None:
                return False
            self.download["state"] = {"running": {"startedAt": stamp()}}
            self.tell()
            code, said = await self.kubelet.runtime.download(self.spec["initContainers"][0], env, self.folder)
            ended = {
                "exitCode": code,
                "reason": "Error" if code else "Completed",
                "message": said[-2048:] if code else "",
            }
            self.download["state"] = {"terminated": ended}
            self.tell()
            if not code:
                return True
            self.download["lastState"] = {"terminated": ended}
            await self._back_off(self.download)
            self.download["restartCount"] += 1
        return False

    async def _back_off(self, status: Thing) -> None:
        seconds = min(300.0, self.kubelet.backoff_seconds * 2 ** status["restartCount"])
        status["lastState"] = {"terminated": status["state"].get("terminated", {"exitCode": 137})}
        why = f"back-off {seconds:g}s restarting failed container"
        status["state"] = {"waiting": {"reason": "CrashLoopBackOff", "message": why}}
        self.tell()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self.is_leaving:
            await asyncio.sleep(_TICK)

    async def _environment(self, container: Thing, status: Thing) -> dict[str, str] | None:
        """Waits for Secrets that are not there."""
        while not self.is_leaving:
            try:
                return {each["name"]: self._value(each) for each in container.get("env") or []}
            except (KeyError, Refused) as error:
                status["state"] = {"waiting": {"reason": "CreateContainerConfigError", "message": f"secret {error}"}}
                self.tell()
                await asyncio.sleep(0.1)
        return None

    def _value(self, variable: Thing) -> str:
        if "value" in variable:
            return variable["value"]
        reference = variable["valueFrom"]["secretKeyRef"]
        return base64.b64decode(self.store.get("secrets", reference["name"])["data"][reference["key"]]).decode()

    # --- One start of the program -------------------------------------------------------------------------------------

    async def _once(self) -> None:
        container = self.spec["containers"][0]
        env = await self._environment(container, self.program)
        if env is None:
            return
        process = await self.kubelet.runtime.start(container, env, self.folder)
        output = Output()
        self.kubelet.outputs.setdefault(self.name, []).append(output)
        self.kubelet.processes[self.name] = process
        has_startup = "startupProbe" in container
        self.program |= {"state": {"running": {"startedAt": stamp()}}, "started": not has_startup, "ready": False}
        self.tell()
        probing = asyncio.create_task(self._probe(container, process))
        stopping: asyncio.Task[None] | None = None
        while (ended := process.ended()) is None:
            self._take(process, output)
            await self._mind_door(process)
            if self.is_leaving and stopping is None:
                stopping = asyncio.create_task(self._stop(container, process))
            await asyncio.sleep(_TICK)
        probing.cancel()
        await self._close_door()
        self._take(process, output)
        output.close()
        reason = "OOMKilled" if ended.was_oom else "Error" if ended.code else "Completed"
        code = 137 if ended.code is None else ended.code
        over = {"exitCode": code, "reason": reason, "finishedAt": stamp(), "startedAt": stamp()}
        self.program |= {"state": {"terminated": over}, "ready": False, "started": False}
        self.tell()
        if stopping is not None:
            stopping.cancel()

    def _take(self, process: Process, output: Output) -> None:
        for at, data in process.output():
            output.add(at, data)

    async def _stop(self, container: Thing, process: Process) -> None:
        before = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        await asyncio.sleep(before)
        await asyncio.to_thread(process.terminate)
        await asyncio.sleep(self.spec["terminationGracePeriodSeconds"] - before)
        process.kill()

    async def _probe(self, container: Thing, process: Process) -> None:
        """Without probes a container is ready when it runs."""
        failures = 0
        while True:
            name = "startupProbe" if not self.program["started"] else "readinessProbe"
            probe = container.get(name)
            is_well = True
            if probe is not None:
                answer = await health.ask(process.address, probe["httpGet"]["path"]) if process.address else 200
                is_well = isinstance(answer, int) and 200 <= answer < 400
            failures = 0 if is_well else failures + 1
            if is_well:
                self.program |= {"started": True, "ready": True}
            elif self.program["started"] and failures >= 3:
                self.program["ready"] = False
                if failures >= 6:  # the liveness probe asks half as often
                    await asyncio.to_thread(process.terminate)
            elif not self.program["started"] and failures * probe["periodSeconds"] >= probe["failureThreshold"] * 10:
                await asyncio.to_thread(process.terminate)
            self.tell()
            await asyncio.sleep((probe or {}).get("periodSeconds", 1) / self.kubelet.hurry)

    # --- Its address --------------------------------------------------------------------------------------------------

    async def _mind_door(self, process: Process) -> None:
        """The pod's port is open while the program's is."""
        if self.door is None and process.address:
            try:
                (await dial(process.address)).close()
            except ReplicaGone:
                return
            port = self.spec["containers"][0]["ports"][0]["containerPort"]
            self.door = await asyncio.start_server(lambda r, w: self._pass(process, r, w), self.ip, port, backlog=512)

    async def _close_door(self) -> None:
        if self.door is not None:
            self.door.close()
            self.door = None
        for task in list(self.connections):
            task.cancel()

    async def _pass(self, process: Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.connections.add(task)
        try:
            inner_reader, inner = await asyncio.open_connection(sock=await dial(process.address))
            await asyncio.gather(_pump(reader, inner), _pump(inner_reader, writer))
        except (ReplicaGone, OSError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            self.connections.discard(task)
            writer.close()

    # --- Its status ---------------------------------------------------------------------------------------------------

    def tell(self) -> None:
        pod = self.pod
        if pod is None:
            return
        conditions = {each["type"]: each for each in pod.get("status", {}).get("conditions", [])}
        gates = [each["conditionType"] for each in self.spec.get("readinessGates") or []]
        is_open = all(conditions.get(gate, {}).get("status") == "True" for gate in gates)
        is_initialized = self.download["state"].get("terminated", {}).get("exitCode") == 0
        ready = self.program["ready"]
        conditions |= {
            "Initialized": _condition("Initialized", str(is_initialized), "", ""),
            "ContainersReady": _condition("ContainersReady", str(ready), "", ""),
            "Ready": _condition("Ready", str(ready and is_open), "" if is_open else "ReadinessGatesNotReady", ""),
        }
        status = {
            "phase": "Running" if is_initialized else "Pending",
            "podIP": self.ip,
            "conditions": list(conditions.values()),
            "initContainerStatuses": [copy.deepcopy(self.download)],
            "containerStatuses": [copy.deepcopy(self.program)],
        }
        self.store.status("pods", self.name, status)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
