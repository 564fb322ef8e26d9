"""One PostgreSQL for the whole run, one migrated template database, a fresh copy of it for each test that asks.

The controller starts the server before the parallel workers exist and tells them where it is by environment.
GLIA_TEST_DATABASE_URL names a server to use instead; its role must be a superuser.
"""

from __future__ import annotations

import gc
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from glia.identity.types import Principal
from glia.kit import db as db_module
from glia.kit.db import Database
from glia.kit.ids import new_id
from glia.kit.migrate import migrate

_ADMIN = "GLIA_TEST_ADMIN_URL"
_OWNER = "GLIA_TEST_OWNER_URL"
_APP = "GLIA_TEST_APP_URL"
_MEMORY = Path("/dev/shm")
_ROOM_BYTES = 2 * 1024**3
_TEMPLATE = os.environ.get("GLIA_TEST_TEMPLATE", "glia_template")


def pytest_configure(config: pytest.Config) -> None:
    os.environ["GLIA_SKIP_CONSOLE"] = "1"  # servers that tests start must not begin to build it
    # Loops of tests stand still while fixtures of others are made, and a busy machine forgets a process for seconds.
    db_module._IDLE_IN_TRANSACTION_SECONDS = 120
    if hasattr(config, "workerinput") or config.option.collectonly:
        return
    _put_python_first(config)
    if url := os.environ.get("GLIA_TEST_DATABASE_URL"):
        os.environ.update({_ADMIN: url, _OWNER: url, _APP: url})
    else:
        _start_embedded(config)
    _make_template()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported by now stays; to look through it again and again would be a tenth of a test process's work."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


def _put_python_first(config: pytest.Config) -> None:
    """As examples in shell find it, `python3` is Python and no script of a version manager, which starts six more
    processes for each call."""
    folder = Path(tempfile.mkdtemp(prefix="glia-test-path-"))
    folder.chmod(0o755)
    (folder / "python3").symlink_to(Path(sys.executable).resolve())
    os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"
    config.add_cleanup(partial(shutil.rmtree, folder, ignore_errors=True))


def _start_embedded(config: pytest.Config) -> None:
    from glia.kit.postgres import EmbeddedPostgres

    folder = _in_memory() or Path(tempfile.mkdtemp(prefix="glia-test-"))
    server = EmbeddedPostgres(folder)
    connection = server.start()

    def stop() -> None:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)

    config.add_cleanup(stop)
    with psycopg.connect(connection.system_superuser_url, autocommit=True) as admin:
        # Nothing here survives the run, so nothing has to reach the disk; processes are killed, machines are not.
        for setting in ("fsync = off", "full_page_writes = off", "max_wal_size = '128MB'"):
            admin.execute(f"alter system set {setting}".encode())
        admin.execute("select pg_reload_conf()")
    os.environ.update(
        {
            _ADMIN: connection.system_superuser_url,
            _OWNER: connection.owner_url,
            _APP: connection.app_url,
        }
    )


def _in_memory() -> Path | None:
    """A folder in memory, or None where there is no room for one.

    A database is a thousand files: to copy and drop it takes 40 ms of processor time there, and 250 ms on a disk.
    """
    for left in _MEMORY.glob("glia-test-*"):  # by runs that were killed; nobody else would ever remove it
        if not Path(f"/proc/{left.name.split('-')[2]}").exists():
            shutil.rmtree(left, ignore_errors=True)
    try:
        if shutil.disk_usage(_MEMORY).free < _ROOM_BYTES:
            return None
        return Path(tempfile.mkdtemp(prefix=f"glia-test-{os.getpid()}-", dir=_MEMORY))
    except OSError:
        return None


def url_of(variable: str, database: str) -> str:
    return psycopg.conninfo.make_conninfo(os.environ[variable], dbname=database)


def _make_template() -> None:
    owner = psycopg.conninfo.conninfo_to_dict(os.environ[_OWNER]).get("user", "postgres")
    with psycopg.connect(os.environ[_ADMIN], autocommit=True) as admin:
        admin.execute(f"drop database if exists {_TEMPLATE} with (force)".encode())
        admin.execute(
            sql.SQL("create database {} owner {}").format(sql.Identifier(_TEMPLATE), sql.Identifier(str(owner)))
        )
    with psycopg.connect(url_of(_ADMIN, _TEMPLATE), autocommit=True) as admin:
        admin.execute("create extension if not exists vector")
    migrate(url_of(_OWNER, _TEMPLATE))


class DatabaseUrls:
    """Where one test's own database is: as its owner, and as the app role."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.admin = url_of(_ADMIN, name)
        self.owner = url_of(_OWNER, name)
        self.app = url_of(_APP, name)


def _fresh_database() -> Iterator[DatabaseUrls]:
    name = f"test_{new_id().hex}"
    with psycopg.connect(os.environ[_ADMIN], autocommit=True) as admin:
        admin.execute(f"create database {name} template {_TEMPLATE} strategy file_copy".encode())
        yield DatabaseUrls(name)
        admin.execute(f"drop database if exists {name} with (force)".encode())


@pytest.fixture
def database_urls() -> Iterator[DatabaseUrls]:
    """A database of the test's own, for what looks beyond one workspace: engines, first starts, roles, grants."""
    yield from _fresh_database()


@pytest.fixture(scope="session")
def shared_urls() -> Iterator[DatabaseUrls]:
    """One database for all tests of a process that stay inside workspaces of their own."""
    yield from _fresh_database()


@pytest.fixture
async def db(request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    """The test's own database if it asks for one by `database_urls`, else the shared one."""
    own = "database_urls" in request.fixturenames
    urls: DatabaseUrls = request.getfixturevalue("database_urls" if own else "shared_urls")
    async with opened(urls) as database:
        yield database


@asynccontextmanager
async def opened(urls: DatabaseUrls) -> AsyncIterator[Database]:
    database = Database(urls.app, largest_pool=8, timeout_seconds=60)
    await database.open()
    yield database
    await database.close()


async def make_principal(db: Database, *scopes: str, name: str = "Acme") -> Principal:
    """A workspace of its own with one project, and someone who may do everything in it unless scopes say less."""
    workspace_id, project_id = new_id(), new_id()
    async with db.across_workspaces() as tx:
        await tx.execute(
            "insert into workspaces (id, name, slug) values (%(id)s, %(name)s, %(slug)s)",
            id=workspace_id,
            name=name,
            slug=workspace_id.hex,
        )
    async with db.transaction(workspace_id) as tx:
        await tx.execute(
            "insert into projects (id, workspace_id, name, slug) values (%(id)s, %(ws)s, 'Default', 'default')",
            id=project_id,
            ws=workspace_id,
        )
    return Principal(workspace_id, project_id, frozenset(scopes or {"*"}))


@pytest.fixture
async def principal(db: Database) -> Principal:
    return await make_principal(db)


@pytest.fixture
async def stranger(db: Database) -> Principal:
    """Someone in another workspace of the same installation."""
    return await make_principal(db, name="Other")


@pytest.fixture
def unknown_id() -> UUID:
    return new_id()
