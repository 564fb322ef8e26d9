"""`glia workspace`: plans, prices and payments, for whoever operates the server. Works on the database itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal, InvalidOperation
from typing import TypeVar

import click

from glia.billing.service import Billing
from glia.billing.types import Invoice, OwnPrices, Prices
from glia.cli.home import home
from glia.identity.service import Identity, PlanSettings, open_identity
from glia.identity.types import Allowance, Plan, Principal
from glia.kit.db import Database
from glia.kit.errors import InvalidRequest
from glia.kit.ids import parse_id
from glia.kit.pages import LARGEST_LIMIT, Window

T = TypeVar("T")
Place = tuple[str | None, str | None]


@click.group()
@click.option("--data-dir", help="The data directory of the running `glia serve`; not needed with GLIA_DATABASE_URL.")
@click.option("--workspace", metavar="SLUG", help="Which one; without it, the first.")
@click.pass_context
def command(context: click.Context, data_dir: str | None, workspace: str | None) -> None:
    """A workspace's plan, prices and invoices. Beside a running `glia serve`, or with GLIA_DATABASE_URL."""
    context.obj = (data_dir, workspace)


@command.command()
@click.argument("plan", type=click.Choice([*(plan.value for plan in Plan), "default"]), required=False)
@click.option("--rate", type=int, metavar="N", help="Requests a minute, of an enterprise.")
@click.pass_obj
def plan(place: Place, plan: str | None, rate: int | None) -> None:
    """Show the plan, or give the workspace another. `default` is the server's own."""

    async def work(identity: Identity, _billing: Billing, operator: Principal) -> Allowance:
        if plan is None:
            return await identity.plans.get(operator)
        wanted = None if plan == "default" else Plan(plan)
        return await identity.plans.set(operator, wanted, requests_per_minute=rate)

    found = _run(place, work)
    whose = "its own" if found.is_own else "the server's"
    click.echo(f"{found.plan.value} ({whose}): {found.requests_per_minute} requests a minute")


@command.command()
@click.option("--core-hour", metavar="USD", help="Of a core for an hour; `default` for the server's price.")
@click.option("--memory-gib-hour", metavar="USD", help="Of a GiB of memory for an hour.")
@click.option("--storage-gb-month", metavar="USD", help="Of a GB kept for a month.")
@click.option("--network-gb", metavar="USD", help="Of a GB in or out.")
@click.pass_obj
def prices(place: Place, **given: str | None) -> None:
    """Show the prices, or set some for this workspace, for what is used from now on."""
    changes = {name: _price(name, text) for name, text in given.items() if text is not None}

    async def work(_identity: Identity, billing: Billing, operator: Principal) -> tuple[Prices, OwnPrices]:
        if not changes:
            return await billing.prices(operator)
        return await billing.set_prices(operator, changes)

    found, own = _run(place, work)
    for name, price in found.__dict__.items():
        whose = "the server's" if own.__dict__[name] is None else "its own"
        click.echo(f"{name:<18}{price.normalize():f}  {whose}")


@command.command()
@click.pass_obj
def invoices(place: Place) -> None:
    """Show the invoices, the newest first."""

    async def work(_identity: Identity, billing: Billing, operator: Principal) -> list[Invoice]:
        return (await billing.invoices(operator, Window(limit=LARGEST_LIMIT))).items

    for one in _run(place, work):
        click.echo(f"{one.id}  {one.period}  {one.amount_micros / 1_000_000:>12.6f} USD  {one.status}")


@command.command()
@click.argument("invoice")
@click.option("--note", default="", help="What stands beside the payment.")
@click.pass_obj
def pay(place: Place, invoice: str, note: str) -> None:
    """Note that an invoice was paid. INVOICE is what `glia workspace invoices` shows first."""

    async def work(_identity: Identity, billing: Billing, operator: Principal) -> Invoice:
        return await billing.pay(operator, parse_id(invoice, "invoice"), note)

    click.echo(f"The invoice of {_run(place, work).period} is paid.")


def _run(place: Place, work: Callable[[Identity, Billing, Principal], Awaitable[T]]) -> T:
    async def inside() -> T:
        async with _office(*place) as (identity, billing, operator):
            return await work(identity, billing, operator)

    return asyncio.run(inside())


@asynccontextmanager
async def _office(
    data_dir: str | None, workspace: str | None
) -> AsyncGenerator[tuple[Identity, Billing, Principal], None]:
    place = home(data_dir)
    settings = place.settings
    db = Database(place.app_url(), largest_pool=2)
    await db.open()
    try:
        plan = PlanSettings(Plan(settings.limits.plan), settings.limits.enterprise_requests_per_minute)
        identity = await open_identity(db, settings.secret_key, plan)
        billing = Billing(db, settings.billing, identity.plans.require_operator)
        yield identity, billing, await identity.operator(workspace)
    finally:
        await db.close()


def _price(name: str, text: str) -> Decimal | None:
    if text == "default":
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        option = "--" + name.replace("_", "-")
        raise InvalidRequest(f"{option} {text!r} is not a number of dollars such as 0.05.", field=name) from None
