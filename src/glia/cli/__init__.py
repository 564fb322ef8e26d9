"""The command line. Each noun is a file; a command's module is imported only when it runs."""

from __future__ import annotations

import importlib
import sys

import click

from glia import __version__
from glia.kit.errors import GliaError

_COMMANDS = {
    "serve": "Start everything: database, API and a worker.",
    "worker": "Start a process that only executes runs.",
    "node": "Keep deployed programs running on this machine.",
    "chat": "Talk to an agent in the terminal.",
    "ask": "Ask one question.",
    "kb": "Knowledge bases: add documents, list, search.",
    "agent": "Agents: create, list.",
    "trigger": "Triggers: list, create, pause, resume, fire.",
    "models": "List the models that agents can use.",
    "key": "API keys: create, list, revoke.",
    "workspace": "A workspace's plan, prices and invoices.",
    "sandbox": "Sandboxes: build their templates, try whether they work.",
    "console": "Build the web console from a checkout.",
    "migrate": "Bring the database to this version's schema.",
    "doctor": "Check everything that can be wrong, and explain it.",
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        return importlib.import_module(f"glia.cli.{cmd_name}").command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="glia")
def cli() -> None:
    """A self-hosted home for AI agents."""


def main() -> None:
    """Errors that a person can mend are one sentence and exit status 1, never a traceback."""
    try:
        cli(prog_name="glia")
    except GliaError as error:
        click.echo(f"glia: {error.message}", err=True)
        sys.exit(1)
