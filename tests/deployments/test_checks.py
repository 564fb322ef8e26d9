"""What a deployment may be made of, over the wire."""

from __future__ import annotations

from typing import Any

import pytest

from glia.deployments.lines import LONGEST_LINE_BYTES, Splitter, level_of
from tests.surfaces.conftest import Client, stranger  # noqa: F401

GOOD = {"name": "web", "runtime": "python", "binary_url": "storage://bin/web.py", "replicas": 0}

BAD: list[tuple[str, Any]] = [
    ("name", ""),
    ("name", "Big Name"),
    ("name", "-x"),
    ("name", "x" * 64),
    ("runtime", "cobol"),
    ("binary_url", "file:///etc/passwd"),
    ("binary_url", "http://"),
    ("binary_url", "storage://"),
    ("binary_url", "http://not a host/x"),
    ("binary_url", "http://user:secret@example.org/x"),
    ("binary_url", "http://example.org:99999/x"),
    ("sha256", "abc"),
    ("replicas", -1),
    ("replicas", 101),
    ("cpu", "a lot"),
    ("cpu", "0"),
    ("cpu", "65"),
    ("cpu", "1e3"),
    ("memory", "512"),
    ("memory", "512MB"),
    ("memory", "1Ki"),
    ("memory", "-1Gi"),
    ("region", "not a region"),
    ("port", 0),
    ("port", 80),
    ("port", 65536),
    ("health_path", "health"),
    ("health_path", "/a b"),
    ("health_path", "/a#b"),
    ("health_path", "/a\r\nX: y"),
    ("network_hosts", ["example.org"]),
    ("command", ["x" * 4097]),
    ("environment", {"1x": "y"}),
    ("environment", {"PORT": "1"}),
    ("environment", {"X": "a" * 70_000}),
]


@pytest.mark.parametrize(("field", "value"), BAD)
def test_a_bad_value_is_refused_with_its_field_and_reason(client: Client, field: str, value: Any) -> None:
    answer = client.post("/v1/deployments", GOOD | {field: value})

    assert answer.status == 400, answer.body
    assert answer.error["field"] == field
    assert answer.error["details"]["reason"]
    assert client.get("/v1/deployments").json["data"] == []


def test_a_name_is_taken_once_in_a_workspace_and_free_in_another(client: Client, stranger: Client) -> None:  # noqa: F811
    first = client.made("/v1/deployments", GOOD)
    again = client.post("/v1/deployments", GOOD)
    other = stranger.made("/v1/deployments", GOOD)

    assert first["endpoint"] == "/deployments/web/"
    assert again.status == 409
    assert other["endpoint"] != first["endpoint"]
    assert client.get(f"/v1/deployments/{other['id']}").status == 404


def test_changes_make_versions_and_scaling_does_not(client: Client) -> None:
    client.made("/v1/deployments", GOOD | {"sha256": "A" * 64})

    scaled = client.post("/v1/deployments/web/scale", {"replicas": 0}).json
    changed = client.patch("/v1/deployments/web", {"binary_url": "storage://bin/other.py"}).json
    refused = client.patch("/v1/deployments/web", {"cpu": "none"})
    unknown = client.get("/v1/deployments/web/metrics?period=2h")

    assert (scaled["version"], scaled["sha256"]) == (1, "a" * 64)
    assert (changed["version"], changed["sha256"]) == (2, None)
    assert (refused.status, refused.error["field"]) == (400, "cpu")
    assert unknown.status == 400


def test_levels_are_read_from_json_and_usual_prefixes() -> None:
    said = {
        "plain words": "info",
        "ERROR: no": "error",
        "2031-05-01 10:00:00,123 WARNING x": "warn",
        "2031-05-01T10:00:00Z [debug] x": "debug",
        "ts=1 level=warn msg=x": "warn",
        '{"severity": "CRITICAL"}': "error",
        '{"level": 20}': "debug",
        '{"level": 50}': "error",
        '{"broken': "info",
        "errors were found": "info",
    }

    assert {line: ("debug", "info", "warn", "error")[level_of(line)] for line in said} == said


def test_lines_cut_anywhere_are_put_together_and_long_ones_are_cut() -> None:
    splitter = Splitter()

    lines = [
        line.message
        for piece in (b"a", "b\u00e9".encode()[:2], b"\xa9\nc\n\n", b"d")
        for line in splitter.feed(1, piece)
    ]
    rest = [line.message for line in splitter.flush()]
    long = [line for _ in range(100) for line in splitter.feed(2, b"x" * 65536)] + splitter.feed(2, b"\nnext\n")

    assert (lines, rest) == (["ab\u00e9", "c"], ["d"])
    assert [len(line.message) for line in long] == [LONGEST_LINE_BYTES + len(" … (cut)"), 4]
