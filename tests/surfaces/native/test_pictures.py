"""GET /v1/pictures on the wire: what a browser is told about the bytes, and every refusal in our own shape."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

import pytest

from glia.kit.outbound import Outbound, OutboundPolicy
from glia.pictures.service import Pictures
from tests.surfaces.conftest import Answer, Client, Server

GIF = b"GIF89a\x01\0\x01\0\0\0\0;"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'


@dataclass
class Elsewhere:
    """A web server that the shared server may call."""

    port: int
    asked: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture(scope="module")
def elsewhere(server: Server) -> Iterator[Elsewhere]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append(self.path)
            if self.path == "/away":
                self.send_response(302)
                self.send_header("Location", f"http://127.0.0.1:{server.port}/v1/agents")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            body = {"/page": b"<script>alert(1)</script>", "/svg": SVG, "/big": GIF + bytes(11_000_000)}.get(
                self.path, GIF
            )
            self.send_response(404 if self.path == "/none" else 200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Set-Cookie", "theirs=1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(ConnectionError):  # who was told too much leaves
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Elsewhere(listener.server_address[1])
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    before, opened = server.house.pictures, []

    async def allow(house: object) -> None:
        opened.append(Outbound(OutboundPolicy(frozenset({f"127.0.0.1:{found.port}"}))))
        server.house.pictures = Pictures(opened[0])

    server.do(allow)
    yield found
    server.house.pictures = before
    server.do(lambda house: opened[0].close())
    listener.shutdown()
    listener.server_close()


def picture(client: Client, url: str) -> Answer:
    return client.get(f"/v1/pictures?url={quote(url, safe='')}")


def test_a_picture_comes_under_the_type_of_its_bytes_and_can_do_nothing(client: Client, elsewhere: Elsewhere) -> None:
    answer = picture(client, f"{elsewhere.url}/a.png?what=said&x=1")

    assert (answer.status, answer.body) == (200, GIF)
    assert elsewhere.asked[-1] == "/a.png?what=said&x=1"
    assert {name: answer.headers.get(name) for name in CONTAINED} == CONTAINED
    assert "set-cookie" not in answer.headers


CONTAINED = {
    "content-type": "image/gif",
    "content-length": str(len(GIF)),
    "content-disposition": "inline",
    "content-security-policy": "default-src 'none'; sandbox",
    "cross-origin-resource-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "cache-control": "private, max-age=3600",
    "vary": "Authorization",
}


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/svg", 415, "unsupported_media_type"),
        ("/page", 415, "unsupported_media_type"),
        ("/big", 413, "too_large"),
        ("/none", 502, "upstream_failed"),
        ("/away", 403, "outbound_refused"),
    ],
)
def test_what_is_no_picture_is_refused(client: Client, elsewhere: Elsewhere, path: str, status: int, code: str) -> None:
    answer = picture(client, elsewhere.url + path)

    assert (answer.status, answer.error["code"], answer.error["field"]) == (status, code, "url")
    assert answer.headers["content-type"].startswith("application/json")


@pytest.mark.parametrize(
    ("url", "status"),
    [("http://127.0.0.1:1/a.png", 403), ("http://192.168.1.1/", 403), ("javascript:alert(1)", 400), ("", 400)],
)
def test_an_address_that_may_not_be_called_is_named(client: Client, url: str, status: int) -> None:
    answer = picture(client, url)

    assert (answer.status, answer.error["code"], answer.error["field"]) == (status, "outbound_refused", "url")


def test_the_address_must_be_there(client: Client) -> None:
    answer = client.get("/v1/pictures")

    assert (answer.status, answer.error["field"]) == (400, "url")


def test_it_takes_a_sign_in_and_the_scope(client: Client, server: Server, elsewhere: Elsewhere) -> None:
    calls = len(elsewhere.asked)

    def with_key(**body: object) -> Answer:
        key = client.made("/v1/keys", {"name": "A key", **body})["key"]
        return picture(server.client(key), elsewhere.url)

    assert picture(server.client(), elsewhere.url).status == 401
    lacking = with_key(scopes=["sessions:*", "tools:*"])
    assert (lacking.status, lacking.error["details"]) == (403, {"scope": "pictures:read"})
    assert len(elsewhere.asked) == calls

    assert with_key(scopes=["pictures:read"]).status == 200
    assert with_key(role="read-only").status == 200


def test_a_key_that_talks_to_one_agent_fetches_nothing(
    client: Client, server: Server, elsewhere: Elsewhere, agent: dict[str, str]
) -> None:
    bound = client.made("/v1/keys", {"name": "Talk", "agent_id": agent["id"]})["key"]

    assert picture(server.client(bound), elsewhere.url).status == 403
