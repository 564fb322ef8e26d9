"""`glia migrate`"""

from __future__ import annotations

import click

from glia.cli.home import home
from glia.kit.migrate import migrate


@click.command()
@click.option("--data-dir", help="The data directory of the running `glia serve`; not needed with GLIA_DATABASE_URL.")
def command(data_dir: str | None) -> None:
    """Bring the database to this version's schema. `glia serve` does it by itself at its start."""
    applied = migrate(home(data_dir).owner_url())
    for name in applied:
        click.echo(f"applied {name}")
    click.echo(f"{len(applied)} migrations applied." if applied else "The database is up to date.")
