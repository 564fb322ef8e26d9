"""The guide runs as it is written, and the document knows every route."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import msgspec

from glia.surfaces.native.hot import MessageBody as Described
from glia.surfaces.native.stream import MessageBody
from tests.surfaces.conftest import Client, native_document

GUIDE = Path(__file__).parents[3] / "docs" / "api.md"


def test_the_guide_runs_as_written(client: Client, tmp_path: Path):
    script = "\n".join(re.findall(r"```sh\n(.*?)```", GUIDE.read_text(), re.DOTALL))

    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env={**os.environ, "GLIA": f"http://127.0.0.1:{client.port}", "KEY": client.key or ""},
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        timeout=90,
    )

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "kb://" in done.stdout
    assert "140 euros" in done.stdout
    assert "event: run.completed" in done.stdout


def test_the_guide_names_every_route(client: Client):
    guide = GUIDE.read_text()
    paths = client.get("/openapi.json").json["paths"]
    last_words = {
        path: [word for word in path.split("/") if word and not word.startswith("{")][-1]
        for path in paths
        if "openai" not in next(iter(paths[path].values()))["tags"]
    }

    assert [path for path, word in last_words.items() if f"/{word}" not in guide] == []


def test_every_operation_is_described_whole(client: Client):
    document = native_document(client)

    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            where = f"{method} {path}"
            assert operation["tags"], where
            assert operation["description"], where
            for status in ("400", "401", "429", "500"):
                schema = operation["responses"][status]["content"]["application/json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/Error"}, where
            assert any(status < "300" for status in operation["responses"]), where
            if "{" in path:
                assert "404" in operation["responses"], where
            if method == "patch":
                assert operation["requestBody"], where
    assert set(document["components"]["securitySchemes"]) == {"bearer", "api_key"}
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_every_reference_in_the_document_leads_somewhere(client: Client):
    text = client.get("/openapi.json").body.decode()
    schemas = client.get("/openapi.json").json["components"]["schemas"]

    assert set(re.findall(r'"#/components/schemas/([^"]+)"', text)) <= set(schemas)


def test_a_message_is_described_as_it_is_read():
    assert set(Described.model_fields) == {field.name for field in msgspec.structs.fields(MessageBody)}


def test_no_two_shapes_share_a_name(client: Client):
    """Otherwise both bear the names of their modules, and clients made from the document change when a file moves."""
    assert [name for name in native_document(client)["components"]["schemas"] if name.startswith("glia__")] == []
