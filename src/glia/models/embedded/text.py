"""Words, stems and sentences. Every regular expression here is bounded, so any input is read in linear time."""

from __future__ import annotations

import re
from functools import lru_cache

READ_CHARACTERS = 60_000
"""How much of one text is analysed; more would hold up the event loop for longer than a reader notices."""

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_SPACE = re.compile(r"\s+")
_MARKUP = re.compile(r"^\s{0,12}(?:#{1,6}|>)\s+")
_NEW_BLOCK = re.compile(r"\s{0,12}(?:[-*•–▪]|\d{1,3}[.)]|#{1,6}|>|\|)\s")
_SENTENCE_END = re.compile(r"[.!?…]{1,4}[\"')\]”’»]{0,3} |[。！？]{1,4}[」』”]{0,2} ?")
_LAST_WORD = re.compile(r"(\S{1,12})$")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_UNSAFE = re.compile("[\x00\ud800-\udfff]")


def words_of(listed: str) -> frozenset[str]:
    """A set of words, written as one text because long lists read better so."""
    return frozenset(listed.split())


STOP_WORDS = words_of(
    """a about above after again all also am an and any are as at be because been before being below between both but by
    can could did do does doing during each few for from further get gets give given had has have having he her
    here hers
    him his how i if in into is it its itself let like ll may me might more most much many must my no nor not of
    off on
    once only or other our out over own per please re s same shall she should show so some such t tell than that the
    their them then there these they this those through to too under until up us ve very want was we were what when
    where which while who whom whose why will with would you your yours know need now find explain describe don
    doesn isn
    aren what's who's it's i'm i'd i've don't doesn't isn't there's that's"""
)

_ABBREVIATIONS = words_of(
    """mr mrs ms dr prof st no nos vs etc e.g i.e fig figs eq sec art approx inc ltd co corp dept est al cf p pp vol ca
    ext tel para ref"""
)

_SYNONYMS = (  # Groups of words that stand for each other in the documents of a workplace.
    "vacation holiday leave pto",
    "salary pay wage remuneration compensation payroll",
    "remote home telework hybrid",
    "sick ill illness sickness",
    "boss manager supervisor",
    "employee staff worker personnel",
    "fire dismiss terminate termination dismissal",
    "quit resign resignation",
    "cost price fee charge",
    "buy purchase procurement",
    "begin start commence",
    "end finish stop",
    "refund reimburse reimbursement repay",
    "laptop computer notebook device",
    "phone telephone",
    "ceo director president chief",
    "founded established founding found",
    "permit allow permitted permission may",
    "forbidden prohibited banned forbid prohibit",
    "warranty guarantee",
    "delete remove erase",
    "maximum limit most cap",
    "revenue turnover sales",
    "profit earnings",
    "customer client",
    "car vehicle",
    "baby child parental maternity paternity",
    "secure security protect safe",
    "error failure fault",
    "setup install installation configure",
)


def clean(text: str) -> str:
    """The text without what neither PostgreSQL nor UTF-8 can carry (NUL, lone surrogates)."""
    return _UNSAFE.sub("", text)


def squeeze(text: str) -> str:
    return _SPACE.sub(" ", text).strip()


def shorten(text: str, limit: int) -> str:
    """At most `limit` characters, cut at a word, with an ellipsis where something is missing."""
    if len(text) <= limit:
        return text
    cut = text[: limit - 1]
    head, _, _ = cut.rpartition(" ")
    return (head or cut).rstrip(" ,;:") + "…"


def words(text: str) -> list[str]:
    """Lower-case words in order. Runs of Chinese, Japanese or Korean become pairs of characters."""
    if text.isascii():
        return [word[:40] for word in _WORD.findall(text.lower())]
    found: list[str] = []
    for word in _WORD.findall(text.lower()):
        if len(word) > 2 and _CJK.search(word):
            found.extend(word[at : at + 2] for at in range(len(word) - 1))
        else:
            found.append(word[:40])
    return found


@lru_cache(maxsize=8192)
def stem(word: str) -> str:
    """A light English stem: enough that `reimbursed` meets `reimbursement`, rarely wrong elsewhere."""
    word = word.replace("’", "'").removesuffix("'s")
    if len(word) < 4 or not word.isascii():
        return word
    word = _singular(word)
    for suffix, shortest in (("ement", 9), ("ment", 8), ("ing", 6), ("ed", 5), ("ly", 6), ("ion", 6)):
        if word.endswith(suffix) and len(word) >= shortest:
            word = word.removesuffix(suffix)
            if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lsz":
                word = word[:-1]
            break
    return word.removesuffix("e") if len(word) > 4 else word


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "xes", "ches", "shes", "zzes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


@lru_cache(maxsize=1)
def _synonym_stems() -> dict[str, frozenset[str]]:
    table: dict[str, frozenset[str]] = {}
    for line in _SYNONYMS:
        group = frozenset(stem(word) for word in line.split())
        for one in group:
            table[one] = table.get(one, frozenset()) | group
    return table


def synonyms(of_stem: str) -> frozenset[str]:
    """Other stems that often mean the same in the documents of a workplace; empty for most words."""
    return _synonym_stems().get(of_stem, frozenset()) - {of_stem}


def stems(text: str) -> list[str]:
    return [stem(word) for word in words(text)]


def content_stems(text: str) -> list[str]:
    """Stems of the words that carry meaning, in order, with repetitions."""
    return [stem(word) for word in words(text) if word not in STOP_WORDS and word.split("'")[0] not in STOP_WORDS]


def name_words(identifier: str) -> list[str]:
    """The words of a tool's or property's name: `sendInvoice`, `send_invoice` and `send-invoice` give the same."""
    return words(_CAMEL.sub(" ", identifier[:200]).replace("_", " "))


def sentences(text: str) -> list[str]:
    """Sentences, list items and headings, each on one line, in order. Line breaks inside a paragraph are undone."""
    found: list[str] = []
    for block in _blocks(text):
        found.extend(_split(block))
    return found


def _blocks(text: str) -> list[str]:
    blocks: list[list[str]] = [[]]
    for line in text.splitlines():
        if not line.strip():
            blocks.append([])
        elif _NEW_BLOCK.match(line):
            blocks.append([_MARKUP.sub("", line)])
            if line.lstrip().startswith("#"):
                blocks.append([])
        else:
            blocks[-1].append(line)
    return [squeeze(" ".join(lines)) for lines in blocks if lines]


def _split(block: str) -> list[str]:
    found: list[str] = []
    start = 0
    for end in _SENTENCE_END.finditer(block):
        if _is_boundary(block, start, end):
            found.append(block[start : end.end()].strip())
            start = end.end()
    if block[start:].strip():
        found.append(block[start:].strip())
    return found


def _is_boundary(block: str, start: int, end: re.Match[str]) -> bool:
    following = block[end.end() : end.end() + 1]
    if following.islower():
        return False
    if not end.group().startswith("."):
        return True
    last = _LAST_WORD.search(block[max(start, end.start() - 12) : end.start()])
    word = last.group(1).strip("(\"'").lower() if last else ""
    # `1. Item` and `J. Smith` are not ends of sentences; `in section 4. The` is.
    is_item_number = word.isdigit() and end.start() - len(word) == start
    is_initial = len(word) == 1 and word.isalpha()
    return not (is_item_number or is_initial or word in _ABBREVIATIONS)
