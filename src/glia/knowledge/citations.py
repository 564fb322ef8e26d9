"""Which passages an answer cites, read from the `[kb://...]` marks and the addresses of web pages in its text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import NamedTuple

from glia.knowledge.types import Citation
from glia.tools.types import Source

LONGEST_QUOTE = 400

_MARK = re.compile(r"kb://[^\s\[\](){}<>,;#\"'`】]+#\d+")
_BRACKETED = re.compile(r"[\[(【<]\s*kb://[^\])】>]*[\])】>]")
_SENTENCE_END = re.compile(r"(?<=[.!?。！？])[\"'”’)\]]*\s+|\n{2,}|\n(?=[-*•#|])")
_ADDRESS_END = r"/?(?![\w/?#&=%~+@:-]|[.,;!][\w/?#&=%~+@-])"
_WORD = re.compile(r"\w+")


class Citations(NamedTuple):
    """unknown: how many marks name no passage that the run was given; they are left out of `found`."""

    found: list[Citation]
    unknown: int


def citations(text: str, sources: Sequence[Source]) -> list[Citation]:
    """The passages among `sources` that `text` names, each once, in the order of their first mark."""
    return read_citations(text, sources).found


def read_citations(text: str, sources: Sequence[Source]) -> Citations:
    """As `citations`, and how many marks were dropped because a model made them up."""
    by_uri: Mapping[str, Source] = {source.uri.lower(): source for source in sources}
    marks: list[tuple[int, Source]] = []
    unknown = 0
    for mark in _MARK.finditer(text):
        source = by_uri.get(mark[0].lower())
        if source is None:
            unknown += 1
        else:
            marks.append((mark.start(), source))
    marks += _web_marks(text, by_uri.values())
    found: dict[str, Citation] = {}
    for position, source in sorted(marks, key=itemgetter(0)):
        if source.uri not in found:
            found[source.uri] = _citation(source, _claim_before(text, position))
    return Citations(list(found.values()), unknown)


def _web_marks(text: str, sources: Iterable[Source]) -> list[tuple[int, Source]]:
    """Where the text first names the address of a web page. A longer address that begins alike is another page."""
    found: list[tuple[int, Source]] = []
    if "http" not in text:
        return found
    for source in sources:
        if not source.uri.startswith(("https://", "http://")):
            continue
        mark = re.search(re.escape(source.uri.rstrip("/")) + _ADDRESS_END, text)
        if mark is not None:
            found.append((mark.start(), source))
    return found


def _citation(source: Source, claim: str) -> Citation:
    return Citation(
        uri=source.uri,
        document_id=source.document_id,
        document_name=source.document_name,
        chunk=source.chunk,
        page=source.page,
        quote=_best_sentence(source.text, claim),
    )


def _claim_before(text: str, position: int) -> str:
    """The sentence that the mark stands behind, whether its full stop comes before or after the mark."""
    before = _BRACKETED.sub(" ", text[max(0, position - 2000) : position])
    sentences = [part for part in _SENTENCE_END.split(before.rstrip(" \t[(【<")) if _WORD.search(part)]
    return sentences[-1] if sentences else ""


def _best_sentence(passage: str, claim: str) -> str:
    """The sentence that shares most words with the claim, in proportion to its length; the first one on a tie."""
    sentences = [" ".join(part.split()) for part in _SENTENCE_END.split(passage)]
    sentences = [sentence for sentence in sentences if _WORD.search(sentence)]
    if not sentences:
        return passage.strip()[:LONGEST_QUOTE]
    wanted = _words(claim)
    best = max(sentences, key=lambda sentence: _likeness(_words(sentence), wanted))
    return best if len(best) <= LONGEST_QUOTE else best[: LONGEST_QUOTE - 1].rstrip() + "…"


def _likeness(words: frozenset[str], wanted: frozenset[str]) -> float:
    shared = sum(len(word) for word in words & wanted)  # long words tell more than `the` and `of`
    return shared / (sum(len(word) for word in words) + 20) ** 0.5


def _words(text: str) -> frozenset[str]:
    return frozenset(word.lower() for word in _WORD.findall(text))
