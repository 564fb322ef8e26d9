"""PDF to blocks, page by page. PDFium's text is the truth; sizes and gaps of its lines tell headings and paragraphs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median_low

from glia.knowledge.parsing.errors import DocumentLimit
from glia.knowledge.parsing.pdfium import Line, PdfReader
from glia.knowledge.parsing.text import clean
from glia.knowledge.parsing.types import Block, Page, ParseLimits

_BULLETS = ("•", "◦", "▪", "‣", "●", "○", "■", "– ", "- ", "* ")
_HEADING_RATIO = 1.12
_HEADING_CHARACTERS = 200
_LEVELS = 4


def read_pdf(path: Path, *, file_name: str, limits: ParseLimits) -> tuple[str, list[Page]]:
    """The title from the file's properties (may be blank) and all its pages, also those without text."""
    reader = PdfReader(path, file_name=file_name)
    if reader.page_count > limits.pages:
        raise DocumentLimit(
            f"{file_name!r} says it has {reader.page_count:,} pages; the limit is {limits.pages:,}. Split it."
        )
    pages: list[list[Line]] = []
    characters = 0
    for index in range(reader.page_count):
        lines = [_rounded(line) for line in reader.lines(index)]
        characters += sum(len(line.text) for line in lines)
        if characters > limits.output_bytes:
            raise DocumentLimit(f"{file_name!r} holds more than {limits.output_bytes:,} bytes of text. Split it.")
        pages.append([line for line in lines if line.text])
    levels = _heading_levels(pages)
    return clean(reader.title()).strip(), [
        Page(number, tuple(_blocks(lines, levels))) for number, lines in enumerate(pages, start=1)
    ]


def _rounded(line: Line) -> Line:
    return Line(clean(line.text).strip(), round(line.size * 2) / 2, line.top)


def _heading_levels(pages: list[list[Line]]) -> dict[float, int]:
    """Which sizes are headings, and of which level. The size that most characters have is the body's."""
    weights: Counter[float] = Counter()
    for lines in pages:
        for line in lines:
            weights[line.size] += len(line.text)
    if not weights:
        return {}
    body = weights.most_common(1)[0][0]
    larger = sorted((size for size in weights if size >= body * _HEADING_RATIO), reverse=True)
    return {size: min(rank, _LEVELS) for rank, size in enumerate(larger, start=1)} if body > 0 else {}


def _blocks(lines: list[Line], levels: dict[float, int]) -> Iterator[Block]:
    pitch = _pitch(lines)
    group: list[Line] = []
    for line in lines:
        if group and _is_new_block(group[-1], line, pitch=pitch):
            yield _block(group, levels)
            group = []
        group.append(line)
    if group:
        yield _block(group, levels)


def _pitch(lines: list[Line]) -> float:
    """The usual distance from a line to the next of its size, in points; 0 when there is none."""
    steps = [above.top - below.top for above, below in pairwise(lines) if above.size == below.size]
    downward = [step for step in steps if step > 0.5]
    return median_low(downward) if downward else 0.0


def _is_new_block(above: Line, below: Line, *, pitch: float) -> bool:
    """A step upwards is the top of the next column, where the paragraph may go on; a large step down ends it."""
    if abs(above.size - below.size) >= 1 or below.text.startswith(_BULLETS):
        return True
    step = above.top - below.top
    return pitch > 0 and step > max(pitch * 1.25, pitch + 2)


def _block(lines: list[Line], levels: dict[float, int]) -> Block:
    level = levels.get(lines[0].size, 0)
    if level:
        text = " ".join(line.text for line in lines)
        if len(text) <= _HEADING_CHARACTERS and any(character.isalpha() for character in text):
            return Block("heading", text, level)
    text = "\n".join(line.text for line in lines)
    return Block("list_item" if text.startswith(_BULLETS) else "paragraph", text)
