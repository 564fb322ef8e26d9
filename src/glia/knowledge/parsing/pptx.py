"""PPTX to blocks, slide by slide; a slide is a page. Speaker notes follow their slide."""

from __future__ import annotations

from pathlib import Path
from zipfile import ZipFile

from glia.knowledge.parsing.package import Attributes, Handler, opened, related, stream
from glia.knowledge.parsing.text import clean
from glia.knowledge.parsing.types import Block, Page, ParseLimits

_TITLES = frozenset(("title", "ctrTitle"))
_SMALL_PRINT = frozenset(("dt", "ftr", "sldNum", "hdr", "sldImg"))


def read_pptx(path: Path, *, file_name: str, limits: ParseLimits) -> tuple[str, list[Page]]:
    with opened(path, file_name=file_name, limits=limits) as archive:
        names = set(archive.namelist())
        order = _Order()
        stream(archive, "ppt/presentation.xml", order)
        targets = related(archive, "ppt/presentation.xml")
        pages: list[Page] = []
        for number, relation in enumerate(order.slides, start=1):
            part = targets.get(relation, ("", ""))[1]
            if part in names:
                pages.append(Page(number, tuple(_slide(archive, part, names))))
    first = next((block for page in pages[:1] for block in page.blocks if block.kind == "heading"), None)
    return first.text if first is not None else "", pages


def _slide(archive: ZipFile, part: str, names: set[str]) -> list[Block]:
    slide = _Slide()
    stream(archive, part, slide)
    for kind, notes in related(archive, part).values():
        if kind == "notesSlide" and notes in names:
            spoken = _Slide()
            stream(archive, notes, spoken)
            slide.blocks += [Block("paragraph", block.text) for block in spoken.blocks]
    # The title comes first, wherever its box stands in the file.
    return sorted(slide.blocks, key=lambda block: block.kind != "heading")


class _Order(Handler):
    def __init__(self) -> None:
        self.slides: list[str] = []

    def start(self, name: str, attributes: Attributes) -> None:
        if name == "sldId":
            # `id` and `r:id` share their local name; the relationship comes last and begins with letters.
            self.slides.append(attributes.get("id", ""))


class _Slide(Handler):
    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self._placeholder = ""
        self._parts: list[str] = []
        self._paragraphs: list[str] = []
        self._cells: list[str] | None = None
        self._in_text = False
        self._level = 0

    def start(self, name: str, attributes: Attributes) -> None:
        match name:
            case "sp":
                self._placeholder = ""
            case "ph":
                self._placeholder = attributes.get("type", "body")
            case "p":
                self._parts, self._level = [], 0
            case "pPr":
                self._level = int(attributes.get("lvl", "0") or 0) if attributes.get("lvl", "0").isdigit() else 0
            case "t":
                self._in_text = True
            case "br":
                self._parts.append("\n")
            case "tr":
                self._cells = []
            case _:
                pass

    def end(self, name: str) -> None:
        match name:
            case "sp":
                self._placeholder = ""
            case "t":
                self._in_text = False
            case "p":
                self._end_paragraph(clean("".join(self._parts)).strip())
                self._parts = []
            case "txBody" if self._placeholder in _TITLES and self._paragraphs:
                self.blocks.append(Block("heading", " ".join(" ".join(self._paragraphs).split()), 1))
                self._paragraphs = []
            case "tc" if self._cells is not None:
                self._cells.append(" ".join(" ".join(self._paragraphs).split()))
                self._paragraphs = []
            case "tr" if self._cells is not None:
                if any(self._cells):
                    self.blocks.append(Block("row", " | ".join(self._cells)))
                self._cells = None
            case _:
                pass

    def text(self, data: str) -> None:
        if self._in_text:
            self._parts.append(data)

    def _end_paragraph(self, text: str) -> None:
        if not text or self._placeholder in _SMALL_PRINT:
            return
        if self._cells is not None or self._placeholder in _TITLES:
            self._paragraphs.append(text)
        elif self._placeholder in {"body", "obj"} or self._level:
            self.blocks.append(Block("list_item", "- " + text))
        else:
            self.blocks.append(Block("paragraph", text))
