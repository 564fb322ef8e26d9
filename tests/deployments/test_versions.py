"""What a deployment's program was, going back to it, and its lines by what they say. Nothing has to run for that."""

from __future__ import annotations

from typing import Any

import pytest

from glia.kit.ids import new_id
from tests.surfaces.conftest import Client, Server


@pytest.fixture
def deployment(client: Client) -> dict[str, Any]:
    body = {"name": "web", "runtime": "python", "binary_url": "storage://web.py", "replicas": 0}
    return client.made("/v1/deployments", body | {"environment": {"SAYS": "one"}})


def test_a_deployment_goes_back_to_a_version_and_its_environment(
    client: Client, deployment: dict[str, Any], server: Server
) -> None:
    client.patch("/v1/deployments/web", {"memory": "128Mi", "environment": {"OTHER": "two"}})
    rolled = client.post("/v1/deployments/web/versions/1/roll").json
    versions = client.get("/v1/deployments/web/versions").json["data"]

    assert (rolled["version"], rolled["memory"], rolled["environment_names"]) == (1, "512Mi", ["SAYS"])
    assert [(each["number"], each["is_current"], each["memory"]) for each in versions] == [
        (2, False, "128Mi"),
        (1, True, "512Mi"),
    ]
    for missing in ("3", "0", "x"):
        assert client.post(f"/v1/deployments/web/versions/{missing}/roll").status == 404


def test_lines_are_found_by_text_and_replica(client: Client, deployment: dict[str, Any], server: Server) -> None:
    one, other = new_id(), new_id()
    with server.admin() as admin:
        for replica, message in ((one, "GET /a 50%"), (one, "get /b"), (other, "GET /c")):
            admin.execute(
                "insert into deployment_logs (workspace_id, deployment_id, replica_id, at, level, message)"
                " select workspace_id, id, %s, now(), 1, %s from deployments where id = %s",
                (replica, message, deployment["id"]),
            )

    def lines(query: str) -> list[str]:
        found = client.get(f"/v1/deployments/web/logs?{query}").json["data"]
        return [line["message"] for line in found]

    assert lines("text=get") == ["GET /a 50%", "get /b", "GET /c"]
    assert lines(f"text=get&replica_id={one}") == ["GET /a 50%", "get /b"]
    assert lines("text=0%25") == ["GET /a 50%"]
    assert lines("text=_") == []
    assert len(lines("tail=10000")) == 3
