"""`glia chat`"""

from __future__ import annotations

import asyncio
import importlib
import signal
import sys

import click

from glia.cli.api import Api, connect
from glia.cli.conversing import choose_agent, take_turn
from glia.cli.show import Show
from glia.kit.errors import GliaError

_HELP = """  /new    start another session
  /help   this list
  /quit   leave (also Ctrl-D)
  Ctrl-C  cancel the answer that is being written; twice to leave"""


@click.command()
@click.option("--agent", metavar="SLUG", help="Who answers; without it, an assistant that is made when missing.")
@click.option("--model", metavar="NAME", help="The assistant's model, as `glia models list` names it.")
@click.option("--kb", metavar="NAME", help="The knowledge base to answer from.")
@click.option("--data-dir", help="Where to find credentials.json when GLIA_API_KEY is not set.")
def command(agent: str | None, model: str | None, kb: str | None, data_dir: str | None) -> None:
    """Talk to an agent in the terminal, with every step as it happens. Reads questions from a pipe as well."""
    sys.exit(1 if asyncio.run(_chat(agent, model, kb, data_dir)) else 0)


async def _chat(agent: str | None, model: str | None, kb: str | None, data_dir: str | None) -> bool:
    """Whether a run failed while nobody was there to see it."""
    # asyncio's own handler would wait for `input` to return before Ctrl-C has an effect.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    async with connect(data_dir) as api:
        chosen = await choose_agent(api, agent, base_name=kb, model=model)
        is_terminal = sys.stdin.isatty()
        if is_terminal:
            importlib.import_module("readline")  # gives `input` its history and editing
            click.secho(f"{chosen['name']} ({chosen['slug']}) at {api.url}. /help lists what else there is.", dim=True)
        try:
            return await _converse(api, chosen["id"], is_terminal=is_terminal)
        except KeyboardInterrupt:
            click.echo()
            return False


async def _converse(api: Api, agent_id: str, *, is_terminal: bool) -> bool:
    session_id = await _new_session(api, agent_id)
    is_failed = False
    while True:
        match line := _read(is_terminal=is_terminal):
            case None | "/quit" | "/exit":
                return is_failed and not is_terminal
            case "":
                continue
            case "/new":
                session_id = await _new_session(api, agent_id)
                click.secho("A new session.", dim=True, err=True)
                continue
            case "/help":
                click.echo(_HELP)
                continue
            case _:
                is_failed = not await _say(api, session_id, line, is_terminal=is_terminal) or is_failed


async def _say(api: Api, session_id: str, line: str, *, is_terminal: bool) -> bool:
    """Whether an answer came. At a terminal an error is shown and the talk goes on."""
    show = Show()
    try:
        await take_turn(api, session_id, line, show)
    except GliaError as error:
        if not is_terminal:
            raise
        click.echo(f"glia: {error.message}", err=True)
        return False
    click.echo()
    return show.is_completed


async def _new_session(api: Api, agent_id: str) -> str:
    return (await api.post("/v1/sessions", {"agent_id": agent_id}))["id"]


def _read(*, is_terminal: bool) -> str | None:
    """The next line; None at the end. It blocks the event loop on purpose: between turns nothing else is going on."""
    if not is_terminal:
        line = sys.stdin.readline()
        return line.strip() if line else None
    try:
        return input("> ").strip()
    except EOFError:
        click.echo()
        return None
