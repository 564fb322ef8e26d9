"""`glia worker`"""

from __future__ import annotations

from functools import partial

import click
import uvloop

from glia.cli.home import home
from glia.worker import Beside, work


@click.command()
@click.option("--data-dir", help="The data directory of a `glia serve` on this machine, if there is one.")
@click.option("--port", type=click.IntRange(1, 65535), help="Answer /health, /ready and /metrics there.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to answer them at.")
def command(data_dir: str | None, port: int | None, host: str) -> None:
    """Start a process that only executes runs, beside a `glia serve` or on any machine that reaches its database."""
    place = home(data_dir)
    app_url = place.app_url()
    place.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    uvloop.run(work(place.settings, app_url, place.data_dir, None if port is None else _signs(host, port)))


def _signs(host: str, port: int) -> Beside:
    from glia.server import show_vital_signs  # brings the web framework, which a worker can do without

    return partial(show_vital_signs, host=host, port=port)
