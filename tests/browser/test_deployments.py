"""Programs that are kept running, deployed and rolled in the browser."""

from __future__ import annotations

from pathlib import Path

from tests.browser.conftest import Journey
from tests.deployments.conftest import WEB, NodeProcess, node, shop
from tests.surfaces.conftest import Client, Server

__all__ = ["node", "shop"]  # fixtures


def test_a_program_is_deployed_and_rolled(journey: Journey, node: NodeProcess) -> None:
    journey("deployments", "roll", program=WEB.decode())


def test_the_screens_of_deployments_are_accessible(
    journey: Journey, client: Client, server: Server, tmp_path: Path
) -> None:
    body = {"name": "tick", "runtime": "python", "binary_url": "storage://tick.py", "replicas": 0}
    id = client.made("/v1/deployments", body)["id"]
    with server.admin() as admin:
        for number, level in enumerate((0, 1, 2, 3)):
            admin.execute(
                "insert into deployment_logs (workspace_id, deployment_id, replica_id, at, level, message)"
                " select workspace_id, id, id, now(), %s, 'A line that says something' from deployments where id = %s",
                (level, id),
            )
            admin.execute(
                "insert into deployment_metrics select workspace_id, id, id, now() - make_interval(mins => %s),"
                " 20, 30 * %s, 1000 from deployments where id = %s",
                (number * 10, number, id),
            )

    journey("deployments", "looks")
