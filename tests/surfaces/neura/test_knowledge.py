"""Knowledge bases and uploads over Neura's wire."""

from __future__ import annotations

import io
from typing import Any

import pytest

from tests.surfaces.conftest import Client, form, part
from tests.surfaces.neura.conftest import Neura, refusal

FORM = {"Content-Type": "multipart/form-data; boundary=XyZ"}
RULE = "A hotel may cost 140 euros a night."


def field(name: str, value: str) -> bytes:
    return f'--XyZ\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()


def upload(neura: Neura, content: bytes, name: str, kb_id: str | None = None, **headers: str) -> Any:
    fields = [] if kb_id is None else [field("kb_id", kb_id)]
    return neura.request("POST", "/api/kb/upload", raw=form(*fields, part(content, name)), headers={**FORM, **headers})


def docx(text: str) -> bytes:
    from docx import Document

    document, buffer = Document(), io.BytesIO()
    document.add_paragraph(text)
    document.save(buffer)
    return buffer.getvalue()


def pdf(text: str) -> bytes:
    from fpdf import FPDF

    made = FPDF()
    made.add_page()
    made.set_font("Helvetica", size=12)
    made.multi_cell(0, 8, text)
    return bytes(made.output())


def ready(neura: Neura, document: dict[str, Any]) -> dict[str, Any]:
    path = f"/api/agent/knowledge-bases/{document['kb_id']}/documents/{document['document_id']}"
    return neura.until(path, lambda found: found["status"] != "processing")


def test_a_base_is_made_listed_and_deleted(neura: Neura, client: Client):
    made = neura.made("/api/agent/knowledge-bases", {"name": "Rules", "description": "Travel"})

    assert (made["name"], made["description"], made["documents"], made["chunks"]) == ("Rules", "Travel", 0, 0)
    assert neura.get("/api/agent/knowledge-bases").json == {"knowledge_bases": [made], "total": 1}
    assert neura.get(f"/api/agent/knowledge-bases/{made['kb_id']}").json == made
    assert client.get(f"/v1/knowledge-bases/{made['kb_id']}").json["name"] == "Rules"
    assert neura.delete(f"/api/agent/knowledge-bases/{made['kb_id']}").json == {"success": True}
    assert neura.get(f"/api/agent/knowledge-bases/{made['kb_id']}").status == 404
    assert neura.post("/api/agent/knowledge-bases", {}).status == 400


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rules.txt", RULE.encode()),
        ("rules.md", f"# Rules\n\n{RULE}".encode()),
        ("rules.html", f"<h1>Rules</h1><p>{RULE}</p>".encode()),
        ("rules.docx", docx(RULE)),
        ("rules.pdf", pdf(RULE)),
    ],
)
def test_every_documented_format_is_read_and_cited(neura: Neura, agent_id: str, name: str, content: bytes):
    base = neura.made("/api/agent/knowledge-bases", {"name": "Rules"})["kb_id"]

    uploaded = upload(neura, content, name, base)
    done = ready(neura, uploaded.json)
    answer = neura.post(f"/api/agents/{agent_id}/chat", {"query": "What may a hotel cost?", "kb_ids": [base]}).json

    assert (uploaded.status, uploaded.json["kb_id"]) == (201, base)
    assert uploaded.json["status"] in ("processing", "ready")
    assert (done["status"], done["chunks"]) == ("ready", 1)
    assert "140" in answer["answer"]
    assert answer["sources"] == [f"kb://{base}/{done['document_id']}#0"]


def test_an_upload_without_a_base_makes_one_named_after_the_file(neura: Neura):
    uploaded = upload(neura, RULE.encode(), "handbook.txt").json
    ready(neura, uploaded)

    base = neura.get(f"/api/agent/knowledge-bases/{uploaded['kb_id']}").json
    listed = neura.get(f"/api/agent/knowledge-bases/{uploaded['kb_id']}/documents").json

    assert (base["name"], base["documents"]) == ("handbook.txt", 1)
    assert [document["document_id"] for document in listed["documents"]] == [uploaded["document_id"]]
    path = f"/api/agent/knowledge-bases/{uploaded['kb_id']}/documents/{uploaded['document_id']}"
    assert neura.delete(path).json == {"success": True}
    assert neura.get(path).status == 404


def test_an_upload_that_cannot_be_right_is_refused(neura: Neura, stranger: Client):
    theirs = stranger.made("/v1/knowledge-bases", {"name": "Theirs"})["id"]

    answers = {
        "no form": neura.post("/api/kb/upload", {"file": "x"}),
        "no file": neura.request("POST", "/api/kb/upload", raw=form(field("kb_id", "x")), headers=FORM),
        "empty": upload(neura, b"", "a.txt"),
        "foreign base": upload(neura, b"x", "a.txt", theirs),
        "no id": upload(neura, b"x", "a.txt", "nonsense"),
        "too large": upload(neura, b"x" * 4_000_000, "a.txt"),
    }

    assert {name: answer.status for name, answer in answers.items()} == {
        "no form": 415,
        "no file": 400,
        "empty": 400,
        "foreign base": 404,
        "no id": 404,
        "too large": 413,
    }
    for answer in answers.values():
        refusal(answer)


def test_an_upload_sent_twice_under_one_key_is_one(neura: Neura):
    first = upload(neura, RULE.encode(), "a.txt", **{"Idempotency-Key": "u1"})
    again = upload(neura, RULE.encode(), "a.txt", **{"Idempotency-Key": "u1"})

    assert first.json == again.json
    assert neura.get("/api/agent/knowledge-bases").json["total"] == 1


def test_a_file_that_cannot_be_read_fails_and_says_why(neura: Neura):
    failed = ready(neura, upload(neura, b"%PDF-1.7 nonsense", "broken.pdf").json)

    assert failed["status"] == "failed"
    assert failed["error"]
