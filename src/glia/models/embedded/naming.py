"""Tools that a message calls by their name."""

from __future__ import annotations

import re

from glia.models.embedded import literals, phrasing
from glia.models.embedded.phrasing import Mood
from glia.models.embedded.roles import Candidate, Role
from glia.models.embedded.text import name_words, squeeze
from glia.models.embedded.wishes import Turn, Wish, search_query, wish_for
from glia.models.types import ToolSpec

_CALL = re.compile(r"\b(?:call|use|using|run|invoke|execute|trigger|with)\b", re.IGNORECASE)
_ABOUT_TOOL = re.compile(r"\b(?:what (?:does|is)|how (?:does|do)|explain|describe|tell me about)\b", re.IGNORECASE)
_LEADING_NOISE = re.compile(
    r"^(?:(?:call|use|using|run|invoke|execute|trigger|the|a|an|tool|function|my|with|to|and|for|of)\b[\s:,]{0,3})+",
    re.IGNORECASE,
)


def explicit(clause: str, turn: Turn, known: list[Candidate]) -> Wish | None:
    """The call that names its tool. The longest name wins, so that `ping_all` is not `ping`."""
    mentions = [(one, _mention(one.tool.name, clause)) for one in known]
    found = [(one, mention) for one, mention in mentions if mention and _is_named(one, clause, mention)]
    if not found:
        return None
    one, mention = max(found, key=lambda pair: pair[1].end() - pair[1].start())
    remainder = (clause[: mention.start()] + " " + clause[mention.end() :]).strip()
    remainder = without_noise(squeeze(phrasing.polite_free(remainder).strip(" `()"))).strip(" `()")
    given: dict[str, object] = {}
    if (
        one.role in {Role.KNOWLEDGE, Role.WEB_SEARCH, Role.MEMORY_SEARCH}
        and one.query
        and not literals.json_objects(clause)
    ):
        given[one.query.name] = search_query(remainder, turn.before) or clause
    if one.role is Role.CALCULATOR and one.query and (found_here := literals.expressions(clause)):
        given[one.query.name] = found_here[0]
    return wish_for(one, _after_name(clause, mention), f"The message names the tool {one.tool.name}.", given, remainder)


def asked_about(clause: str, known: list[Candidate]) -> ToolSpec | None:
    """The tool in `what does send_invoice do?`."""
    if not _ABOUT_TOOL.search(clause[:80]) or literals.json_objects(clause):
        return None
    return next((one.tool for one in known if "_" in one.tool.name and _mention(one.tool.name, clause)), None)


def _mention(name: str, clause: str) -> re.Match[str] | None:
    """Where the clause names the tool: as written, or with spaces for its separators."""
    if not name_words(name):
        return None
    spoken = r"[\s_-]".join(re.escape(word) for word in name_words(name)[:12])
    return re.search(rf"(?<!\w)(?:{re.escape(name[:200])}|{spoken})(?!\w)", clause, re.IGNORECASE)


def _after_name(clause: str, mention: re.Match[str]) -> str:
    return clause[: mention.start()] + " " + clause[mention.end() :]


def _is_named(one: Candidate, clause: str, mention: re.Match[str]) -> bool:
    """A tool called `ping` is meant by `call ping` and `ping the server`, not by `what is a ping?`."""
    written_out = mention.group(0).lower() == one.tool.name.lower() and bool(re.search(r"[_\-A-Z]", one.tool.name[1:]))
    called = bool(_CALL.search(clause[: mention.start()][-40:])) or clause[mention.end() : mention.end() + 1] == "("
    quoted = clause[max(0, mention.start() - 1) : mention.start()] == "`"
    if written_out or called or quoted:
        return True
    if phrasing.mood(clause) is Mood.STATEMENT:
        return False
    opens = phrasing.polite_free(clause).lower().startswith(mention.group(0).lower())
    return opens and one.role is Role.OTHER and phrasing.mood(clause) is Mood.REQUEST


def without_noise(text: str) -> str:
    """The text without leading words such as `use the` or `with`, which only connect."""
    return _LEADING_NOISE.sub("", text)
