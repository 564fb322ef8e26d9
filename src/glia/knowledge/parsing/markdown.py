"""Markdown to blocks: headings, lists, tables, fenced code, paragraphs. Inline marks stay as they were written."""

from __future__ import annotations

import re

from glia.knowledge.parsing.text import clean, decode
from glia.knowledge.parsing.types import Block, BlockKind

_HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*$")
_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})")
_ITEM = re.compile(r"[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]+\S")
_RULE = re.compile(r" {0,3}([-*_])[ \t]*(?:\1[ \t]*){2,}$")
_DELIMITER = re.compile(r"[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$")
_QUOTE = re.compile(r" {0,3}(?:>[ \t]?)+")
_EMBEDDED_IMAGE = re.compile(r"!\[([^\]]{0,1000})\]\(data:[^)]*\)")
_EMPHASIS = re.compile(r"\*\*|__|`|(?<!\w)[*_]|[*_](?!\w)")


def read_markdown(data: bytes, *, file_name: str) -> list[Block]:
    """The blocks in order. A table's delimiter row and code fences are left out; headings lose their marks."""
    text = _EMBEDDED_IMAGE.sub(r"\1", clean(decode(data, file_name=file_name)))
    scanner = _Scanner()
    for line in text.split("\n"):
        scanner.read(line.rstrip())
    scanner.flush()
    return scanner.blocks


class _Scanner:
    """Reads line by line and keeps the lines of the block that is still open."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self._kind: BlockKind = "paragraph"
        self._lines: list[str] = []
        self._fence = ""

    def read(self, line: str) -> None:
        if self._fence:
            self._read_code(line)
        elif fence := _FENCE.match(line):
            self._open("code")
            self._fence = fence[1]
        elif not line:
            self.flush()
        elif heading := _HEADING.match(line):
            self.flush()
            self._add_heading(heading[2] or "", level=len(heading[1]))
        elif self._is_underlined_by(line):
            self._close_heading(level=1 if "=" in line else 2)
        elif self._is_header_above(line):
            self._kind = "row"
        elif self._kind == "row" and self._lines and "|" in line:
            self.flush()
            self._open("row", line)
        elif _RULE.match(line):
            self.flush()
        elif _ITEM.match(line):
            self._open("list_item", line)
        else:
            self._continue(line)

    def flush(self) -> None:
        text = "\n".join(self._lines).strip("\n")
        if text.strip():
            self.blocks.append(Block(self._kind, text if self._kind == "code" else text.strip()))
        self._lines.clear()
        self._kind = "paragraph"
        self._fence = ""

    def _open(self, kind: BlockKind, line: str | None = None) -> None:
        self.flush()
        self._kind = kind
        if line is not None:
            self._lines.append(line)

    def _read_code(self, line: str) -> None:
        closing = line.strip()
        if closing.startswith(self._fence) and not closing.strip(self._fence[0]):
            self.flush()
        else:
            self._lines.append(line)

    def _continue(self, line: str) -> None:
        if self._kind == "row":
            self.flush()
        self._lines.append(_QUOTE.sub("", line) if self._kind == "paragraph" else line)

    def _is_underlined_by(self, line: str) -> bool:
        return bool(self._lines) and self._kind == "paragraph" and bool(_UNDERLINE.match(line))

    def _is_header_above(self, line: str) -> bool:
        """Whether `line` is the delimiter below a table's header, which so far looked like a paragraph's line."""
        if self._kind != "paragraph" or not self._lines or "|" not in self._lines[-1] or not _DELIMITER.match(line):
            return False
        header = self._lines.pop()
        self._open("row", header)
        return True

    def _close_heading(self, *, level: int) -> None:
        text = " ".join(self._lines)
        self._lines.clear()
        self._add_heading(text, level=level)

    def _add_heading(self, text: str, *, level: int) -> None:
        plain = " ".join(_EMPHASIS.sub("", text).split())
        if plain:
            self.blocks.append(Block("heading", plain, level))
