"""Runs inside a replica's sandbox: starts the program, opens connections to its port for the host, ends with it.

Its text is handed to the interpreter by `-c`, so it needs nothing but the standard library. Arguments: RLIMITS (as
`name=number` with commas), PORT, the port of the way out or 0, the number of a listening unix socket, then the
program's command line. On each connection to that socket the host writes one byte: `c` gets a descriptor connected to
PORT, `e` the socket that listens for the program's own requests, `t` sends SIGTERM to the program.
"""

import os
import resource
import select
import signal
import socket
import sys


def start(argv: list[str]) -> int:
    null = os.open("/dev/null", os.O_RDONLY)
    pid = os.fork()
    if pid:
        os.close(null)
        return pid
    os.setsid()
    os.dup2(null, 0)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvp(argv[0], argv)
    except OSError as error:
        os.write(2, f"{argv[0]} cannot be started: {error.strerror}\n".encode())
    os._exit(127)


def way_out(port: int) -> "socket.socket | None":
    """Where the program asks for others; the host takes its connections. Those it does not take wait."""
    if not port:
        return None
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(128)
    return listener


def reach(port: int) -> "socket.socket | None":
    """Connected, or about to be. Some programs listen on IPv6's loopback only, where `localhost` leads them."""
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            inner = socket.socket(family, socket.SOCK_STREAM)
        except OSError:  # this kernel has no IPv6
            return None
        inner.setblocking(False)
        code = inner.connect_ex((address, port))
        if code == 115 and select.select([], [inner], [], 0)[1]:  # it knows by now, unless the program is busy
            code = inner.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code in (0, 115):
            return inner
        inner.close()
    return None


def serve(host: socket.socket, port: int, pid: int, way: "socket.socket | None") -> None:
    host.settimeout(1)
    try:
        asked = host.recv(1)
        if asked == b"t":
            os.killpg(pid, signal.SIGTERM)
            host.sendall(b"k")
        elif asked == b"e" and way is not None:
            socket.send_fds(host, [b"k"], [way.fileno()])
        elif asked == b"c":
            inner = reach(port)
            if inner is None:
                host.sendall(b"x")
                return
            socket.send_fds(host, [b"k"], [inner.fileno()])
            inner.close()
    except OSError:
        return


def main() -> None:
    rlimits, port, way_port, fd, *argv = sys.argv[1:]
    for limit in rlimits.split(","):
        name, _, value = limit.partition("=")
        number = getattr(resource, "RLIMIT_" + name.upper())
        most = resource.getrlimit(number)[1]
        value = int(value) if most == resource.RLIM_INFINITY else min(int(value), most)
        resource.setrlimit(number, (value, value))
    listener = socket.socket(fileno=int(fd))
    listener.setblocking(False)
    os.set_inheritable(int(fd), False)
    woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    way = way_out(int(way_port))
    pid = start(argv)
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    poll.register(woken, select.POLLIN)
    while True:
        ready = [number for number, _ in poll.poll()]
        if woken in ready:
            os.read(woken, 4096)
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                code = os.waitstatus_to_exitcode(status)
                os._exit(code if code >= 0 else 128 - code)
        if listener.fileno() in ready:
            try:
                host, _ = listener.accept()
            except OSError:
                continue
            serve(host, int(port), pid, way)
            host.close()


main()
