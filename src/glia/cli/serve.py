"""`glia serve`"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import click
import structlog
import uvloop

from glia.cli.console import keep_current
from glia.cli.home import Home, home
from glia.cli.node_keeping import keep_node
from glia.front import SURFACES
from glia.identity.types import Credentials
from glia.kit.errors import GliaError, StorageFull
from glia.kit.migrate import migrate
from glia.kit.postgres import EmbeddedPostgres
from glia.server import Server, raise_file_limit
from glia.wiring import build
from glia.worker import stop_event

log = structlog.get_logger(__name__)


def _listen(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, int]:
    places: dict[str, int] = {}
    for value in values:
        surface, _, port = value.partition("=")
        if surface not in SURFACES or not port.isdigit() or not 0 < int(port) < 65536:
            raise click.BadParameter(f"{value!r} is not SURFACE=PORT; surfaces are {', '.join(SURFACES)}.")
        places[surface] = int(port)
    return places


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8700, show_default=True, type=click.IntRange(1, 65535), envvar="PORT")
@click.option("--data-dir", help="Where the database, credentials and built models live.")
@click.option("--listen", multiple=True, metavar="SURFACE=PORT", callback=_listen, help="A port for one surface.")
def command(host: str, port: int, data_dir: str | None, listen: dict[str, int]) -> None:
    """Start everything: database, API and a worker, in one process."""
    place = home(data_dir)
    # Until the event loop takes signals; the first process of a container would not even see this one otherwise.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(128 + signal.SIGTERM))
    raise_file_limit()
    with _usable(place.data_dir):
        _start(place, host=host, port=port, listen=listen)


def _start(place: Home, *, host: str, port: int, listen: dict[str, int]) -> None:
    postgres: EmbeddedPostgres | None = None
    if place.settings.database_url is None:
        _say_if_other_url_is_set()
        postgres = place.postgres(lambda text: click.echo(text, err=True))
        connection = postgres.start()
        owner_url, app_url = connection.owner_url, connection.app_url
    else:
        place.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner_url = app_url = place.settings.database_url
    try:
        migrate(owner_url)
        uvloop.run(_serve(place, app_url, host=host, port=port, listen=listen, postgres=postgres))
    finally:
        if postgres is not None:
            postgres.stop()


class DataDirUnusable(GliaError):
    code = "data_dir_unusable"


@contextmanager
def _usable(data_dir: Path) -> Generator[None, None, None]:
    """Says in one sentence what the system refuses there. Other errors of the system are bugs and stay as they are."""
    try:
        yield
    except OSError as error:
        where = error.filename if isinstance(error.filename, str) else str(data_dir)
        if error.errno == errno.ENOSPC:
            raise StorageFull(f"The disk of {where!r} is full. Free some space, then start again.") from error
        if Path(where) not in (data_dir, *data_dir.parents) and data_dir not in Path(where).parents:
            raise
        raise DataDirUnusable(
            f"The data directory {str(data_dir)!r} cannot be used ({error.strerror}: {where!r}). Mend that, or choose"
            " another one with --data-dir."
        ) from error


async def _serve(
    place: Home, app_url: str, *, host: str, port: int, listen: dict[str, int], postgres: EmbeddedPostgres | None
) -> None:
    stop = stop_event()
    house = await build(place.settings, app_url, place.data_dir)
    try:
        server = Server(house, host=host, port=port, listen=listen)
        credentials = await house.identity.bootstrap()
        if credentials is not None:
            _hand_over(place.credentials, credentials)
        await house.open()
        keeper = asyncio.create_task(_keep_running(postgres)) if postgres is not None else None
        node = asyncio.create_task(keep_node(place, house.rotation)) if place.settings.fleet.node == "on" else None
        server.listen()
        click.echo(f"Glia is ready at http://{host}:{port}", err=True)
        building = asyncio.create_task(keep_current())
        await server.run(stop)
        building.cancel()
        await asyncio.gather(building, return_exceptions=True)
        if keeper is not None:
            keeper.cancel()
        for task in (keeper, node):
            if task is not None:
                task.cancel()
    finally:
        await house.close()


async def _keep_running(postgres: EmbeddedPostgres) -> None:
    """Starts the embedded server again when it dies. In a thread, because its recovery may take long and requests
    should be told so meanwhile; a watchdog then ends it with us in place of the kernel."""
    while True:
        await asyncio.sleep(1)
        if not postgres.is_running:
            log.error("the embedded PostgreSQL died; starting it again")
            try:
                await asyncio.to_thread(postgres.start)
            except GliaError as error:
                log.error("it does not start", error=error.message)
                await asyncio.sleep(5)


def _hand_over(path: Path, credentials: Credentials) -> None:
    """Prints the first credentials, once, and keeps them in a file that only its owner reads.

    Printed first, because without them nobody gets in if the file cannot be written.
    """
    content = {
        "workspace": credentials.workspace,
        "email": credentials.email,
        "password": credentials.password,
        "api_key": credentials.api_key,
    }
    click.echo(f"First start. These credentials are shown once and kept in {path}:", err=True)
    click.echo(f"  workspace  {credentials.workspace}\n  email      {credentials.email}", err=True)
    click.echo(f"  password   {credentials.password}\n  api key    {credentials.api_key}", err=True)
    _set_aside(path)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(json.dumps(content, indent=2) + "\n")


def _set_aside(path: Path) -> None:
    """Keeps credentials that belong to another database, such as one that was served from here before."""
    if not path.exists():
        return
    kept = next(other for number in count(1) if not (other := path.with_name(f"credentials.{number}.json")).exists())
    path.rename(kept)
    click.echo(f"The credentials of another database that were there are now in {kept}.", err=True)


def _say_if_other_url_is_set() -> None:
    if os.environ.get("DATABASE_URL"):
        click.echo(
            "DATABASE_URL is set but not used; Glia reads GLIA_DATABASE_URL. Starting its own database.", err=True
        )
