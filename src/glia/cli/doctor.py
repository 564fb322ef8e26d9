"""`glia doctor`"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click

from glia.cli.checks.finding import Finding

_MARKS = {"ok": ("  ok ", "green"), "warning": ("warn ", "yellow"), "problem": ("FAIL ", "red")}


@click.command()
@click.option("--data-dir", help="The data directory to look into.")
@click.option("--port", default=8700, show_default=True, type=click.IntRange(1, 65535), envvar="PORT")
@click.option("--quiet", is_flag=True, help="Only what is wrong.")
def command(data_dir: str | None, port: int, quiet: bool) -> None:
    """Check everything that can be wrong, and explain it. Changes nothing; exit status 1 when there is a problem."""
    from glia.cli.checks.settings import settings_list

    findings: list[Finding] = []
    for finding in _findings(data_dir, port):
        findings.append(finding)
        if finding.level != "ok" or not quiet:
            _print(finding)
    if not quiet:
        click.echo("\nSettings")
        for line in settings_list():
            click.echo(f"  {line}")
    problems = sum(finding.level == "problem" for finding in findings)
    warnings = sum(finding.level == "warning" for finding in findings)
    click.echo(f"\n{len(findings)} checks, {problems} problems, {warnings} warnings.")
    sys.exit(1 if problems else 0)


def _findings(data_dir: str | None, port: int) -> Iterator[Finding]:
    from glia.cli.checks.database import check_database
    from glia.cli.checks.machine import check_machine
    from glia.cli.checks.models import check_models
    from glia.cli.checks.place import check_place
    from glia.cli.checks.sandbox import check_sandbox
    from glia.cli.checks.settings import check_settings
    from glia.cli.home import home

    yield from check_machine(port)
    wrong = False
    for finding in check_settings():
        wrong = wrong or finding.level == "problem"
        yield finding
    if wrong:
        return  # without readable settings there is no saying where to look
    place = home(data_dir)
    yield from check_place(place)
    yield from check_database(place)
    yield from check_models(place.data_dir)
    yield from check_sandbox(place.data_dir)


def _print(finding: Finding) -> None:
    mark, colour = _MARKS[finding.level]
    click.echo(click.style(mark, fg=colour) + finding.what)
    for label, text in (("why", finding.why), ("fix", finding.how)):
        if text:
            click.echo(f"       {label}: {text}")
