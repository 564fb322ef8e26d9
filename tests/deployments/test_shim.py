"""What stands beside a replica keeps its output, whatever the disk says, and rings when there is some."""

from __future__ import annotations

import json
import os
import re
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from glia.deployments import bubblewrap

MIB = 1024 * 1024
SIZE = 6_000_000
# Writes as fast as it can, says so, waits for a line on a pipe, and says its last word.
LOUD = "head -c {size} /dev/zero | tr '\\0' 'x'; echo; : > {go}.waits; read go < {go}; echo last; exit 3"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Three megabytes of it."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=3M", "tmpfs", str(place)]
    mounted = subprocess.run(command, capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"No file system can be mounted here: {mounted.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def records(folder: Path) -> bytes:
    found = b""
    for name in sorted((folder / "output").iterdir(), key=lambda place: int(place.name)):
        data = name.read_bytes()
        while data:
            _, length = struct.unpack("<dI", data[:12])
            found, data = found + data[12 : 12 + length], data[12 + length :]
    return found


class Beside:
    def __init__(self, folder: Path, bell: Path) -> None:
        self.folder, self.go = folder, bell.with_name("go")
        (folder / "output").mkdir(parents=True)
        os.mkfifo(self.go)
        self.bell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.bell.bind(str(bell))
        self.bell.settimeout(10)
        info, info_in = os.pipe()
        spare = os.open("/dev/null", os.O_RDONLY)
        command = [
            sys.executable,
            "-I",
            "-S",
            str(Path(bubblewrap.__file__).with_name("shim.py")),
            str(folder),
            str(32 * MIB),
            str(bell),
            str(info),
        ]
        program = ["/bin/sh", "-c", LOUD.format(go=self.go, size=SIZE)]
        self.process = subprocess.Popen([*command, str(spare), *program], pass_fds=(info, spare))
        for fd in (info, info_in, spare):
            os.close(fd)

    def ring(self) -> bytes:
        return self.bell.recv(100)

    def finish(self) -> list[bytes]:
        self.go.write_text("go\n")
        notes: list[bytes] = []
        while not notes or not notes[-1].endswith(b"!"):
            notes.append(self.ring())
        assert self.process.wait(10) == 0
        self.bell.close()
        return notes


def test_output_is_kept_whole_and_its_end_is_told(tmp_path: Path) -> None:
    beside = Beside(tmp_path / "abc", tmp_path / "bell")

    first = beside.ring()
    notes = beside.finish()

    assert first == b"abc"
    assert notes[-1] == b"abc!"
    assert records(beside.folder) == b"x" * SIZE + b"\nlast\n"
    assert json.loads((beside.folder / "ended").read_text()) == 3


def test_a_full_disk_stops_no_program_and_what_was_lost_is_said(small_disk: Path, tmp_path: Path) -> None:
    beside = Beside(small_disk / "abc", tmp_path / "bell")

    kept = records_when_still(beside)
    for name in sorted((beside.folder / "output").iterdir(), key=lambda place: int(place.name))[:-1]:
        name.unlink()  # as whoever has read it does
    beside.finish()
    said = records(beside.folder)

    assert MIB < len(kept) < 3 * MIB
    assert b"bytes of output were dropped" in said
    lost = sum(map(int, re.findall(rb"(\d+) bytes of output were dropped", said)))
    assert SIZE <= lost + kept.count(b"x") <= SIZE + 1
    assert said.endswith(b"last\n")


def records_when_still(beside: Beside) -> bytes:
    """All that fits, once the program waits."""
    waits, kept, deadline = beside.go.with_name("go.waits"), None, time.monotonic() + 60
    while not waits.exists() or kept != (kept := records(beside.folder)):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return kept or b""
