"""Bytes to text, and plain text to paragraphs."""

from __future__ import annotations

import codecs
import re
import unicodedata

from glia.knowledge.parsing.encodings import guess
from glia.knowledge.parsing.errors import SUPPORTED, DocumentUnsupported
from glia.knowledge.parsing.types import Block

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark is its first half
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r\f\v\x1b\x1a\x08"))
_UNWANTED = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f\ufeff\ufffe\uffff\ud800-\udfff]")
# Marks that only say in which direction to write, and letters in the shape they have at a place in a word (Arabic) or
# joined (`ﬁ`): PDFs are full of both, and no question is.
_DIRECTIONS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_SHAPES = re.compile("[\ufb00-\ufb4f\ufb50-\ufdfb\ufe70-\ufefc]+")
_NEWLINES = re.compile("\r\n|[\r\x0c\x85\u2028\u2029]")
_BLANK_LINES = re.compile(r"\n(?:[^\S\n]*\n)+")


def decode(data: bytes, *, file_name: str, declared: str | None = None) -> str:
    """The text: by byte order mark, then as declared, as UTF-8, and last by what its bytes look like.

    declared: a charset the document names for itself. Raises DocumentUnsupported for binary data.
    """
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return data[len(bom) :].decode(encoding, "replace")
    if is_binary(data):
        raise DocumentUnsupported(f"{file_name!r} is a binary file, not text. Supported are {SUPPORTED}.")
    encoding = _unmarked_utf16(data) or _known(declared)
    if encoding is not None:
        return data.decode(encoding, "replace")
    if b"\x1b$" in data:
        return data.decode("iso2022_jp", "replace")  # would pass as UTF-8
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return _decode_damaged(data)


def clean(text: str) -> str:
    """The text with `\\n` as its only line end and without characters that PostgreSQL or JSON refuse."""
    if not text.isascii():
        text = _DIRECTIONS.sub("", _SHAPES.sub(lambda found: unicodedata.normalize("NFKC", found[0]), text))
    return _UNWANTED.sub("", _NEWLINES.sub("\n", text))


def is_binary(data: bytes) -> bool:
    """Whether no sensible text has these bytes: NUL outside UTF-16 and UTF-32, or 2 % control characters."""
    if data.startswith(tuple(bom for bom, _ in _BOMS)) or _unmarked_utf16(data):
        return False
    sample = data[:1_000_000]
    controls = len(sample) - len(sample.translate(None, _CONTROLS))
    return b"\x00" in data or controls * 50 > len(sample)


def read_text(data: bytes, *, file_name: str) -> list[Block]:
    """Paragraphs, parted by blank lines. Line ends inside a paragraph stay."""
    text = clean(decode(data, file_name=file_name))
    parts = (part.strip("\n").rstrip() for part in _BLANK_LINES.split(text))
    return [Block("paragraph", part) for part in parts if part.strip()]


def _unmarked_utf16(data: bytes) -> str | None:
    """UTF-16 without its mark: in European text every other byte is NUL, and never the one between."""
    sample = data[: min(len(data), 4096) & ~1]
    if len(sample) < 4:
        return None
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    enough = len(sample) // 2 * 0.6
    if odd >= enough and even == 0:
        return "utf-16-le"
    return "utf-16-be" if even >= enough and odd == 0 else None


def _known(encoding: str | None) -> str | None:
    """A charset name Python has, except the ones that are not text encodings (`rot13`, `hex`)."""
    if encoding is None:
        return None
    try:
        info = codecs.lookup(encoding)
    except LookupError:
        return None
    # Web pages that say Latin-1 mean Windows-1252, as every browser reads them. UTF-8 falls through to the checks.
    name = {"iso8859-1": "cp1252", "ascii": "cp1252"}.get(info.name, info.name)
    is_text = getattr(info, "_is_text_encoding", True)
    return name if is_text and not name.startswith(("utf", "idna", "punycode")) else None


def _decode_damaged(data: bytes) -> str:
    """UTF-8 with a few broken bytes stays UTF-8; otherwise it never was."""
    text = data.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    intact = len(text) - len(text.encode("ascii", "ignore")) - broken
    return text if broken * 10 <= intact else data.decode(guess(data), "replace")
