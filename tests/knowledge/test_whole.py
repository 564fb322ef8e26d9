"""The real parser, the real cutting and the real model together."""

from pathlib import Path

import pytest

from glia.identity.types import Principal
from glia.kit.db import Database
from glia.knowledge.embedding.minilm import MiniLmEmbedder
from glia.knowledge.embedding.registry import EmbedderRegistry
from glia.knowledge.jobs import Ingest
from glia.knowledge.parsing.errors import DocumentEncrypted, DocumentRejected
from glia.knowledge.reading import Reader
from glia.knowledge.service import Knowledge
from glia.knowledge.types import DocumentStatus

from .conftest import House

GUIDE = {
    "Warranty": "Every toaster is covered for two years from the day it was bought. Keep the receipt safe.",
    "Cleaning": "Pull the plug before you clean the toaster. Shake the crumbs out of the tray once a week.",
    "Complaints": "If you are not satisfied you get your money back within thirty days after the purchase.",
}


def write_pdf(path: Path, *, password: str | None = None) -> None:
    from fpdf import FPDF

    pdf = FPDF()
    for heading, text in GUIDE.items():
        pdf.add_page()
        pdf.set_font("helvetica", size=20)
        pdf.cell(text=heading, new_x="LMARGIN", new_y="NEXT")
        pdf.set_font("helvetica", size=11)
        pdf.multi_cell(w=0, text=text)
    if password is not None:
        from fpdf.enums import EncryptionMethod

        pdf.set_encryption(owner_password=password, user_password=password, encryption_method=EncryptionMethod.RC4)
    pdf.output(str(path))


async def test_a_question_in_other_words_finds_the_right_page_of_a_pdf(
    db: Database, principal: Principal, tmp_path: Path, models: Path
) -> None:
    embedder = MiniLmEmbedder(models)
    if reason := embedder.unavailable_reason():
        pytest.skip(reason)
    house = House(db, tmp_path, principal, None)
    embedders = EmbedderRegistry(embedder)
    house.knowledge = Knowledge(db, house.files, start_job=house.start_job, embedders=embedders)
    house.ingest = Ingest(house.files, Reader(), embedders)
    path = tmp_path / "guide.pdf"
    write_pdf(path)
    base = await house.base()

    document = await house.knowledge.add(principal, base.id, path, name="guide.pdf", media_type="application/pdf")
    await house.work()

    ready = await house.knowledge.document(principal, base.id, document.id)
    assert (ready.status, ready.pages, ready.chunks) == (DocumentStatus.READY, 3, 3)
    for question, page in {
        "Can I have a refund if I dislike it?": 3,
        "For how many years am I covered?": 1,
        "removing crumbs": 2,
    }.items():
        (hit, *_) = await house.knowledge.search(principal, [base.id], question)
        assert (hit.chunk.page, hit.document_name) == (page, "guide.pdf"), question
        assert hit.chunk.heading == list(GUIDE)[page - 1]
    embedder.close()


async def test_a_protected_pdf_fails_with_words_for_its_owner(
    db: Database, principal: Principal, tmp_path: Path
) -> None:
    house = House(db, tmp_path, principal, None)
    house.ingest = Ingest(house.files, Reader(), None)
    path = tmp_path / "secret.pdf"
    write_pdf(path, password="sesame")
    base = await house.base()

    document = await house.knowledge.add(principal, base.id, path, name="secret.pdf", media_type="application/pdf")
    with pytest.raises(DocumentRejected):
        await house.work()

    failed = await house.knowledge.document(principal, base.id, document.id)
    assert (failed.status, failed.error_code) == (DocumentStatus.FAILED, DocumentEncrypted.code)
    assert failed.error_message
    assert "password" in failed.error_message
