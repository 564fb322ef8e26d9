"""Picks the sentences that answer a question.

Sentences are scored as BM25 does (Robertson and Zaragoza, 2009), with the found sentences as the collection, plus what
helps in short texts: words of the heading and of the neighbours, words standing close together, and the kind of answer
that is asked for (a number for `how many`, a name for `who`).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from glia.models.embedded.passages import Passage
from glia.models.embedded.text import READ_CHARACTERS, content_stems, sentences, squeeze, stem, stems, synonyms

_K1, _B = 1.2, 0.4
_MOST_SENTENCES = 1500
_SYNONYM_WEIGHT = 0.7
_CONTEXT_WEIGHT = 0.4
# How people call the thing the documents are about, and the documents; they name nothing in them.
_SELF = frozenset(
    stem(word) for word in ("company", "organisation", "organization", "firm", "document", "handbook", "pdf", "file")
)

_NUMERIC = re.compile(
    r"\b(?:how (?:many|much|long|often|old|far|big|large|high|fast|late|early|soon)|what (?:percentage"
    r"|percent|number|amount|price|cost|rate)|when|what time|which (?:day|date|year)|cost|price)\b",
    re.IGNORECASE,
)
_MEASURE = re.compile(r"\bhow (?:long|often|far|soon|old|big|large|high|fast|late|early)\b", re.IGNORECASE)
_PERSON = re.compile(r"\b(?:who|whom|whose)\b", re.IGNORECASE)
_REASON = re.compile(r"\bwhy\b", re.IGNORECASE)
_HAS_NUMBER = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|half|once|twice"
    r"|daily|weekly|monthly|yearly|annually"
    r"|monday|tuesday|wednesday|thursday|friday|saturday|sunday|free)\b",
    re.IGNORECASE,
)
_HAS_NAME = re.compile(
    r"(?<=[a-z,] )[A-Z][a-z]+|^[A-Z][a-z]+ [A-Z][a-z]+|\b(?:manager|director|officer|team|department"
    r"|founder|lead|head)\b"
)
_HAS_REASON = re.compile(
    r"\b(?:because|since|due to|so that|in order to|reason|therefore|to (?:avoid|prevent|ensure|keep|protect))\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Sentence:
    """One sentence with where it stands. coverage: 0-1, how much of the question's meaning it and its place hold."""

    text: str
    passage: Passage
    index: int
    score: float = 0.0
    coverage: float = 0.0


@dataclass(frozen=True)
class _Entry:
    sentence: Sentence
    stems: Counter[str]
    positions: list[str]
    around: frozenset[str]


@dataclass(frozen=True)
class _Asked:
    """The question, weighed. worth: what each stem counts. whole: what all its own words count together.

    length: words of a mean sentence. wanted, factor: the kind of thing asked for and how much more it counts.
    """

    worth: dict[str, float]
    whole: float
    length: float
    wanted: re.Pattern[str]
    factor: float


def rank(question: str, found: Sequence[Passage], context: str = "") -> list[Sentence]:
    """All sentences of the passages, best first; equal scores keep their order, so the result never varies.

    context: what was asked before, when the question leans on it; its words count less.
    """
    weights = _question_weights(question, context)
    entries = _entries(found)
    if not entries or not weights:
        return [entry.sentence for entry in entries]
    asked = _asked(question, weights, entries)
    return sorted((_scored(entry, asked) for entry in entries), key=lambda one: -one.score)


def _asked(question: str, weights: dict[str, float], entries: list[_Entry]) -> _Asked:
    rarity = _rarity(weights, entries)
    known = frozenset[str]().union(*(entry.stems.keys() for entry in entries))
    # A word that stands nowhere often only names the subject, so it weighs a little less.
    whole = sum(rarity[word] * (1.0 if word in known else 0.8) for word in weights if weights[word] == 1.0)
    kinds = ((_NUMERIC, _HAS_NUMBER, 1.5), (_PERSON, _HAS_NAME, 1.4), (_REASON, _HAS_REASON, 1.5))
    wanted, factor = next(
        ((has, more) for kind, has, more in kinds if kind.search(question[:2000])), (_HAS_NUMBER, 1.0)
    )
    length = sum(len(entry.positions) for entry in entries) / len(entries)
    return _Asked({word: weights[word] * rarity[word] for word in weights}, whole or 1.0, length or 1.0, wanted, factor)


def _question_weights(question: str, context: str) -> dict[str, float]:
    """The question's stems at 1.0, their synonyms and the context's stems at less."""
    asked = list(dict.fromkeys(content_stems(_MEASURE.sub("how", question[:4000]))))[:60]
    asked = [word for word in asked if word not in _SELF] or asked
    weights = dict.fromkeys(content_stems(_MEASURE.sub("how", context[:2000]))[:60], _CONTEXT_WEIGHT)
    weights |= {other: _SYNONYM_WEIGHT for word in asked for other in synonyms(word)}
    return weights | dict.fromkeys(asked, 1.0)


def _entries(found: Sequence[Passage]) -> list[_Entry]:
    entries: list[_Entry] = []
    seen: set[str] = set()
    budget = READ_CHARACTERS
    for passage in found:
        texts = sentences(passage.text[: max(0, budget)])
        budget -= len(passage.text)
        words = [stems(text) for text in texts]
        place = frozenset(stems(f"{passage.heading} {passage.document}"))
        for at, text in enumerate(texts):
            # Overlapping chunks repeat sentences; the better ranked chunk keeps them.
            if text in seen or not words[at]:
                continue
            seen.add(text)
            around = place.union(*words[max(0, at - 1) : at], *words[at + 1 : at + 2])
            entries.append(_Entry(Sentence(text, passage, at), Counter(words[at]), words[at], around))
            if len(entries) >= _MOST_SENTENCES:
                return entries
    return entries


def _rarity(weights: dict[str, float], entries: list[_Entry]) -> dict[str, float]:
    total = len(entries)
    seen = Counter(word for entry in entries for word in entry.stems.keys() & weights.keys())
    return {word: math.log(1 + (total - seen[word] + 0.5) / (seen[word] + 0.5)) for word in weights}


def _scored(entry: _Entry, asked: _Asked) -> Sentence:
    score = covered = 0.0
    norm = _K1 * (1 - _B + _B * len(entry.positions) / asked.length)
    for word, worth in asked.worth.items():
        if count := entry.stems.get(word, 0):
            score += worth * count * (_K1 + 1) / (count + norm)
            covered += worth
        elif word in entry.around:
            score += 0.35 * worth
            covered += 0.5 * worth
    one = entry.sentence
    if not entry.stems.keys() & asked.worth.keys():
        score, covered = 0.2 * score, 0.5 * covered  # Only its neighbours or its heading speak of it.
    if score:
        kind = asked.factor if asked.wanted.search(one.text[:2000]) else 1.0
        score = score * _closeness(entry, asked.worth) * kind * _shape(one) + 0.25 / (1 + one.passage.rank)
    return Sentence(one.text, one.passage, one.index, score, min(1.0, covered / asked.whole))


def _closeness(entry: _Entry, weights: dict[str, float]) -> float:
    """Up to 1.2 when different words of the question stand within a few words of each other."""
    last, last_at, near = "", -99, 0
    for at, word in enumerate(entry.positions):
        if word in weights:
            near += word != last and at - last_at <= 4
            last, last_at = word, at
    return 1 + 0.1 * min(near, 2)


def _shape(sentence: Sentence) -> float:
    """Less for headings, questions and fragments that a chunk's border has cut."""
    text = squeeze(sentence.text)
    if text.endswith("?"):
        return 0.6
    if len(text.split()) < 4 and not re.search(r"\d", text):
        return 0.4
    if sentence.index == 0 and text[:1].islower():
        return 0.7
    return 1.0 if text.endswith((".", "!", ":", "。", '"', "”", ")")) or re.match(r"[-*•–\d|]", text) else 0.85
