"""`glia key`: works on the database itself, so it helps when no key is at hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import click

from glia.cli.home import home
from glia.identity.service import Identity, open_identity
from glia.identity.types import ApiKey, Principal, Role
from glia.kit.clock import now
from glia.kit.db import Database
from glia.kit.ids import parse_id
from glia.kit.pages import LARGEST_LIMIT, Window


@click.group()
@click.option("--data-dir", help="The data directory of the running `glia serve`; not needed with GLIA_DATABASE_URL.")
@click.option("--workspace", metavar="SLUG", help="Whose keys; without it, those of the first workspace.")
@click.pass_context
def command(context: click.Context, data_dir: str | None, workspace: str | None) -> None:
    """API keys: create, list, revoke. Beside a running `glia serve`, or with GLIA_DATABASE_URL."""
    context.obj = (data_dir, workspace)


@command.command()
@click.option("--name", default="Command line", show_default=True, help="What it is for.")
@click.option("--surface", default="native", show_default=True, metavar="NAME", help="How it looks.")
@click.option("--scopes", metavar="A,B", help="What it may do, such as agents:read,runs:*; else all of its role.")
@click.option("--role", type=click.Choice([role.value for role in Role]), help="user, unless the scopes ask for more.")
@click.option("--rate", type=int, metavar="N", help="The most requests a minute; else the server's setting.")
@click.option("--expires-days", type=float, metavar="N", help="Days until it expires; else never.")
@click.pass_obj
def create(
    place: tuple[str | None, str | None],
    name: str,
    surface: str,
    scopes: str | None,
    role: str | None,
    rate: int | None,
    expires_days: float | None,
) -> None:
    """Make a key. It is printed once and cannot be shown again."""
    expires_at = None if expires_days is None else now() + timedelta(days=expires_days)

    async def work() -> tuple[ApiKey, str]:
        async with _identity(*place) as (identity, operator):
            return await identity.keys.create(
                operator,
                name=name,
                scopes=None if scopes is None else [scope.strip() for scope in scopes.split(",") if scope.strip()],
                role=None if role is None else Role(role),
                rate_per_minute=rate,
                expires_at=expires_at,
                surface=surface,
            )

    made, raw = asyncio.run(work())
    click.echo(f"Key: {raw}")
    if surface == "neuronagent":  # as its own command prints them
        click.echo(f"Key ID: {made.id}\nPrefix: {made.prefix}")
    click.echo(f"Id: {made.id}, role: {made.role}, scopes: {', '.join(sorted(made.scopes))}", err=True)


@command.command("list")
@click.option("--all", "is_all", is_flag=True, help="Also revoked and expired keys.")
@click.pass_obj
def list_(place: tuple[str | None, str | None], is_all: bool) -> None:
    """Show the keys, newest first."""

    async def work() -> list[ApiKey]:
        async with _identity(*place) as (identity, operator):
            return (await identity.keys.list(operator, Window(limit=LARGEST_LIMIT))).items

    for key in asyncio.run(work()):
        state = _state(key)
        if is_all or state == "live":
            used = f"used {_day(key.last_used_at)}" if key.last_used_at else "never used"
            click.echo(f"{key.id}  {key.prefix}…  {key.role:<9}  {state:<7}  {used:<16}  {key.surface}  {key.name}")


@command.command()
@click.argument("key_id")
@click.pass_obj
def revoke(place: tuple[str | None, str | None], key_id: str) -> None:
    """Make a key useless at once, in every process. KEY_ID is what `glia key list` shows first."""

    async def work() -> ApiKey:
        async with _identity(*place) as (identity, operator):
            return await identity.keys.revoke(operator, parse_id(key_id, "key"))

    revoked = asyncio.run(work())
    click.echo(f"Revoked {revoked.prefix}… ({revoked.name}).")


@asynccontextmanager
async def _identity(data_dir: str | None, workspace: str | None) -> AsyncGenerator[tuple[Identity, Principal], None]:
    place = home(data_dir)
    db = Database(place.app_url(), largest_pool=2)
    await db.open()
    try:
        identity = await open_identity(db, place.settings.secret_key)
        yield identity, await identity.operator(workspace)
    finally:
        await db.close()


def _state(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expires_at is not None and key.expires_at <= now() else "live"


def _day(at: datetime) -> str:
    return at.date().isoformat()
