"""Answers from search results: whole sentences, quoted, each with its source."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from glia.models.embedded.passages import Passage
from glia.models.embedded.phrasing import Mood, mood
from glia.models.embedded.ranking import Sentence, rank
from glia.models.embedded.text import sentences, shorten, squeeze, stems

_MOST_QUOTES = 3
_QUOTE_CHARACTERS = 500
_SURE = 0.45
_LIKELY = 0.25
_LIST_ITEM = re.compile(r"^(?:[-*•–▪]|\d{1,3}[.)])\s")
_WANTS_LIST = re.compile(
    r"\b(?:list|which|what are|steps|how (?:do|can|should|to)|benefits|requirements|rules|options)\b", re.IGNORECASE
)


@dataclass(frozen=True)
class Quote:
    """Consecutive sentences of one passage, as they stand there."""

    passage: Passage
    first: int
    last: int
    text: str


def from_passages(question: str, found: Sequence[Passage], context: str = "") -> str:
    """A cited answer, or the honest word that the passages do not hold one.

    context: the earlier question, when this one leans on it.
    """
    ranked = rank(question, found, context)
    if not ranked:
        return nothing_found(question)
    best = ranked[0]
    if best.coverage < _LIKELY:
        return _closest(best, found)
    chosen = _opening(best, ranked) if _is_topic(question) else _selected(ranked)
    quotes = _quotes(chosen, question)
    lead = "" if best.coverage >= _SURE else "I am not sure that this answers it, but it comes closest. "
    return lead + _laid_out(quotes)


def nothing_found(question: str) -> str:
    asked = shorten(squeeze(question), 160)
    return (
        f"I searched the documents for “{asked}” and found nothing about it. "
        "Try other words, or check that the document has been added and has finished processing."
    )


def cited(text: str, passage: Passage) -> str:
    """`"..." [kb://...]`. Double quotes inside become single, as is usual, so that the quote's end is unmistakable."""
    quote = shorten(squeeze(text), _QUOTE_CHARACTERS).replace('"', "'").replace("“", "‘").replace("”", "’")
    return f'"{quote}"' + (f" [{passage.uri}]" if passage.uri else "")


def best_sentences(question: str, text: str, least: float, most: int = _MOST_QUOTES) -> list[str]:
    """The sentences of one text that answer the question, in the text's order; none when none covers `least` of it."""
    ranked = rank(question, [Passage(text=text, rank=0)])
    chosen = [one for one in _selected(ranked)[:most] if one.coverage >= least] if ranked else []
    return [one.text for one in sorted(chosen, key=lambda one: one.index)]


def _closest(best: Sentence, found: Sequence[Passage]) -> str:
    """The search found something by meaning, but no words of the question are in it."""
    passage = best.passage if best.coverage > 0 else found[0]
    opening = best.text if best.coverage > 0 else " ".join(sentences(passage.text)[:2])
    return (
        "The documents do not clearly answer this. The closest passage I found is from "
        f"{passage.source}:\n\n{cited(opening, passage)}"
    )


def _selected(ranked: Sequence[Sentence]) -> list[Sentence]:
    """The best sentence and those nearly as good that say something else."""
    chosen: list[Sentence] = []
    for one in ranked[:12]:
        if len(chosen) >= _MOST_QUOTES or one.score < 0.7 * ranked[0].score or (chosen and one.coverage < _LIKELY):
            break
        if not any(_alike(one.text, other.text) for other in chosen):
            chosen.append(one)
    return chosen


def _is_topic(question: str) -> bool:
    """A mere subject, as in `expenses`: there is nothing in particular to look for."""
    return len(question.split()) <= 3 and mood(question) is Mood.REQUEST


def _opening(best: Sentence, ranked: Sequence[Sentence]) -> list[Sentence]:
    """The first sentences of the passage that the best one stands in."""
    return sorted((one for one in ranked if one.passage is best.passage), key=lambda one: one.index)[:_MOST_QUOTES]


def _alike(one: str, other: str) -> bool:
    left, right = set(stems(one)), set(stems(other))
    return len(left & right) > 0.7 * min(len(left), len(right))


def _quotes(chosen: Sequence[Sentence], question: str) -> list[Quote]:
    """Joins neighbours into one quote and gives a list's opening line its items."""
    quotes: list[Quote] = []
    split = {id(one.passage): sentences(one.passage.text) for one in chosen}
    for one in chosen:
        texts = split[id(one.passage)]
        first, last = _span(texts, one.index, bool(_WANTS_LIST.search(question)))
        touching = next(
            (q for q in quotes if q.passage is one.passage and first <= q.last + 1 and last >= q.first - 1), None
        )
        if touching:
            quotes.remove(touching)
            first, last = min(first, touching.first), max(last, touching.last)
        quotes.append(Quote(one.passage, first, last, " ".join(texts[first : last + 1])))
    return quotes


def _span(texts: list[str], at: int, wants_list: bool) -> tuple[int, int]:
    first = last = at
    if _LIST_ITEM.match(texts[at]) and wants_list:
        while first > 0 and at - first < 6 and _LIST_ITEM.match(texts[first]):
            first -= 1
        if not texts[first].endswith(":"):
            first = at
    if texts[first].endswith(":"):
        while last + 1 < len(texts) and last - first < 8 and _LIST_ITEM.match(texts[last + 1]):
            last += 1
    return first, max(last, at)


def _laid_out(quotes: Sequence[Quote]) -> str:
    """Groups quotes by source, the best source first."""
    sources: dict[str, list[Quote]] = {}
    for quote in quotes:
        sources.setdefault(quote.passage.source, []).append(quote)
    parts: list[str] = []
    for source, listed in sources.items():
        lead = f"From {source}:" if not parts else f"Also from {source}:"
        ordered = sorted(listed, key=lambda one: (one.passage.rank, one.first))
        parts.append("\n".join([lead, *(cited(one.text, one.passage) for one in ordered)]))
    return "\n\n".join(parts)
