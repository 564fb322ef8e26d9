"""Stands beside one replica on the host and outlives the supervisor: it starts bubblewrap, keeps in files what the
program writes until the supervisor has read it, and writes down how it ended. When it dies, the kernel kills the
replica.

Run as a script with the bare interpreter, so that fifty of them weigh little: only the standard library's small
modules. Arguments: the replica's folder, the most bytes of output to keep unread, the supervisor's socket for notes,
the number of the descriptor on which bubblewrap says its first process, the descriptors that are for bubblewrap, and
its command line.

Output lies in files named by numbers, in records: time (8 bytes, seconds), size (4 bytes), bytes.
"""

import json
import os
import select
import signal
import socket
import struct
import sys
import time

_SEGMENT_BYTES = 1024 * 1024
_CHUNK = 65536 - 256  # with what is said before it, a record stays below what is read at once
_DROPPED = b"\n%d bytes of output were dropped: they came too fast, or the disk is full\n"
_RING_SECONDS = 0.02
_AGAIN_MS, _LONG_MS = 500, 3_600_000


def start(argv: list[str], fds: list[int]) -> tuple[int, int]:
    out, out_in = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(out_in, 1)
        os.dup2(out_in, 2)
        for fd in fds:
            os.set_inheritable(fd, True)
        try:
            os.execve(argv[0], argv, {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin"})
        except OSError as error:
            os.write(2, f"{argv[0]}: {error.strerror}\n".encode())
        os._exit(126)
    os.close(out_in)
    return pid, out


class Output:
    """The files that the supervisor reads and removes."""

    def __init__(self, folder: str, most: int) -> None:
        self.folder, self.most = folder, most
        # No two starts of a replica use the same names, so that a place in the output of one is none in the other's.
        self.first = self.number = time.time_ns() // 1000
        self.file, self.size, self.dropped = -1, 0, 0

    def write(self, data: bytes) -> None:
        """A full disk must not stop the program: what cannot be kept is counted."""
        try:
            if self.number > self.first and self.unread() > self.most:
                self.dropped += len(data)
                return
            self.open()
            self.put((_DROPPED % self.dropped if self.dropped else b"") + data)
            self.dropped = 0
        except OSError:
            self.dropped += len(data)

    def open(self) -> None:
        if self.file >= 0 and self.size < _SEGMENT_BYTES:
            return
        number = self.number if self.file < 0 else self.number + 1
        path = os.path.join(self.folder, str(number))
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        if self.file >= 0:
            os.close(self.file)
        self.file, self.number, self.size = file, number, 0

    def put(self, data: bytes) -> None:
        record = struct.pack("<dI", time.time(), len(data)) + data
        written = os.write(self.file, record)
        if written < len(record):  # half a record would make nonsense of all that follow
            os.ftruncate(self.file, self.size)
            raise OSError("no space")
        self.size += written

    def unread(self) -> int:
        return sum(entry.stat().st_size for entry in os.scandir(self.folder))


class Bell:
    """Tells the supervisor that there is something to read, at most fifty times a second."""

    def __init__(self, place: str, name: str) -> None:
        """place: a datagram socket, which may come and go."""
        folder = os.open(os.path.dirname(place), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self.place = f"/proc/self/fd/{folder}/{os.path.basename(place)}"  # any path is short enough so
        self.name = name.encode()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.rung_at, self.is_owed = 0.0, False

    def ring(self, note: bytes = b"") -> None:
        self.rung_at, self.is_owed = time.monotonic(), False
        try:
            self.socket.sendto(self.name + note, self.place)
        except BlockingIOError:  # too many ring at once
            self.is_owed = not note
        except OSError:  # nobody listens: whoever does next looks at all
            return

    def soon(self) -> None:
        self.is_owed = True

    def wait(self) -> float:
        """Milliseconds until it is to be rung."""
        if not self.is_owed:
            return _LONG_MS
        return max(0.0, (self.rung_at + _RING_SECONDS - time.monotonic()) * 1000)


def note(folder: str, name: str, content: object) -> None:
    path = os.path.join(folder, name)
    try:
        with open(path + ".new", "w") as file:
            file.write(json.dumps(content))
        os.rename(path + ".new", path)
    except OSError:  # a full disk; the supervisor can do without
        return


def main() -> None:
    folder, most, place, info, passed, *argv = sys.argv[1:]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # only the supervisor's SIGKILL ends it before its program
    fds = [int(fd) for fd in passed.split(",")]
    bwrap, out = start(argv, fds)
    for fd in fds:
        os.close(fd)
    output, bell = Output(os.path.join(folder, "output"), int(most)), Bell(place, os.path.basename(folder))
    carry(folder, out, int(info), output, bell)
    _, status = os.waitpid(bwrap, 0)
    if output.dropped:
        output.most = 1 << 62
        output.write(b"\n")
    code = os.waitstatus_to_exitcode(status)
    note(folder, "ended", code if code >= 0 else 128 - code)
    bell.ring(b"!")


def carry(folder: str, out: int, info: int, output: Output, bell: Bell) -> None:
    """Until nobody can write any more."""
    told = b""
    poll = select.poll()
    poll.register(out, select.POLLIN)
    poll.register(info, select.POLLIN)
    while True:
        ready = poll.poll(min(bell.wait(), _AGAIN_MS if output.dropped else _LONG_MS))
        if output.dropped and not ready:
            output.write(b"")  # says so as soon as there is room, also when nothing more comes
            bell.soon()
        for fd, _ in ready:
            chunk = os.read(fd, _CHUNK)
            if fd == out:
                if not chunk:
                    return
                output.write(chunk)
                bell.soon()
            elif chunk:
                told += chunk
                if told.count(b"}"):
                    note(folder, "init", json.loads(told)["child-pid"])
            else:
                poll.unregister(info)
        if bell.wait() == 0:
            bell.ring()


main()
