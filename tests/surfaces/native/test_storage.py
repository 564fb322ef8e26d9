"""Objects on the native API; what moves contents is tried in full under neuralhub."""

from __future__ import annotations

from urllib.parse import urlsplit

from tests.surfaces.conftest import Client


def upload(client: Client, name: str, content: bytes) -> str:
    answer = client.request("POST", f"/v1/storage/upload?filename={name}", raw=content)
    assert answer.status == 201, answer.body
    return answer.json["pathname"]


def test_an_object_goes_in_out_and_away(client: Client, stranger: Client) -> None:
    pathname = upload(client, "reports/may.txt", b"0123456789")
    path = f"/v1/storage/{pathname}"

    assert client.get(path).body == b"0123456789"
    part = client.get(path, headers={"Range": "bytes=2-3"})
    assert (part.status, part.body) == (206, b"23")
    assert client.get(path, headers={"Range": "bytes=10-"}).error["code"] == "range_not_satisfiable"
    assert client.request("HEAD", path).headers["content-length"] == "10"
    assert stranger.get(path).status == 404
    assert stranger.delete(path).status == 404
    assert client.delete(path).status == 204
    assert client.get(path).error["code"] == "object_not_found"


def test_objects_are_listed_and_counted(client: Client) -> None:
    for name in ("a/1", "a/2", "b/1"):
        upload(client, name, b"xy")

    first = client.get("/v1/storage/objects?limit=1&prefix=a/").json
    second = client.get(f"/v1/storage/objects?limit=1&prefix=a/&cursor={first['next_cursor']}").json

    assert [each["name"] for each in first["data"] + second["data"]] == ["a/1", "a/2"]
    assert (first["has_more"], second["has_more"]) == (True, False)
    usage = client.get("/v1/storage/usage").json
    assert (usage["objects"], usage["size_bytes"]) == (3, 6)
    assert usage["most_bytes"] > 6


def test_a_link_opens_one_object_without_a_key(client: Client, stranger: Client) -> None:
    pathname = upload(client, "a.txt", b"mine")

    url = client.made("/v1/storage/links", {"pathname": pathname, "expires_in": 60})["url"]
    parts = urlsplit(url)
    anybody = Client(client.port)

    assert anybody.get(f"{parts.path}?{parts.query}").body == b"mine"
    assert anybody.get(parts.path).status == 401
    assert anybody.get(f"{parts.path}?{parts.query}x").error["code"] == "link_refused"
    assert stranger.post("/v1/storage/links", {"pathname": pathname}).status == 404
    assert client.post("/v1/storage/links", {"pathname": pathname, "expires_in": 0}).status == 400


def test_one_tool_is_called_as_a_run(client: Client) -> None:
    begun = client.post("/v1/runs", {"tool": "calculator", "arguments": {"expression": "6*7"}})

    assert begun.status == 202
    assert begun.json["kind"] == "tool"
    client.until(f"/v1/runs/{begun.json['id']}", lambda run: run["status"] == "completed")
    last = client.get(f"/v1/runs/{begun.json['id']}/events").json["data"][-1]
    assert (last["type"], last["data"]["message"]["content"]) == ("run.completed", "6*7 = 42")
    assert client.post("/v1/runs", {"tool": "none"}).status == 404
