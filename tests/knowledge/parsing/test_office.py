"""Spreadsheets, presentations, tables and e-books, made here from their parts."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from glia.knowledge.chunking import chunk
from glia.knowledge.parsing.errors import (
    DocumentBomb,
    DocumentCorrupt,
    DocumentEmpty,
    DocumentEncrypted,
    DocumentLimit,
    DocumentUnsupported,
)
from glia.knowledge.parsing.parse import parse
from glia.knowledge.parsing.types import Format, ParsedDocument, ParseLimits

RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
SLIDE = (
    'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'
    ' xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
    f' xmlns:r="{OFFICE}"'
)


def pack(path: Path, parts: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return path


def relations(*targets: tuple[str, str, str]) -> str:
    entries = "".join(f'<Relationship Id="{i}" Type="{OFFICE}/{kind}" Target="{t}"/>' for i, kind, t in targets)
    return f'<Relationships xmlns="{RELATIONS}">{entries}</Relationships>'


def xlsx(path: Path, rows: str) -> Path:
    strings = "".join(f"<si><t>{text}</t></si>" for text in ("Name", "Born", "Ada Lovelace"))
    return pack(
        path,
        {
            "xl/workbook.xml": f'<workbook xmlns="{SHEET}" xmlns:r="{OFFICE}"><sheets>'
            '<sheet name="People" sheetId="1" r:id="rId1"/>'
            '<sheet name="Secret" state="hidden" sheetId="2" r:id="rId2"/>'
            "</sheets></workbook>",
            "xl/_rels/workbook.xml.rels": relations(
                ("rId1", "worksheet", "worksheets/sheet1.xml"), ("rId2", "worksheet", "/xl/worksheets/sheet2.xml")
            ),
            "xl/sharedStrings.xml": f'<sst xmlns="{SHEET}">{strings}</sst>',
            "xl/styles.xml": f'<styleSheet xmlns="{SHEET}"><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs>'
            "</styleSheet>",
            "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{SHEET}"><sheetData>{rows}</sheetData></worksheet>',
            "xl/worksheets/sheet2.xml": f'<worksheet xmlns="{SHEET}"><sheetData><row><c t="inlineStr"><is><t>hidden</t>'
            "</is></c></row></sheetData></worksheet>",
        },
    )


ROWS = (
    '<row><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c></row>'
    '<row><c r="A2" t="s"><v>2</v></c><c r="B2" s="1"><v>5458</v></c></row>'
    '<row><c r="B3"><v>7</v></c></row>'
)


def pptx(path: Path) -> Path:
    def slide(title: str, body: str) -> str:
        def box(kind: str, text: str) -> str:
            return f"<p:sp><p:nvPr>{kind}</p:nvPr><p:txBody><a:p><a:r><a:t>{text}</a:t></a:r></a:p></p:txBody></p:sp>"

        heading = box('<p:ph type="title"/>', title)
        return f"<p:sld {SLIDE}>{box('<p:ph/>', body)}{heading}</p:sld>"

    return pack(
        path,
        {
            "ppt/presentation.xml": f'<p:presentation {SLIDE}><p:sldIdLst><p:sldId id="256" r:id="rId9"/>'
            '<p:sldId id="257" r:id="rId8"/></p:sldIdLst></p:presentation>',
            "ppt/_rels/presentation.xml.rels": relations(
                ("rId8", "slide", "slides/slide1.xml"), ("rId9", "slide", "slides/slide2.xml")
            ),
            "ppt/slides/slide1.xml": slide("Second", "Bees dance."),
            "ppt/slides/slide2.xml": slide("First", "Ants march."),
            "ppt/slides/_rels/slide2.xml.rels": relations(("n", "notesSlide", "../notesSlides/notes1.xml")),
            "ppt/notesSlides/notes1.xml": slide("", "Wave here."),
        },
    )


def epub(path: Path, **more: str) -> Path:
    return pack(
        path,
        {
            "META-INF/container.xml": '<container><rootfiles><rootfile full-path="o/b.opf"/></rootfiles></container>',
            "o/b.opf": "<package><metadata><title>The Reef</title></metadata><manifest>"
            '<item id="one" href="a%20b.xhtml"'
            ' media-type="application/xhtml+xml"/><item id="two" href="z.xhtml" media-type="application/xhtml+xml"/>'
            '</manifest><spine><itemref idref="two"/><itemref idref="one"/></spine></package>',
            "o/a b.xhtml": "<!DOCTYPE html><html><body><h1>Deep</h1><p>Squid hunt.</p></body></html>",
            "o/z.xhtml": "<html><body><h1>Shallow</h1><p>Crabs dig.</p></body></html>",
            **more,
        },
    )


async def read(path: Path, name: str | None = None, limits: ParseLimits | None = None) -> ParsedDocument:
    return await parse(path, file_name=name or path.name, media_type=None, limits=limits)


async def test_sheet_rows_carry_their_column_names(tmp_path: Path) -> None:
    document = await read(xlsx(tmp_path / "people.xlsx", ROWS))

    assert document.format is Format.XLSX
    (page,) = document.pages
    assert (page.number, page.blocks[0].text, page.blocks[0].kind) == (1, "People", "heading")
    assert [block.text for block in page.blocks[1:]] == [
        "Name | Born",
        "Name: Ada Lovelace | Born: 1914-12-10",
        "Born: 7",
    ]
    (passage,) = chunk(document)
    assert (passage.page, passage.heading) == (1, "People")


async def test_a_slide_is_a_page_with_its_title_first_and_its_notes_last(tmp_path: Path) -> None:
    document = await read(pptx(tmp_path / "talk.pptx"))

    assert document.format is Format.PPTX
    assert document.title == "First"
    assert [(page.number, [block.text for block in page.blocks]) for page in document.pages] == [
        (1, ["First", "- Ants march.", "- Wave here."]),
        (2, ["Second", "- Bees dance."]),
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
async def test_csv_is_read_whatever_parts_its_cells(tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "list.csv"
    path.write_text(delimiter.join(["City", "River"]) + "\n" + delimiter.join(["Graz", '"Mur\nand more"']) + "\n")

    document = await read(path)

    assert document.format is Format.CSV
    assert [block.text for block in document.pages[0].blocks] == ["City | River", "City: Graz | River: Mur and more"]


async def test_chapters_come_in_reading_order(tmp_path: Path) -> None:
    document = await read(epub(tmp_path / "reef.epub"))

    assert (document.format, document.title) == (Format.EPUB, "The Reef")
    assert [block.text for block in document.pages[0].blocks] == ["Shallow", "Crabs dig.", "Deep", "Squid hunt."]


async def test_what_is_inside_counts_and_not_the_name(tmp_path: Path) -> None:
    assert (await read(epub(tmp_path / "a"), "talk.pptx")).format is Format.EPUB
    assert (await read(pptx(tmp_path / "b"), "list.docx")).format is Format.PPTX
    pack(tmp_path / "c", {"photo.jpg": "x"})
    with pytest.raises(DocumentUnsupported, match="ZIP archive"):
        await read(tmp_path / "c", "list.xlsx")
    (tmp_path / "d").write_bytes(b"\x00\x01\x02" * 100)
    with pytest.raises(DocumentCorrupt, match="XLSX"):
        await read(tmp_path / "d", "list.xlsx")


async def test_damaged_files_say_so(tmp_path: Path) -> None:
    whole = xlsx(tmp_path / "whole.xlsx", ROWS).read_bytes()
    (tmp_path / "cut.xlsx").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DocumentCorrupt):
        await read(tmp_path / "cut.xlsx")
    with pytest.raises(DocumentCorrupt):
        await read(xlsx(tmp_path / "broken.xlsx", "<row><c>"))
    with pytest.raises(DocumentEncrypted):
        await read(epub(tmp_path / "sold.epub", **{"META-INF/rights.xml": "<x/>"}))
    with pytest.raises(DocumentEmpty):
        await read(pack(tmp_path / "none.epub", {"META-INF/container.xml": "<c/>", "content.opf": "<package/>"}))


async def test_bombs_are_not_unpacked(tmp_path: Path) -> None:
    bomb = xlsx(tmp_path / "bomb.xlsx", "<row/>" * 2_000_000)
    with pytest.raises(DocumentBomb):
        await read(bomb)
    laughs = "<!DOCTYPE x [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;'>]><workbook/>"
    with pytest.raises(DocumentBomb, match="entities"):
        await read(pack(tmp_path / "laughs.xlsx", {"xl/workbook.xml": laughs}))


async def test_more_rows_than_a_document_may_have_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_text("a,b\n" * 1000)

    with pytest.raises(DocumentLimit):
        await read(path, limits=ParseLimits(blocks=500))
    assert len((await read(path, limits=ParseLimits(blocks=2000))).pages[0].blocks) == 1000
