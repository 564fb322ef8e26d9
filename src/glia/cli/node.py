"""`glia node`"""

from __future__ import annotations

import asyncio

import click
import uvloop

from glia.cli.home import Home, home
from glia.wiring.clusters import empty_cluster, run_cluster_node
from glia.wiring.fleet import backend_of, only_node, run_node
from glia.worker import stop_event


@click.command()
@click.option("--data-dir", help="The data directory of a `glia serve` on this machine, if there is one.")
@click.option("--region", default="", help="Deployments may ask for nodes of a region. Wins over GLIA_FLEET__REGION.")
@click.option(
    "--backend",
    type=click.Choice(["bubblewrap", "kubernetes"]),
    help="Where programs run. Wins over GLIA_FLEET__BACKEND.",
)
@click.option(
    "--listen",
    default="",
    help="HOST:PORT for connections of servers elsewhere to this node's programs. Wins over GLIA_FLEET__LISTEN.",
)
@click.option("--while-needed", is_flag=True, help="End when there is no deployment any more.")
@click.option("--stop-programs", is_flag=True, help="Stop all programs that a node left running here, and end.")
def command(
    data_dir: str | None, region: str, backend: str | None, listen: str, while_needed: bool, stop_programs: bool
) -> None:
    """Keep deployed programs running on this machine, or in a Kubernetes cluster. They run on when the node is ended or
    killed; the next one takes them over."""
    place = home(data_dir)
    place.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    is_cluster = (backend or place.settings.fleet.backend) == "kubernetes"
    with only_node(place.data_dir) as folder:
        if stop_programs:
            uvloop.run(_empty_cluster(place) if is_cluster else _stop_programs(place))
            return
        url = place.app_url(wait_seconds=30)

        async def run() -> None:
            stop = stop_event()
            if is_cluster:
                return await run_cluster_node(
                    place.settings, url, place.data_dir, stop, region=region, is_lent=while_needed
                )
            return await run_node(
                place.settings, url, place.data_dir, folder, stop, region=region, is_lent=while_needed, listen=listen
            )

        uvloop.run(run())


async def _empty_cluster(place: Home) -> None:
    count = await empty_cluster(place.settings, place.app_url(wait_seconds=30), place.data_dir)
    click.echo(f"{count} deployments were removed from the cluster.", err=True)


async def _stop_programs(place: Home) -> None:
    backend = backend_of(place.settings, place.data_dir)
    await backend.probe()
    found = list(backend.adopt().values())
    for running in found:
        running.terminate()
    deadline = asyncio.get_running_loop().time() + place.settings.fleet.stop_seconds
    while any(running.ended() is None for running in found) and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.1)
    for running in found:
        running.kill()
        while running.ended() is None:
            await asyncio.sleep(0.02)
        running.forget()
    click.echo(f"{len(found)} programs were stopped.", err=True)
