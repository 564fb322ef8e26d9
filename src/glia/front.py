"""Sends each request to the surface its path belongs to. A surface is imported and built when first asked for."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Mapping
from functools import partial

from prometheus_client import generate_latest

from glia import __version__
from glia.console.app import Console
from glia.kit import telemetry
from glia.kit.origins import AllowedOrigins
from glia.surfaces.mcp.app import owns as is_mcp
from glia.surfaces.openai.app import openai_document, openapi_paths, owns
from glia.surfaces.shared.asgi import App, Receive, Scope, Send, send_bytes, send_json
from glia.surfaces.shared.cors import across_origins
from glia.wiring import House

MAKERS: dict[str, str] = {
    "native": "glia.surfaces.native.app:native_surface",
    "openai": "glia.surfaces.openai.app:openai_surface",
    "mcp": "glia.surfaces.mcp.app:mcp_surface",
    "neuronagent": "glia.surfaces.neuronagent.app:neuronagent_surface",
    "neura": "glia.surfaces.neura.app:neura_surface",
    "neuralhub": "glia.surfaces.neuralhub.app:neuralhub_surface",
    "auvy": "glia.surfaces.auvy.app:auvy_surface",
    "neuais": "glia.surfaces.neuais.app:neuais_surface",
    "deployments": "glia.surfaces.deployments.app:deployments_surface",
    "programs": "glia.surfaces.programs.app:programs_surface",
}
"""Where each surface is made. All but the first three answer under `/<name>`."""

GRPC = "neuais-grpc"
"""NeuAIs' API over gRPC, which has no address but a port of its own."""

SURFACES = (*MAKERS, GRPC)
"""Names that `--listen NAME=PORT` takes."""

_AT_ROOT = frozenset({"native", "openai", "mcp"})

_OF_PROGRAMS = frozenset({"deployments", "programs"})
"""What answers there is not ours: a deployed program says itself whose pages may call it."""


class Lazily:
    """A surface that is imported and built at its first request, beside the event loop: that takes up to a second."""

    def __init__(self, maker: str, make: Callable[[Callable[..., App]], App]) -> None:
        """maker: `module:function`. make: calls the function."""
        self._maker = maker
        self._make = make
        self._lock = asyncio.Lock()
        self._app: App | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app or await self._made()
        await app(scope, receive, send)

    async def _made(self) -> App:
        async with self._lock:
            if self._app is None:
                module, _, name = self._maker.partition(":")
                found = await asyncio.to_thread(importlib.import_module, module)
                self._app = self._make(getattr(found, name))
            return self._app


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
    """Every surface of the house under one address."""

    def __init__(self, house: House) -> None:
        self._signs = VitalSigns(house)
        self._console = Console()
        self.surfaces: dict[str, App] = {}
        allowed = AllowedOrigins.from_setting(house.settings.allowed_origins)
        for name, maker in MAKERS.items():
            made = Lazily(maker, _making(name, house, self.surfaces))
            self.surfaces[name] = made if name in _OF_PROGRAMS else across_origins(made, allowed)

    def alone(self, name: str) -> App:
        """A surface on a port of its own, where it answers without its prefix."""
        if name == "openai":
            return _alone(self.surfaces[name])
        if name == "neuais":
            return partial(_with_programs, self.surfaces)
        return partial(_with_mcp, self.surfaces) if name == "neuralhub" else self.surfaces[name]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            return
        path: str = scope["path"]
        name = path[1:].partition("/")[0]
        if path in VitalSigns.paths:
            await self._signs(scope, receive, send)
        elif name in self.surfaces and name not in _AT_ROOT:
            await self.surfaces[name](_below(scope, f"/{name}"), receive, send)
        elif is_mcp(path):
            await self.surfaces["mcp"](scope, receive, send)
        elif scope["type"] == "http" and owns(scope["method"], path):
            await self.surfaces["openai"](scope, receive, send)
        elif self._console.owns(scope):
            await self._console(scope, receive, send)
        else:
            await self.surfaces["native"](scope, receive, send)


def _making(name: str, house: House, surfaces: Mapping[str, App]) -> Callable[[Callable[..., App]], App]:
    if name == "native":  # its document also tells of the routes that OpenAI's surface has at the same address
        return lambda maker: maker(house, more_paths=openapi_paths())
    if name == "neuralhub":  # its chat completions are OpenAI's, whole
        return lambda maker: maker(house, openai=surfaces["openai"])
    return lambda maker: maker(house)


async def _with_mcp(surfaces: Mapping[str, App], scope: Scope, receive: Receive, send: Send) -> None:
    """NeuralHub on a port of its own, with the MCP endpoint that its manifest names."""
    name = "mcp" if scope["type"] == "http" and is_mcp(scope["path"]) else "neuralhub"
    await surfaces[name](scope, receive, send)


async def _with_programs(surfaces: Mapping[str, App], scope: Scope, receive: Receive, send: Send) -> None:
    """NeuAIs on a port of its own, with the programs whose addresses it gives."""
    if scope["path"].startswith("/deployments/"):
        return await surfaces["deployments"](_below(scope, "/deployments"), receive, send)
    return await surfaces["neuais"](scope, receive, send)


def _below(scope: Scope, prefix: str) -> Scope:
    """The request as the surface sees it. Its own addresses begin with `scope["state"]["prefix"]`."""
    state = {**scope.get("state", {}), "prefix": prefix}
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    path, raw = scope["path"][len(prefix) :] or "/", raw[len(prefix) :] or b"/"
    return {**scope, "path": path, "raw_path": raw, "state": state}


def _alone(openai: App) -> App:
    return partial(with_document, openai)


async def with_document(openai: App, scope: Scope, receive: Receive, send: Send) -> None:
    """The OpenAI surface, where nobody else answers for its document."""
    if scope["type"] == "http" and scope["path"] == "/openapi.json":
        await send_json(send, 200, openai_document(__version__))
    elif scope["type"] == "http" and scope["path"] == "/docs":
        from glia.surfaces.openai.pages import openai_docs  # takes the framework along, which nobody else here needs

        await send_bytes(send, 200, openai_docs(__version__).encode(), b"text/html; charset=utf-8")
    else:
        await openai(scope, receive, send)
