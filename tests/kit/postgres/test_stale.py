"""What a killed server leaves behind. Each guard is also switched off once, to see that it is needed."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from glia.kit.postgres import EmbeddedPostgres, PostgresFailed, stale
from glia.kit.postgres.layout import Layout

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def kill_server(postgres: EmbeddedPostgres) -> int:
    """kill -9; nobody reaps, so a zombie stays."""
    pid = postgres.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    until = time.monotonic() + 60
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < until
        time.sleep(0.005)
    return pid


@pytest.fixture
def vanish() -> Callable[[EmbeddedPostgres], None]:
    """Makes the owner forget its server and its lock, as if the process had gone."""

    def forget(postgres: EmbeddedPostgres) -> None:
        assert postgres._lock is not None
        postgres._lock.release()
        postgres._lock = None

    return forget


@pytest.fixture
def bystander() -> Iterator[int]:
    """A living process of the server's account that has nothing to do with any database."""
    account = "glia" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    with subprocess.Popen(["sleep", "600"], user=pwd.getpwnam(account).pw_uid, cwd="/") as process:
        yield process.pid
        process.kill()


def put_pid(path: Path, pid: int) -> None:
    lines = path.read_text().splitlines()
    path.write_text("\n".join([str(pid), *lines[1:]]) + "\n")


@pytest.mark.parametrize("guarded", [True, False])
def test_a_server_starts_beside_the_zombie_of_a_killed_one(
    guarded: bool,
    postgres: EmbeddedPostgres,
    data_dir: Path,
    vanish: Callable[[EmbeddedPostgres], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    postgres.start()
    zombie = kill_server(postgres)
    vanish(postgres)
    successor = EmbeddedPostgres(data_dir)
    if not guarded:
        monkeypatch.setattr(stale, "_disarm", lambda _: None)
        with pytest.raises(PostgresFailed, match="already exists"):
            successor.start()
        return

    connection = successor.start()

    assert Path(f"/proc/{zombie}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    psycopg.connect(connection.app_url).close()
    successor.stop()


def test_the_owner_starts_a_new_server_after_the_old_one_was_killed(postgres: EmbeddedPostgres) -> None:
    with psycopg.connect(postgres.start().owner_url) as owner:
        owner.execute("create table kept (n int); insert into kept values (7)")
    kill_server(postgres)
    assert not postgres.is_running

    with psycopg.connect(postgres.start().owner_url) as owner:
        assert owner.execute("select n from kept").fetchone() == (7,)


@pytest.mark.parametrize("guarded", [True, False])
def test_a_pid_file_that_names_an_unrelated_process_is_stale(
    guarded: bool, postgres: EmbeddedPostgres, data_dir: Path, bystander: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres.start()
    kill_server(postgres)
    postgres.stop()
    put_pid(data_dir / "pg/postmaster.pid", bystander)
    if not guarded:
        monkeypatch.setattr(stale, "_disarm", lambda _: None)
        with pytest.raises(PostgresFailed, match="already exists"):
            postgres.start()
        return

    psycopg.connect(postgres.start().app_url).close()

    os.kill(bystander, 0)  # and it was left alone


@pytest.mark.parametrize("guarded", [True, False])
def test_a_leftover_socket_with_its_lock_is_cleared_away(
    guarded: bool, postgres: EmbeddedPostgres, data_dir: Path, bystander: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres.start()
    shutil.copy2(data_dir / "run/.s.PGSQL.5432.lock", data_dir / "kept.lock")
    postgres.stop()
    lock = data_dir / "run/.s.PGSQL.5432.lock"
    shutil.copy2(data_dir / "kept.lock", lock)
    shutil.chown(lock, pwd.getpwuid((data_dir / "pg").stat().st_uid).pw_name)
    put_pid(lock, bystander)
    (data_dir / "run/.s.PGSQL.5432").touch()
    if not guarded:
        monkeypatch.setattr(stale, "clear", lambda *_: None)
        with pytest.raises(PostgresFailed, match=r"s\.PGSQL\.5432\.lock"):
            postgres.start()
        return

    psycopg.connect(postgres.start().app_url).close()


def test_an_empty_pid_file_is_cleared_away(postgres: EmbeddedPostgres, data_dir: Path) -> None:
    (data_dir / "pg/postmaster.pid").touch()

    psycopg.connect(postgres.start().app_url).close()


@pytest.mark.parametrize("guarded", [True, False])
def test_a_process_of_a_killed_server_that_still_computes_is_ended_first(
    guarded: bool, postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    computing = psycopg.connect(postgres.start().system_superuser_url)
    backend = computing.info.backend_pid

    def compute() -> None:
        with contextlib.suppress(psycopg.OperationalError):
            computing.execute("select count(*) from generate_series(1, 100000) a, generate_series(1, 1000000) b")

    thread = threading.Thread(target=compute)
    thread.start()
    with psycopg.connect(postgres.start().system_superuser_url, autocommit=True) as watching:
        state = "select state from pg_stat_activity where pid = %s"
        until = time.monotonic() + 60
        while watching.execute(state, (backend,)).fetchone() != ("active",):
            assert time.monotonic() < until
            time.sleep(0.01)
    kill_server(postgres)
    if guarded:
        monkeypatch.setattr(stale, "_PATIENCE_SECONDS", 0.2)
        psycopg.connect(postgres.start().app_url).close()
    else:
        # PostgreSQL's own last guard, which deleting the pid file would have switched off.
        monkeypatch.setattr(stale, "_attached", lambda _: 0)
        with pytest.raises(PostgresFailed, match="pre-existing shared memory block"):
            postgres.start()
        os.kill(backend, signal.SIGQUIT)
    thread.join(60)

    assert not thread.is_alive()
    computing.close()


def test_only_a_living_server_of_this_cluster_counts(
    postgres: EmbeddedPostgres, data_dir: Path, bystander: int, tmp_path: Path
) -> None:
    layout = Layout.of(data_dir)
    assert stale.living_server(layout) is None
    postgres.start()
    assert stale.living_server(layout) == postgres.pid

    other = Layout.of(tmp_path / "other")
    other.cluster.mkdir(parents=True)
    for pid, what in ((postgres.pid, "a server of another cluster"), (bystander, "no server"), (2**31 - 1, "nobody")):
        other.pid_file.write_text(f"{pid}\n{other.cluster}\n")
        assert stale.living_server(other) is None, what
    other.pid_file.write_text("nonsense")
    assert stale.living_server(other) is None
