"""Attack 28: ports inside, shown outside, and what of ours a preview may see: nothing."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from tests.kit.outbound_servers import Conversation, Server
from tests.kit.outbound_servers import serving as serving_http
from tests.sandboxes.lives.bare import BareBackend
from tests.sandboxes.lives.conftest import Rig, sandboxes_of, serving, until

from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.errors import InvalidRequest
from glia.sandboxes.config import SandboxConfig
from glia.sandboxes.errors import SandboxNotFound
from glia.sandboxes.preview_tokens import Pass, read, sign
from glia.sandboxes.previews import Preview
from glia.sandboxes.records import NewSandbox
from glia.sandboxes.types import Command, Started

HELLO = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nSet-Cookie: a=b\r\nAccess-Control-Allow-Origin: https://evil.example\r\n"
    b"Clear-Site-Data: *\r\nStrict-Transport-Security: max-age=1\r\nContent-Type: text/html\r\n\r\nhello"
)


async def hello(conversation: Conversation) -> bool:
    await conversation.say(HELLO)
    return True


@pytest.fixture
async def inside() -> AsyncIterator[Server]:
    """What listens inside: with the bare backend, inside is this machine."""
    async with serving_http(hello) as server:
        yield server


def address(url: str) -> tuple[int, str]:
    found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)(/.*)", url)
    assert found is not None
    return int(found[1]), found[2]


async def say(preview: Preview, raw: str) -> bytes:
    port, _ = address(preview.url)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(raw.encode())
        async with asyncio.timeout(60):
            return await reader.read()
    finally:
        writer.close()


async def get(preview: Preview, path: str, headers: str = "", method: str = "GET", host: str = "127.0.0.1") -> bytes:
    return await say(preview, f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n")


async def test_a_port_is_shown_to_whoever_has_the_address(rig: Rig, principal: Principal, inside: Server) -> None:
    made = await rig.sandboxes.create(principal, NewSandbox())
    preview = await rig.sandboxes.previews.create(principal, made.id, inside.port)
    _, path = address(preview.url)

    answer = await get(preview, f"{path}page?x=1")
    bare = await get(preview, path.rstrip("/"))

    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert answer.endswith(b"hello")
    assert bare.endswith(b"hello")
    assert [seen.line for seen in inside.seen] == ["GET /page?x=1 HTTP/1.1", "GET / HTTP/1.1"]
    assert inside.seen[0].headers["host"] == f"localhost:{inside.port}"
    assert inside.seen[0].headers["x-forwarded-prefix"] == path.rstrip("/")


async def test_credentials_of_this_server_stay_outside(rig: Rig, principal: Principal, inside: Server) -> None:
    made = await rig.sandboxes.create(principal, NewSandbox())
    preview = await rig.sandboxes.previews.create(principal, made.id, inside.port)
    ours = "Cookie: console=secret\r\nAuthorization: Bearer gl_secret\r\nX-API-Key: secret\r\nX-Own: kept\r\n"

    answer = await get(preview, address(preview.url)[1], ours + "Origin: https://console.example\r\n")
    head = answer.partition(b"\r\n\r\n")[0].lower()

    seen = inside.seen[0].headers
    assert "secret" not in repr(seen)
    assert (seen["x-own"], seen["origin"]) == ("kept", f"http://localhost:{inside.port}")
    assert b"set-cookie" not in head
    assert b"evil.example" not in head
    assert b"clear-site-data" not in head
    assert b"strict-transport-security" not in head
    assert b"content-security-policy: sandbox allow-scripts" in head
    assert b"allow-same-origin" not in head
    assert b"referrer-policy: no-referrer" in head


async def test_only_a_good_token_opens_a_port(rig: Rig, principal: Principal, inside: Server) -> None:
    made = await rig.sandboxes.create(principal, NewSandbox())
    preview = await rig.sandboxes.previews.create(principal, made.id, inside.port)
    key, other_key = b"p" * 32, b"q" * 32
    over = sign(key, Pass(made.id, inside.port, 1))
    foreign = sign(other_key, Pass(made.id, inside.port, 2**31))
    unknown = sign(key, Pass(uuid4(), inside.port, 2**31))
    changed = ("b" if preview.token[0] == "a" else "a") + preview.token[1:]

    answers = {
        token: (await get(preview, f"/{token}/")).split(b" ")[1].decode()
        for token in (over, foreign, changed, preview.token[:-1], "", "x", "..", preview.token.upper(), unknown)
    }
    with_cookie = await get(preview, "/", f"Cookie: token={preview.token}; console=secret\r\n")
    control = await get(preview, f"/{preview.token}/")

    assert {code for token, code in answers.items() if token not in {unknown, preview.token.upper()}} == {"404"}
    assert answers[unknown] == "410"
    assert with_cookie.startswith(b"HTTP/1.1 404")
    assert control.endswith(b"hello")
    assert len(inside.seen) == 1 + (answers[preview.token.upper()] == "200")


async def test_a_token_ends_with_its_sandbox(
    rig: Rig, principal: Principal, stranger: Principal, inside: Server
) -> None:
    made = await rig.sandboxes.create(principal, NewSandbox())
    preview = await rig.sandboxes.previews.create(principal, made.id, inside.port)
    with pytest.raises(SandboxNotFound):
        await rig.sandboxes.previews.create(stranger, made.id, inside.port)
    with pytest.raises(InvalidRequest, match="expires_in"):
        await rig.sandboxes.previews.create(principal, made.id, inside.port, 10**9)

    await rig.sandboxes.delete(principal, made.id)

    assert (await get(preview, address(preview.url)[1])).startswith(b"HTTP/1.1 410")
    assert inside.seen == []


async def test_nothing_behind_the_port_is_a_bad_gateway(rig: Rig, principal: Principal) -> None:
    made = await rig.sandboxes.create(principal, NewSandbox())
    preview = await rig.sandboxes.previews.create(principal, made.id, 1)

    assert (await get(preview, address(preview.url)[1])).startswith(b"HTTP/1.1 502")


@pytest.mark.parametrize(
    "nonsense", [b"\x00\x01\x02", b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 200 OK\r\nA\x00: b\r\n\r\n", b""]
)
async def test_an_answer_that_is_no_http_is_not_passed_on(rig: Rig, principal: Principal, nonsense: bytes) -> None:
    async def say_nonsense(conversation: Conversation) -> bool:
        await conversation.say(nonsense)
        return True

    async with serving_http(say_nonsense) as server:
        made = await rig.sandboxes.create(principal, NewSandbox())
        preview = await rig.sandboxes.previews.create(principal, made.id, server.port)

        assert (await get(preview, address(preview.url)[1])).startswith(b"HTTP/1.1 502")


async def test_redirects_and_calls_of_a_page_stay_in_the_preview(rig: Rig, principal: Principal) -> None:
    async def redirect(conversation: Conversation) -> bool:
        to = conversation.path.removeprefix("/").encode()
        await conversation.say(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + to + b"\r\n\r\n")
        return True

    async with serving_http(redirect) as server:
        made = await rig.sandboxes.create(principal, NewSandbox())
        preview = await rig.sandboxes.previews.create(principal, made.id, server.port)
        path = address(preview.url)[1]
        own = await get(preview, f"{path}/login")
        absolute = await get(preview, f"{path}http://localhost:{server.port}/login")
        other = await get(preview, f"{path}//evil.example/")
        asked = "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: x-a\r\nOrigin: null\r\n"
        preflight = await get(preview, path, asked, "OPTIONS")

    assert f"Location: {path}login".encode() in own
    assert f"Location: {path}login".encode() in absolute
    assert b"Location: //evil.example/" in other
    assert preflight.startswith(b"HTTP/1.1 204")
    assert b"Access-Control-Allow-Headers: x-a" in preflight


async def test_a_preview_with_a_domain_has_an_origin_of_its_own(
    db: Database, tmp_path: Path, principal: Principal, inside: Server
) -> None:
    rig = sandboxes_of(
        db, BareBackend(tmp_path / "boxes"), tmp_path, SandboxConfig(preview_domain="preview.example.org")
    )
    async with serving(rig):
        made = await rig.sandboxes.create(principal, NewSandbox())
        preview = await rig.sandboxes.previews.create(principal, made.id, inside.port)
        host = f"{preview.token}.preview.example.org:80"

        answer = await get(preview, "/deep", "Cookie: own=1\r\nAuthorization: Bearer x\r\n", host=host)
        wrong = await get(preview, "/", host="nothing.preview.example.org")
        api = await get(preview, "/v1/me", host="api.example.org")

    assert preview.origin_url is not None
    assert preview.origin_url.startswith(f"http://{preview.token}.preview.example.org:")
    assert answer.endswith(b"hello")
    assert b"Set-Cookie: a=b" in answer
    assert b"Content-Security-Policy" not in answer
    assert inside.seen[0].headers["cookie"] == "own=1"
    assert "authorization" not in inside.seen[0].headers
    assert wrong.startswith(b"HTTP/1.1 404")
    assert api.startswith(b"HTTP/1.1 404")


async def test_a_websocket_goes_both_ways(rig: Rig, principal: Principal) -> None:
    async def upgrade(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"Upgrade: websocket" in head
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nfirst")
        while data := await reader.read(100):
            writer.write(data.upper())
        writer.close()

    async with await asyncio.start_server(upgrade, "127.0.0.1", 0) as server:
        made = await rig.sandboxes.create(principal, NewSandbox())
        preview = await rig.sandboxes.previews.create(principal, made.id, server.sockets[0].getsockname()[1])
        port, path = address(preview.url)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET {path}ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n".encode())
        async with asyncio.timeout(60):
            head = await reader.readuntil(b"\r\n\r\n")
            assert await reader.readexactly(5) == b"first"
            writer.write(b"hello")
            assert await reader.readexactly(5) == b"HELLO"
            writer.close()

    assert head.startswith(b"HTTP/1.1 101")
    assert b"Upgrade: websocket" in head


async def test_a_real_sandboxs_port_is_shown(real: Rig, principal: Principal) -> None:
    """Nothing of the host listens there: the port is the sandbox's own."""
    made = await real.sandboxes.create(principal, NewSandbox())
    line = "echo inside > index.html; exec python3 -m http.server 8000 --bind 127.0.0.1"
    server = real.sandboxes.exec(principal, made.id, Command(("/bin/sh", "-c", line), timeout_seconds=60))
    assert isinstance(await anext(server), Started)
    preview = await real.sandboxes.previews.create(principal, made.id, 8000)

    async def is_up() -> bool:
        return (await get(preview, address(preview.url)[1])).startswith(b"HTTP/1.1 200")

    await until(is_up)
    answer = await get(preview, address(preview.url)[1])
    await server.aclose()

    assert answer.endswith(b"inside\n")


def test_tokens_fit_into_a_host_name_and_cannot_be_changed() -> None:
    opened = Pass(uuid4(), 8080, 2**31)
    token = sign(b"k", opened)

    assert read(b"k", token) == opened
    assert len(token) <= 63
    assert re.fullmatch(r"[a-z2-7]+", token)
    for at in range(len(token) - 1):
        other = token[:at] + ("a" if token[at] != "a" else "b") + token[at + 1 :]
        assert read(b"k", other) is None
