"""`glia ask`"""

from __future__ import annotations

import asyncio
import json
import sys

import click

from glia.cli.api import connect
from glia.cli.conversing import choose_agent, take_turn
from glia.cli.show import Show


@click.command()
@click.argument("question", nargs=-1, required=True)
@click.option("--agent", metavar="SLUG", help="Who answers; without it, an assistant that is made when missing.")
@click.option("--kb", metavar="NAME", help="The knowledge base to answer from.")
@click.option("--json", "is_json", is_flag=True, help="Print the finished message as JSON instead of its text.")
@click.option("--data-dir", help="Where to find credentials.json when GLIA_API_KEY is not set.")
def command(question: tuple[str, ...], agent: str | None, kb: str | None, is_json: bool, data_dir: str | None) -> None:
    """Ask one question. The answer goes to standard output, the steps to standard error."""
    try:
        show = asyncio.run(_ask(" ".join(question), agent=agent, kb=kb, is_json=is_json, data_dir=data_dir))
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(0 if show.is_completed else 1)


async def _ask(question: str, *, agent: str | None, kb: str | None, is_json: bool, data_dir: str | None) -> Show:
    if question == "-":
        question = sys.stdin.read()
    async with connect(data_dir) as api:
        chosen = await choose_agent(api, agent, base_name=kb)
        session = await api.post("/v1/sessions", {"agent_id": chosen["id"]})
        show = Show(is_answer_shown=not is_json)
        await take_turn(api, session["id"], question, show)
    if is_json:
        outcome = show.outcome
        message = outcome["data"].get("message") or {"status": outcome["type"].removeprefix("run.")}
        click.echo(json.dumps({**message, "session_id": session["id"], "run_id": outcome["run_id"]}, indent=2))
    return show
