"""Runs inside a sandbox and does what the host asks: commands, files, connections. Since its start is part of every
sandbox's start, it imports only what is built into the interpreter, and `files.py` only when files are asked for.
One process listens, a forked one serves each connection.

    main RLIMITS EGRESS fd N            N: a socket over which the host hands us connections
    main RLIMITS EGRESS dial PATH       PATH: a unix socket of the host; the connection to it is such a socket
RLIMITS: `name=number` with commas. EGRESS: the unix socket to which 127.0.0.1:3128 is spliced, or `-`.
"""

from __future__ import annotations

import _socket
import errno
import os
import select
import sys

from .commands import kill_all_but, run_command, run_on_terminal, send_signal
from .link import CHUNK, Failed, Link, packed

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Mapping
    from typing import Any

    Operation = Callable[..., None]
else:
    import _signal as signal

EGRESS_PORT = 3128


# --- Connections ------------------------------------------------------------------------------------------------------


def connect_port(link: Link, port: bytes) -> None:
    inner = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    inner.settimeout(10)
    inner.connect(("127.0.0.1", int(port)))
    link.done()
    splice(link.socket, inner)


def splice(one: _socket.socket, other: _socket.socket) -> None:
    """Copies both ways, closing each direction by itself, until both are over."""
    poll = select.poll()
    ways = {one.fileno(): (one, other), other.fileno(): (other, one)}
    for fd, (source, _) in ways.items():
        source.settimeout(None)
        poll.register(fd, select.POLLIN)
    while ways:
        for fd, _ in poll.poll():
            source, target = ways[fd]
            try:
                data = source.recv(CHUNK)
                target.sendall(data)
                if data:
                    continue
                target.shutdown(_socket.SHUT_WR)
            except OSError:
                return
            poll.unregister(fd)
            del ways[fd]


def splice_egress(client: _socket.socket, path: str) -> None:
    upstream = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    upstream.settimeout(10)
    upstream.connect(path)
    splice(client, upstream)


# --- The two processes ------------------------------------------------------------------------------------------------


def ping(link: Link) -> None:
    link.done("glia-sandbox 1", os.getpid(), sys.version.split()[0])


def freeze(link: Link, number: bytes) -> None:
    """A signal to everybody but us: SIGSTOP and SIGCONT where the host has no freezer, SIGKILL for commands only. Those
    are in sessions of their own, and nobody can join ours."""
    if int(number) == signal.SIGKILL:
        kill_all_but(os.getsid(0))
    else:
        try:
            os.kill(-1, int(number))
        except ProcessLookupError:
            pass
    link.done()


INLINE: dict[bytes, Operation] = {b"ping": ping, b"signal": send_signal, b"freeze": freeze}


def operations() -> Mapping[bytes, Operation]:
    from . import files  # a process that serves files may take its time to start

    return files.OPERATIONS


def answer(link: Link, table: Mapping[bytes, Operation]) -> None:
    """One operation, and why it failed if it did."""
    try:
        operation, *arguments = link.message()
        known = table if operation in table else operations()
        if operation not in known:
            raise Failed("ENOSYS", "no such operation")
        known[operation](link, *arguments)
    except Failed as error:
        link.fail(error.code, str(error))
    except OSError as error:
        name = errno.errorcode.get(error.errno or 0, "EIO")
        link.fail(name, error.strerror or str(error))


FORKED: dict[bytes, Operation] = {b"exec": run_command, b"pty": run_on_terminal, b"tcp": connect_port}


def serve(fd: int, closing: list[int]) -> None:
    link = Link(fd)
    link.socket.settimeout(10)
    if link.socket.recv(1) == b"i":
        answer(link, INLINE)
        link.close()
        return
    link.socket.settimeout(None)
    forked(lambda: answer(link, FORKED), closing, link)
    link.close()


def forked(work: Callable[[], None], closing: list[int], link: Link | None = None) -> None:
    try:
        pid = os.fork()
    except OSError as error:
        if link is not None:
            link.send(b"f", packed([errno.errorcode.get(error.errno or 0, "EIO"), "no process to spare"]))
        return
    if pid:
        return
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for fd in closing:
            os.close(fd)
        work()
    finally:
        os._exit(0)


def accepted(socket: _socket.socket) -> int:
    accept: Callable[[], tuple[int, object]] = getattr(socket, "_" + "accept")  # what `accept` of `socket` is made of
    return accept()[0]


def relay(client: _socket.socket, egress: str, closing: list[int]) -> None:
    forked(lambda: splice_egress(client, egress), closing)
    client.close()


def restrict(text: str) -> None:
    import resource

    for pair in text.split(","):
        name, _, number = pair.partition("=")
        limit = int(number)
        resource.setrlimit(getattr(resource, f"RLIMIT_{name.upper()}"), (limit, limit))


def listener(family: int, address: Any, backlog: int) -> _socket.socket:
    socket = _socket.socket(family, _socket.SOCK_STREAM)
    socket.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
    socket.bind(address)
    socket.listen(backlog)
    return socket


def handed_over(control: _socket.socket) -> int | None:
    """A connection that the host sent. When the host is gone, so are we, and with us the sandbox."""
    data, ancillary, _, _ = control.recvmsg(1, _socket.CMSG_SPACE(4), _socket.MSG_CMSG_CLOEXEC)
    if not data:
        os._exit(0)
    return int.from_bytes(ancillary[0][2], sys.byteorder) if ancillary else None


def main() -> None:
    limits, egress, way, place = sys.argv[1:5]
    restrict(limits)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if way == "fd":
        os.set_inheritable(int(place), False)
        main_socket = _socket.socket(fileno=int(place))
    else:
        main_socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        main_socket.connect(place)
    waiting = {main_socket.fileno(): main_socket}
    if egress != "-":
        proxy = listener(_socket.AF_INET, ("127.0.0.1", EGRESS_PORT), 64)
        waiting[proxy.fileno()] = proxy
    null = os.open("/dev/null", os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    os.close(null)
    loop(main_socket, waiting, egress)


def loop(main_socket: _socket.socket, waiting: dict[int, _socket.socket], egress: str) -> None:
    poll = select.poll()
    for fd in waiting:
        poll.register(fd, select.POLLIN)
    while True:
        for fd, _ in poll.poll():
            try:
                if fd != main_socket.fileno():
                    relay(_socket.socket(fileno=accepted(waiting[fd])), egress, list(waiting))
                    continue
                made = handed_over(main_socket)
                if made is not None:
                    serve(made, list(waiting))
            except OSError:  # one connection that went wrong is no reason to stop
                continue


if __name__ == "__main__":
    main()
