"""Which of its agents and inference tools a run is offered, when its agent leaves that to what is asked. Pure rules."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeVar

from glia.tools.types import Tool

T = TypeVar("T")

MOST_OFFERED = 5
_FEW = 3
_READ_CHARACTERS = 4_000
_INFERENCE = "inference__"
_GROUPS = {
    "image": "image picture photo photograph draw drawing paint painting illustrate illustration logo sketch render"
    " icon poster bild foto imagen",
    "speech": "speech speak spoken voice audio narrate narration aloud tts podcast pronounce sound sprich",
    "video": "video film movie clip animate animation trailer",
    "text": "model llm",
}
_COMMON_WORDS = (
    "a about all an and any are as at be by can could do does for from give gives has have how i in into is it its"
    " make makes me my of on or our please s task that the their them this to up us use uses what when which who"
    " why will with would you your another agent answer tool write first used none named models model returns"
)
_COMMON = frozenset(_COMMON_WORDS.split())
_WORD = re.compile(r"[^\W_]+")


def is_inference(tool: Tool) -> bool:
    return tool.name.startswith(_INFERENCE)


def fitting(asked: str, tools: Sequence[Tool]) -> list[Tool]:
    """At most five of the tools, those first whose names and descriptions share most with what is asked.

    A few tools are all offered when the words tell nothing, as in another language than their descriptions.
    """
    wanted = _meanings(asked[:_READ_CHARACTERS])
    scored = [(len(wanted & _meanings(f"{tool.name} {tool.description}")), -at, tool) for at, tool in enumerate(tools)]
    fit = sorted((one for one in scored if one[0]), key=lambda one: one[:2], reverse=True)
    if not fit:
        return list(tools) if len(tools) <= _FEW else []
    return [tool for _, _, tool in fit[:MOST_OFFERED]]


def _meanings(text: str) -> frozenset[str]:
    """The words that carry meaning, without plurals, and what they stand for."""
    words = {_stem(word) for word in _WORD.findall(text.lower().replace("_", " ")) if word not in _COMMON}
    return frozenset(words | {_MEANS[word] for word in words if word in _MEANS})


def _stem(word: str) -> str:
    """The same for `recipe`, `recipes`, and for `cook`, `cooking`; not always a word."""
    if len(word) > 3 and word.endswith("s"):
        word = word[:-1]
    if len(word) > 6 and word.endswith("ing"):
        word = word[:-3]
    return word[:-1] if len(word) > 3 and word.endswith("e") else word


_MEANS = {_stem(word): group for group, words in _GROUPS.items() for word in words.split()}
