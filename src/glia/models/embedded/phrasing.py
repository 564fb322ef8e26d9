"""What kind of sentence the user wrote, and the parts a message falls into."""

from __future__ import annotations

import re
from enum import StrEnum

from glia.models.embedded import literals
from glia.models.embedded.text import sentences, squeeze, words_of

_POLITE = re.compile(
    r"^(?:(?:please|pls|kindly|ok|okay|so|well|now|then|also|and|but|hi|hello|hey|thanks|great|first|next"
    r"|finally|can you|could you|would you"
    r"|will you|i want you to|i need you to|i would like you to|i['’]d like you to|i['’]d like to know"
    r"|i would like to know"
    r"|i want to know|i need to know|do you know|let['’]s|go ahead and|you should|try to)\b[\s,:!.-]{0,4})+",
    re.IGNORECASE,
)
_TELL = re.compile(
    r"^(?:(?:tell|show|give|remind) me(?: about)?|look up|search(?: \w{1,20}){0,3} for|find out|find"
    r"|explain|describe|what do (?:the|my|our) "
    r"(?:documents?|docs|files) say about|search)\b[\s,:]{0,3}",
    re.IGNORECASE,
)
_QUESTION_WORDS = words_of(
    """what who when where which whose whom why how is are was were do does did can could may should will
    would has have had am must might what's who's where's when's how's whats isn't aren't don't doesn't"""
)
_STATEMENT_WORDS = words_of("i my we our i'm i've we're the it it's this that's he she they there")
_WANT = re.compile(r"\b(?:want|need|looking for|wonder|question|like to|help|tell|show)\b", re.IGNORECASE)
_CHAIN = re.compile(r"[,;]?\s(?:and then|and also|and|then|also|plus)\s|;\s", re.IGNORECASE)
_CHAIN_WORDS = words_of(
    """what what's who who's when where which why how calculate compute search find tell show give call use
    run invoke remember save store fetch open read please send create delete update add book schedule look
    list check"""
)
_PRONOUN = re.compile(
    r"\b(?:it|its|they|them|their|those|these|that|this|he|she|him|her|his|there|same|one|ones)\b", re.IGNORECASE
)
_ELLIPSIS = re.compile(r"^(?:and|what about|how about|or|also|but)\b", re.IGNORECASE)
_FORBID = re.compile(r"^(?:do not|don['’]?t)\b", re.IGNORECASE)
_NEGATION = re.compile(r"\b(?:do not|don['’]?t|never|without|not to|no need to)\b", re.IGNORECASE)


class Mood(StrEnum):
    QUESTION = "question"
    REQUEST = "request"
    STATEMENT = "statement"


def polite_free(text: str) -> str:
    """The text without `please`, `can you` and the like at its start."""
    return _POLITE.sub("", text.strip(), count=1) or text.strip()


def subject(text: str) -> str:
    """What is asked about: `please tell me about leave` gives `leave`."""
    text = polite_free(text)
    return _TELL.sub("", text, count=1).strip() or text


def mood(text: str) -> Mood:
    core = polite_free(text)
    first = core.split(None, 1)[0].lower().replace("’", "'").strip(",.!?:") if core.split() else ""
    if _FORBID.match(core) and not core.endswith("?"):
        return Mood.REQUEST
    if first in _QUESTION_WORDS:
        return Mood.QUESTION
    if core.rstrip("\"') ").endswith(("?", "？")):
        return Mood.QUESTION
    if first in _STATEMENT_WORDS and not _WANT.search(core[:200]):
        return Mood.STATEMENT
    return Mood.REQUEST


def asks_for_information(text: str) -> bool:
    return mood(text) is Mood.QUESTION or bool(_TELL.match(polite_free(text)))


def is_follow_up(text: str) -> bool:
    """Whether the message only makes sense with the one before: short, with a pronoun or `and for ...?`."""
    core = text.strip()
    if len(core) > 200:
        return False
    return bool(_ELLIPSIS.match(core) or _PRONOUN.search(core)) or len(core.split()) <= 2


def is_negated(text: str) -> bool:
    return bool(_NEGATION.search(text[:300]))


def clauses(text: str, starters: frozenset[str]) -> list[str]:
    """The separate wishes in a message.

    `and` separates only before a question word, a verb, or a word in `starters`.
    """
    masked, kept = _mask(text[:6000])
    found: list[str] = []
    for sentence in sentences(masked):
        found.extend(_chained(sentence, starters))
    return [squeeze(_unmask(one, kept)) for one in found if one.strip(" .,;")][:16]


def _chained(sentence: str, starters: frozenset[str]) -> list[str]:
    parts: list[str] = []
    start = 0
    for link in _CHAIN.finditer(sentence):
        following = sentence[link.end() : link.end() + 80].split()
        first = following[0].lower().strip(",.?!:`\"'") if following else ""
        if first in _CHAIN_WORDS or first in starters:
            parts.append(sentence[start : link.start()])
            start = link.end()
    return [*parts, sentence[start:]]


def _mask(text: str) -> tuple[str, list[str]]:
    """Replaces JSON, quotations and addresses by placeholders, so that they are not cut apart."""
    kept: list[str] = []

    def keep(value: str) -> str:
        kept.append(value)
        return f"\x01{len(kept) - 1}\x02"

    for start, end, _ in reversed(literals.json_objects(text)):
        text = text[:start] + keep(text[start:end]) + text[end:]
    for value in [*literals.urls(text), *literals.quoted(text)][:40]:
        for shape in (f'"{value}"', f"“{value}”", f"`{value}`", f"'{value}'", value if "://" in value else ""):
            if shape and shape in text:
                text = text.replace(shape, keep(shape))
                break
    return text, kept


def _unmask(text: str, kept: list[str]) -> str:
    for at in range(len(kept) - 1, -1, -1):
        text = text.replace(f"\x01{at}\x02", kept[at])
    return text
