"""Connections to a replica's port, from any process of its machine: what runs inside opens them and hands them out."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from glia.deployments.errors import ReplicaGone

DIAL_SECONDS = 3.0


@contextmanager
def short_path(address: str) -> Generator[str]:
    """A unix socket's address may have 107 bytes; a folder's descriptor makes any path fit."""
    path = Path(address)
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def has_own_address(address: str) -> bool:
    """Whether it is in the network, and not a file of one machine."""
    return address.startswith("tcp://")


async def dial(address: str) -> socket.socket:
    """A connected socket to the program's port; the caller closes it. Raises ReplicaGone: the replica or its port is
    not there."""
    try:
        async with asyncio.timeout(DIAL_SECONDS):
            found = await (_reach(address) if has_own_address(address) else _ask(address))
            try:
                await _connected(found)
            except BaseException:
                found.close()
                raise
            return found
    except (OSError, TimeoutError) as error:
        raise ReplicaGone("The program does not take connections at its port.") from error


async def _reach(address: str) -> socket.socket:
    """`tcp://ADDRESS:PORT`, of a replica that has an address of its own. Raises OSError."""
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    found = socket.socket(socket.AF_INET6 if host.startswith("[") else socket.AF_INET, socket.SOCK_STREAM)
    try:
        found.setblocking(False)
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(found, (host.strip("[]"), int(port)))
    except BaseException:
        found.close()
        raise
    return found


async def _ask(address: str) -> socket.socket:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control:
        control.setblocking(False)
        with short_path(address) as path:
            await loop.sock_connect(control, path)
        control.send(b"c")
        readable = loop.create_future()
        loop.add_reader(control.fileno(), lambda: readable.done() or readable.set_result(None))
        try:
            await readable
        finally:
            loop.remove_reader(control.fileno())
        said, fds, _, _ = socket.recv_fds(control, 1, 1)
    found = _handed_over(said, fds)
    found.setblocking(False)
    if (
        found.family not in (socket.AF_INET, socket.AF_INET6) or found.type & socket.SOCK_STREAM == 0
    ):  # whatever the program slipped us
        found.close()
        raise ConnectionRefusedError
    return found


def _handed_over(said: bytes, fds: list[int]) -> socket.socket:
    """The one socket that came with the answer; whatever else came is closed. Raises ConnectionRefusedError."""
    try:
        if said != b"k" or len(fds) != 1 or not stat.S_ISSOCK(os.fstat(fds[0]).st_mode):
            raise ConnectionRefusedError
        found = socket.socket(fileno=fds[0])
        fds.clear()
    finally:
        for fd in fds:
            os.close(fd)
    return found


async def _connected(found: socket.socket) -> None:
    """The connection may still be under way. Raises OSError."""
    with suppress(OSError):
        found.getpeername()
        return
    loop = asyncio.get_running_loop()
    writable = loop.create_future()
    loop.add_writer(found.fileno(), lambda: writable.done() or writable.set_result(None))
    try:
        await writable
    finally:
        loop.remove_writer(found.fileno())
    if code := found.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        raise OSError(code, os.strerror(code))


def way_out(address: str) -> socket.socket:
    """The socket at which the program asks for others, listening in its own network. Blocking, for at most a second.
    Raises OSError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control, short_path(address) as path:
        control.settimeout(1)
        control.connect(path)
        control.sendall(b"e")
        said, fds, _, _ = socket.recv_fds(control, 1, 1)
    found = _handed_over(said, fds)
    is_listening = found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    if found.family != socket.AF_INET or not is_listening:  # whatever the program slipped us
        found.close()
        raise ConnectionRefusedError
    found.setblocking(False)
    return found


def terminate(address: str) -> None:
    """Asks the program to end, by SIGTERM. Blocking, for at most a second. Raises OSError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control, short_path(address) as path:
        control.settimeout(1)
        control.connect(path)
        control.sendall(b"t")
        control.recv(1)
