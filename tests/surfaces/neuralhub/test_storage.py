from __future__ import annotations

import hashlib
import http.client
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from tests.surfaces.conftest import Answer, Client, form, part
from tests.surfaces.neuralhub.conftest import Hub, refusal


def upload(hub: Hub, name: str, content: bytes = b"content", **options: Any) -> dict[str, Any]:
    answer = hub.request("POST", f"/v1/storage/upload?filename={quote(name)}", raw=content, **options)
    assert answer.status == 201, answer.body
    return answer.json


def open_url(hub: Hub, url: str, method: str = "GET", headers: dict[str, str] | None = None) -> Answer:
    """As a browser does: without a key."""
    parts = urlsplit(url)
    return Client(hub.port).request(method, f"{parts.path}?{parts.query}", headers=headers)


def test_a_url_opens_the_content_without_a_key(hub: Hub) -> None:
    blob = upload(hub, "reports/Mai 2026.pdf", b"%PDF-1.7 ...", headers={"Content-Type": "application/pdf"})

    opened = open_url(hub, blob["url"])

    assert (opened.status, opened.body) == (200, b"%PDF-1.7 ...")
    assert opened.headers["content-type"] == "application/pdf"
    assert opened.headers["etag"] == f'"{blob["sha256"]}"'
    assert blob["sha256"] == hashlib.sha256(b"%PDF-1.7 ...").hexdigest()
    assert opened.headers["content-disposition"] == "inline; filename*=UTF-8''Mai%202026.pdf"


def test_a_changed_or_naked_url_opens_nothing(hub: Hub) -> None:
    blob, second = upload(hub, "a.txt"), upload(hub, "b.txt", b"secret")
    url = blob["url"]

    refusal(open_url(hub, url[:-1] + ("A" if url[-1] != "A" else "B")), 403)
    refusal(open_url(hub, url.replace("a.txt", "b.txt")), 403)
    refusal(open_url(hub, url.replace("expires=1", "expires=2")), 403)
    refusal(open_url(hub, url.partition("?")[0]), 401)
    refusal(open_url(hub, url, method="DELETE"), 401)
    assert open_url(hub, second["url"]).body == b"secret"


def test_the_content_is_read_with_a_key_too(hub: Hub, other: Hub) -> None:
    blob = upload(hub, "folder/a.txt", b"mine")

    assert hub.get(f"/v1/storage/{blob['pathname']}").body == b"mine"
    assert hub.get(f"/api/storage/{blob['pathname']}").body == b"mine"
    refusal(other.get(f"/v1/storage/{blob['pathname']}"), 404)
    refusal(hub.get(f"/v1/storage/{blob['pathname']}x"), 404)
    refusal(hub.limited("storage:write").get(f"/v1/storage/{blob['pathname']}"), 403)


def test_nothing_uploaded_runs_as_a_page(hub: Hub) -> None:
    for name, media_type in (("x.html", "text/html"), ("x.svg", "image/svg+xml"), ("x", "text/html; charset=utf-8")):
        blob = upload(hub, name, b"<script>alert(1)</script>", headers={"Content-Type": media_type})
        opened = open_url(hub, blob["url"])
        assert opened.headers["content-disposition"].startswith("attachment;")
        assert opened.headers["x-content-type-options"] == "nosniff"
        assert opened.headers["content-security-policy"] == "default-src 'none'; sandbox"


def test_head_and_ranges(hub: Hub) -> None:
    blob = upload(hub, "digits.txt", b"0123456789")
    path = f"/v1/storage/{blob['pathname']}"

    head = hub.request("HEAD", path)
    assert (head.status, head.headers["content-length"], head.body) == (200, "10", b"")
    assert head.headers["accept-ranges"] == "bytes"
    for asked, content, told in (
        ("bytes=2-4", b"234", "bytes 2-4/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=0-99", b"0123456789", "bytes 0-9/10"),
    ):
        found = hub.get(path, headers={"Range": asked})
        assert (found.status, found.body, found.headers["content-range"]) == (206, content, told)
        assert found.headers["content-length"] == str(len(content))
    for ignored in ("bytes=1-2,4-5", "lines=1-2", "bytes=-", "bytes=x"):
        assert hub.get(path, headers={"Range": ignored}).status == 200
    for outside in ("bytes=10-", "bytes=5-2", "bytes=-0"):
        assert refusal(hub.get(path, headers={"Range": outside}), 400)["code"] == "range_not_satisfiable"
    assert hub.get(path, headers={"If-None-Match": head.headers["etag"]}).status == 304
    stale = {"Range": "bytes=2-4", "If-Range": '"other"'}
    assert hub.get(path, headers=stale).status == 200


def test_names_are_cleaned_and_made_up(hub: Hub) -> None:
    assert upload(hub, "../../etc/passwd")["pathname"].endswith("/etc/passwd")
    again = upload(hub, upload(hub, "a/b.txt")["pathname"])  # a pathname is a name too
    assert again["pathname"].count("/") == 2
    named = hub.request("POST", "/v1/storage/upload", raw=b"x", headers={"X-Filename": "by-header.txt"})
    assert named.json["pathname"].endswith("/by-header.txt")
    disposed = {"Content-Disposition": 'attachment; filename="disposed.txt"'}
    assert (
        hub.request("POST", "/v1/storage/upload", raw=b"x", headers=disposed).json["pathname"].endswith("/disposed.txt")
    )
    made_up = hub.request("POST", "/v1/storage/upload", raw=b"x", headers={"Content-Type": "image/png"})
    assert made_up.json["pathname"].endswith(".png")
    refusal(hub.request("POST", "/v1/storage/upload?filename=..", raw=b"x"), 400)


def test_types_are_told_or_guessed(hub: Hub) -> None:
    curls = {"Content-Type": "application/x-www-form-urlencoded"}
    assert upload(hub, "a.csv", headers=curls)["contentType"] == "text/csv"
    assert upload(hub, "a.unknown-kind")["contentType"] == "application/octet-stream"
    assert upload(hub, "a.json", headers={"Content-Type": "application/json"})["contentType"] == "application/json"
    assert upload(hub, "b", headers={"Content-Type": "not a type"})["contentType"] == "application/octet-stream"


def test_a_form_is_taken_too(hub: Hub) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=XyZ"}
    named = hub.request("POST", "/v1/storage/upload", raw=form(part(b"in a form", "form.txt")), headers=headers)
    renamed = hub.request(
        "POST", "/v1/storage/upload?filename=other.txt", raw=form(part(b"", "form.txt")), headers=headers
    )

    assert named.status == 201
    assert named.json["pathname"].endswith("/form.txt")
    assert named.json["contentType"] == "text/plain"
    assert hub.get(f"/v1/storage/{named.json['pathname']}").body == b"in a form"
    assert (renamed.status, renamed.json["size"]) == (201, 0)
    assert renamed.json["pathname"].endswith("/other.txt")
    refusal(hub.request("POST", "/v1/storage/upload", raw=b"--XyZ", headers=headers), 400)
    refusal(hub.request("POST", "/v1/storage/upload", raw=form(part(b"x", "x", field="y")), headers=headers), 400)


def test_lists_go_by_prefix_and_page(hub: Hub, other: Hub) -> None:
    for name in ("a/1", "a/2", "a/3", "b/1"):
        upload(hub, name)
    upload(other, "a/9")

    first = hub.get("/v1/storage/list?prefix=a/&limit=2").json
    second = hub.get(f"/v1/storage/list?prefix=a/&limit=2&cursor={first['cursor']}").json
    old = hub.get("/api/storage/list").json

    assert [blob["pathname"].partition("/")[2] for blob in first["blobs"] + second["blobs"]] == ["a/1", "a/2", "a/3"]
    assert (first["hasMore"], second["hasMore"], second["cursor"]) == (True, False, None)
    assert len(old["blobs"]) == 4
    assert hub.get("/v1/storage/list?prefix=none").json == {"blobs": [], "cursor": None, "hasMore": False}
    for query in ("limit=0", "limit=x", "limit=1001", "cursor=%25%25"):
        refusal(hub.get(f"/v1/storage/list?{query}"), 400)


def test_deleting_by_pathname_or_url(hub: Hub, other: Hub) -> None:
    first, second = upload(hub, "a ä.txt"), upload(hub, "b.txt")

    refusal(other.delete(f"/v1/storage/delete?pathname={quote(first['pathname'])}"), 404)
    assert hub.delete(f"/v1/storage/delete?pathname={quote(first['pathname'])}").status == 204
    assert hub.delete(f"/v1/storage/delete?url={quote(second['url'], safe='')}").status == 204

    assert hub.get("/v1/storage/list").json["blobs"] == []
    refusal(open_url(hub, first["url"]), 404)
    refusal(hub.delete(f"/v1/storage/delete?pathname={quote(first['pathname'])}"), 404)
    for query in ("", "?pathname=a&url=b", "?url=https://example.org/"):
        refusal(hub.delete(f"/v1/storage/delete{query}"), 400)


def test_the_same_key_uploads_once(hub: Hub) -> None:
    headers = {"Idempotency-Key": "upload-1"}
    first = hub.request("POST", "/v1/storage/upload", raw=b"one", headers=headers)
    second = hub.request("POST", "/v1/storage/upload", raw=b"one", headers=headers)

    assert first.json == second.json
    assert len(hub.get("/v1/storage/list").json["blobs"]) == 1


@pytest.mark.parametrize(("scope", "status"), [("storage:read", 403), ("storage:write", 201)])
def test_uploads_need_their_scope(hub: Hub, scope: str, status: int) -> None:
    answer = hub.limited(scope).request("POST", "/v1/storage/upload", raw=b"x")

    assert answer.status == status
    if status == 403:
        assert "`storage:write`" in refusal(answer, 403)["message"]


def test_an_upload_that_breaks_off_leaves_nothing(hub: Hub) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=10)
    connection.putrequest("POST", "/neuralhub/v1/storage/upload?filename=half.bin")
    connection.putheader("Authorization", f"Bearer {hub.key}")
    connection.putheader("Content-Length", "1000000")
    connection.endheaders()
    connection.send(b"x" * 500_000)
    connection.close()

    upload(hub, "whole.bin")
    assert [blob["pathname"].partition("/")[2] for blob in hub.get("/v1/storage/list").json["blobs"]] == ["whole.bin"]
