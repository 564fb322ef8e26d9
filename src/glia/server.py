"""`glia serve`: the API of every surface, and a worker, in one process."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import socket
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import uvicorn

from glia.front import GRPC, Front, VitalSigns
from glia.kit.errors import Conflict
from glia.surfaces.shared.asgi import App
from glia.wiring import House

if TYPE_CHECKING:
    from glia.surfaces.neuais.rpc.server import GrpcServer


class Server:
    """Listens for the house on its port, and for single surfaces on ports of their own."""

    def __init__(self, house: House, *, host: str, port: int, listen: Mapping[str, int]) -> None:
        """Binds at once, so that a port in use is told before anything else begins. Raises PortTaken."""
        front = Front(house)
        alone = {name: at for name, at in listen.items() if name != GRPC}
        places: list[tuple[App, int]] = [(front, port), *((front.alone(name), at) for name, at in alone.items())]
        self._sockets = [bind(host, at) for _, at in places]
        self._servers = [_Quiet(_config(app)) for app, _ in places]
        self._grpc = _grpc(house, front, host, listen[GRPC], port) if GRPC in listen else None

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
        if self._grpc is not None:
            serving.append(asyncio.create_task(self._grpc.run(stop)))
        await stop.wait()
        for server in self._servers:
            server.should_exit = True
        await asyncio.gather(*serving)


def _grpc(house: House, front: Front, host: str, port: int, http_port: int) -> GrpcServer:
    # It would prepare each start of a program for forks that go on in Python, and log that it cannot.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
    from glia.surfaces.neuais.rpc.server import GrpcServer

    return GrpcServer(house, front, host=host, port=port, http_port=http_port)


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
_LARGEST_FRAME = 1024 * 1024


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


class _NoFault(logging.Filter):
    """What uvicorn takes for errors: a handshake that was refused with an answer of its own, as if it had never been
    answered; and each stream that was open when the server stopped, with a traceback, beside the line that counts
    them."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError):
            return False
        return record.getMessage() != "ASGI callable returned without completing handshake."


_NO_FAULT = _NoFault()


def _config(app: App) -> uvicorn.Config:
    from glia.endings import EndingWebSockets  # brings all of the WebSocket library

    logging.getLogger("uvicorn.error").addFilter(_NO_FAULT)
    return uvicorn.Config(
        cast(Any, app),  # uvicorn's own ASGI types are narrower than the protocol
        interface="asgi3",  # a surface may be a partial, which uvicorn would take for the older kind
        lifespan="off",
        log_config=None,
        log_level="warning",  # it would log the addresses of sockets, and some clients put keys there
        access_log=False,
        server_header=False,
        ws=EndingWebSockets,
        ws_max_size=_LARGEST_FRAME,
        ws_max_queue=16,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=3,
    )


class _Quiet(uvicorn.Server):
    """Leaves signals to us: several servers share this process."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield
