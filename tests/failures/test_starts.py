"""Starts that cannot succeed end in one sentence and exit status 1, and leave what is there as it is."""

from __future__ import annotations

import errno
import os
import re
import signal
import socket
import subprocess
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from glia.cli.serve import _usable
from glia.kit.errors import StorageFull
from glia.kit.ids import new_id
from tests.conftest import DatabaseUrls
from tests.failures.process import Process, free_port
from tests.forking import run

KEPT = '{"api_key": "kept"}'


def _start(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GLIA_")}
    return run(
        ["serve", "--data-dir", str(folder), "--port", str(free_port()), *arguments],
        {**clean, "GLIA_MODEL_DISCOVERY": "off", **environment},
    )


def _sentence(ended: subprocess.CompletedProcess[str]) -> str:
    """The one thing that was said on the way out."""
    assert ended.returncode == 1, ended.stderr
    assert "Traceback" not in ended.stderr
    *_, last = ended.stderr.splitlines()
    assert last.startswith("glia: "), ended.stderr
    assert last.endswith((".", "?")), last
    assert "hidden" not in ended.stderr, "no password is printed"
    return last


@pytest.fixture
def furnished(tmp_path: Path) -> Path:
    """A data directory with credentials of an earlier start."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "credentials.json").write_text(KEPT)
    return folder


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://me:hidden@127.0.0.1:9/none", "refused.* host, user and password in GLIA_DATABASE_URL"),
        ("nonsense", "GLIA_DATABASE_URL"),
        ("", "nobody_here"),
    ],
    ids=["unreachable", "not a URL", "wrong user or password"],
)
def test_a_database_that_does_not_let_us_in(url: str, said: str, furnished: Path, database_urls: DatabaseUrls) -> None:
    url = url or make_conninfo(database_urls.admin, user="nobody_here", password="hidden")

    assert re.search(said, _sentence(_start(furnished, GLIA_DATABASE_URL=url)))
    assert (furnished / "credentials.json").read_text() == KEPT


def test_a_database_role_that_may_too_little_is_told_what_to_grant(tmp_path: Path, database_urls: DatabaseUrls) -> None:
    """The control: after running what the sentence says, it starts."""
    name = f"plain_{new_id().hex}"
    server = conninfo_to_dict(database_urls.admin)
    url = make_conninfo(database_urls.admin, user=name, password="hidden", dbname=name)
    with psycopg.connect(database_urls.admin, autocommit=True) as admin:
        admin.execute(f"create role {name} login password 'hidden'".encode())
        admin.execute(f"create database {name}".encode())
        try:
            refused = _sentence(_start(tmp_path / "data", GLIA_DATABASE_URL=url))
            *_, wish = re.findall(r"`([^`]+)`", refused)
            with psycopg.connect(make_conninfo(**{**server, "dbname": name}), autocommit=True) as own:
                own.execute(wish.encode())
            with socket.socket() as taken:
                taken.bind(("127.0.0.1", 0))
                port = str(taken.getsockname()[1])
                ended = _start(tmp_path / "data", "--port", port, GLIA_DATABASE_URL=url)
        finally:
            admin.execute(f"drop database {name} with (force)".encode())
            admin.execute(f"drop role {name}".encode())

    assert f"Cannot listen on 127.0.0.1:{port}" in _sentence(ended), "it came as far as listening"


def test_a_port_that_is_taken(furnished: Path, database_urls: DatabaseUrls) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])

        said = _sentence(_start(furnished, "--port", port, GLIA_DATABASE_URL=database_urls.admin))

    assert f"Cannot listen on 127.0.0.1:{port}" in said
    assert "--port" in said
    assert (furnished / "credentials.json").read_text() == KEPT


def test_a_setting_that_does_not_exist(furnished: Path) -> None:
    said = _sentence(_start(furnished, GLIA_DATABASE_ULR="x"))

    assert "There is no setting GLIA_DATABASE_ULR. Did you mean GLIA_DATABASE_URL?" in said


@pytest.mark.parametrize("is_own", [True, False], ids=["own database", "embedded database"])
def test_a_data_directory_that_cannot_be_made(tmp_path: Path, database_urls: DatabaseUrls, is_own: bool) -> None:
    (tmp_path / "file").write_text("in the way")
    settings = {"GLIA_DATABASE_URL": database_urls.admin} if is_own else {}

    said = _sentence(_start(tmp_path / "file" / "data", **settings))

    assert re.search(r"cannot be used.*--data-dir|is a file, not a folder. Choose another", said)


def test_a_full_disk_is_named_and_other_trouble_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(StorageFull, match="is full"), _usable(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(PermissionError), _usable(tmp_path):
        raise PermissionError(errno.EACCES, "Permission denied", "/elsewhere/file")


async def test_one_data_directory_has_one_server_and_a_dead_one_s_traces_do_not_matter(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    first = await Process(folder, "serve", {"GLIA_MODEL_DISCOVERY": "off"}, port=free_port()).ready()
    try:
        credentials = (folder / "credentials.json").read_text()

        said = _sentence(_start(folder))

        assert f"already served by process {first.pid}" in said
        assert (await first.get("/v1/agents"))[0] == 200
    finally:
        first.kill()
    (pid_file,) = folder.glob("postgres.lock")
    assert pid_file.read_text().strip() == str(first.pid)  # nobody was there to tidy up

    third = await Process(folder, "serve", {"GLIA_MODEL_DISCOVERY": "off"}, port=free_port()).ready()
    try:
        assert (await third.get("/v1/agents"))[0] == 200
        assert (folder / "credentials.json").read_text() == credentials
    finally:
        third.signal(signal.SIGTERM)
        await third.stop()


async def test_credentials_of_another_database_are_kept_aside(furnished: Path, database_urls: DatabaseUrls) -> None:
    settings = {"GLIA_DATABASE_URL": database_urls.admin, "GLIA_MODEL_DISCOVERY": "off"}
    process = await Process(furnished, "serve", settings, port=free_port()).ready()
    try:
        assert (furnished / "credentials.1.json").read_text() == KEPT
        assert (await process.get("/v1/agents"))[0] == 200  # with the key of the new file
    finally:
        process.kill()
