"""HTML to blocks, on the standard library's tokenizer: it keeps no tree, so nesting costs nothing."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from glia.knowledge.parsing.text import clean, decode
from glia.knowledge.parsing.types import Block, BlockKind

_CHARSET = re.compile(rb"""<meta[^>]{0,300}?charset\s*=\s*["']?\s*([\w.:-]{1,40})""", re.I)
_HEADINGS = {"h1": 1, "h2": 2, "h3": 3, "h4": 4, "h5": 5, "h6": 6}
# fmt: off
_BLOCKS = frozenset((
    "address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "div", "dl", "dt",
    "fieldset", "figcaption", "figure", "footer", "form", "header", "hr", "html", "legend", "li", "main", "menu",
    "ol", "option", "p", "pre", "section", "select", "summary", "table", "tbody", "tfoot", "thead", "ul",
)) | frozenset(_HEADINGS)
_UNSEEN = frozenset((
    "script", "style", "template", "noscript", "svg", "math", "iframe", "object", "head", "nav", "textarea",
))
# fmt: on
_VOID_IN_HEAD = frozenset(("meta", "link", "base"))
_CONTENT = frozenset(("main", "article", "h1", "body"))


def read_html(data: bytes, *, file_name: str) -> tuple[str, list[Block]]:
    """The page's title (may be blank) and its blocks, without scripts, styles and navigation."""
    charset = _CHARSET.search(data[:4096])
    text = clean(decode(data, file_name=file_name, declared=charset[1].decode("ascii", "replace") if charset else None))
    reader = _Reader()
    reader.feed(text)
    reader.close()
    reader.flush()
    return " ".join("".join(reader.title).split()), reader.blocks


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.blocks: list[Block] = []
        self.title: list[str] = []
        self._kind: BlockKind = "paragraph"
        self._level = 0
        self._parts: list[str] = []
        self._cells: list[str] | None = None
        self._in_cell = False
        self._tables = 0
        self._pre = 0
        self._unseen: str | None = None
        self._unseen_depth = 0
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "title":
            self._in_title = not self.title
            return
        if self._unseen is not None:
            self._start_unseen(tag)
            return
        if tag in _UNSEEN:
            self._unseen, self._unseen_depth = tag, 1
        elif tag == "table":
            self._start_table()
        elif tag in {"tr", "td", "th"}:
            self._start_in_table(tag)
        elif tag == "br":
            self._parts.append("\n" if self._cells is None else " ")
        elif tag in _BLOCKS:
            self._start_block(tag)
        elif tag == "img":
            self._parts.append(next((f" {value} " for name, value in attrs if name == "alt" and value), ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "title":
            self._in_title = False
        elif self._unseen is not None:
            self._unseen_depth -= tag == self._unseen
            if self._unseen_depth <= 0:
                self._unseen = None
        elif tag == "table":
            self._end_table()
        elif tag == "tr" and self._tables <= 1:
            self._end_row()
        elif tag in _BLOCKS:
            self._end_block(tag)

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title.append(data[:1000])
        elif self._unseen is None:
            self._parts.append(data)

    def flush(self) -> None:
        """Closes the open block, and the row when a table was left open."""
        if self._cells is not None:
            self._end_row()
        if self._parts:
            self._add_block("".join(self._parts))
            self._parts.clear()
        self._kind, self._level = ("code" if self._pre else "paragraph"), 0

    def _add_block(self, raw: str) -> None:
        text = raw.strip("\n") if self._kind == "code" else _squeeze(raw)
        if text.strip():
            self.blocks.append(Block(self._kind, "- " + text if self._kind == "list_item" else text, self._level))

    def _start_unseen(self, tag: str) -> None:
        """A `nav` or `head` that was never closed must not swallow the page."""
        if self._unseen in {"nav", "head"} and tag in _CONTENT:
            self._unseen = None
            self._start_block(tag)
        elif tag == self._unseen and tag not in _VOID_IN_HEAD:
            self._unseen_depth += 1

    def _start_block(self, tag: str) -> None:
        if self._cells is not None:
            self._parts.append(" ")
            return
        if self._kind == "list_item" and not "".join(self._parts).strip() and tag in {"p", "div"}:
            return  # the paragraph inside a list item is the item
        self.flush()
        if tag in _HEADINGS:
            self._kind, self._level = "heading", _HEADINGS[tag]
        elif tag == "li":
            self._kind = "list_item"
        elif tag == "pre":
            self._pre += 1
            self._kind = "code"

    def _end_block(self, tag: str) -> None:
        if self._cells is not None:
            self._parts.append(" ")
            return
        if tag == "pre":
            self.flush()
            self._pre = max(0, self._pre - 1)
            self._kind = "code" if self._pre else "paragraph"
        else:
            self.flush()

    def _start_table(self) -> None:
        if self._cells is None:
            self.flush()
        self._tables += 1

    def _end_table(self) -> None:
        self._tables = max(0, self._tables - 1)
        if self._tables == 0:
            self.flush()

    def _start_in_table(self, tag: str) -> None:
        """Rows and cells of the outermost table count; a table inside a cell is that cell's text."""
        if self._tables > 1 and self._cells is not None:
            self._parts.append(" ")
        elif tag == "tr" or self._cells is None:
            self.flush()
            self._cells = []
        if tag != "tr" and self._tables <= 1:
            self._end_cell()
            self._in_cell = True

    def _end_cell(self) -> None:
        text = _squeeze("".join(self._parts))
        if self._cells is not None and (self._in_cell or text):
            self._cells.append(text)
        self._in_cell = False
        self._parts.clear()

    def _end_row(self) -> None:
        self._end_cell()
        cells, self._cells = self._cells or [], None
        if any(cells):
            self.blocks.append(Block("row", " | ".join(cells)))


def _squeeze(text: str) -> str:
    """Runs of white space become one space, as a browser shows them. The line ends of `<br>` go with them."""
    return " ".join(text.split())
