"""Texts the user pasted into a message: finding them, answering from them, summarising them."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from glia.models.embedded.answer import best_sentences
from glia.models.embedded.text import READ_CHARACTERS, content_stems, sentences, shorten, squeeze

_LABEL = re.compile(
    r"(?:^|\n)\s{0,8}(?:text|document|context|passage|article|content|source|email|transcript)\s{0,3}:\s", re.IGNORECASE
)
_QUESTION = re.compile(
    r"(?:^|\n)\s{0,8}(?:question|q|query|task|instruction|user question)\s{0,3}:\s{0,3}([^\n]{2,1000})", re.IGNORECASE
)
_ANSWER = re.compile(r"\n\s{0,8}(?:answer|a|response)\s{0,3}:\s{0,8}$", re.IGNORECASE)
_TAG = re.compile(r"<(context|documents?|text|sources?|passage|article|data)>", re.IGNORECASE)
_FENCE = re.compile(r"(?:```|\"\"\"|''')\w{0,20}\n?(.{40,60000}?)(?:```|\"\"\"|''')", re.DOTALL)
_SUMMARY = re.compile(
    r"\b(?:summar(?:y|i[sz]e|ies)|tl;?dr|key points|main points|in short|shorten|condense|the gist)\b", re.IGNORECASE
)
_SUMMARISE_THIS = re.compile(
    r"^(?:please |can you |could you )?(?:summari[sz]e|tl;?dr|condense|shorten|give me (?:a summary"
    r"|the key points|the main points))[^:\n]{0,80}[:\n]",
    re.IGNORECASE,
)
_COUNT = re.compile(
    r"\b(?:in|to|into) (one|two|three|four|five|\d{1,2}) (?:short )?(?:sentences?|lines?|points?|bullets?)\b",
    re.IGNORECASE,
)
_COUNTS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5}
_LONG = 350


@dataclass(frozen=True)
class Pasted:
    text: str
    question: str

    @property
    def wants_summary(self) -> bool:
        return not self.question.strip(" ?!.") or bool(_SUMMARY.search(self.question))


def pasted(message: str) -> Pasted | None:
    """The text and the question about it, when the message brings its own text; else None."""
    window = message[: READ_CHARACTERS + 4000]
    if tagged := _tagged(window):
        return tagged
    if fenced := _FENCE.search(window):
        return Pasted(
            fenced.group(1).strip(), _without_labels(window[: fenced.start()] + "\n" + window[fenced.end() :])
        )
    if opened := _SUMMARISE_THIS.match(window.lstrip()):
        body = window.lstrip()[opened.end() :].strip()
        return Pasted(body, opened.group(0)) if len(body) > 80 else None
    if label := _LABEL.search(window):
        return _labelled(window, label)
    return _by_length(window) if len(window) >= _LONG else None


def respond(found: Pasted) -> str:
    cut = f" I read its first {READ_CHARACTERS:,} characters." if len(found.text) > READ_CHARACTERS else ""
    text = found.text[:READ_CHARACTERS]
    if found.wants_summary:
        return (
            "The main sentences of your text, word for word:"
            + cut
            + "\n\n"
            + _bullets(summary(text, _wanted(found.question)))
        )
    chosen = best_sentences(found.question, text, least=0.25)
    if not chosen:
        return f"I found no sentence in your text that answers “{shorten(squeeze(found.question), 160)}”.{cut}"
    return "Your text says:" + cut + "\n\n" + "\n".join(f'"{shorten(one, 500)}"' for one in chosen)


def summary(text: str, most: int = 3) -> list[str]:
    """The sentences that hold most of the text's frequent words, the opening favoured, in the text's order.

    Words count less once a chosen sentence has said them, as in SumBasic (Nenkova and Vanderwende, 2005).
    """
    listed = [one for one in sentences(text)[:2000] if len(one.split()) >= 4] or sentences(text)[:most]
    bags = [content_stems(one) for one in listed]
    counted = Counter(word for bag in bags for word in set(bag))
    total = sum(counted.values()) or 1
    weight = {word: count / total for word, count in counted.items()}
    chosen: list[int] = []
    for _ in range(min(most, len(listed))):
        best = max((at for at in range(len(listed)) if at not in chosen), key=lambda at: _value(bags[at], weight, at))
        chosen.append(best)
        weight |= {word: weight[word] * weight[word] for word in bags[best]}
    return [listed[at] for at in sorted(chosen)]


def _value(bag: list[str], weight: dict[str, float], at: int) -> float:
    mean = sum(weight[word] for word in bag) / (len(bag) + 4)
    return mean * (1.6 if at == 0 else 1.0 + 0.2 / (1 + at))


def _bullets(lines: list[str]) -> str:
    return "\n".join(f"- {shorten(one.lstrip('-*• '), 400)}" for one in lines)


def _tagged(window: str) -> Pasted | None:
    opened = _TAG.search(window)
    if not opened:
        return None
    closing = f"</{opened.group(1)}>"
    end = window.find(closing, opened.end())
    if end < 0:
        return None
    return Pasted(
        window[opened.end() : end].strip(),
        _without_labels(window[: opened.start()] + "\n" + window[end + len(closing) :]),
    )


def _wanted(question: str) -> int:
    found = _COUNT.search(question)
    if not found:
        return 3
    word = found.group(1).lower()
    return min(10, max(1, _COUNTS.get(word) or int(word)))


def _labelled(window: str, label: re.Match[str]) -> Pasted | None:
    asked = _QUESTION.search(window)
    before, after = window[: label.start()], window[label.end() :]
    if asked:
        body = after[: asked.start() - label.end()] if asked.start() >= label.end() else after
        return Pasted(_ANSWER.sub("", body).strip(), asked.group(1).strip())
    return Pasted(after.strip(), before.strip()) if len(after) > 80 and before.strip() else None


def _by_length(window: str) -> Pasted | None:
    """A long message whose first or last paragraph is a short question or order, and the rest a text."""
    lines = [line for line in re.split(r"\n\s*\n|\n", window.strip()) if line.strip()]
    if len(lines) < 2:
        return None
    for asked, rest in ((lines[0], lines[1:]), (lines[-1], lines[:-1])):
        body = "\n".join(rest)
        is_task = asked.rstrip().endswith(("?", ":")) or bool(_SUMMARY.search(asked))
        if is_task and len(asked) <= 300 and len(body) >= _LONG - 50 and len(sentences(body[:5000])) >= 3:
            return Pasted(body, asked.strip())
    return None


def _without_labels(text: str) -> str:
    found = _QUESTION.search(text)
    return found.group(1).strip() if found else _ANSWER.sub("", squeeze(text)).strip()
