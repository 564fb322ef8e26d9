"""Passages in the results of a search tool, whether they came as JSON or as text with `kb://` addresses in it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from glia.models.embedded.schema import is_array, is_object, items, mapping
from glia.models.embedded.text import READ_CHARACTERS, clean, squeeze

_MOST_PASSAGES = 40
_PASSAGE_CHARACTERS = 20_000
_KB_URI = re.compile(r"kb://[^\s\[\]()\"'<>,]{1,400}")
_PAGE = re.compile(r"\W{0,4}(?:page|p\.) ?(\d{1,6})\W{0,3}", re.IGNORECASE)
_TRAILING_LABEL = re.compile(r"\n[\[(#\-* ]{0,4}\d{0,3}[\]).: \[(]{0,4}$")
_LISTS = ("results", "passages", "documents", "chunks", "hits", "matches", "memories", "items", "data")
_TEXTS = ("text", "content", "snippet", "passage", "chunk", "memory", "body", "description")


@dataclass(frozen=True)
class Passage:
    """One excerpt. uri: what a citation points to, empty when it cannot be cited. rank: 0 is the search's best."""

    text: str
    rank: int
    uri: str = ""
    document: str = ""
    page: str = ""
    heading: str = ""

    @property
    def source(self) -> str:
        """Where it stands, for a reader: `handbook.pdf, page 3 (Leave)`."""
        place = self.document or "the documents"
        if self.page:
            place += f", page {self.page}"
        return f"{place} ({self.heading})" if self.heading and self.heading != self.document else place


def parsed(text: str) -> object:
    """The JSON value of a result, or the text itself when it is not JSON."""
    stripped = text.strip()
    if stripped[:1] not in '{["-0123456789tfn':
        return stripped
    try:
        return json.loads(stripped)
    except (ValueError, RecursionError):
        return stripped


def passages(text: str) -> list[Passage] | None:
    """The excerpts in a search result, possibly none; None when the text is not a search result."""
    value = parsed(text)
    if isinstance(value, str):
        return _from_text(value)
    listed = _listed(value)
    if listed is None:
        return None
    found = [
        _from_object(mapping(one), rank) if is_object(one) else _plain(one, rank) for rank, one in enumerate(listed)
    ]
    kept = [one for one in found[:_MOST_PASSAGES] if one.text]
    return kept if kept or not listed else None


def _listed(value: object) -> list[object] | None:
    if is_array(value):
        return list(value)
    fields = mapping(value)
    for name in _LISTS:
        if isinstance(fields.get(name), list):
            return items(fields[name])
    return None


def _from_object(raw: Mapping[str, object], rank: int) -> Passage:
    uri = _first(raw, ("uri", "citation", "url", "link", "source"))
    found = _KB_URI.search(uri)
    return Passage(
        text=_first(raw, _TEXTS)[:_PASSAGE_CHARACTERS],
        rank=rank,
        uri=found.group(0) if found else uri if re.fullmatch(r"https?://[^\s\[\]]{1,500}", uri) else "",
        document=squeeze(_first(raw, ("document", "document_name", "file", "filename", "name", "title")))[:120],
        page=_first(raw, ("page", "page_number"))[:20],
        heading=squeeze(_first(raw, ("heading", "section")))[:120],
    )


def _plain(raw: object, rank: int) -> Passage:
    return Passage(text=clean(raw)[:_PASSAGE_CHARACTERS] if isinstance(raw, str) else "", rank=rank)


def _first(raw: Mapping[str, object], names: tuple[str, ...]) -> str:
    for name in names:
        value = raw.get(name)
        if is_object(value):
            value = value.get("name")
        if isinstance(value, str) and value.strip():
            return clean(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
    return ""


def _from_text(text: str) -> list[Passage] | None:
    """Each address belongs to the text after it when an address opens the result, else to the text before it."""
    text = text[:READ_CHARACTERS]
    found = list(_KB_URI.finditer(text))[:_MOST_PASSAGES]
    if not found:
        return None
    # `[1] kb://...` and `- kb://...` open a passage; after a sentence an address closes it.
    leads = not re.sub(r"[\W\d_]{1,40}", "", text[: found[0].start()][:200])
    kept: list[Passage] = []
    for rank, one in enumerate(found):
        if leads:
            end = found[rank + 1].start() if rank + 1 < len(found) else len(text)
            body = _TRAILING_LABEL.sub("", text[one.end() : end])
        else:
            body = text[found[rank - 1].end() if rank else 0 : one.start()]
        page = _PAGE.match(body)
        body = body[page.end() if page else 0 :].strip(' \n\t[]"“”:-—')
        if body:
            kept.append(
                Passage(
                    body[:_PASSAGE_CHARACTERS], rank, uri=one.group(0).rstrip(".;:"), page=page.group(1) if page else ""
                )
            )
    return kept
