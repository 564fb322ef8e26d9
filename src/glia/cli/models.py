"""`glia models`"""

from __future__ import annotations

import asyncio

import click

from glia.cli.api import Json, connect


@click.group()
@click.option("--data-dir", help="Where to find credentials.json when GLIA_API_KEY is not set.")
@click.pass_context
def command(context: click.Context, data_dir: str | None) -> None:
    """Models that agents can use."""
    context.obj = data_dir


@command.command("list")
@click.pass_obj
def list_(data_dir: str | None) -> None:
    """Show the models, the default one marked with a star. Prices are US dollars per million tokens."""
    for model in asyncio.run(_list(data_dir)):
        star = "*" if model.get("is_default") else " "
        prices = (model.get("input_price_micros"), model.get("output_price_micros"))
        price = "  ".join(f"{micros / 1e6:.2f}" for micros in prices if micros is not None)
        click.echo(f"{star} {model['id']}  {model.get('purpose', '')}  {price}".rstrip())


async def _list(data_dir: str | None) -> list[Json]:
    async with connect(data_dir) as api:
        return (await api.get("/v1/models"))["data"]
