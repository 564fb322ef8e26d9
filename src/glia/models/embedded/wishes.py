"""One wish of the user: a tool, and the arguments their message gives for it."""

from __future__ import annotations

from dataclasses import dataclass

from glia.models.embedded import phrasing
from glia.models.embedded.arguments import fill
from glia.models.embedded.roles import Candidate, Role
from glia.models.embedded.text import content_stems, shorten, squeeze
from glia.models.types import ToolSpec


@dataclass(frozen=True)
class Wish:
    """One tool the message asks for. missing: required arguments the message does not give."""

    tool: ToolSpec
    role: Role
    arguments: dict[str, object]
    missing: tuple[str, ...]
    thought: str


@dataclass(frozen=True)
class Turn:
    """The last user message, the one before it, and the tool that waits for arguments, if I asked for some."""

    text: str
    before: str = ""
    waiting_for: str = ""


def wish_for(
    one: Candidate, text: str, thought: str, given: dict[str, object] | None = None, remainder: str | None = None
) -> Wish:
    filled = fill(one.tool.schema, text, text if remainder is None else remainder, given)
    return Wish(one.tool, one.role, filled.arguments, tuple(filled.missing), thought)


def search_query(text: str, before: str = "") -> str:
    """What to search for: the question without its politeness, after the previous one where it leans on it."""
    text = shorten(squeeze(phrasing.subject(text[:4000])), 400)
    if before and phrasing.is_follow_up(text):
        return shorten(squeeze(phrasing.subject(before[:4000])), 300) + " " + text
    return text


def rephrased(query: str) -> str:
    """The meaning words alone, each once: the second try when the full question found nothing."""
    kept = [word for word in dict.fromkeys(query.split()) if content_stems(word)]
    return " ".join(word.strip("\"'.,;:!?()") for word in kept)
