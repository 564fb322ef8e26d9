"""A client of NeuAIs' API: the same server, under `/neuais`."""

from __future__ import annotations

from typing import Any, LiteralString

import pytest

from glia.deployments.types import LEVELS
from glia.kit.ids import new_id
from tests.surfaces.conftest import Answer, Client, Server, Stream

CODES = {
    400: "invalid_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    409: "conflict",
    429: "rate_limit_exceeded",
    500: "internal_error",
    503: "service_unavailable",
}

PROGRAM = {"runtime": "python", "binary_url": "https://example.org/web.py"}


class Neuais(Client):
    """Plain HTTP below `/neuais`."""

    def request(self, method: str, path: str, body: Any = None, **options: Any) -> Answer:
        return super().request(method, f"/neuais{path}", body, **options)

    def put(self, path: str, body: Any = None, **options: Any) -> Answer:
        return self.request("PUT", path, body, **options)

    def stream(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Stream:
        return super().stream(method, f"/neuais{path}", body, headers)

    def made_natively(self, path: str, body: Any) -> dict[str, Any]:
        """By the native surface, with the same key."""
        return Client(self.port, self.key).made(path, body)

    def agent(self, name: str = "my-agent", **more: Any) -> dict[str, Any]:
        """Nothing runs it unless the test starts a node."""
        return self.made("/v1/agents", {"name": name, **PROGRAM, **more})


def refusal(answer: Answer, status: int) -> dict[str, Any]:
    """The error, after a look at its shape and code."""
    assert answer.status == status, (answer.status, answer.body)
    assert set(answer.json) == {"error"}
    error = answer.json["error"]
    assert set(error) == {"code", "message", "details"}
    assert error["code"] == CODES[status]
    assert error["message"]
    assert set(error["details"]) in (set(), {"field", "reason"})
    assert all(error["details"].values())
    return error


@pytest.fixture
def neuais(server: Server, client: Client) -> Neuais:
    """In the same workspace as `client`."""
    return Neuais(server.port, client.key)


@pytest.fixture
def neuais_stranger(server: Server, stranger: Client) -> Neuais:
    return Neuais(server.port, stranger.key)


class Written:
    """What programs wrote and used, as if a node had kept it."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def lines(self, agent: dict[str, Any], lines: list[tuple[str, str]], age_seconds: float = 0) -> str:
        """The replica that wrote them. lines: level and message."""
        replica = str(new_id())
        self._put(
            agent,
            "insert into deployment_logs (workspace_id, deployment_id, replica_id, at, level, message)"
            " select d.workspace_id, d.id, %(replica)s, now() - make_interval(secs => %(age)s), l.level, l.message"
            " from deployments d, unnest(%(levels)s::smallint[], %(messages)s::text[]) as l(level, message)"
            " where d.id = %(id)s",
            replica=replica,
            age=age_seconds,
            levels=[LEVELS.index(level) for level, _ in lines],
            messages=[message for _, message in lines],
        )
        return replica

    def samples(
        self, agent: dict[str, Any], samples: list[tuple[float, float, float]], age_seconds: float = 0
    ) -> list[str]:
        """Of one moment, and a replica for each. samples: cpu, memory, network."""
        replicas = [str(new_id()) for _ in samples]
        self._put(
            agent,
            "insert into deployment_metrics"
            " (workspace_id, deployment_id, replica_id, at, cpu_percent, memory_mib, network_bytes_per_second)"
            " select d.workspace_id, d.id, s.*"
            " from deployments d, unnest(%(replicas)s::uuid[], array_fill(now() - make_interval(secs => %(age)s),"
            " array[cardinality(%(cpu)s)]), %(cpu)s::real[], %(memory)s::real[], %(network)s::real[]) as s"
            " where d.id = %(id)s",
            replicas=replicas,
            age=age_seconds,
            cpu=[sample[0] for sample in samples],
            memory=[sample[1] for sample in samples],
            network=[sample[2] for sample in samples],
        )
        return replicas

    def _put(self, agent: dict[str, Any], sql: LiteralString, **values: Any) -> None:
        with self._server.admin() as admin:
            admin.execute(sql, {**values, "id": agent["id"].removeprefix("agt_")})


@pytest.fixture
def written(server: Server) -> Written:
    return Written(server)
