"""The readable text of a web page: headings, paragraphs, lists, tables and links, without what frames them."""

from __future__ import annotations

import re
import time
from html.parser import HTMLParser
from urllib.parse import urljoin

_NEVER_READ = frozenset({"script", "style", "noscript", "template", "svg", "iframe", "object", "canvas", "select"})
_FRAME = frozenset({"nav", "footer", "aside", "form", "dialog", "menu"})
_BLOCK_WORDS = (
    "address article blockquote body dd details div dl dt fieldset figcaption figure h1 h2 h3 h4 h5 h6 header hr li"
    " main ol p pre section summary table tbody td tfoot th thead title tr ul"
)
_BLOCKS = frozenset(_BLOCK_WORDS.split())
_HEADINGS = {f"h{level}": "#" * level + " " for level in range(1, 7)}
_PIECE_CHARACTERS = 16_384
# Hostile markup can make the parser slow; after this long what has been read is enough.
_LONGEST_SECONDS = 1.0
_FEWEST_CHARACTERS = 50


def text_of(html: str, base_url: str, largest_characters: int) -> tuple[str, str]:
    """Title and text, of which at most about so many characters are read. Blocks the caller for up to 2 seconds."""
    title, text = _read(html, base_url, largest_characters, _NEVER_READ | _FRAME)
    if len(text) < _FEWEST_CHARACTERS:
        # Some pages keep everything in a form, or never close their navigation.
        title, text = _read(html, base_url, largest_characters, _NEVER_READ)
    return title, text


def _read(html: str, base_url: str, largest_characters: int, skipped: frozenset[str]) -> tuple[str, str]:
    reader = _Reader(base_url, skipped)
    ends_at = time.monotonic() + _LONGEST_SECONDS
    for start in range(0, len(html), _PIECE_CHARACTERS):
        reader.feed(html[start : start + _PIECE_CHARACTERS])
        if reader.characters > largest_characters or time.monotonic() > ends_at:
            break
    else:
        # Never close(): on unclosed markup it takes time that grows with the square of the page. The space
        # releases text that waits for the end of a character reference.
        reader.feed(" ")
    return _tidy(reader.title), _tidy("".join(reader.parts))


class _Reader(HTMLParser):
    def __init__(self, base_url: str, skipped: frozenset[str]) -> None:
        super().__init__(convert_charrefs=True)
        self._base_url = base_url
        self._skipped = skipped
        self._skipping: list[str] = []
        self._link = ""
        self._link_at = 0
        self._preformatted = 0
        self._is_in_title = False
        self.title = ""
        self.parts: list[str] = []
        self.characters = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self._skipped:
            self._skipping.append(tag)
        if self._skipping:
            return
        if tag == "title":
            self._is_in_title = True
        elif tag == "a":
            self._link = self._address(dict(attrs).get("href"))
            self._link_at = len(self.parts)
        elif tag == "br":
            self._add("\n")
        elif tag in _BLOCKS:
            self._open_block(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # `<svg/>` opens nothing; in HTML the slash on other elements is ignored.
        if tag not in self._skipped:
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if self._skipping:
            if tag in self._skipping:
                del self._skipping[self._skipping.index(tag) :]
            return
        if tag == "title":
            self._is_in_title = False
        elif tag == "a":
            self._close_link()
        elif tag in {"td", "th"}:
            self._add(" | ")
        elif tag in _BLOCKS:
            self._preformatted -= tag == "pre" and self._preformatted > 0
            self._add("\n" if tag in {"li", "tr", "dt"} else "\n\n")

    def handle_data(self, data: str) -> None:
        if self._skipping:
            return
        if self._is_in_title:
            self.title = (self.title + data)[:500]
        elif self._preformatted:
            self._add(data)
        else:
            self._add(re.sub(r"\s+", " ", data))

    def _open_block(self, tag: str) -> None:
        self._preformatted += tag == "pre"
        if tag in _HEADINGS:
            self._add("\n\n" + _HEADINGS[tag])
        elif tag == "li":
            self._add("\n- ")
        elif tag not in {"td", "th"}:
            self._add("\n")

    def _close_link(self) -> None:
        label = "".join(self.parts[self._link_at :]).strip()
        if self._link and label and "\n" not in label:
            del self.parts[self._link_at :]
            self._add(f"[{label}]({self._link})")
        self._link = ""

    def _address(self, href: str | None) -> str:
        if not href or href.startswith("#") or len(href) > 300:
            return ""
        try:
            url = urljoin(self._base_url, href.strip())
        except ValueError:
            return ""
        return url if url.startswith(("http://", "https://")) else ""

    def _add(self, text: str) -> None:
        self.parts.append(text)
        self.characters += len(text)


def _tidy(text: str) -> str:
    lines = [line.strip(" \t\r\f\v|") if "|" in line else line.rstrip() for line in text.split("\n")]
    joined = "\n".join(line if line.strip() else "" for line in lines)
    return re.sub(r"\n{3,}", "\n\n", joined).strip()
