"""DOCX to blocks, streamed through expat: no tree in memory, no nesting limit, and no DTD is let in."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from zipfile import ZipFile

from glia.knowledge.parsing.errors import SUPPORTED, DocumentUnsupported
from glia.knowledge.parsing.package import Attributes, Handler, opened, stream
from glia.knowledge.parsing.text import clean
from glia.knowledge.parsing.types import Block, ParseLimits

_BODY = re.compile(r"word/document\d*\.xml")
_HEADING_STYLE = re.compile(r"heading ([1-9])")


@dataclass
class _Style:
    name: str = ""
    based_on: str = ""
    outline: int | None = None
    is_list: bool = False


@dataclass
class _Paragraph:
    parts: list[str] = field(default_factory=list[str])
    style: str = ""
    outline: int | None = None
    is_list: bool = False


def read_docx(path: Path, *, file_name: str, limits: ParseLimits) -> tuple[str, list[Block]]:
    """The document's title (may be blank) and its blocks; foot- and endnotes follow the body."""
    with opened(path, file_name=file_name, limits=limits) as archive:
        names = archive.namelist()
        body = next((name for name in names if _BODY.fullmatch(name)), None)
        if body is None:
            raise DocumentUnsupported(f"{file_name!r} has no Word document in it. Supported are {SUPPORTED}.")
        return _read_parts(archive, body, set(names))


def _read_parts(archive: ZipFile, body: str, names: set[str]) -> tuple[str, list[Block]]:
    styles = _Styles()
    if "word/styles.xml" in names:
        stream(archive, "word/styles.xml", styles)
    reader = _Body(styles)
    for part in (body, "word/footnotes.xml", "word/endnotes.xml"):
        if part in names:
            stream(archive, part, reader)
    properties = _Properties()
    if "docProps/core.xml" in names:
        stream(archive, "docProps/core.xml", properties)
    return clean("".join(properties.title)).strip(), reader.blocks


class _Properties(Handler):
    def __init__(self) -> None:
        self.title: list[str] = []
        self._inside = False

    def start(self, name: str, attributes: Attributes) -> None:
        self._inside = name == "title"

    def end(self, name: str) -> None:
        self._inside = False

    def text(self, data: str) -> None:
        if self._inside:
            self.title.append(data[:1000])


class _Styles(Handler):
    """Which styles are headings and lists. Word keeps the English style names in every language."""

    def __init__(self) -> None:
        self._by_id: dict[str, _Style] = {}
        self._open = _Style()

    def start(self, name: str, attributes: Attributes) -> None:
        match name:
            case "style":
                self._open = self._by_id.setdefault(attributes.get("styleId", ""), _Style())
            case "name":
                self._open.name = attributes.get("val", "").lower()
            case "basedOn":
                self._open.based_on = attributes.get("val", "")
            case "outlineLvl":
                self._open.outline = _integer(attributes.get("val"))
            case "numPr":
                self._open.is_list = True
            case _:
                pass

    def level(self, style_id: str) -> int:
        """1-6 for a heading style, else 0."""
        for style in self._chain(style_id):
            if named := _HEADING_STYLE.fullmatch(style.name):
                return min(6, int(named[1]))
            if style.name == "title":
                return 1
            if style.outline is not None:
                return min(6, style.outline + 1) if 0 <= style.outline < 9 else 0
        return 0

    def is_list(self, style_id: str) -> bool:
        return any(style.is_list or style.name.startswith("list ") for style in self._chain(style_id))

    def _chain(self, style_id: str) -> list[_Style]:
        chain: list[_Style] = []
        while (style := self._by_id.get(style_id)) is not None and len(chain) < 16:
            chain.append(style)
            style_id = style.based_on
        return chain


class _Body(Handler):
    """Collects paragraphs and table rows. Paragraphs nest (text boxes), tables nest; both are kept as stacks."""

    def __init__(self, styles: _Styles) -> None:
        self.blocks: list[Block] = []
        self._styles = styles
        self._paragraphs: list[_Paragraph] = []
        self._tables = 0
        self._cells: list[str] = []
        self._cell: list[str] = []
        self._in_text = False
        self._fallbacks = 0

    def start(self, name: str, attributes: Attributes) -> None:
        match name:
            case "Fallback":
                self._fallbacks += 1  # says again, for old readers, what the Choice beside it said
            case "p":
                self._paragraphs.append(_Paragraph())
            case "t":
                self._in_text = True
            case "tab" | "ptab":
                self._add("\t")
            case "br" | "cr":
                self._add("\n")
            case "noBreakHyphen":
                self._add("-")
            case "tbl":
                self._tables += 1
            case "pStyle" | "outlineLvl" | "numPr" if self._paragraphs:
                self._describe(self._paragraphs[-1], name, attributes.get("val", ""))
            case _:
                pass

    def end(self, name: str) -> None:
        match name:
            case "Fallback":
                self._fallbacks -= 1
            case "t":
                self._in_text = False
            case "p" if self._paragraphs:
                self._end_paragraph(self._paragraphs.pop())
            case "tc" if self._tables == 1:
                self._cells.append(" ".join("".join(self._cell).split()))
                self._cell.clear()
            case "tr" if self._tables == 1:
                self._end_row()
            case "tbl":
                self._tables -= 1
            case _:
                pass

    def text(self, data: str) -> None:
        if self._in_text:
            self._add(data)

    def _add(self, text: str) -> None:
        if self._paragraphs and not self._fallbacks:
            self._paragraphs[-1].parts.append(text)

    @staticmethod
    def _describe(paragraph: _Paragraph, name: str, value: str) -> None:
        if name == "pStyle":
            paragraph.style = value
        elif name == "outlineLvl":
            paragraph.outline = _integer(value)
        else:
            paragraph.is_list = True

    def _end_paragraph(self, paragraph: _Paragraph) -> None:
        text = clean("".join(paragraph.parts)).strip()
        if not text:
            return
        if self._tables:
            self._cell.append(text + " ")
            return
        outline = paragraph.outline
        level = self._styles.level(paragraph.style) if outline is None else (outline + 1 if 0 <= outline < 9 else 0)
        if level:
            self.blocks.append(Block("heading", " ".join(text.split()), min(6, level)))
        elif paragraph.is_list or self._styles.is_list(paragraph.style):
            self.blocks.append(Block("list_item", "- " + text))
        else:
            self.blocks.append(Block("paragraph", text))

    def _end_row(self) -> None:
        cells, self._cells = self._cells, []
        if any(cells):
            self.blocks.append(Block("row", clean(" | ".join(cells))))


def _integer(value: str | None) -> int | None:
    return int(value) if value is not None and value.isascii() and value.isdigit() else None
