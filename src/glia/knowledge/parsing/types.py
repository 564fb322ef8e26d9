"""A document as its parser saw it: pages of blocks, and the limits a parser works under."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

BlockKind = Literal["heading", "paragraph", "list_item", "row", "code"]


class Format(StrEnum):
    PDF = "pdf"
    DOCX = "docx"
    PPTX = "pptx"
    XLSX = "xlsx"
    CSV = "csv"
    EPUB = "epub"
    HTML = "html"
    MARKDOWN = "md"
    TEXT = "txt"


@dataclass(frozen=True, slots=True)
class Block:
    """A piece that belongs together. text: never blank; a `row` is one table row, cells parted by ` | `.

    level: 1 (top) to 6 for a heading, else 0.
    """

    kind: BlockKind
    text: str
    level: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """number: from 1, for slides and sheets too; None where the format has no pages (then there is one Page)."""

    number: int | None
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    title: str
    pages: tuple[Page, ...]
    format: Format

    @property
    def text(self) -> str:
        """The whole text, which the offsets of chunks count into. Costs a copy of it each time."""
        blocks = [block for page in self.pages for block in page.blocks]
        parts: list[str] = []
        for index, block in enumerate(blocks):
            if index:
                parts.append(separator(blocks[index - 1], block))
            parts.append(block.text)
        return "".join(parts)


def separator(before: Block, after: Block) -> str:
    """What stands between two neighbouring blocks in the whole text."""
    return "\n" if before.kind == after.kind and after.kind in {"list_item", "row"} else "\n\n"


@dataclass(frozen=True, slots=True)
class ParseLimits:
    """What one file may cost. The caller bounds how many files are parsed at the same time.

    memory_bytes: address space of the child, of which a child that has read nothing holds about 30 MB.
    output_bytes: text in UTF-8. pages: of a PDF, as it claims to have.
    """

    input_bytes: int = 100_000_000
    output_bytes: int = 50_000_000
    pages: int = 20_000
    blocks: int = 500_000
    memory_bytes: int = 1_500_000_000
    cpu_seconds: int = 60
    wall_seconds: float = 120.0
    unpacked_bytes: int = 200_000_000
    unpacked_ratio: int = 100
    stderr_bytes: int = 16_384
