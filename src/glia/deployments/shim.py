"""Stands beside one replica on the host and outlives the supervisor: it starts bubblewrap, keeps in files what the
program writes until the supervisor has read it, and writes down how it ended. When it dies, the kernel kills the
replica.

Run as a script with the bare interpreter, so that fifty of them weigh little: only the standard library's small
modules. Arguments: the replica's folder, the most bytes of output to keep unread, the number of the descriptor on which
bubblewrap says its first process, then bubblewrap's command line; the descriptors that it needs are inherited.

Output lies in files named by numbers, in records: time (8 bytes, seconds), size (4 bytes), bytes.
"""

import json
import os
import select
import signal
import struct
import sys
import time

_SEGMENT_BYTES = 1024 * 1024
_CHUNK = 65536


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
        self.size, self.dropped = 0, 0
        self.file = self.open()

    def open(self) -> int:
        path = os.path.join(self.folder, str(self.number))
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def write(self, data: bytes) -> None:
        if self.size >= _SEGMENT_BYTES:
            os.close(self.file)
            self.number, self.size = self.number + 1, 0
            self.file = self.open()
        try:
            if self.number > self.first and self.unread() > self.most:
                self.dropped += len(data)
                return
            if self.dropped:
                lost, self.dropped = self.dropped, 0
                self.put(b"\n%d bytes of output were dropped, because they came faster than they are read\n" % lost)
            self.put(data)
        except OSError:  # a full disk must not stop the program
            self.dropped += len(data)

    def put(self, data: bytes) -> None:
        record = struct.pack("<dI", time.time(), len(data)) + data
        written = os.write(self.file, record)
        if written < len(record):  # half a record would make nonsense of all that follow
            os.ftruncate(self.file, self.size)
            raise OSError("no space")
        self.size += written

    def unread(self) -> int:
        return sum(entry.stat().st_size for entry in os.scandir(self.folder))


def note(folder: str, name: str, content: object) -> None:
    path = os.path.join(folder, name)
    with open(path + ".new", "w") as file:
        file.write(json.dumps(content))
    os.rename(path + ".new", path)


def main() -> None:
    folder, most, info, passed, *argv = sys.argv[1:]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # only the supervisor's SIGKILL ends it before its program
    fds = [int(fd) for fd in passed.split(",")]
    bwrap, out = start(argv, fds)
    info = int(info)
    for fd in fds:
        os.close(fd)
    told = b""
    output = Output(os.path.join(folder, "output"), int(most))
    poll = select.poll()
    poll.register(out, select.POLLIN)
    poll.register(info, select.POLLIN)
    is_open = True
    while is_open:
        for fd, _ in poll.poll():
            chunk = os.read(fd, _CHUNK)
            if fd == out:
                is_open = bool(chunk)
                if chunk:
                    output.write(chunk)
            elif chunk:
                told += chunk
                if told.count(b"}"):
                    note(folder, "init", json.loads(told)["child-pid"])
            else:
                poll.unregister(info)
    _, status = os.waitpid(bwrap, 0)
    if output.dropped:
        output.most = 1 << 62
        output.write(b"\n")
    code = os.waitstatus_to_exitcode(status)
    note(folder, "ended", code if code >= 0 else 128 - code)


main()
