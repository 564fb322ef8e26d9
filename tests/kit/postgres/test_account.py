"""Starts as root, which lends the server a service user, and starts as an ordinary user."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from glia.kit.postgres import EmbeddedPostgres, account, binaries
from glia.kit.postgres.errors import ForeignOwner, NoServiceUser

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change to another user")
DAC_OVERRIDE, DAC_READ_SEARCH, KILL = 1, 2, 5


def status_of(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def capabilities_of(pid: int) -> set[str]:
    status = status_of(pid)
    return {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")}


def only(capability: int) -> set[str]:
    return {f"{1 << capability:016x}"}


NONE = {f"{0:016x}"}


@needs_root
def test_root_without_the_service_user_is_told_the_command_that_makes_it(data_dir: Path) -> None:
    with pytest.raises(NoServiceUser, match="useradd --system --no-create-home no-such-user"):
        EmbeddedPostgres(data_dir, service_user="no-such-user").start()


@needs_root
def test_root_is_no_service_user(data_dir: Path) -> None:
    with pytest.raises(NoServiceUser, match="uid 0"):
        EmbeddedPostgres(data_dir, service_user="root").start()


@needs_root
def test_as_root_the_server_runs_as_the_service_user_with_no_capability(open_folder: Path, template: Path) -> None:
    shutil.copytree(template, open_folder / "data", ignore=shutil.ignore_patterns("*"))  # an empty folder of root
    (open_folder / "data").rmdir()
    postgres = EmbeddedPostgres(open_folder / "data")
    try:
        postgres.start()

        assert postgres.pid
        uid = account.choose("glia").uid  # type: ignore[union-attr]  # root gets one
        assert status_of(postgres.pid)["Uid"].split() == [str(uid)] * 4
        assert status_of(postgres.pid)["Groups"] == ""
        assert capabilities_of(postgres.pid) == NONE
    finally:
        postgres.stop()
    modes = {path.name: path.stat() for path in ((open_folder / "data"), *(open_folder / "data").iterdir())}
    assert oct(modes["data"].st_mode)[-3:] == "710"
    assert {name for name, facts in modes.items() if facts.st_uid == uid} == {"pg", "run"}


@needs_root
def test_a_closed_parent_is_passed_with_one_capability_and_stays_closed(
    postgres: EmbeddedPostgres, data_dir: Path
) -> None:
    closed = data_dir.parent
    closed.chmod(0o700)

    psycopg.connect(postgres.start().app_url).close()

    assert postgres.pid
    assert capabilities_of(postgres.pid) == only(DAC_READ_SEARCH)
    assert status_of(postgres.pid)["NoNewPrivs"] == "1"
    assert oct(closed.stat().st_mode)[-3:] == "700"


@needs_root
def test_a_first_start_works_below_a_closed_parent(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    postgres = EmbeddedPostgres(tmp_path / "a/b/data")
    try:
        psycopg.connect(postgres.start().app_url).close()
    finally:
        postgres.stop()


@needs_root
def test_programs_below_a_closed_folder_find_each_other(
    open_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a checkout below /root: initdb looks for postgres with access(2)."""
    package = binaries.find().folder.parents[1]
    tmp_path.chmod(0o700)
    for part in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(part, tmp_path / part.name, symlinks=True)
    monkeypatch.setenv(binaries.SETTING, str(tmp_path / package.name / binaries.find().folder.parent.name / "bin"))
    postgres = EmbeddedPostgres(open_folder / "data")
    try:
        psycopg.connect(postgres.start().app_url).close()
    finally:
        postgres.stop()


@needs_root
def test_the_other_capability_serves_where_only_that_one_is_permitted(
    own: Callable[..., object], data_dir: Path, ends_within: Callable[[int, float], bool]
) -> None:
    owner = own(data_dir, without=(DAC_READ_SEARCH,))

    assert capabilities_of(owner.server) == only(DAC_OVERRIDE)
    owner.process.kill()
    assert ends_within(owner.server, 3.0)  # the kept capability does not cost the parent-death signal


@needs_root
@pytest.mark.parametrize(("number", "name"), [(DAC_OVERRIDE, "CAP_DAC_OVERRIDE"), (KILL, "CAP_KILL")])
def test_a_root_that_was_stripped_of_its_powers_is_told_which(
    number: int, name: str, own: Callable[..., object], data_dir: Path
) -> None:
    owner = own(data_dir, without=(number,))

    assert owner.said["error"] == "MissingCapabilities"
    assert name in str(owner.said["message"])


@needs_root
def test_where_no_capability_can_be_handed_on_the_closed_folder_is_named(
    own: Callable[..., object], open_folder: Path, template: Path
) -> None:
    closed = open_folder / "closed"
    shutil.copytree(template, closed / "data", ignore=shutil.ignore_patterns("pg", "run", "postgres.lock"))
    closed.chmod(0o700)

    owner = own(closed / "data", no_ambient=True)

    assert owner.said["error"] == "ClosedFolder"
    assert f"'{closed}' is closed to the service user 'glia'" in str(owner.said["message"])
    assert oct(closed.stat().st_mode)[-3:] == "700"


@needs_root
def test_the_server_of_a_killed_root_process_ends_below_a_closed_parent(
    own: Callable[..., object], data_dir: Path, ends_within: Callable[[int, float], bool]
) -> None:
    data_dir.parent.chmod(0o700)
    owner = own(data_dir)
    assert capabilities_of(owner.server) == only(DAC_READ_SEARCH)

    owner.process.kill()

    assert ends_within(owner.server, 3.0)


@needs_root
def test_a_cluster_of_another_user_is_refused_with_both_ways_out(data_dir: Path) -> None:
    os.chown(data_dir / "pg", 65534, 65534)

    with pytest.raises(ForeignOwner, match=r"belongs to .*uid 65534.*chown -R"):
        EmbeddedPostgres(data_dir).start()


@needs_root
def test_an_ordinary_user_is_refused_the_folder_of_root(own: Callable[..., object], open_folder: Path) -> None:
    owner = own(open_folder / "data", as_user="nobody")

    assert f"'{open_folder}' may not be written by this user" in str(owner.said["message"])


@needs_root
def test_an_ordinary_user_runs_the_server_as_itself_beside_that_of_root(
    own: Callable[..., object], postgres: EmbeddedPostgres, open_folder: Path, ends_within: Callable[[int, float], bool]
) -> None:
    postgres.start()
    nobody = account.choose("nobody")
    assert nobody is not None
    nobody.take(open_folder)

    owner = own(open_folder / "data", as_user="nobody")

    assert status_of(owner.server)["Uid"].split() == [str(nobody.uid)] * 4
    assert oct((open_folder / "data").stat().st_mode)[-3:] == "700"
    owner.process.kill()
    assert ends_within(owner.server, 3.0)
    assert postgres.is_running


def test_an_ordinary_user_changes_to_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    assert account.choose("no-such-user") is None
