"""`glia worker`"""

from __future__ import annotations

import click
import uvloop

from glia.cli.home import home
from glia.worker import work


@click.command()
@click.option("--data-dir", help="The data directory of a `glia serve` on this machine, if there is one.")
def command(data_dir: str | None) -> None:
    """Start a process that only executes runs, beside a `glia serve` or on any machine that reaches its database."""
    place = home(data_dir)
    app_url = place.app_url()
    place.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    uvloop.run(work(place.settings, app_url, place.data_dir))
