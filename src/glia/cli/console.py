"""`glia console`, and building it beside a server that starts."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import click
import structlog

from glia.console import build
from glia.kit.errors import GliaError

log = structlog.get_logger(__name__)

_NICENESS = 15


class ConsoleNotBuilt(GliaError):
    code = "console_not_built"


@click.group()
def command() -> None:
    """The web console."""


@command.command("build")
@click.option("--quiet", is_flag=True, help="Say only what went wrong.")
def build_(quiet: bool) -> None:
    """Build the console from this checkout, with Node 20.19 or newer; a server that runs shows it at once."""
    if not build.has_source():
        raise ConsoleNotBuilt("There is no source of the console here; it is in a checkout of Glia, not in a package.")
    try:
        build.build(is_quiet=quiet, niceness=_NICENESS if quiet else 0)
    except (build.BuildFailed, OSError) as error:
        raise ConsoleNotBuilt(str(error)) from None
    if not quiet:
        click.echo(f"The console is in {build.STATIC}.")


async def keep_current() -> None:
    """Builds the console of a checkout when it is missing or old and Node is there; in a process of its own, which
    yields to the server and ends with it. GLIA_SKIP_CONSOLE=1 leaves it."""
    if os.environ.get("GLIA_SKIP_CONSOLE") == "1" or not build.has_source():
        return
    if await asyncio.to_thread(build.is_current) or await asyncio.to_thread(build.find_npm) is None:
        return
    log.info("building the console in the background; reload its page in a minute")
    building = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "glia", "console", "build", "--quiet"),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        _, told = await building.communicate()
    finally:
        if building.returncode is None:
            os.killpg(building.pid, signal.SIGTERM)
    if building.returncode:
        log.warning("the console could not be built", reason=told.decode(errors="replace").strip()[-500:])
    else:
        log.info("the console is built")
