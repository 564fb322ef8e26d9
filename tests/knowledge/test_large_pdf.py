"""A long PDF and a huge upload beside everything else that a real server does."""

from __future__ import annotations

import http.client
import json
import select
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fpdf import FPDF
from tests.failures.process import Process

PAGES = 1000
MOST_BYTES = 500_000_000


def write_pdf(path: Path) -> None:
    pdf = FPDF()
    pdf.set_font("Helvetica", size=12)
    for page in range(1, PAGES + 1):
        pdf.add_page()
        pdf.multi_cell(0, 8, f"Section {page}. The valve of hall {page} is oiled every {page % 50 + 2} days.")
    pdf.output(str(path))


def form(parts: Iterator[bytes], name: str) -> Iterator[bytes]:
    yield f'--XyZ\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
    yield from parts
    yield b"\r\n--XyZ--\r\n"


def upload(process: Process, path: str, parts: Iterator[bytes], name: str) -> tuple[int, Any]:
    """In pieces of unknown length together, as a browser may send it."""
    connection = http.client.HTTPConnection("127.0.0.1", process.port, timeout=120)
    headers = process.headers() | {"Content-Type": "multipart/form-data; boundary=XyZ"}
    try:
        connection.putrequest("POST", path)
        for header, value in {**headers, "Transfer-Encoding": "chunked"}.items():
            connection.putheader(header, value)
        connection.endheaders()
        try:
            for piece in form(parts, name):
                connection.send(b"%x\r\n%b\r\n" % (len(piece), piece))
                if select.select([connection.sock], [], [], 0)[0]:
                    break  # answered before the end
            else:
                connection.send(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass  # the answer is there all the same
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


async def test_a_pdf_of_a_thousand_pages_leaves_the_server_small_and_awake(server: Process, tmp_path: Path) -> None:
    write_pdf(tmp_path / "long.pdf")
    _, base = await server.post("/v1/knowledge-bases", {"name": "Valves"})
    documents = f"/v1/knowledge-bases/{base['id']}/documents"
    slowest = largest = 0.0

    status, document = upload(server, documents, iter([(tmp_path / "long.pdf").read_bytes()]), "long.pdf")
    end = time.monotonic() + 300
    while document["status"] == "processing":
        assert time.monotonic() < end, document
        begun = time.monotonic()
        assert (await server.get("/health"))[0] == 200
        slowest = max(slowest, time.monotonic() - begun)
        largest = max(largest, server.memory_bytes())
        _, document = await server.get(f"{documents}/{document['id']}")
    _, found = await server.post(
        f"/v1/knowledge-bases/{base['id']}/search", {"query": "How often is the valve of hall 777 oiled?"}
    )

    assert status == 202
    assert (document["status"], document["pages"], document["chunks"]) == ("ready", PAGES, PAGES)
    assert found["data"][0]["page"] == 777
    assert largest < MOST_BYTES, f"{largest:,.0f} bytes"
    assert slowest < 5, f"/health took {slowest:.1f} s"  # milliseconds, unless the machine is busy with other things


async def test_two_gigabytes_are_refused_as_they_arrive(server: Process) -> None:
    _, base = await server.post("/v1/knowledge-bases", {"name": "Huge"})
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while sent < 2_000_000_000:
            sent += 1_000_000
            yield b"x" * 1_000_000

    before = server.memory_bytes()
    status, error = upload(server, f"/v1/knowledge-bases/{base['id']}/documents", endless(), "huge.txt")

    assert (status, error["error"]["code"]) == (413, "too_large")
    assert sent < 200_000_000
    assert server.memory_bytes() - before < 100_000_000
    assert not list((server.folder / "spool").iterdir())
