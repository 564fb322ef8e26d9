"""Whole files through the child process, as an upload takes them."""

from __future__ import annotations

from pathlib import Path

import docx
import pytest
from fpdf import FPDF
from fpdf.enums import AccessPermission, EncryptionMethod

from glia.knowledge.chunking import chunk
from glia.knowledge.parsing.errors import (
    DocumentCorrupt,
    DocumentEmpty,
    DocumentEncrypted,
    DocumentTooLarge,
    DocumentUnsupported,
)
from glia.knowledge.parsing.parse import parse
from glia.knowledge.parsing.types import Block, Format, Page, ParsedDocument, ParseLimits


async def parsed(path: Path, content: bytes | str | None = None, media_type: str | None = None) -> ParsedDocument:
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return await parse(path, file_name=path.name, media_type=media_type)


def blocks(document: ParsedDocument) -> list[tuple[str, str]]:
    return [(block.kind, block.text) for page in document.pages for block in page.blocks]


def manual(page_count: int) -> FPDF:
    """A book with one fact per page."""
    pdf = FPDF()
    for page in range(1, page_count + 1):
        pdf.add_page()
        pdf.set_font("Helvetica", size=20)
        pdf.cell(0, 12, f"Chapter {page}", new_x="LMARGIN", new_y="NEXT")
        pdf.set_font("Helvetica", size=11)
        for paragraph in range(6):
            text = f"The code of gate {page}-{paragraph} is {page * 7919 + paragraph}. It opens at dawn. " * 4
            pdf.multi_cell(0, 6, text, new_x="LMARGIN", new_y="NEXT")
            pdf.ln(6)
    return pdf


async def test_a_pdf_of_fifty_pages_keeps_every_page_number(tmp_path: Path) -> None:
    path = tmp_path / "manual.pdf"
    manual(50).output(str(path))

    document = await parsed(path)
    chunks = chunk(document)

    assert document.format is Format.PDF
    assert [page.number for page in document.pages] == list(range(1, 51))
    for page in range(1, 51):
        for paragraph in range(6):
            fact = f"gate {page}-{paragraph} is {page * 7919 + paragraph}."
            held = [piece for piece in chunks if fact in " ".join(piece.text.split())]
            assert held
            assert {piece.page for piece in held} == {page}
            assert {piece.heading for piece in held} == {f"Chapter {page}"}


async def test_a_pdf_tells_headings_by_their_size_and_paragraphs_by_their_gaps(tmp_path: Path) -> None:
    pdf = FPDF()
    pdf.set_title("Rivers")
    pdf.add_page()
    for size, text in ((24, "Europe"), (16, "The Danube"), (11, "It is long.\nIt is wide."), (11, "It has a delta.")):
        pdf.set_font("Helvetica", size=size)
        pdf.multi_cell(0, size / 2, text, new_x="LMARGIN", new_y="NEXT")
        pdf.ln(8)
    pdf.output(str(tmp_path / "a.pdf"))

    document = await parsed(tmp_path / "a.pdf")

    assert document.title == "Rivers"
    assert document.pages[0].blocks == (
        Block("heading", "Europe", 1),
        Block("heading", "The Danube", 2),
        Block("paragraph", "It is long.\nIt is wide."),
        Block("paragraph", "It has a delta."),
    )


async def test_a_page_without_text_keeps_its_number(tmp_path: Path) -> None:
    pdf = FPDF()
    pdf.add_page()
    pdf.add_page()
    pdf.set_font("Helvetica", size=12)
    pdf.cell(text="Second page.")
    pdf.output(str(tmp_path / "a.pdf"))

    document = await parsed(tmp_path / "a.pdf")

    assert document.pages[0] == Page(1, ())
    assert chunk(document)[0].page == 2


async def test_a_pdf_without_any_text_is_said_to_be_a_scan(tmp_path: Path) -> None:
    pdf = FPDF()
    pdf.add_page()
    pdf.rect(10, 10, 50, 50, style="F")
    pdf.output(str(tmp_path / "scan.pdf"))

    with pytest.raises(DocumentEmpty, match=r"scan.pdf.*it may be a scan"):
        await parsed(tmp_path / "scan.pdf")


@pytest.mark.parametrize("method", [EncryptionMethod.RC4, EncryptionMethod.AES_128])
async def test_a_pdf_with_a_password_is_refused_as_such(tmp_path: Path, method: EncryptionMethod) -> None:
    pdf = manual(1)
    pdf.set_encryption(owner_password="owner", user_password="user", encryption_method=method)
    pdf.output(str(tmp_path / "a.pdf"))

    with pytest.raises(DocumentEncrypted, match="password"):
        await parsed(tmp_path / "a.pdf")


async def test_a_pdf_that_only_restricts_printing_is_read(tmp_path: Path) -> None:
    pdf = manual(1)
    pdf.set_encryption(owner_password="owner", permissions=AccessPermission.none())
    pdf.output(str(tmp_path / "a.pdf"))

    assert "gate 1-0" in (await parsed(tmp_path / "a.pdf")).text


async def test_a_docx_keeps_headings_lists_tables_and_special_characters(tmp_path: Path) -> None:
    made = docx.Document()
    made.core_properties.title = "Handbook"
    made.add_heading("Leave", 1)
    made.add_paragraph("R&D staff with x < 5 years: 漢字, “quotes”.")
    made.add_heading("Sick leave", 2)
    made.add_paragraph("Call before nine", style="List Bullet")
    table = made.add_table(2, 2)
    for row, cells in enumerate((("Grade", "Days"), ("A", "30"))):
        for column, text in enumerate(cells):
            table.cell(row, column).text = text
    made.save(str(tmp_path / "a.docx"))

    document = await parsed(tmp_path / "a.docx")

    assert document.title == "Handbook"
    assert document.pages[0].number is None
    assert blocks(document) == [
        ("heading", "Leave"),
        ("paragraph", "R&D staff with x < 5 years: 漢字, “quotes”."),
        ("heading", "Sick leave"),
        ("list_item", "- Call before nine"),
        ("row", "Grade | Days"),
        ("row", "A | 30"),
    ]
    assert chunk(document)[-1].heading == "Leave > Sick leave"


async def test_an_html_page_keeps_its_content_and_not_its_scripts(tmp_path: Path) -> None:
    page = """<!doctype html><html><head><title>The page</title><style>p{}</style><script>var x = "no";</script></head>
    <body><nav><a href="/">Home</a></nav><h1>Top</h1><p>Some <b>bold</b> text &amp; R&amp;D, x &lt; 5.</p>
    <h2>Sub</h2><ul><li>one</li><li><p>two</p></li></ul>
    <table><tr><th></th><th>B</th></tr><tr><td>1</td><td><p>2</p><table><tr><td>in</td></tr></table></td></tr></table>
    <pre>x = 1\n  y = 2</pre></body></html>"""

    document = await parsed(tmp_path / "a.html", page)

    assert document.title == "The page"
    assert blocks(document) == [
        ("heading", "Top"),
        ("paragraph", "Some bold text & R&D, x < 5."),
        ("heading", "Sub"),
        ("list_item", "- one"),
        ("list_item", "- two"),
        ("row", " | B"),
        ("row", "1 | 2 in"),
        ("code", "x = 1\n  y = 2"),
    ]


async def test_a_markdown_file_keeps_its_structure(tmp_path: Path) -> None:
    text = (
        "Guide\n=====\n\nFirst *line*\nsecond line.\n\n## Install `now` ##\n\n- one\n- two\n  more\n\n"
        "| a | b |\n|---|---|\n| 1 | 2 |\n\n```sh\n# not a heading\n\nrun\n```\n\n> quoted\n"
    )

    document = await parsed(tmp_path / "a.md", text)

    assert document.title == "Guide"
    assert blocks(document) == [
        ("heading", "Guide"),
        ("paragraph", "First *line*\nsecond line."),
        ("heading", "Install now"),
        ("list_item", "- one"),
        ("list_item", "- two\n  more"),
        ("row", "| a | b |"),
        ("row", "| 1 | 2 |"),
        ("code", "# not a heading\n\nrun"),
        ("paragraph", "quoted"),
    ]


async def test_what_a_file_contains_counts_more_than_its_name(tmp_path: Path) -> None:
    manual(1).output(str(tmp_path / "named.txt"))
    made = docx.Document()
    made.add_paragraph("Words inside.")
    made.save(str(tmp_path / "named.pdf"))

    assert (await parsed(tmp_path / "named.txt")).format is Format.PDF
    assert (await parsed(tmp_path / "named.pdf")).format is Format.DOCX
    assert (await parsed(tmp_path / "page.txt", "<!-- saved --> <html><p>Text</p></html>")).format is Format.HTML
    assert (await parsed(tmp_path / "noname", "# Title", "text/markdown; charset=utf-8")).format is Format.MARKDOWN
    assert (await parsed(tmp_path / "notes.log", "plain")).format is Format.TEXT


@pytest.mark.parametrize(
    ("name", "content", "error", "says"),
    [
        ("a.png", b"\x89PNG\r\n\x1a\n" + bytes(40), DocumentUnsupported, "PNG image.*PDF, DOCX, PPTX"),
        ("a.bin", bytes(range(256)), DocumentUnsupported, "binary.*PDF, DOCX"),
        ("a.txt", b"text with a NUL \x00 inside", DocumentUnsupported, "binary"),
        ("a.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), DocumentUnsupported, "before 2007"),
        (
            "a.docx",
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + "EncryptedPackage".encode("utf-16-le"),
            DocumentEncrypted,
            "password",
        ),
        ("a.txt", b"", DocumentEmpty, "0 bytes"),
        ("a.md", b" \n\n --- \n", DocumentEmpty, "No text"),
        ("a.html", b"<html><body><script>x()</script></body></html>", DocumentEmpty, "No text"),
        ("a.pdf", b"", DocumentEmpty, "0 bytes"),
        ("a.pdf", b"this is no pdf", DocumentCorrupt, "named as a PDF"),
        ("a.pdf", b"%PDF-1.7\n" + bytes(range(256)) * 20, DocumentCorrupt, "damaged"),
        ("a.docx", b"PK\x03\x04" + bytes(300), DocumentCorrupt, "damaged"),
        ("a.docx", b"no zip at all", DocumentCorrupt, "named as a DOCX"),
    ],
)
async def test_a_file_that_cannot_be_read_says_why(
    tmp_path: Path, name: str, content: bytes, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says) as caught:
        await parsed(tmp_path / name, content)

    assert name in str(caught.value)


async def test_a_file_over_the_limit_is_refused_before_a_child_starts(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("word " * 100)

    with pytest.raises(DocumentTooLarge, match="500 bytes; the limit is 400"):
        await parse(tmp_path / "a.txt", file_name="a.txt", media_type=None, limits=ParseLimits(input_bytes=400))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
async def test_text_is_read_in_its_own_encoding(tmp_path: Path, encoding: str) -> None:
    text = "Grüße aus Köln: café, naïve, 5 €, £3. Ein längerer Satz, damit es genug zu lesen gibt."

    assert (await parsed(tmp_path / "a.txt", text.encode(encoding))).text == text


async def test_html_is_read_in_the_charset_it_declares(tmp_path: Path) -> None:
    page = '<html><head><meta charset="windows-1251"></head><body><p>Привет, мир</p></body></html>'

    assert (await parsed(tmp_path / "a.html", page.encode("cp1251"))).text == "Привет, мир"
