"""Attack 18 from inside a real sandbox, and secrets that never enter one."""

from __future__ import annotations

import json
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.kit.outbound_servers import Server, says
from tests.kit.outbound_servers import serving as serving_http
from tests.sandboxes.lives.conftest import Rig, sandboxes_of, serving
from tests.sandboxes.lives.test_lives import output

from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.pages import Window
from glia.sandboxes.records import EgressEntry, NewSandbox, SecretSpec
from glia.sandboxes.types import SandboxBackend

PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

PROBE = textwrap.dedent(
    """
    import json, os, socket, sys, urllib.request
    place, port = sys.argv[1], int(sys.argv[2])

    def fetch(url, **options):
        try:
            return urllib.request.urlopen(url, timeout=10, **options).read().decode()
        except urllib.error.HTTPError as error:
            return f"refused {error.code}"
        except OSError as error:
            return f"failed {type(error).__name__} {getattr(error.__cause__ or error, 'reason', error)}"

    def connect(authority):
        proxy = socket.create_connection(("127.0.0.1", 3128), 10)
        proxy.sendall(f"CONNECT {authority} HTTP/1.1\\r\\n\\r\\n".encode())
        return proxy.recv(100).split(b" ")[1].decode()

    def bare(host, port):
        try:
            socket.create_connection((host, port), 3).close()
            return "connected"
        except OSError as error:
            return type(error).__name__

    found = {
        "listed": fetch(f"http://{place}/"),
        "literal": fetch(f"http://127.0.0.1:{port}/"),
        "unlisted": fetch("http://other.example/"),
        "suffix": fetch(f"http://evil{place}/"),
        "other port": fetch("http://good.example:22/"),
        "connect listed": connect(place),
        "connect literal": connect(f"127.0.0.1:{port}"),
        "connect nul": connect(f"good.example\\0.evil:{port}"),
        "connect metadata": connect("169.254.169.254:80"),
        "own secret": os.environ.get("API_KEY", ""),
    }
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        os.environ.pop(name, None)
    found["env unset"] = bare("127.0.0.1", port)
    found["public"] = bare("93.184.216.34", 80)
    print(json.dumps(found))
    """
)


@pytest.fixture
async def page() -> AsyncIterator[Server]:
    async with serving_http(says(PAGE, then_close=True)) as server:
        yield server


async def test_only_the_list_leads_out(
    db: Database, tmp_path: Path, real_backend: SandboxBackend, page: Server, principal: Principal
) -> None:
    place = f"good.example:{page.port}"
    async with serving(sandboxes_of(db, real_backend, tmp_path, open_to=place)) as rig:
        secret = SecretSpec("API_KEY", (place,), "s3cret-value", scheme="http")
        made = await rig.sandboxes.create(principal, NewSandbox(allow_hosts=(place,), secrets=(secret,)))
        await rig.sandboxes.files.write(principal, made.id, "probe.py", PROBE.encode())
        found = json.loads(await output(rig, principal, made.id, f"python3 probe.py {place} {page.port} 2>&1"))
        log = (await rig.sandboxes.egress_log(principal, made.id, Window(limit=100))).items
        everything = await output(rig, principal, made.id, "env; cat /proc/self/environ; grep -rs s3cret . || true")
        stats = await rig.sandboxes.stats(principal, made.id)
        record = await rig.sandboxes.get(principal, made.id)

    assert found.pop("listed") == "hello"
    assert found.pop("connect listed") == "200"
    assert found.pop("own secret") == "glia-secret-API_KEY"
    assert found.pop("env unset") == "ConnectionRefusedError"
    assert found.pop("public") == "OSError"
    assert {name: result.split(" ")[-1] for name, result in found.items()} == {
        "literal": "refused",
        "unlisted": "403",
        "suffix": "403",
        "other port": "403",
        "connect literal": "403",
        "connect nul": "400",
        "connect metadata": "403",
    }
    assert [seen.headers.get("authorization") for seen in page.seen if seen.line.startswith("GET")] == [
        "Bearer s3cret-value"
    ]
    assert b"s3cret-value" not in everything
    assert "s3cret-value" not in repr(record)
    assert [entry.verdict for entry in reversed(log)] == ["allowed", *["denied"] * 3, "allowed", *["denied"] * 3]
    assert (log[-1].host, log[-1].port, log[-1].method) == ("good.example", page.port, "GET")
    assert log[-1].received_bytes == 5
    assert stats[1].received_bytes >= 5


async def test_without_a_list_there_is_no_network(real: Rig, page: Server, principal: Principal) -> None:
    """The control is the test above: with a list, the same program reaches the same server."""
    made = await real.sandboxes.create(principal, NewSandbox())
    line = (
        f"python3 -c \"import socket; socket.create_connection(('127.0.0.1', {page.port}), 3)\" 2>&1; ls /sys/class/net"
    )

    said = await output(real, principal, made.id, line)

    assert b"ConnectionRefusedError" in said
    assert page.connections == 0


async def test_a_secret_outlives_a_restart_and_stays_sealed(
    db: Database, tmp_path: Path, real_backend: SandboxBackend, page: Server, principal: Principal
) -> None:
    place = f"good.example:{page.port}"
    rig = sandboxes_of(db, real_backend, tmp_path, open_to=place)
    async with serving(rig):
        secret = SecretSpec("KEY", (place,), "s3cret-value", header="X-Key", template="{value}", scheme="http")
        made = await rig.sandboxes.create(principal, NewSandbox(secrets=(secret,)))
        await rig.hosting.find(made.id).box.kill()
        line = f"python3 -c \"import urllib.request as u; print(u.urlopen('http://{place}/').read())\""
        said = await output(rig, principal, made.id, line)
        async with db.transaction(principal.workspace_id) as tx:
            row = await tx.value("select sandboxes::text from sandboxes where id = %(id)s", id=made.id)

    assert said == b"b'hello'\n"
    assert page.seen[0].headers["x-key"] == "s3cret-value"
    assert "s3cret-value" not in row
    assert b"s3cret-value".hex() not in row


def test_an_entry_of_the_log_has_no_room_for_content() -> None:
    assert {"id", "at", "method", "host", "port", "verdict", "reason", "sent_bytes", "received_bytes"} == set(
        EgressEntry.__dataclass_fields__
    )
