"""Uploads go to disk as they arrive, are refused in words, and leave nothing behind."""

from __future__ import annotations

import errno
import os
import resource
import socket
import time

import pytest

from glia.surfaces.shared import multipart
from tests.surfaces.conftest import UPLOAD_BYTES, Answer, Client, Server, form, part


@pytest.fixture
def base(client: Client) -> str:
    return f"/v1/knowledge-bases/{client.made('/v1/knowledge-bases', {'name': 'Uploads'})['id']}/documents"


@pytest.fixture(autouse=True)
def nothing_stays_in_the_spool(server: Server):
    yield
    deadline = time.monotonic() + 60
    while left := list(server.house.spool.iterdir()):
        assert time.monotonic() < deadline, left
        time.sleep(0.02)


def send(client: Client, path: str, body: bytes, content_type: str = "multipart/form-data; boundary=XyZ") -> Answer:
    return client.request("POST", path, raw=body, headers={"Content-Type": content_type})


def test_a_large_file_is_stored_byte_for_byte(client, base):
    content = os.urandom(64) * (2 * 1024 * 1024 // 64) + b"\r\n--XyZ-\r\n--Xy"

    uploaded = client.upload(base, content, "large.txt")

    assert uploaded.status == 202
    assert uploaded.json["size_bytes"] == len(content)
    assert client.get(f"{base}/{uploaded.json['id']}/file").body == content


def test_memory_does_not_grow_with_the_file(client, base, server):
    client.upload(base, b"warm up", "warm.txt")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    # Refused at its end, so that only receiving it is measured, not storing it.
    answer = send(client, base, part(b"x" * (UPLOAD_BYTES - 10), "big.txt") + form(part(b"y", "second.txt")))

    assert answer.status == 400
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30 * 1024


@pytest.mark.parametrize("name", ["übergrößen 計画.txt", "a'b;c.txt", "C:\\Users\\me\\plan.txt", "../../etc/plan.txt"])
def test_a_file_keeps_its_name_but_no_folders(client, base, name):
    uploaded = send(client, base, form(part(name.encode(), name.replace("\\", "\\\\")))).json

    assert uploaded["name"] == name.replace("\\", "/").rpartition("/")[2]


def test_the_first_file_too_many_bytes_is_refused_before_it_is_there(client, base):
    head = f"POST {base} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {client.key}\r\n"
    with socket.create_connection(("127.0.0.1", client.port)) as connection:
        connection.sendall(f"{head}Content-Type: multipart/form-data; boundary=XyZ\r\n".encode())
        connection.sendall(b"Content-Length: 99999999999\r\n\r\n")  # and not one byte of it

        assert connection.recv(1000).startswith(b"HTTP/1.1 413")


def test_a_file_of_unknown_length_is_refused_as_soon_as_it_is_too_large(client, base):
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=30)
    head = part(b"", "big.txt")[:-2]
    pieces = iter([head, *[b"x" * 1024 * 1024] * 4])
    headers = {"Authorization": f"Bearer {client.key}", "Content-Type": "multipart/form-data; boundary=XyZ"}
    connection.request("POST", base, pieces, headers, encode_chunked=True)
    response = connection.getresponse()

    assert response.status == 413
    assert b"too_large" in response.read()
    connection.close()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "no file"),
        (form(), "no file"),
        (form(part(b"x", "a.txt", field="document")), "no file"),
        (form(part(b"x", None)), "no file name"),
        (form(part(b"", "a.txt")), "empty"),
        (form(part(b"x", "")), "no name"),
        (form(part(b"x", "a.txt"), part(b"y", "b.txt")), "more than one"),
        (part(b"x", "a.txt"), "middle"),
        (b"this is no form", "not a multipart form"),
    ],
)
def test_a_form_that_is_not_one_file_is_400(client, base, body, said):
    answer = send(client, base, body)

    assert answer.status == 400, answer.body
    assert said in answer.error["message"]


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "multipart/mixed; boundary=XyZ"])
def test_what_is_no_form_is_415(client, base, content_type):
    assert send(client, base, b"x", content_type).error["code"] == "unsupported_media_type"


def test_a_form_without_a_boundary_is_400(client, base):
    assert "boundary" in send(client, base, b"x", "multipart/form-data").error["message"]


def test_a_form_full_of_other_things_is_refused(client, base):
    answer = send(client, base, form(part(b"x" * 1_500_000, None, field="note"), part(b"x", "a.txt")))

    assert answer.status == 413
    assert "beside its file" in answer.error["message"]


def test_other_fields_are_named(client, base):
    answer = send(client, base, form(part(b"words", "a.txt"), part(b"x", None, field="note")))

    assert answer.status == 202
    assert answer.headers["x-ignored-fields"] == "note"


def test_an_unknown_base_is_404_before_the_file_is_sent(client):
    path = "/v1/knowledge-bases/019a0000-0000-7000-8000-000000000000/documents"

    assert client.upload(path, b"x").status == 404


def test_a_key_that_may_only_read_is_refused(client, server, base):
    reader = server.client(client.made("/v1/keys", {"name": "r", "role": "read-only"})["key"])

    assert reader.upload(base, b"x").status == 403


def test_a_full_disk_is_507(client, base, monkeypatch):
    class FullDisk(multipart._Sink):
        def _data(self, data: bytes, start: int, end: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(multipart, "_Sink", FullDisk)
    answer = client.upload(base, b"x")
    monkeypatch.undo()

    assert answer.status == 507
    assert answer.error["code"] == "storage_full"
    assert client.upload(base, b"x").status == 202


def test_a_client_that_goes_away_in_the_middle_leaves_nothing(client, base, server):
    head = f"POST {base} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {client.key}\r\n"
    with socket.create_connection(("127.0.0.1", client.port)) as connection:
        connection.sendall(f"{head}Content-Type: multipart/form-data; boundary=XyZ\r\n".encode())
        connection.sendall(b"Content-Length: 2000000\r\n\r\n" + part(b"x" * 600_000, "a.txt"))
        deadline = time.monotonic() + 60
        while not list(server.house.spool.iterdir()):
            assert time.monotonic() < deadline
            time.sleep(0.02)

    assert client.get(base).json["data"] == []


def test_the_same_content_is_the_same_document(client, base):
    first, second = client.upload(base, b"words", "a.txt"), client.upload(base, b"words", "b.txt")

    assert first.json["id"] == second.json["id"]
