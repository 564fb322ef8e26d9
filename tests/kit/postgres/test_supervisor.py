from __future__ import annotations

import errno
import json
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from glia.kit.errors import GliaError, StorageFull
from glia.kit.postgres import AlreadyServed, EmbeddedPostgres, NotRunning, PostgresFailed

ROLES = "select rolname, rolcanlogin, rolsuper, rolbypassrls, rolcreaterole from pg_roles where rolname ~ '^glia'"


def test_a_first_start_makes_roles_database_and_extension(tmp_path: Path) -> None:
    said: list[str] = []
    postgres = EmbeddedPostgres(tmp_path / "data", on_progress=said.append)
    try:
        connection = postgres.start()

        with psycopg.connect(connection.system_superuser_url) as superuser:
            roles = {row[0]: row[1:] for row in superuser.execute(ROLES)}
            owner = superuser.execute("select pg_get_userbyid(datdba) from pg_database where datname = 'glia'")
            assert owner.fetchone() == ("glia_owner",)
            assert superuser.execute("show listen_addresses").fetchone() == ("",)
            assert superuser.execute("select upper('é'), 'É' ilike 'é'").fetchone() == ("É", True)
        with psycopg.connect(connection.app_url) as app:
            assert app.execute("select '[1,2]'::vector <-> '[1,3]'").fetchone() == (1.0,)
    finally:
        postgres.stop()
    assert roles == {
        "glia": (True, True, True, True),
        "glia_owner": (True, False, False, False),
        "glia_app": (True, False, False, False),
        "glia_system": (False, False, False, False),
    }
    assert said == ["Making the database."]
    assert stat.S_IMODE((tmp_path / "data/postgres.json").stat().st_mode) == 0o600


def test_the_app_role_cannot_bypass_row_level_security(postgres: EmbeddedPostgres) -> None:
    connection = postgres.start()
    with psycopg.connect(connection.owner_url) as owner:
        owner.execute("create table secrets (of text); insert into secrets values ('someone else')")
        owner.execute("alter table secrets enable row level security; grant select on secrets to glia_app")

    with psycopg.connect(connection.app_url) as app, psycopg.connect(connection.system_superuser_url) as superuser:
        assert app.execute("select count(*) from secrets").fetchone() == (0,)
        assert superuser.execute("select count(*) from secrets").fetchone() == (1,)  # the row is there


def test_the_app_role_has_the_system_role_only_when_it_takes_it(postgres: EmbeddedPostgres) -> None:
    connection = postgres.start()
    with psycopg.connect(connection.owner_url) as owner:
        owner.execute("create table keys (id int); grant select on keys to glia_system")

    with psycopg.connect(connection.app_url, autocommit=True) as app:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute("select * from keys")
        app.execute("set role glia_system")
        app.execute("select * from keys")


def test_a_restart_keeps_what_was_written(postgres: EmbeddedPostgres) -> None:
    with psycopg.connect(postgres.start().owner_url) as owner:
        owner.execute("create table kept (n int); insert into kept values (7)")
    postgres.stop()

    with psycopg.connect(postgres.start().owner_url) as owner:
        assert owner.execute("select n from kept").fetchone() == (7,)


def test_a_start_of_what_runs_already_changes_nothing(postgres: EmbeddedPostgres) -> None:
    first, pid = postgres.start(), postgres.pid

    assert (postgres.start(), postgres.pid) == (first, pid)


def test_attach_finds_the_server_of_the_owner_and_never_stops_it(postgres: EmbeddedPostgres, data_dir: Path) -> None:
    other = EmbeddedPostgres(data_dir)
    with pytest.raises(NotRunning, match="Start `glia serve`"):
        other.attach()
    connection = postgres.start()

    assert other.attach() == connection
    other.stop()
    assert postgres.is_running
    with psycopg.connect(other.attach().app_url) as app:
        assert app.execute("select 1").fetchone() == (1,)


def test_attach_to_an_empty_folder_starts_nothing(tmp_path: Path) -> None:
    with pytest.raises(NotRunning):
        EmbeddedPostgres(tmp_path / "nothing").attach(wait_seconds=0.1)

    assert list(tmp_path.iterdir()) == []


def test_a_second_owner_is_refused_with_the_pid_of_the_first(own: Callable[..., object], data_dir: Path) -> None:
    first = own(data_dir)

    with pytest.raises(AlreadyServed, match=f"process {first.process.pid}") as refused:
        EmbeddedPostgres(data_dir).start()

    assert refused.value.details["pid"] == first.process.pid
    with psycopg.connect(EmbeddedPostgres(data_dir).attach().app_url) as app:
        assert app.execute("select 1").fetchone() == (1,)


def test_two_data_directories_are_served_side_by_side(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    other = EmbeddedPostgres(tmp_path / "other")
    try:
        one, two = postgres.start(), other.start()

        for url in (one.app_url, two.app_url):
            with psycopg.connect(url) as app:
                assert app.execute("select 1").fetchone() == (1,)
        assert one != two
    finally:
        other.stop()


@pytest.mark.parametrize("way", ["by the kernel", "--in-thread"])
def test_the_server_ends_cleanly_when_its_owner_is_killed(
    way: str, own: Callable[..., object], data_dir: Path, ends_within: Callable[[int, float], bool]
) -> None:
    owner = own(data_dir, *([way] if way.startswith("--") else []))

    owner.process.kill()
    owner.process.wait()

    assert ends_within(owner.server, 60)
    assert "database system is shut down" in (data_dir / "postgres.log").read_text()[-300:]
    assert not (data_dir / "pg/postmaster.pid").exists()


def test_without_the_guards_a_killed_owner_leaves_an_orphan_that_the_next_one_replaces(
    own: Callable[..., object], postgres: EmbeddedPostgres, data_dir: Path, ends_within: Callable[[int, float], bool]
) -> None:
    owner = own(data_dir, "--unguarded")
    owner.process.kill()
    owner.process.wait()
    assert not ends_within(owner.server, 0.5)

    connection = postgres.start()

    assert postgres.pid != owner.server
    assert ends_within(owner.server, 10)
    with psycopg.connect(connection.app_url) as app:
        assert app.execute("select 1").fetchone() == (1,)


def test_a_server_started_outside_the_main_thread_outlives_that_thread(
    own: Callable[..., object], data_dir: Path, is_alive: Callable[[int], bool]
) -> None:
    owner = own(data_dir, "--in-thread")

    assert is_alive(owner.server)
    owner.end()
    assert not is_alive(owner.server)


def test_a_long_recovery_is_waited_for_and_reported(
    data_dir: Path, fake_binaries: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_binaries('case "$*" in *--single*|*--version*|*--boot*|*-V*) ;; *-k*) sleep 2.5 ;; esac')
    said: list[str] = []
    postgres = EmbeddedPostgres(data_dir, on_progress=said.append)
    monkeypatch.setattr("glia.kit.postgres.supervisor._REPORT_SECONDS", 0.5)
    started = time.monotonic()
    try:
        postgres.start()
    finally:
        postgres.stop()

    assert time.monotonic() - started > 2.5
    assert len([text for text in said if "recovering" in text]) >= 2


def test_a_server_that_does_not_start_shows_the_end_of_its_log(postgres: EmbeddedPostgres, data_dir: Path) -> None:
    with (data_dir / "pg/postgresql.conf").open("a") as file:
        file.write("no_such_setting = 1\n")

    with pytest.raises(PostgresFailed, match="no_such_setting"):
        postgres.start()

    assert not postgres.is_running
    with pytest.raises(PostgresFailed, match="no_such_setting"):  # and the lock is free again
        EmbeddedPostgres(data_dir).start()


def test_a_lost_password_file_gives_new_passwords(postgres: EmbeddedPostgres, data_dir: Path) -> None:
    old = postgres.start()
    postgres.stop()
    (data_dir / "postgres.json").unlink()

    new = postgres.start()

    assert new.app_url != old.app_url
    for url in (new.app_url, new.owner_url, new.system_superuser_url):
        psycopg.connect(url).close()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(old.app_url)


def test_a_damaged_password_file_is_named(postgres: EmbeddedPostgres, data_dir: Path) -> None:
    (data_dir / "postgres.json").write_text("{}")

    with pytest.raises(PostgresFailed, match=r"postgres\.json.*damaged"):
        postgres.start()


def test_a_first_start_that_was_killed_half_way_is_done_again(tmp_path: Path) -> None:
    unfinished = tmp_path / "data/pg.new"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
    postgres = EmbeddedPostgres(tmp_path / "data")
    try:
        psycopg.connect(postgres.start().app_url).close()
    finally:
        postgres.stop()

    assert not unfinished.exists()


def test_a_first_start_that_fails_leaves_no_cluster(tmp_path: Path, fake_binaries: Callable[[str], Path]) -> None:
    folder = fake_binaries("")
    (folder / "initdb").write_text("#!/bin/sh\necho 'could not write: No space left on device'\nexit 1\n")

    with pytest.raises(GliaError, match="disk is full"):
        EmbeddedPostgres(tmp_path / "data").start()

    left = {path.name for path in (tmp_path / "data").iterdir()}
    assert not left & {"pg", "pg.new"}


def test_a_disk_that_is_full_before_anything_runs_is_told(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    (data_dir / "postgres.json").unlink()
    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(StorageFull, match="is full"):
        EmbeddedPostgres(data_dir).start()

    assert not (data_dir / "postgres.json").exists()


def test_a_large_log_is_put_aside_once(
    postgres: EmbeddedPostgres, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = data_dir / "postgres.log"
    postgres.start()
    postgres.stop()
    assert not log.with_name("postgres.log.1").exists()
    monkeypatch.setattr("glia.kit.postgres.layout.LARGEST_LOG_BYTES", 10)

    postgres.start()

    assert b"database system is shut down" in log.with_name("postgres.log.1").read_bytes()
    assert b"database system is shut down" not in log.read_bytes()


def test_what_the_user_has_set_for_libpq_does_not_leak_in(
    postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"PGPORT": "1", "PGDATA": "/nowhere", "PGHOST": "nowhere", "PGOPTIONS": "-c nonsense=1"}.items():
        monkeypatch.setenv(name, value)
    connection = postgres.start()
    monkeypatch.delenv("PGOPTIONS")

    with psycopg.connect(connection.app_url) as app:
        assert app.execute("show port").fetchone() == ("5432",)


def test_the_password_file_holds_three_passwords_and_a_revision(data_dir: Path) -> None:
    stored = json.loads((data_dir / "postgres.json").read_text())

    assert set(stored) == {"superuser", "owner", "app", "revision"}
