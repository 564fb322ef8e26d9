"""The platform's own services, as NeuAIs shows them."""

from __future__ import annotations

import re

import pytest

from glia import __version__
from glia.surfaces.neuais.services import uptime_of
from tests.surfaces.neuais.conftest import Neuais, refusal

NAMES = ["auth", "iam", "kms", "billing", "compute", "storage", "database", "ai-network"]


def test_services_are_listed_with_their_health(neuais: Neuais):
    found = neuais.get("/v1/services").json

    assert [one["name"] for one in found["services"]] == NAMES
    assert found["total"] == len(NAMES)
    for one in found["services"]:
        assert set(one) == {"name", "status", "version", "uptime"}
        assert one["version"] == __version__
        assert re.fullmatch(r"\d+d \d+h \d+m", one["uptime"])
    healthy = neuais.get("/v1/services?status=healthy&fields=name").json["services"]
    assert {"name": "kms"} in healthy
    refusal(neuais.get("/v1/services?status=ill"), 400)


@pytest.mark.parametrize("name", NAMES)
def test_each_service_tells_what_was_tried(neuais: Neuais, name: str):
    found = neuais.get(f"/v1/services/{name}/status").json

    assert found["name"] == name
    assert found["status"] in {"healthy", "degraded"} or name == "compute"  # other tests' agents wait for a node
    assert found["checks"]
    assert found["latency_ms"] >= max(check["latency_ms"] for check in found["checks"])
    assert (found["uptime_seconds"] > 0) == (found["status"] != "down")


def test_a_service_that_there_is_not_is_a_404(neuais: Neuais):
    refusal(neuais.get("/v1/services/mail/status"), 404)


def test_uptime_reads_as_in_the_reference():
    assert uptime_of(5 * 86400 + 12 * 3600 + 30 * 60 + 59) == "5d 12h 30m"
    assert uptime_of(0) == "0d 0h 0m"
