"""A cluster in a thread: API server, controllers and machines, on a port of this machine."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import uvicorn
import yaml

from tests.deployments.kubernetes.apiserver import TOKEN, ApiServer
from tests.deployments.kubernetes.containers import Runtime
from tests.deployments.kubernetes.controllers import Controllers, Machine
from tests.deployments.kubernetes.kubelet import Kubelet
from tests.deployments.kubernetes.store import Store

T = TypeVar("T")


class FakeCluster:
    def __init__(self, runtime: Runtime, machines: list[Machine]) -> None:
        self.store = Store()
        self.kubelet = Kubelet(self.store, runtime)
        self.controllers = Controllers(self.store, machines)
        self.api = ApiServer(self.store, self.kubelet)
        self.port = 0
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def start(self) -> None:
        self._thread.start()
        assert self._started.wait(10)

    def end(self) -> None:
        self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)

    def do(self, work: Callable[[], T]) -> T:
        """Runs something in the cluster's thread."""

        async def run() -> T:
            return work()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(10)

    def kubeconfig(self, folder: Path) -> Path:
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "fake",
            "contexts": [
                {"name": "fake", "context": {"cluster": "fake", "user": "glia", "namespace": self.store.namespace}}
            ],
            "clusters": [{"name": "fake", "cluster": {"server": f"http://127.0.0.1:{self.port}"}}],
            "users": [{"name": "glia", "user": {"token": TOKEN}}],
        }
        path = folder / "kubeconfig"
        path.write_text(yaml.safe_dump(content))
        return path

    async def _serve(self) -> None:
        self.loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(512)
        self.port = listener.getsockname()[1]
        config = uvicorn.Config(
            self.api, lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        server.capture_signals = _no_signals  # type: ignore[method-assign]
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        self._started.set()
        while not self._stop.is_set():
            self.controllers.step()
            self.kubelet.step()
            await self.store.changed.wait(0.1)
            await asyncio.sleep(0.02)
        await self.kubelet.close()
        server.should_exit = True
        await serving


def _no_signals() -> object:
    from contextlib import nullcontext

    return nullcontext()
