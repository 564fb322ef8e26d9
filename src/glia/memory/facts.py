"""What a sentence states, read by plain rules: enough to see that two memories contradict each other.

A topic is only given to statements that can have one answer at a time, such as where somebody lives. What is left
unrecognised is kept like everything else and contradicts nothing: a wrong contradiction would hide a true memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_LONGEST_SENTENCE = 400

# Properties that a person or thing has one of.
_SINGLE = (
    "name|nickname|full name|birthday|age|address|email|email address|phone|phone number|number|job|title|job title"
    "|role|employer|company|city|home|home town|hometown|country|nationality|deadline|due date|budget|time zone"
    "|timezone|native language|mother tongue|plan|manager|boss|wife|husband|partner|spouse|diet|blood type|major|height"
    "|weight|status|account number|passport number|username|website|flight|seat"
)
_SUBJECT = r"(?P<subject>[^,;:]{1,60}?)"
_IS = r"(?: is now| are now| is| are| was changed to| has changed to|'s now)"
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), topic)
    for pattern, topic in (
        (rf"{_SUBJECT}(?:'s|s')? favou?rite (?P<what>[^,;:]{{1,40}}?){_IS} (?P<value>.+)", "favourite {what}"),
        (rf"(?P<subject>my|our|your) (?P<what>{_SINGLE}){_IS} (?P<value>.+)", "{what}"),
        (rf"{_SUBJECT}(?:'s|s'|’s) (?P<what>{_SINGLE}){_IS} (?P<value>.+)", "{what}"),
        (rf"the (?P<what>{_SINGLE}) (?:of|for) {_SUBJECT}{_IS} (?P<value>.+)", "{what}"),
        (rf"(?:the )?{_SUBJECT} (?P<what>deadline|budget|due date|status){_IS} (?P<value>.+)", "{what}"),
        (rf"{_SUBJECT} (?:is|am|'m) (?:called|named) (?P<value>.+)", "name"),
        (rf"{_SUBJECT} (?:now )?(?:lives?|resides?|is based|am based) (?:now )?in (?P<value>.+)", "home"),
        (rf"{_SUBJECT} (?:has |have )?(?:just )?moved to (?P<value>.+)", "home"),
        (rf"{_SUBJECT} (?:now )?(?:works?|is working|am working) (?:now )?(?:at|for) (?P<value>.+)", "employer"),
        (rf"{_SUBJECT} (?:now )?(?:works?|is working|am working) (?:now )?as (?P<value>.+)", "job"),
    )
)
_LIKES = re.compile(
    rf"{_SUBJECT} (?:(?P<no>does not|doesn't|do not|don't|no longer|can't|cannot) )?(?:really |also |still )?"
    r"(?P<verb>likes?|loves?|enjoys?|eats?|drinks?|hates?|dislikes?|stand) (?P<what>.+)",
    re.IGNORECASE,
)
_ALLERGIC = re.compile(rf"{_SUBJECT} (?:is|am|'m) (?P<no>not )?allergic to (?P<what>.+)", re.IGNORECASE)
_AGAINST = ("hate", "dislike")

_SENSITIVE = re.compile(
    r"\b(?:pass ?words?|passwd|passphrase|pin(?: code)?|secret|api[ _-]?key|private key|access token|cvv|ssn"
    r"|social security number)\b|-----BEGIN|\b(?:sk|pk|ghp|xox[abp]|AKIA)[-_A-Za-z0-9]{12,}",
    re.IGNORECASE,
)
_DIGITS = re.compile(r"(?:\d[ -]?){13,19}")


@dataclass(frozen=True)
class Fact:
    """topic: who and what about them, as `ada|home`; value: what is said of it. Both in lower case."""

    topic: str
    value: str


def read_fact(content: str) -> Fact | None:
    """The fact that a memory of one sentence states; None for several sentences and whatever else is not understood."""
    text = " ".join(content.split()).rstrip(".!")
    if len(text) > _LONGEST_SENTENCE or re.search(r"[.!?] ", text) or text.endswith("?"):
        return None
    return _stated(text) or _liked(text)


def _stated(text: str) -> Fact | None:
    for pattern, topic in _PATTERNS:
        if match := pattern.fullmatch(text):
            parts = match.groupdict()
            what = topic.format(what=_plain(parts.get("what") or ""))
            return Fact(f"{_who(parts['subject'])}|{what}", _plain(parts["value"]))
    return None


def _liked(text: str) -> Fact | None:
    """Likes do not exclude each other; liking and not liking the same thing do."""
    if match := _ALLERGIC.fullmatch(text):
        return Fact(f"{_who(match['subject'])}|allergic to {_plain(match['what'])}", "no" if match["no"] else "yes")
    if match := _LIKES.fullmatch(text):
        verb = match["verb"].lower()
        is_against = verb.startswith(_AGAINST) or (verb == "stand" and bool(match["no"]))
        is_negated = bool(match["no"]) and verb != "stand"
        return Fact(
            f"{_who(match['subject'])}|likes {_plain(match['what'])}", "no" if is_against != is_negated else "yes"
        )
    return None


def _who(subject: str) -> str:
    plain = _plain(subject)
    return "the user" if plain in {"i", "my", "me", "user", "the user", "our", "we", "your", "you"} else plain


def _plain(text: str) -> str:
    text = text.lower().replace("favorite", "favourite").strip(" \t\"'.,!")
    return re.sub(r"^(?:the|a|an) (?!user\b)", "", text)


def is_sensitive(text: str) -> bool:
    """Whether the text looks like it holds a secret or a payment card: such things are never learnt by themselves."""
    return bool(_SENSITIVE.search(text)) or any(_is_card(found) for found in _DIGITS.findall(text))


def _is_card(text: str) -> bool:
    """The check digit of payment cards (ISO/IEC 7812-1, Luhn)."""
    digits = [int(one) for one in text if one.isdigit()]
    doubled = [sum(divmod(2 * one, 10)) for one in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


@dataclass(frozen=True)
class Learnt:
    """A fact found in what a user said. importance: 0 to 1."""

    content: str
    importance: float


# First person to third; what matches none of these states nothing lasting about the user.
_FIRST_PERSON: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), text)
    for pattern, text in (
        (r"my (.+?) (is|are|was|were) (.+)", r"{who}'s \1 \2 \3"),
        (r"(?:i am|i'm) (?:called|named) (.+)", r"{who}'s name is \1"),
        (r"(?:please )?call me (.+)", r"{who}'s name is \1"),
        (
            r"(?:i am|i'm) (allergic to|from|based in|a|an|vegetarian|vegan|married to|afraid of|learning) ?(.*)",
            r"{who} is \1 \2",
        ),
        (r"i (?:do not|don't) (like|eat|drink|want|use|speak|own|have) (.+)", r"{who} does not \1 \2"),
        (r"i can(?:'t|not) (eat|drink|stand|use|speak) (.+)", r"{who} cannot \1 \2"),
        (r"i (?:have )?(?:just |recently )?moved to (.+)", r"{who} moved to \1"),
        (r"i (?:now )?(live|work|study) (?:now )?(in|at|for|as) (.+)", r"{who} {s:\1} \2 \3"),
        (
            r"i (?:really |also |usually |always |still )?"
            r"(prefer|like|love|hate|dislike|enjoy|own|speak|play|use|drive|eat|drink|need) (.+)",
            r"{who} {s:\1} \2",
        ),
        (r"i have (a|an|two|three|four|five|no) (.+)", r"{who} has \1 \2"),
    )
)
_REMEMBER = re.compile(r"(?:please )?(?:remember|note|keep in mind|don't forget)(?: that|:)? (.+)", re.IGNORECASE)
# A sentence ends where a space or the line's end follows: the dots of 1.83, ada@example.com and Dr. Okafor end none.
_SENTENCE_END = re.compile(r"(?<!\b[A-Z]\.)(?<!\b[DMJS]r\.)(?<!\b[MS][ts]\.)(?<!\bMrs\.)(?<!\bProf\.)(?<=[.!?])\s+|\n+")
# "I like the second one" and "my answer is no" hold for the moment they are said in.
_PASSING = re.compile(r"\b(?:this|that|these|those|it|one|question|answer|point|code|error|problem)\b", re.IGNORECASE)


def learn(text: str, who: str = "The user") -> Iterator[Learnt]:
    """The lasting facts that somebody states about themselves, in the third person; at most 20, nothing sensitive."""
    found = 0
    for part in _SENTENCE_END.split(text[:20_000]):
        sentence = " ".join(part.split())
        if not 5 <= len(sentence) <= _LONGEST_SENTENCE or sentence.endswith("?") or is_sensitive(sentence):
            continue
        learnt = _learn_one(sentence.rstrip(".!"), who)
        if learnt is not None:
            yield learnt
            found += 1
            if found == 20:
                return


def _learn_one(sentence: str, who: str) -> Learnt | None:
    if asked := _REMEMBER.fullmatch(sentence):
        stated = _third_person(asked[1], who, is_asked=True) or asked[1]
        return Learnt(_sentence(stated), 0.8)
    stated = _third_person(sentence, who)
    return Learnt(_sentence(stated), 0.6) if stated else None


def _third_person(sentence: str, who: str, *, is_asked: bool = False) -> str | None:
    # What stands before the statement, as in "By the way, I live in Kyiv", is not part of it.
    for start in (sentence, sentence.rpartition(", ")[2], sentence.removeprefix("And ").removeprefix("But ")):
        for pattern, text in _FIRST_PERSON:
            match = pattern.fullmatch(start)
            if match and (is_asked or not _PASSING.search(start)):
                said = re.sub(r"\{s:(\w+)\}", lambda verb: _with_s(verb[1]), match.expand(text.replace("{who}", who)))
                return re.sub(r"\bmy\b", "their", said, flags=re.IGNORECASE).strip()
    return None


def _with_s(verb: str) -> str:
    return "studies" if verb.lower() == "study" else f"{verb.lower()}s"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
