"""Files made to hurt their reader: each ends in its own error, within its limits, and the server does not notice."""

from __future__ import annotations

import asyncio
import io
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

import psutil
import pytest
from fpdf import FPDF

from glia.knowledge.parsing.errors import (
    DocumentBomb,
    DocumentCorrupt,
    DocumentEmpty,
    DocumentEncrypted,
    DocumentLimit,
    DocumentRejected,
)
from glia.knowledge.parsing.parse import parse
from glia.knowledge.parsing.types import ParsedDocument, ParseLimits

from ..pdfs import with_claimed_pages, with_repeated_pages

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


@pytest.fixture(autouse=True)
def parent_stays_small() -> Iterator[None]:
    """The process that asks for the parsing must not pay for it."""
    before = psutil.Process().memory_info().rss
    yield
    grown = psutil.Process().memory_info().rss - before
    assert grown < 80_000_000, f"{grown:,} bytes"


async def read(path: Path, limits: ParseLimits | None = None) -> ParsedDocument:
    return await parse(path, file_name=path.name, media_type=None, limits=limits)


def docx_with(path: Path, body: str | bytes, extra: dict[str, bytes] | None = None) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", body)
        for name, content in (extra or {}).items():
            archive.writestr(name, content)
    return path


def padded_docx(path: Path, megabytes: int) -> Path:
    """A Word document whose one paragraph is mostly spaces."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("word/document.xml", "w") as body:
        body.write(f"<w:document {W}><w:body><w:p><w:r><w:t>word".encode())
        for _ in range(megabytes):
            body.write(b" " * 1_000_000)
        body.write(b"end</w:t></w:r></w:p></w:body></w:document>")
    return path


def flate_bomb(path: Path, megabytes: int) -> Path:
    """A PDF with one page whose content unpacks to so many megabytes of nothing."""
    packer = zlib.compressobj(9)
    stream = b"".join(packer.compress(b" " * 1_000_000) for _ in range(megabytes)) + packer.flush()
    pages = b"1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj "
    page = b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R/Resources<<>>>>endobj "
    head = b"4 0 obj<</Filter/FlateDecode/Length %d>>stream\n" % len(stream)
    path.write_bytes(
        b"%PDF-1.7\n" + pages + page + head + stream + b"\nendstream endobj\ntrailer<</Root 1 0 R>>\n%%EOF"
    )
    return path


async def test_a_docx_that_unpacks_to_too_much_is_refused_unopened(tmp_path: Path) -> None:
    path = padded_docx(tmp_path / "bomb.docx", 210)

    with pytest.raises(DocumentBomb, match="unpacks to 210"):
        await read(path)

    assert path.stat().st_size < 1_000_000


async def test_a_docx_that_repeats_itself_is_refused_by_its_ratio(tmp_path: Path) -> None:
    path = padded_docx(tmp_path / "bomb.docx", 20)

    with pytest.raises(DocumentBomb, match="times its size; the limit is 100 times"):
        await read(path)

    # Without the check the same file unpacks.
    text = (await read(path, ParseLimits(unpacked_ratio=100_000))).text
    assert len(text) == 20_000_007


async def test_entities_that_multiply_are_refused(tmp_path: Path) -> None:
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    document = (
        f'<?xml version="1.0"?><!DOCTYPE d [<!ENTITY l0 "ha">{laughs}]><w:document {W}><w:p>&l9;</w:p></w:document>'
    )

    with pytest.raises(DocumentBomb, match="entities"):
        await read(docx_with(tmp_path / "a.docx", document))

    # A parser that lets entities in expands them.
    assert ElementTree.fromstring('<!DOCTYPE d [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><d>&b;</d>').text == "haha"


async def test_a_docx_nested_a_hundred_thousand_deep_is_read(tmp_path: Path) -> None:
    deep = f"<w:document {W}>" + "<w:sdt>" * 100_000 + "<w:p><w:r><w:t>bottom</w:t></w:r></w:p>"
    path = docx_with(tmp_path / "a.docx", deep + "</w:sdt>" * 100_000 + "</w:document>")

    assert (await read(path, ParseLimits(unpacked_ratio=100_000))).text == "bottom"


@pytest.mark.parametrize("body", ["", "<w:document", f"<w:document {W}><w:p><w:t>&undefined;</w:t></w:p></w:document>"])
async def test_a_docx_with_broken_xml_is_corrupt(tmp_path: Path, body: str) -> None:
    with pytest.raises(DocumentCorrupt, match="damaged"):
        await read(docx_with(tmp_path / "a.docx", body))


async def test_a_docx_cut_off_or_with_a_broken_part_is_corrupt(tmp_path: Path) -> None:
    whole = padded_docx(tmp_path / "whole.docx", 1).read_bytes()
    (tmp_path / "cut.docx").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "bent.docx").write_bytes(whole[:200] + b"\xff" * 100 + whole[300:])

    for name in ("cut.docx", "bent.docx"):
        with pytest.raises(DocumentCorrupt, match="damaged"):
            await read(tmp_path / name, ParseLimits(unpacked_ratio=100_000))


async def test_an_encrypted_archive_and_other_office_files_are_told_apart(tmp_path: Path) -> None:
    made = bytearray(docx_with(tmp_path / "a.docx", "<x/>").read_bytes())
    directory = made.index(b"PK\x01\x02")
    made[directory + 8] |= 1
    (tmp_path / "locked.docx").write_bytes(made)
    sheet = io.BytesIO()
    with zipfile.ZipFile(sheet, "w") as archive:
        archive.writestr("xl/workbook.xml", "<x/>")
    (tmp_path / "sheet.docx").write_bytes(sheet.getvalue())

    with pytest.raises(DocumentEncrypted, match="password"):
        await read(tmp_path / "locked.docx")
    with pytest.raises(DocumentEmpty, match="no words"):  # read as what it is: a spreadsheet without sheets
        await read(tmp_path / "sheet.docx")


async def test_a_pdf_that_unpacks_to_too_much_ends_at_the_memory_limit(tmp_path: Path) -> None:
    path = flate_bomb(tmp_path / "bomb.pdf", 300)

    with pytest.raises(DocumentLimit, match="needs more than 300 MB"):
        await read(path, ParseLimits(memory_bytes=300_000_000))

    # With room the same child reads it to the end, and finds nothing.
    with pytest.raises(DocumentEmpty):
        await read(path, ParseLimits(memory_bytes=4_000_000_000))


async def test_a_truncated_pdf_never_ends_without_an_answer(tmp_path: Path) -> None:
    pdf = FPDF()
    for page in range(5):
        pdf.add_page()
        pdf.set_font("Helvetica", size=12)
        pdf.cell(text=f"Page {page}")
    whole = bytes(pdf.output())

    for share in (0.1, 0.5):
        (tmp_path / "cut.pdf").write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises((DocumentCorrupt, DocumentEmpty)):
            await read(tmp_path / "cut.pdf")


async def test_html_nested_two_hundred_thousand_deep_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("<html>" + "<div>" * 200_000 + "bottom")

    assert (await read(tmp_path / "a.html")).text == "bottom"


async def test_html_that_is_all_tags_ends_at_the_cpu_limit(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("<html>" + "<div a=b>" * 1_500_000 + "bottom")

    with pytest.raises(DocumentLimit, match="1 seconds of CPU"):
        await read(tmp_path / "a.html", ParseLimits(cpu_seconds=1))


async def test_more_text_or_paragraphs_than_allowed_end_at_the_output_limit(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("word\n\n" * 2000)

    with pytest.raises(DocumentLimit, match="8,000 bytes of text"):
        await read(tmp_path / "a.txt", ParseLimits(output_bytes=7999))
    with pytest.raises(DocumentLimit, match="2,000 paragraphs"):
        await read(tmp_path / "a.txt", ParseLimits(blocks=1999))
    assert len((await read(tmp_path / "a.txt", ParseLimits(blocks=2000, output_bytes=8000))).text) == 2000 * 6 - 2


def children() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


async def test_a_reader_that_hangs_ends_at_the_wall_limit(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "never.txt")  # opening it waits for a writer that never comes

    before = children()

    with pytest.raises(DocumentLimit, match=r"more than 0.5 seconds"):
        await read(tmp_path / "never.txt", ParseLimits(wall_seconds=0.5))

    assert not children() - before


async def test_cancelling_kills_the_child(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "never.txt")
    before = children()
    task = asyncio.create_task(read(tmp_path / "never.txt"))
    async with asyncio.timeout(60):
        while not children() - before:
            await asyncio.sleep(0.01)
    (child,) = children() - before

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert not child.is_running()


async def test_the_child_sees_none_of_the_servers_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLIA_SECRET_FOR_TEST", "hidden")
    os.mkfifo(tmp_path / "never.txt")
    before, ours = children(), psutil.Process().cmdline()
    task = asyncio.create_task(read(tmp_path / "never.txt"))
    async with asyncio.timeout(60):  # until it is a program of its own
        while not [child for child in children() - before if child.cmdline() not in ([], ours)]:
            await asyncio.sleep(0.01)

    (child,) = children() - before
    environment = child.environ()
    task.cancel()

    assert "GLIA_SECRET_FOR_TEST" not in environment
    assert "PYTHONPATH" in environment


def test_every_rejection_has_its_own_code() -> None:
    kinds = DocumentRejected.__subclasses__()

    assert len({kind.code for kind in kinds}) == len(kinds)
    assert all(400 <= kind.status < 500 for kind in kinds)


@pytest.mark.parametrize("make", [with_claimed_pages, lambda path, _: with_repeated_pages(path, 2, 1000)])
async def test_a_pdf_of_a_million_pages_is_refused_at_once(tmp_path: Path, make: Callable[[Path, int], Path]) -> None:
    path = make(tmp_path / "million.pdf", 1_000_000)

    with pytest.raises(DocumentLimit, match="says it has 1,000,000 pages; the limit is 20,000"):
        await read(path)

    assert path.stat().st_size < 100_000


async def test_without_the_limit_every_one_of_the_pages_would_be_read(tmp_path: Path) -> None:
    path = with_repeated_pages(tmp_path / "many.pdf", 2, 20)

    with pytest.raises(DocumentLimit, match="400 pages; the limit is 399"):
        await read(path, ParseLimits(pages=399))
    with pytest.raises(DocumentEmpty):
        await read(path, ParseLimits(pages=400))
