"""`glia serve`: the API of every surface, and a worker, in one process."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import uvicorn
from prometheus_client import generate_latest

from glia import __version__
from glia.kit import telemetry
from glia.kit.errors import Conflict
from glia.surfaces.mcp.app import mcp_surface
from glia.surfaces.mcp.app import owns as is_mcp
from glia.surfaces.native.app import native_surface
from glia.surfaces.openai.app import openai_surface, openapi_paths, owns
from glia.surfaces.shared.asgi import App, Receive, Scope, Send, send_bytes, send_json
from glia.wiring import House

SURFACES = ("native", "openai", "mcp")
"""Names that `--listen NAME=PORT` takes."""


class VitalSigns:
    """What tells those who watch over a process how it is: /health, /ready and /metrics."""

    paths = frozenset({"/health", "/ready", "/metrics"})

    def __init__(self, house: House) -> None:
        self._house = house

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        match scope["path"]:
            case "/health":
                await send_json(send, 200, {"status": "ok", "version": __version__})
            case "/ready":
                await self._ready(send)
            case "/metrics":
                await send_bytes(send, 200, generate_latest(telemetry.registry), b"text/plain; version=0.0.4")
            case path:
                problem = {"code": "not_found", "message": f"There is only {', '.join(sorted(self.paths))}, no {path}."}
                await send_json(send, 404, {"error": problem})

    async def _ready(self, send: Send) -> None:
        """Ready to take runs: the database answers, and this process holds a lease."""
        checks = {"database": await self._house.db.is_reachable(), "worker": self._house.lease.worker_id is not None}
        is_ready = all(checks.values())
        await send_json(send, 200 if is_ready else 503, {"status": "ready" if is_ready else "not ready", **checks})


class Front:
    """Sends each request to the surface its path belongs to, and answers what belongs to none."""

    def __init__(self, house: House) -> None:
        self._signs = VitalSigns(house)
        self.native = native_surface(house, more_paths=openapi_paths())
        self.openai = openai_surface(house)
        self.mcp = mcp_surface(house)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path: str = scope["path"]
        if path in VitalSigns.paths:
            await self._signs(scope, receive, send)
        elif is_mcp(path):
            await self.mcp(scope, receive, send)
        elif owns(scope["method"], path):
            await self.openai(scope, receive, send)
        else:
            await self.native(scope, receive, send)


class Alone:
    """The OpenAI surface on a port of its own, where nobody else answers for its document."""

    def __init__(self, openai: App) -> None:
        self._openai = openai

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/openapi.json":
            info = {"title": "Glia, the OpenAI surface", "version": __version__}
            await send_json(send, 200, {"openapi": "3.1.0", "info": info, "paths": openapi_paths()})
        else:
            await self._openai(scope, receive, send)


class Server:
    """Listens for the house on its port, and for single surfaces on ports of their own."""

    def __init__(self, house: House, *, host: str, port: int, listen: Mapping[str, int]) -> None:
        """Binds at once, so that a port in use is told before anything else begins. Raises PortTaken."""
        front = Front(house)
        surfaces: dict[str, App] = {"native": front.native, "openai": Alone(front.openai), "mcp": front.mcp}
        places: list[tuple[App, int]] = [(front, port), *((surfaces[name], at) for name, at in listen.items())]
        self._sockets = [bind(host, at) for _, at in places]
        self._servers = [_Quiet(_config(app)) for app, _ in places]

    def listen(self) -> None:
        """Takes connections from now on, so that whoever is told of it next is not refused; `run` answers them."""
        for listener in self._sockets:
            listener.listen(_BACKLOG)

    async def run(self, stop: asyncio.Event) -> None:
        """Serves until told to stop, then gives open requests three seconds to finish."""
        serving = [
            asyncio.create_task(server.serve(sockets=[socket]))
            for server, socket in zip(self._servers, self._sockets, strict=True)
        ]
        await stop.wait()
        for server in self._servers:
            server.should_exit = True
        await asyncio.gather(*serving)


async def show_vital_signs(house: House, stop: asyncio.Event, *, host: str, port: int) -> None:
    """Answers /health, /ready and /metrics until told to stop: all that a worker listens for. Raises PortTaken."""
    listener = bind(host, port)
    server = _Quiet(_config(VitalSigns(house)))
    listener.listen(_BACKLOG)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    await stop.wait()
    server.should_exit = True
    await serving


_BACKLOG = 2048  # as uvicorn's own


class PortTaken(Conflict):
    code = "port_taken"


def bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise PortTaken(f"Cannot listen on {host}:{port}: {error.strerror}. Choose another with --port.") from None
    listener.setblocking(False)
    return listener


def raise_file_limit() -> int:
    """As many open files as the system allows this process: each stream takes one or two. Returns the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, 65_536) if hard != resource.RLIM_INFINITY else 65_536
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(soft, wanted)


def _config(app: App) -> uvicorn.Config:
    return uvicorn.Config(
        cast(Any, app),  # uvicorn's own ASGI types are narrower than the protocol
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        timeout_keep_alive=75,
        timeout_graceful_shutdown=3,
    )


class _Quiet(uvicorn.Server):
    """Leaves signals to us: several servers share this process."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield
