"""`glia trigger`"""

from __future__ import annotations

import asyncio

import click

from glia.cli.api import Json, connect


@click.group()
@click.option("--data-dir", help="Where to find credentials.json when GLIA_API_KEY is not set.")
@click.pass_context
def command(context: click.Context, data_dir: str | None) -> None:
    """Triggers: list, create, pause, resume, fire."""
    context.obj = data_dir


@command.command("list")
@click.pass_obj
def list_(data_dir: str | None) -> None:
    """Show the triggers."""
    triggers = asyncio.run(_list(data_dir))
    for trigger in triggers:
        next_at = trigger["next_at"] or trigger["pause_reason"] or "-"
        click.echo(
            f"{trigger['id']}  {trigger['when']['kind']:<8}  {trigger['status']:<6}  {next_at}  {trigger['name']}"
        )
    if not triggers:
        click.echo("There is no trigger yet; `glia trigger create NAME AGENT MESSAGE --cron ...` makes one.", err=True)


@command.command()
@click.argument("name")
@click.argument("agent")
@click.argument("message")
@click.option("--cron", help="Five fields, such as '0 7 * * MON-FRI'.")
@click.option("--timezone", metavar="ZONE", help="Of --cron, such as Europe/Berlin; else UTC.")
@click.option("--every", type=int, metavar="SECONDS", help="Fire every so many seconds.")
@click.option("--at", metavar="TIME", help="Fire once, such as 2031-05-01T08:00:00Z.")
@click.option("--on", metavar="EVENT", help="Fire for each such event of a run, such as run.failed.")
@click.option("--webhook", is_flag=True, help="Fire for signed requests; prints where to and the secret.")
@click.option(
    "--overlap",
    type=click.Choice(["skip", "queue", "cancel_previous", "parallel"]),
    default="skip",
    show_default=True,
    help="What becomes of a firing while an earlier run is at work.",
)
@click.pass_obj
def create(
    data_dir: str | None,
    name: str,
    agent: str,
    message: str,
    cron: str | None,
    timezone: str | None,
    every: int | None,
    at: str | None,
    on: str | None,
    webhook: bool,
    overlap: str,
) -> None:
    """Make a trigger that says MESSAGE to AGENT, by exactly one of --cron, --every, --at, --on, --webhook."""
    kinds: list[Json] = []
    if cron is not None:
        kinds.append({"kind": "cron", "cron": cron, "timezone": timezone})
    if every is not None:
        kinds.append({"kind": "interval", "every_seconds": every})
    if at is not None:
        kinds.append({"kind": "at", "at": at})
    if on is not None:
        kinds.append({"kind": "event", "event_type": on})
    if webhook:
        kinds.append({"kind": "webhook"})
    if len(kinds) != 1 or (timezone is not None and cron is None):
        raise click.UsageError("Give one of --cron, --every, --at, --on and --webhook; --timezone goes with --cron.")
    body: Json = {"name": name, "agent_id": agent, "message": message, "when": kinds[0], "overlap": overlap}
    trigger = asyncio.run(_post(data_dir, "/v1/triggers", body))
    click.echo(f"{trigger['id']}  {trigger['next_at'] or trigger['hook_path'] or on}")
    if trigger["secret"]:
        click.echo(f"Secret: {trigger['secret']}")


@command.command()
@click.argument("trigger_id")
@click.pass_obj
def pause(data_dir: str | None, trigger_id: str) -> None:
    """Stop a trigger from firing by itself. TRIGGER_ID is what `glia trigger list` shows first."""
    click.echo(asyncio.run(_post(data_dir, f"/v1/triggers/{trigger_id}/pause"))["status"])


@command.command()
@click.argument("trigger_id")
@click.pass_obj
def resume(data_dir: str | None, trigger_id: str) -> None:
    """Let a trigger fire again."""
    trigger = asyncio.run(_post(data_dir, f"/v1/triggers/{trigger_id}/resume"))
    click.echo(f"{trigger['status']}  {trigger['next_at'] or ''}".rstrip())


@command.command()
@click.argument("trigger_id")
@click.pass_obj
def fire(data_dir: str | None, trigger_id: str) -> None:
    """Fire a trigger now, paused or not."""
    firing = asyncio.run(_post(data_dir, f"/v1/triggers/{trigger_id}/fire"))
    click.echo(f"{firing['outcome']}  {firing['run_id'] or firing['reason'] or ''}".rstrip())


async def _list(data_dir: str | None) -> list[Json]:
    async with connect(data_dir) as api:
        return await api.all("/v1/triggers")


async def _post(data_dir: str | None, path: str, body: Json | None = None) -> Json:
    async with connect(data_dir) as api:
        return await api.post(path, body)
