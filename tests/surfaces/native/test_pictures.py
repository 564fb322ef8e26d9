"""GET /v1/pictures on the wire: what a browser is told about the bytes, and every refusal in our own shape."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.surfaces.conftest import Answer, Client, Server
from tests.surfaces.elsewhere import GIF, Elsewhere, elsewhere

__all__ = ["elsewhere"]  # fixtures

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


def picture(client: Client, url: str) -> Answer:
    return client.get(f"/v1/pictures?url={quote(url, safe='')}")


def test_a_picture_comes_under_the_type_of_its_bytes_and_can_do_nothing(client: Client, elsewhere: Elsewhere) -> None:
    answer = picture(client, f"{elsewhere.url}/a.png?what=said&x=1")

    assert (answer.status, answer.body) == (200, GIF)
    assert elsewhere.asked[-1] == "/a.png?what=said&x=1"
    assert {name: answer.headers.get(name) for name in CONTAINED} == CONTAINED
    assert "set-cookie" not in answer.headers
    assert not {"authorization", "cookie", "referer"} & set(elsewhere.headers)


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
