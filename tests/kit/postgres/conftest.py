from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from glia.kit.postgres import EmbeddedPostgres, binaries
from glia.kit.postgres import launcher as launcher_module

OWNER = Path(__file__).with_name("owner.py")
SOURCES = Path(launcher_module.__file__).parents[3]
IS_ROOT = os.geteuid() == 0


@pytest.fixture(scope="session", autouse=True)
def service_user() -> str:
    """The account that a root process lends to the server; it outlives the tests, as an installer's would."""
    if IS_ROOT:
        # Another test process may have been faster.
        subprocess.run(["useradd", "--system", "--no-create-home", "glia"], capture_output=True, check=False)
        pwd.getpwnam("glia")
    return "glia"


def _closed_folder() -> Iterator[Path]:
    """In memory where there is room: dozens of databases of 60 MB would otherwise wait for the disk, and stay on it."""
    memory = Path("/dev/shm")
    fits = memory.is_dir() and shutil.disk_usage(memory).free > 2 * 1024**3
    fits = fits and not os.statvfs(memory).f_flag & os.ST_NOEXEC
    folder = Path(tempfile.mkdtemp(prefix="glia-", dir=memory if fits else None)).resolve()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    yield from _closed_folder()


@pytest.fixture(scope="session")
def template(service_user: str) -> Iterator[Path]:
    """A data directory that was started and stopped once."""
    for folder in _closed_folder():
        postgres = EmbeddedPostgres(folder / "data")
        postgres.start()
        postgres.stop()
        yield folder / "data"


@pytest.fixture
def data_dir(template: Path, tmp_path: Path) -> Path:
    """A copy of it: 0.1 s instead of the 1 s of a first start."""
    subprocess.run(["cp", "-a", str(template), str(tmp_path / "data")], check=True)
    return tmp_path / "data"


@pytest.fixture
def postgres(data_dir: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(data_dir)
    yield server
    server.stop()


@dataclass
class Owner:
    """A running owner.py. `said` is the one line that it prints after its start."""

    process: subprocess.Popen[str]
    said: dict[str, object]

    @property
    def server(self) -> int:
        pid = self.said["pid"]
        assert isinstance(pid, int), self.said
        return pid

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.communicate(timeout=30)


@pytest.fixture
def own(request: pytest.FixtureRequest) -> Callable[..., Owner]:
    """Starts a process that owns a data directory.

    as_user: changes to that account first. without: numbers of capabilities that it shall not have.
    no_ambient: the kernel refuses to let it hand capabilities on.
    """

    def start(
        data_dir: Path, *options: str, as_user: str = "", without: tuple[int, ...] = (), no_ambient: bool = False
    ) -> Owner:
        command = [sys.executable, str(OWNER), str(data_dir), *options]
        if without or no_ambient:
            steps = [*((24, number) for number in without), *([(28, 64)] if no_ambient else [])]
            drop = f"import ctypes, os; [ctypes.CDLL(None).prctl(*step, 0, 0, 0) for step in {steps}]; "
            command = [sys.executable, "-c", f"{drop}os.execv({command[0]!r}, {command!r})"]
        status = os.open(os.devnull, os.O_WRONLY)
        if as_user:
            # Through our own launcher, because the interpreter may lie where that account cannot go.
            account = pwd.getpwnam(as_user)
            places = [sys.prefix, sys.base_prefix, str(SOURCES), str(OWNER)]
            numbers = [os.getpid(), status, 0, account.pw_uid, account.pw_gid, len(places)]
            script = [sys.executable, "-I", "-S", launcher_module.__file__, *map(str, numbers), *places]
            command = [*script, *command]
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join([str(SOURCES), os.environ.get("PYTHONPATH", "")]),
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            pass_fds=(status,),
        )
        os.close(status)
        assert process.stdout is not None
        owner = Owner(process, {})
        request.addfinalizer(owner.end)
        owner.said = json.loads(process.stdout.readline() or "{}")
        return owner

    return start


@pytest.fixture
def fake_binaries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Makes a folder whose `postgres` runs some lines of shell first, and sets GLIA_PG_BIN to it."""

    def make(before_postgres: str) -> Path:
        real, folder = binaries.find().folder, tmp_path / "bin"
        folder.mkdir()
        for name, lines in (("postgres", before_postgres), ("initdb", "")):
            program = folder / name
            program.write_text(f'#!/bin/sh\n{lines}\nexec "{real}/{name}" "$@"\n')
            program.chmod(0o755)
        monkeypatch.setenv("GLIA_PG_BIN", str(folder))
        return folder

    return make


@pytest.fixture
def open_folder(request: pytest.FixtureRequest) -> Path:
    """A folder that every account of the machine can reach, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="glia-", dir="/tmp"))
    folder.chmod(0o755)
    request.addfinalizer(lambda: shutil.rmtree(folder))
    return folder


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


@pytest.fixture
def is_alive() -> Callable[[int], bool]:
    """Whether a process runs; a zombie does not."""
    return _is_alive


@pytest.fixture
def ends_within() -> Callable[[int, float], bool]:
    """Waits for a process, ours or not, to end."""

    def wait(pid: int, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while _is_alive(pid):
            if time.monotonic() > until:
                return False
            time.sleep(0.005)
        return True

    return wait
