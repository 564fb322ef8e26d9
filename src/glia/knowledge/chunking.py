"""Cuts a parsed document into passages of about one size, at sentences, within one section and one page."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from glia.knowledge.parsing.types import Block, ParsedDocument, separator

# A full stop ends a sentence when white space and no lower-case letter follow; the full-width marks need no space.
_SENTENCE_END = re.compile(r"""[.!?…]{1,8}["'”’»)\]]{0,4}\s+(?=[^\sa-z])|[。！？｡]+["'”’»」』）)\]]*\s*|[।॥۔؟]+\s*""")
_ENDS_SENTENCE = re.compile(r"""[.!?…。！？｡।॥۔؟:;]["'”’»」』）)\]]*$""")
_SOFT_BREAK = re.compile(r"\s+|(?<=[、，；：,;:])")
# Scripts written without spaces carry about three times as much per character, for readers and for tokenizers.
_DENSE = re.compile("[\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7ff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")
_DENSE_WEIGHT = 3
_HEADING_CHARACTERS = 200  # of each heading in a path, which every passage below it repeats


@dataclass(frozen=True, slots=True)
class ChunkText:
    """A passage: `text == document.text[start_character:end_character]`.

    page, last_page: where it begins and ends, counted from 1; None in formats without pages.
    heading: the path of headings above it, as `Guide > Install`; blank when there is none.
    """

    ordinal: int
    text: str
    page: int | None
    last_page: int | None
    heading: str
    start_character: int
    end_character: int


@dataclass(frozen=True, slots=True)
class _Unit:
    """The smallest piece that stays whole: a sentence, a list item's sentence, a table row, a line of code."""

    start: int
    end: int
    weight: int
    page: int | None
    last_page: int | None
    heading: str
    is_heading: bool
    begins_block: bool


def chunk(document: ParsedDocument, *, target_characters: int = 800) -> list[ChunkText]:
    """The passages in order; together they hold every character of the text except white space between them.

    target_characters: no passage is longer. A character of a script without spaces, as Chinese, counts three.
    A passage ends with its section. It ends with its page too, unless its last sentence goes on overleaf.
    """
    text = document.text
    chunks: list[ChunkText] = []
    for units in _sections(_joined(_units(document, text, target_characters), text, target_characters)):
        for packed in _packed(units, target_characters):
            first, last = packed[0], packed[-1]
            body = next((unit for unit in packed if not unit.is_heading), last)
            chunks.append(
                ChunkText(
                    ordinal=len(chunks),
                    text=text[first.start : last.end],
                    page=first.page,
                    last_page=last.last_page,
                    heading=body.heading,
                    start_character=first.start,
                    end_character=last.end,
                )
            )
    return chunks


def _units(document: ParsedDocument, text: str, limit: int) -> Iterator[_Unit]:
    """Every piece of the document with its place in the whole text."""
    headings: list[tuple[int, str]] = []
    path = ""
    position = 0
    previous: Block | None = None
    for page in document.pages:
        for block in page.blocks:
            position += len(separator(previous, block)) if previous else 0
            if block.kind == "heading":
                headings = [(level, title) for level, title in headings if level < block.level]
                headings.append((block.level, " ".join(block.text.split())[:_HEADING_CHARACTERS].rstrip()))
                path = " > ".join(title for _, title in headings)
            for index, (start, end) in enumerate(_pieces(block, limit)):
                yield _Unit(
                    start=position + start,
                    end=position + end,
                    weight=_weight(text[position + start : position + end]),
                    page=page.number,
                    last_page=page.number,
                    heading=path,
                    is_heading=block.kind == "heading",
                    begins_block=index == 0,
                )
            position += len(block.text)
            previous = block


def _pieces(block: Block, limit: int) -> Iterator[tuple[int, int]]:
    """Where the block's pieces begin and end, without the white space around them."""
    match block.kind:
        case "heading" | "row":
            ends = [len(block.text)]
        case "code":
            ends = [found.end() for found in re.finditer(r"\n", block.text)] + [len(block.text)]
        case "paragraph" | "list_item":
            ends = [found.end() for found in _SENTENCE_END.finditer(block.text)] + [len(block.text)]
    start = 0
    for end in ends:
        yield from _within(block.text, *_trimmed(block.text, start, end), limit)
        start = end


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _within(text: str, start: int, end: int, limit: int) -> Iterator[tuple[int, int]]:
    """The span cut into pieces that each fit; at white space or a comma, or inside a word longer than the limit."""
    while start < end:
        window = _fitting(text, start, end, limit)
        if window >= end:
            yield start, end
            return
        cut = _last_break(text, start, window)
        yield _trimmed(text, start, cut)
        start = _trimmed(text, cut, end)[0]


def _fitting(text: str, start: int, end: int, limit: int) -> int:
    """The furthest end at which the span still weighs at most `limit`, and at least one character further on."""
    stop = min(end, start + limit)
    window = text[start:stop]
    if window.isascii() or _weight(window) <= limit:
        return stop
    weight = 0
    for index, character in enumerate(window):
        weight += _DENSE_WEIGHT if _DENSE.match(character) else 1
        if weight > limit:
            return start + max(1, index)
    return stop


def _last_break(text: str, start: int, stop: int) -> int:
    """The last place before `stop` where a line may break. Combining marks stay with their letter."""
    if text[stop].isspace():
        return stop
    breaks = [found.end() for found in _SOFT_BREAK.finditer(text, start + 1, stop)]
    if breaks:
        return breaks[-1]
    cut = stop
    while cut > start + 1 and unicodedata.category(text[cut]).startswith("M"):
        cut -= 1
    return cut if cut > start + 1 or not unicodedata.category(text[cut]).startswith("M") else stop


def _weight(text: str) -> int:
    return len(text) if text.isascii() else len(text) + (_DENSE_WEIGHT - 1) * len(_DENSE.findall(text))


def _joined(units: Iterator[_Unit], text: str, limit: int) -> Iterator[_Unit]:
    """Makes one unit of a sentence that a page break cut in two, if both halves fit into one passage."""
    before: _Unit | None = None
    for unit in units:
        if before is not None and before.last_page != unit.page and _goes_on(before, unit, text, limit):
            before = _Unit(
                start=before.start,
                end=unit.end,
                weight=before.weight + unit.weight + 2,
                page=before.page,
                last_page=unit.last_page,
                heading=before.heading,
                is_heading=False,
                begins_block=before.begins_block,
            )
            continue
        if before is not None:
            yield before
        before = unit
    if before is not None:
        yield before


def _goes_on(before: _Unit, after: _Unit, text: str, limit: int) -> bool:
    """Whether the sentence goes on overleaf: it has not ended, and what follows begins in lower case."""
    if before.is_heading or after.is_heading or before.weight + after.weight + 2 > limit:
        return False
    return text[after.start].islower() and not _ENDS_SENTENCE.search(
        text, max(before.start, before.end - 8), before.end
    )


def _sections(units: Iterator[_Unit]) -> Iterator[list[_Unit]]:
    """Groups that no passage may leave: one section's part of one page. Headings in a row stay together."""
    group: list[_Unit] = []
    for unit in units:
        if group and _ends_before(group, unit):
            yield group
            group = []
        group.append(unit)
    if group:
        yield group


def _ends_before(group: list[_Unit], unit: _Unit) -> bool:
    if unit.page != group[-1].last_page or group[-1].page != group[-1].last_page:
        return True
    return unit.is_heading and not group[-1].is_heading


def _packed(units: list[_Unit], limit: int) -> Iterator[list[_Unit]]:
    """Fills passages evenly: a section slightly longer than one passage becomes two halves, not one and a scrap."""
    total = units[-1].end - units[0].start + sum(unit.weight - (unit.end - unit.start) for unit in units)
    goal = limit if total <= limit else max(limit * 3 // 4, total // -(-total // limit))
    packed: list[_Unit] = []
    size = 0
    for unit in units:
        gap = unit.start - packed[-1].end if packed else 0
        if packed and (size + gap + unit.weight > limit or _is_full(packed, size, unit, goal)):
            yield packed
            packed, size, gap = [], 0, 0
        packed.append(unit)
        size += gap + unit.weight
    if packed:
        yield packed


def _is_full(packed: list[_Unit], size: int, unit: _Unit, goal: int) -> bool:
    """A passage that reached its goal ends; near it, it ends early rather than begin a new paragraph."""
    if packed[-1].is_heading:
        return False
    return size >= goal or (unit.begins_block and size + unit.weight > goal and size * 5 >= goal * 4)
