"""The machine: Python, system, open files, the port."""

from __future__ import annotations

import asyncio
import errno
import json
import platform
import resource
import socket
import sys
from collections.abc import Iterator

from glia.cli.checks.finding import Finding, ok, problem, warning
from glia.kit.outbound import Outbound, OutboundFailed, OutboundPolicy, Timeouts

_OLDEST = (3, 11)
_FEW_FILES = 4096


def check_machine(port: int) -> Iterator[Finding]:
    yield _python()
    yield _system()
    yield _open_files()
    yield _port(port)


def _python() -> Finding:
    version = platform.python_version()
    if sys.version_info < _OLDEST:
        return problem(
            f"This is Python {version}.", "Glia needs 3.11 or newer.", "Install a newer Python; start with `./glia`."
        )
    if sys.implementation.name != "cpython":
        return warning(
            f"This is {platform.python_implementation()} {version}.", "Only CPython is tested.", "Use CPython."
        )
    return ok(f"Python {version} in {sys.prefix}.")


def _system() -> Finding:
    name = f"{platform.system()} {platform.release()} on {platform.machine()}"
    is_known = platform.system() in ("Linux", "Darwin") and platform.machine() in ("x86_64", "aarch64", "arm64")
    if is_known:
        return ok(f"{name}.")
    return warning(
        f"{name}.",
        "The embedded PostgreSQL comes built for Linux and macOS on x86-64 and ARM.",
        "Set GLIA_DATABASE_URL to a PostgreSQL of your own that has pgvector.",
    )


def _open_files() -> Finding:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or hard >= _FEW_FILES:
        return ok(f"A process may have {'any number of' if hard == resource.RLIM_INFINITY else hard} open files.")
    return warning(
        f"A process may have only {hard} open files.",
        "Each open event stream takes one or two; past the limit new connections are refused.",
        "Raise the hard limit, for example with `ulimit -Hn 65536` or LimitNOFILE= in the service's unit.",
    )


def _port(port: int) -> Finding:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                return warning(
                    f"Port {port} cannot be used: {error.strerror}.",
                    "`glia serve` listens there unless told otherwise.",
                    "Choose another with `glia serve --port`.",
                )
        else:
            return ok(f"Port {port} is free.")
    if asyncio.run(_is_glia(port)):
        return ok(f"Glia answers on port {port}.")
    return warning(
        f"Port {port} is taken by another program.",
        "`glia serve` listens there unless told otherwise, and would refuse to start.",
        f"Stop that program (`ss -ltnp 'sport = :{port}'` names it), or choose another port with `glia serve --port`.",
    )


async def _is_glia(port: int) -> bool:
    outbound = Outbound(OutboundPolicy())
    timeouts = Timeouts(connect_seconds=2, idle_seconds=2, total_seconds=3)
    try:
        answer = await outbound.request("GET", f"http://127.0.0.1:{port}/health", timeouts=timeouts, trusted=True)
        return answer.status == 200 and "version" in json.loads(answer.body)
    except (OutboundFailed, ValueError):
        return False
    finally:
        await outbound.close()
