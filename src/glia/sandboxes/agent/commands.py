"""The part of the agent that runs commands."""

from __future__ import annotations

import errno
import os
import select
import time

from .link import CHUNK, Link, packed

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
else:
    import _signal as signal

MARK = "SANDBOX_COMMAND"
TIOCSWINSZ = 0x5414  # of Linux, but for MIPS, PowerPC and SPARC, on which no backend runs

# Python ignores some signals, and so do we; a program that we start expects the defaults.
RESET_SIGNALS = (
    signal.SIGPIPE,
    signal.SIGCHLD,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGXFSZ,
)


def run_command(link: Link, cwd: bytes, timeout_ms: bytes, output_bytes: bytes, count: bytes, *rest: bytes) -> None:
    argv, env, mark = program(count, rest)
    ins, outs, errs = os.pipe(), os.pipe(), os.pipe()
    started = time.monotonic()
    pid = spawn(argv, env, cwd or b"/workspace", (ins[0], outs[1], errs[1]))
    for fd in (ins[0], outs[1], errs[1]):
        os.close(fd)
    link.send(b"p", packed([pid]))
    running = Running(link, pid, mark, ins[1], {outs[0]: b"o", errs[0]: b"r"}, int(output_bytes))
    running.follow(started + int(timeout_ms) / 1000)
    tell_end(link, running, started)
    link.close()
    discard(running.outputs)


def run_on_terminal(
    link: Link,
    columns: bytes,
    rows: bytes,
    cwd: bytes,
    timeout_ms: bytes,
    output_bytes: bytes,
    count: bytes,
    *rest: bytes,
) -> None:
    """As `run_command`, with a terminal for input and both outputs. When the program ends, so does its terminal."""
    argv, env, mark = program(count, rest)
    ours, theirs = os.openpty()
    resize(ours, columns, rows)
    started = time.monotonic()
    pid = spawn(argv, env, cwd or b"/workspace", (theirs, theirs, theirs), terminal=os.ttyname(theirs))
    os.close(theirs)
    link.send(b"p", packed([pid]))
    running = Running(link, pid, mark, os.dup(ours), {ours: b"o"}, int(output_bytes))
    running.follow(started + int(timeout_ms) / 1000)
    tell_end(link, running, started)
    link.close()


def program(count: bytes, rest: tuple[bytes, ...]) -> tuple[tuple[bytes, ...], dict[bytes, bytes], bytes]:
    """Its arguments, its variables, and the mark by which whatever it starts is known."""
    argv, env = rest[: int(count)], dict(os.environb)
    for pair in rest[int(count) :]:
        name, _, value = pair.partition(b"=")
        env[name] = value
    mark = os.fsencode(f"{os.getpid()}.{time.monotonic_ns()}")
    env[MARK.encode()] = mark
    return argv, env, mark


def tell_end(link: Link, running: Running, started: float) -> None:
    code = os.waitstatus_to_exitcode(running.status)
    flags = (int(running.is_late), int(running.is_cut))
    link.send(b"x", packed([code, *flags, int((time.monotonic() - started) * 1e6), int(running.cpu_seconds * 1e6)]))
    link.outlast()


def resize(terminal: int, columns: bytes, rows: bytes) -> None:
    import fcntl  # only terminals need it, and each is served by a process of its own
    import sys

    size = [min(65535, max(1, int(number))).to_bytes(2, sys.byteorder) for number in (rows, columns)]
    fcntl.ioctl(terminal, TIOCSWINSZ, b"".join(size) + bytes(4))


def spawn(
    argv: tuple[bytes, ...],
    env: dict[bytes, bytes],
    cwd: bytes,
    standard: tuple[int, int, int],
    terminal: str | None = None,
) -> int:
    """Starts a program as the leader of a session of its own. An error of its start is raised here.
    terminal: the name of the one that controls the session."""
    told, tell = os.pipe()
    pid = os.fork()
    if pid:
        os.close(tell)
        problem = os.read(told, 64)
        os.close(told)
        if problem:
            os.waitpid(pid, 0)
            where, number = problem.split(b" ")
            raise OSError(int(number), os.strerror(int(number)), cwd if where == b"cwd" else argv[0])
        return pid
    where = b"program"
    try:
        os.setsid()
        if terminal is not None:
            os.close(os.open(terminal, os.O_RDWR))  # the first terminal that a leader opens becomes its session's
        for target, fd in enumerate(standard):
            os.dup2(fd, target)
        for number in RESET_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        put_first_in_line()
        where = b"cwd"
        os.chdir(cwd)
        where = b"program"
        execute(argv, env)
    except OSError as error:
        os.write(tell, b"%s %d" % (where, error.errno or 0))
    os._exit(127)


def execute(argv: tuple[bytes, ...], env: dict[bytes, bytes]) -> None:
    if b"/" in argv[0]:
        os.execve(argv[0], argv, env)
    refused = errno.ENOENT
    for folder in env.get(b"PATH", b"/usr/bin").split(b":"):
        try:
            os.execve(folder + b"/" + argv[0], argv, env)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                refused = error.errno or refused
    raise OSError(refused, os.strerror(refused))


def put_first_in_line() -> None:
    """When memory runs out, commands go before the agent."""
    try:
        with open("/proc/self/oom_score_adj", "wb", 0) as file:
            file.write(b"700")
    except OSError:
        pass


class Running:
    """A command between its start and its end: moves bytes until it exits, is late, or the host goes away."""

    def __init__(self, link: Link, pid: int, mark: bytes, stdin: int, outputs: dict[int, bytes], left: int) -> None:
        self.link, self.pid, self.mark, self.left = link, pid, mark, left
        self.stdin: int | None = stdin
        self.outputs = outputs
        self.to_host, self.to_stdin, self.from_host = b"", b"", b""
        self.is_late = self.is_cut = self.is_stdin_over = False
        self.status, self.cpu_seconds = 0, 0.0
        self.exit = os.pidfd_open(pid)
        for fd in (stdin, *outputs):
            os.set_blocking(fd, False)
        link.socket.setblocking(False)

    def follow(self, deadline: float) -> None:
        poll = select.poll()
        host = self.link.socket.fileno()
        while True:
            events = self.wait(poll, host, deadline)
            if self.exit in events or time.monotonic() >= deadline:
                break
            self.exchange(events, host)
        if self.exit not in events:
            self.is_late = True
            kill_tree(self.pid, self.mark)
        _, self.status, usage = os.wait4(self.pid, 0)
        self.cpu_seconds = usage.ru_utime + usage.ru_stime
        self.link.socket.setblocking(True)
        self.drain()

    def wait(self, poll: select.poll, host: int, deadline: float) -> dict[int, int]:
        wanted = {self.exit: select.POLLIN}
        wanted[host] = (select.POLLOUT if self.to_host else 0) | (0 if self.to_stdin else select.POLLIN)
        if not self.to_host:
            wanted.update(dict.fromkeys(self.outputs, select.POLLIN))
        if self.to_stdin and self.stdin is not None:
            wanted[self.stdin] = select.POLLOUT
        for fd, events in wanted.items():
            poll.register(fd, events)
        left = max(0.0, deadline - time.monotonic())
        found = dict(poll.poll(int(left * 1000) + 1))
        for fd in wanted:
            poll.unregister(fd)
        return found

    def exchange(self, events: dict[int, int], host: int) -> None:
        if host in events:
            self.hear(events[host])
        if self.to_host and events.get(host, 0) & select.POLLOUT:
            self.to_host = self.to_host[self.link.socket.send(self.to_host) :]
        if self.stdin is not None and self.stdin in events:
            self.feed()
        for fd in [fd for fd in self.outputs if fd in events]:
            self.take(fd)

    def hear(self, events: int) -> None:
        """Chunks for stdin. When the host hangs up, the command is not wanted any more."""
        if not events & (select.POLLIN | select.POLLHUP | select.POLLERR):
            return
        try:
            data = self.link.socket.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            kill_tree(self.pid, self.mark)
            os._exit(0)
        self.from_host += data
        while len(self.from_host) >= 5:
            end = 5 + int.from_bytes(self.from_host[1:5], "big")
            if len(self.from_host) < end:
                break
            kind, content, self.from_host = self.from_host[:1], self.from_host[5:end], self.from_host[end:]
            if kind == b"z":
                self.resize(content)
                continue
            self.is_stdin_over = self.is_stdin_over or kind == b"e"
            self.to_stdin += content
        self.feed()

    def resize(self, content: bytes) -> None:
        columns, _, rows = content.partition(b" ")
        for fd in self.outputs:
            try:
                resize(fd, columns, rows)
            except (OSError, ValueError):  # no terminal, which then has no size
                continue

    def feed(self) -> None:
        if self.stdin is None:
            self.to_stdin = b""
            return
        try:
            if self.to_stdin:
                self.to_stdin = self.to_stdin[os.write(self.stdin, self.to_stdin) :]
        except BlockingIOError:
            return
        except OSError:  # it closed its stdin, which is its right
            self.is_stdin_over, self.to_stdin = True, b""
        if self.is_stdin_over and not self.to_stdin:
            os.close(self.stdin)
            self.stdin = None

    def take(self, fd: int) -> bool:
        """True when there was output to take."""
        try:
            data = os.read(fd, CHUNK)
        except BlockingIOError:
            return False
        except OSError:  # how a terminal says that no program holds it any more
            data = b""
        if not data:
            os.close(fd)
            del self.outputs[fd]
            return False
        kept = data[: self.left]
        self.left -= len(kept)
        self.is_cut = self.is_cut or len(kept) < len(data)
        if kept:
            self.to_host += self.outputs[fd] + len(kept).to_bytes(4, "big") + kept
        return True

    def drain(self) -> None:
        """What lies in the pipes at the exit, and no more: a child in the background may hold them open for ever."""
        until = time.monotonic() + 1.0
        for fd in list(self.outputs):
            for _ in range(32):
                if time.monotonic() > until or not self.take(fd):
                    break
                self.link.socket.sendall(self.to_host)
                self.to_host = b""
        self.link.socket.sendall(self.to_host)


def discard(outputs: dict[int, bytes]) -> None:
    """Reads on for a child in the background that still writes there, so that it does not die of a broken pipe."""
    for fd in outputs:
        os.set_blocking(fd, True)
    while outputs:
        readable, _, _ = select.select(list(outputs), [], [])
        for fd in readable:
            if not os.read(fd, CHUNK):
                os.close(fd)
                del outputs[fd]


def kill_tree(leader: int, mark: bytes) -> None:
    """Kills a command, its session, its descendants, and whoever still carries its mark."""
    for _ in range(100):
        victims = family(leader, mark)
        if not victims:
            return
        for pid in sorted(victims, key=lambda pid: pid != leader):  # a shell would otherwise see its child die, and end
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass


def kill_all_but(session: int) -> None:
    for _ in range(100):
        victims = [pid for pid, theirs in processes()[1].items() if theirs != session and pid != 1]
        if not victims:
            return
        for pid in victims:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass


def processes() -> tuple[dict[int, int], dict[int, int]]:
    """The parent and the session of every process that is not a zombie."""
    parents: dict[int, int] = {}
    sessions: dict[int, int] = {}
    for name in os.listdir("/proc"):
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                fields = file.read().rsplit(b")", 1)[1].split()
        except (OSError, IndexError):
            continue
        if name.isdigit() and fields[0] not in (b"Z", b"X"):
            parents[int(name)], sessions[int(name)] = int(fields[1]), int(fields[3])
    return parents, sessions


def family(leader: int, mark: bytes) -> set[int]:
    parents, sessions = processes()
    found = {pid for pid in parents if pid == leader or sessions[pid] == leader or is_marked(pid, mark)}
    while grown := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= grown
    return found - {os.getpid(), 1}


def is_marked(pid: int, mark: bytes) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return b"%s=%s\0" % (MARK.encode(), mark) in file.read(CHUNK * 4) + b"\0"
    except OSError:
        return False


def send_signal(link: Link, pid: bytes, number: bytes) -> None:
    """To the command's session; only processes that lead one are commands."""
    leader = int(pid)
    victims = [victim for victim, session in processes()[1].items() if session == leader > 2]
    if not victims or os.getpid() in victims:
        raise OSError(errno.ESRCH, "no such command")
    for victim in victims:
        try:
            os.kill(victim, int(number))
        except ProcessLookupError:
            continue
    link.done()
