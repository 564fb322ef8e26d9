from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from glia.kit.postgres import EmbeddedPostgres, check, findings, preflight
from glia.kit.postgres.errors import PathTooLong, PostgresFailed
from glia.kit.postgres.layout import Layout


def bad(data_dir: Path, **options: str) -> list[findings.Finding]:
    return [finding for finding in check(data_dir, **options) if finding.level == "problem"]


def test_a_healthy_data_directory_has_no_problem(data_dir: Path) -> None:
    found = check(data_dir)

    assert not bad(data_dir)
    assert all(finding.what.endswith(".") for finding in found)
    assert all(finding.how_to_fix for finding in found if finding.level != "ok")


def test_looking_at_an_absent_data_directory_makes_nothing(tmp_path: Path) -> None:
    assert not bad(tmp_path / "nothing")

    assert list(tmp_path.iterdir()) == []


def test_a_running_server_is_named(postgres: EmbeddedPostgres, data_dir: Path) -> None:
    postgres.start()

    assert f"(pid {postgres.pid})" in check(data_dir)[-1].what


def test_a_path_too_long_for_the_socket_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    room = 107 - len(os.fsencode(f"{tmp_path}//run/.s.PGSQL.5432"))
    longest = tmp_path / ("x" * room)
    Layout.of(longest).require_usable_path()
    too_long = tmp_path / ("é" * (room // 2 + 1))  # two bytes each

    with pytest.raises(PathTooLong, match="107"):
        EmbeddedPostgres(too_long).start()

    assert not too_long.exists()
    [finding] = bad(too_long)
    assert "--data-dir" in finding.how_to_fix


def test_the_longest_path_that_is_allowed_works(tmp_path: Path) -> None:
    room = 107 - len(os.fsencode(f"{tmp_path}//run/.s.PGSQL.5432"))
    postgres = EmbeddedPostgres(tmp_path / ("x" * room))
    try:
        assert EmbeddedPostgres(postgres.layout.data_dir).layout.socket == postgres.layout.socket
        postgres.start()
        postgres.attach()
    finally:
        postgres.stop()


def test_a_path_with_a_space_and_a_quote_works_and_one_with_a_comma_is_refused(tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(tmp_path / "it's a place")
    try:
        connection = postgres.start()
        assert postgres.attach() == connection
    finally:
        postgres.stop()

    assert "comma" in bad(tmp_path / "a,b")[0].what


def test_a_data_directory_that_cannot_be_written_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert "is a file" in bad(tmp_path / "file/data")[0].what
    with pytest.raises(PostgresFailed, match="is a file"):
        EmbeddedPostgres(tmp_path / "file").start()
    with pytest.raises(PostgresFailed, match="'/proc/data' cannot be used"):
        EmbeddedPostgres(Path("/proc/data")).start()  # where even root may make nothing


def test_a_folder_in_the_place_of_the_database_is_left_alone(data_dir: Path) -> None:
    (data_dir / "pg/PG_VERSION").unlink()

    with pytest.raises(PostgresFailed, match="left alone"):
        EmbeddedPostgres(data_dir).start()

    assert (data_dir / "pg/base").is_dir()


def test_missing_programs_are_a_problem(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLIA_PG_BIN", str(tmp_path / "nowhere"))

    [finding] = bad(data_dir)

    assert "nowhere" in finding.what
    assert "GLIA_PG_BIN" in finding.how_to_fix


def test_another_major_is_a_problem(data_dir: Path) -> None:
    (data_dir / "pg/PG_VERSION").write_text("16\n")

    assert "PostgreSQL 16" in bad(data_dir)[0].what


def test_a_processor_without_avx_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "processor", lambda: ("QEMU Virtual CPU", "fpu sse2"))
    monkeypatch.setattr("platform.machine", lambda: "x86_64")

    [finding] = bad(tmp_path / "data")

    assert "AVX" in finding.what
    assert "GLIA_DATABASE_URL" in finding.how_to_fix


@pytest.mark.parametrize(("free_mebibytes", "level"), [(100, "problem"), (500, "warning"), (5000, "ok")])
def test_little_free_space_is_told(
    free_mebibytes: int, level: str, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": free_mebibytes * 1024**2}))

    [finding] = [finding for finding in check(data_dir) if "MiB free" in finding.what]

    assert finding.level == level


@pytest.mark.skipif(os.geteuid() != 0, reason="only root lends a service user")
def test_root_hears_about_the_service_user_and_closed_folders(data_dir: Path) -> None:
    data_dir.parent.chmod(0o700)

    assert "useradd" in bad(data_dir, service_user="no-such-user")[0].how_to_fix
    [warning] = [finding for finding in check(data_dir) if finding.level == "warning"]
    assert "is closed to the service user 'glia'" in warning.what


def test_a_killed_server_is_told_apart(
    own: Callable[..., object], data_dir: Path, ends_within: Callable[[int, float], bool]
) -> None:
    owner = own(data_dir)
    os.kill(owner.server, 9)
    ends_within(owner.server, 3.0)

    assert "left its pid file" in check(data_dir)[-1].what
