"""Starts, finds and stops the embedded PostgreSQL. It lives exactly as long as the process that owns it."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from glia.kit.errors import StorageFull
from glia.kit.postgres import account, binaries, cluster, preflight, settings, stale
from glia.kit.postgres.errors import NotRunning, PostgresFailed
from glia.kit.postgres.layout import PORT, Layout
from glia.kit.postgres.lock import OwnerLock, owner_of
from glia.kit.postgres.programs import TAIL_BYTES, Programs, ending, failure
from glia.kit.postgres.roles import REVISION, Connection, Secrets

_WATCHDOG = Path(__file__).with_name("watchdog.py")
_FAST_STOP_SECONDS, _IMMEDIATE_STOP_SECONDS = 60.0, 10.0
_POLL_SECONDS, _SLOW_POLL_SECONDS, _SLOW_AFTER_SECONDS = 0.003, 0.05, 1.0
_REPORT_SECONDS = 5.0


def _silent(_: str) -> None:
    return None


class EmbeddedPostgres:
    """The PostgreSQL in one data directory: `start` owns it, `attach` uses what another process started."""

    def __init__(
        self, data_dir: Path, *, service_user: str = "glia", on_progress: Callable[[str], None] = _silent
    ) -> None:
        """service_user: as whom the server runs when this process is root.

        on_progress: gets a sentence whenever a step begins, or goes on for long.
        """
        self.layout = Layout.of(data_dir)
        self._service_user = service_user
        self._on_progress = on_progress
        self._lock: OwnerLock | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None

    @property
    def is_running(self) -> bool:
        """Whether the server that this object started is alive."""
        return self._child is not None and self._child.poll() is None

    @property
    def pid(self) -> int | None:
        """Process id of the server that this object started."""
        return self._child.pid if self._child else None

    def start(self) -> Connection:
        """Makes the database when there is none, starts the server and waits until it takes connections.

        Takes as long as it needs: a server that recovers from a crash is waited for while it lives. Call it in the
        main thread, before others exist. When the server has died, call it again. Raises AlreadyServed,
        PathTooLong, BinariesMissing, WrongMajor, ProcessorUnfit, NoServiceUser, MissingCapabilities, ClosedFolder,
        ForeignOwner, PostgresFailed, StorageFull.
        """
        if self._connection is not None and self.is_running:
            return self._connection
        self._dismiss_watchdog()
        self.layout.require_usable_path()
        programs = self._programs()
        with ExitStack() as undo:
            undo.callback(self.stop)
            try:
                connection = self._start(programs)
            except OSError as error:
                raise _unusable(self.layout, error) from error
            undo.pop_all()
        self._connection = connection
        return connection

    def attach(self, *, wait_seconds: float = 0.0) -> Connection:
        """The connection to a server that another process owns; never starts one.

        wait_seconds: how long to wait for one that is starting or recovering. Raises NotRunning.
        """
        until = time.monotonic() + wait_seconds
        while True:
            passwords = Secrets.load(self.layout.secrets)
            state = "absent" if passwords is None or not self.layout.cluster.is_dir() else _ping(self.layout)
            if passwords is not None and state == "ready":
                return passwords.connection(self.layout)
            if time.monotonic() >= until:
                raise _not_running(self.layout, state)
            time.sleep(_SLOW_POLL_SECONDS)

    def stop(self) -> None:
        """Ends the server's connections, stops it and waits for that. Does nothing when this object owns none."""
        if self._child is not None:
            self._dismiss_watchdog()
            _end(self._child)
            self._child = None
        self._connection = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _start(self, programs: Programs) -> Connection:
        self._make_data_dir(programs)
        self._lock = self._lock or OwnerLock.take(self.layout.owner_lock)
        self._claim_run_folder(programs)
        passwords = self._prepare(programs)
        self._launch(programs)
        return passwords.connection(self.layout)

    def _programs(self) -> Programs:
        found = binaries.find()
        cluster.require_same_major(self.layout, found)
        who = account.choose(self._service_user)
        account.require_own(self.layout.cluster, who)
        return Programs(found, who, needed=(self.layout.run,))

    def _make_data_dir(self, programs: Programs) -> None:
        data_dir = self.layout.data_dir
        if data_dir.exists():
            return
        data_dir.mkdir(mode=0o700, parents=True)
        if programs.account:
            # A folder made here and now may let the service user pass, and nobody else.
            os.chown(data_dir, 0, programs.account.gid)
            data_dir.chmod(0o710)

    def _claim_run_folder(self, programs: Programs) -> None:
        self.layout.run.mkdir(mode=0o700, exist_ok=True)
        if programs.account:
            programs.account.take(self.layout.run)

    def _prepare(self, programs: Programs) -> Secrets:
        passwords = Secrets.load_or_create(self.layout.secrets)
        if self.layout.major_on_disk() is None:
            self._on_progress("Making the database.")
            return cluster.make(self.layout, programs, passwords)
        stale.clear(self.layout, self._on_progress)
        if not preflight.is_remembered(self.layout, programs.binaries):
            self._on_progress("Trying the database's vector extension on this processor.")
            preflight.try_in_scratch(self.layout, programs)
            preflight.remember(self.layout, programs.binaries)
        if passwords.revision != REVISION:
            self._on_progress("Bringing the database's roles up to date.")
            # No limit of time: this may begin with the recovery from a crash.
            cluster.settle(self.layout, programs, passwords, self.layout.cluster, timeout_seconds=None)
            passwords = passwords.settled()
            passwords.store(self.layout.secrets)
        return passwords

    def _launch(self, programs: Programs) -> None:
        by_kernel = sys.platform == "linux" and threading.current_thread() is threading.main_thread()
        arguments = ("-D", str(self.layout.cluster), "-k", str(self.layout.run), *settings.options(settings.SERVER))
        self.layout.rotate_log()
        with self.layout.log.open("ab") as log:
            log_begin = log.tell()
            # SIGINT is PostgreSQL's fast shutdown. The kernel sends it when the *thread* that forked ends.
            self._child = programs.spawn(
                "postgres", *arguments, death_signal=signal.SIGINT if by_kernel else 0, output=log
            )
        if not by_kernel:
            self._start_watchdog(self._child, programs)
        self._wait_until_ready(self._child, log_begin)

    def _wait_until_ready(self, child: subprocess.Popen[bytes], log_begin: int) -> None:
        started = time.monotonic()
        next_report = started + _SLOW_AFTER_SECONDS
        while not _is_ready(self.layout, child.pid):
            if child.poll() is not None:
                what = f"The database server did not start ({ending(child.returncode)})"
                raise failure(what, _tail(self.layout.log, log_begin))
            now = time.monotonic()
            if now >= next_report:
                self._on_progress(f"The database is recovering ({now - started:.0f} s so far).")
                next_report = now + _REPORT_SECONDS
            time.sleep(_POLL_SECONDS if now - started < _SLOW_AFTER_SECONDS else _SLOW_POLL_SECONDS)

    def _start_watchdog(self, child: subprocess.Popen[bytes], programs: Programs) -> None:
        arguments = (str(child.pid), str(self.layout.pid_file), str(programs.binaries.program("pg_ctl")))
        self._watchdog = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_WATCHDOG), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )

    def _dismiss_watchdog(self) -> None:
        if self._watchdog is not None:
            self._watchdog.communicate(b"x", timeout=_FAST_STOP_SECONDS)
            self._watchdog = None


def _end(child: subprocess.Popen[bytes]) -> None:
    """Fast shutdown; a server that does not manage is ended at once, which costs it a recovery at the next start."""
    if child.poll() is not None:
        return
    gentle, harsh = (signal.SIGTERM, signal.SIGTERM) if sys.platform == "win32" else (signal.SIGINT, signal.SIGQUIT)
    for number, seconds in ((gentle, _FAST_STOP_SECONDS), (harsh, _IMMEDIATE_STOP_SECONDS)):
        child.send_signal(number)
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
        return
    child.kill()
    child.wait()


def _is_ready(layout: Layout, pid: int) -> bool:
    # The server itself writes its state there; asking by connection would cost a process or a library.
    file = stale.PidFile.read(layout.pid_file)
    return file is not None and file.pid == pid and file.status == "ready"


def _tail(log: Path, begin: int) -> str:
    with log.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(begin, size - TAIL_BYTES))
        return file.read(TAIL_BYTES).decode(errors="replace").strip()


def _unusable(layout: Layout, error: OSError) -> PostgresFailed | StorageFull:
    where = str(layout.data_dir)
    if error.errno == errno.ENOSPC:
        return StorageFull(f"The disk of the data directory {where!r} is full. Free some space, then start again.")
    return PostgresFailed(
        f"The data directory {where!r} cannot be used: {error}. Mend that, or choose another one (`--data-dir`)."
    )


def _ping(layout: Layout) -> str:
    """`ready`, `starting` or `absent`."""
    from psycopg import pq
    from psycopg.conninfo import make_conninfo

    where = make_conninfo(host=str(layout.run), port=PORT, dbname="postgres", connect_timeout=2)
    answer = pq.PGconn.ping(where.encode())
    if answer == pq.Ping.OK:
        return "ready"
    return "starting" if answer == pq.Ping.REJECT else "absent"


def _not_running(layout: Layout, state: str) -> NotRunning:
    where = str(layout.data_dir)
    if state == "starting":
        pid = owner_of(layout.owner_lock)
        return NotRunning(
            f"The database in {where!r} is still starting or recovering (owner: process {pid}). Try again shortly.",
            state=state,
        )
    return NotRunning(
        f"No database runs in {where!r}. Start `glia serve` with this data directory first, or set GLIA_DATABASE_URL.",
        state=state,
    )
