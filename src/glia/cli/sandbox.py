"""`glia sandbox`: what sandboxes are made of, and whether they work here."""

from __future__ import annotations

import sys

import click

from glia.cli.home import data_directory


@click.group()
def command() -> None:
    """Sandboxes: build the templates, try whether they work here."""


@command.command("build-templates")
@click.argument("names", nargs=-1)
@click.option("--data-dir", help="The data directory of the server that will use them.")
def build_templates(names: tuple[str, ...], data_dir: str | None) -> None:
    """Make the templates NAMES, or all, and leave those alone that are up to date. `python-data` downloads packages."""
    from glia.sandboxes.backends import build_templates as build

    build(data_directory(data_dir), names, click.echo)


@command.command()
@click.option("--data-dir", help="The data directory of the server that would use them.")
def probe(data_dir: str | None) -> None:
    """Start a sandbox and say how well it holds; exit status 1 when none can be started."""
    from glia.cli.checks.sandbox import look

    found, templates = look(data_directory(data_dir))
    click.echo("Sandboxes work here." if found.is_available else f"Sandboxes do not work here. {found.reason}")
    for line in found.details:
        click.echo(f"  {line}")
    for limit, hold in found.limits.items():
        click.echo(f"  {limit}: {hold}")
    for template in templates:
        click.echo(f"  template {template.name}: {template.missing or 'ready'}")
    if found.fix:
        click.echo(f"  {found.fix}")
    sys.exit(0 if found.is_available else 1)
