"""`glia agent`"""

from __future__ import annotations

import asyncio

import click

from glia.cli.api import connect
from glia.cli.conversing import require_base


@click.group()
@click.option("--data-dir", help="Where to find credentials.json when GLIA_API_KEY is not set.")
@click.pass_context
def command(context: click.Context, data_dir: str | None) -> None:
    """Agents: create, list."""
    context.obj = data_dir


@command.command("list")
@click.pass_obj
def list_(data_dir: str | None) -> None:
    """Show the agents."""
    agents = asyncio.run(_list(data_dir))
    for agent in agents:
        click.echo(
            f"{agent['slug']}  version {agent['version']}  {agent.get('model') or 'default model'}  {agent['id']}"
        )
    if not agents:
        click.echo("There is no agent yet; `glia agent create NAME` makes one.", err=True)


@command.command()
@click.argument("name")
@click.option("--instructions", default="", help="What it is told before every conversation.")
@click.option("--model", help="As `glia models list` names it; without it, the server's default.")
@click.option("--kb", "bases", multiple=True, metavar="NAME", help="A knowledge base it may search; repeatable.")
@click.option("--tool", "tools", multiple=True, metavar="NAME", help="A tool it may use; without any, all of them.")
@click.option("--slug", help="Its short name; without it, made from the name.")
@click.pass_obj
def create(
    data_dir: str | None,
    name: str,
    instructions: str,
    model: str | None,
    bases: tuple[str, ...],
    tools: tuple[str, ...],
    slug: str | None,
) -> None:
    """Make an agent."""
    body: dict[str, object] = {"name": name, "instructions": instructions, "model": model, "slug": slug}
    if tools:
        body["tools"] = list(tools)
    agent = asyncio.run(_create(data_dir, body, bases))
    click.echo(f"{agent['slug']}  version {agent['version']}  {agent['id']}")


async def _list(data_dir: str | None) -> list[dict[str, object]]:
    async with connect(data_dir) as api:
        return await api.all("/v1/agents")


async def _create(data_dir: str | None, body: dict[str, object], bases: tuple[str, ...]) -> dict[str, object]:
    async with connect(data_dir) as api:
        ids = [(await require_base(api, name))["id"] for name in bases]
        return await api.post("/v1/agents", {**body, "knowledge_base_ids": ids})
