"""Chooses which tools to call for a message: by rule, from their names, descriptions and schemas alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from glia.models.embedded import matching, naming, phrasing
from glia.models.embedded.arguments import fill
from glia.models.embedded.phrasing import Mood
from glia.models.embedded.roles import Candidate, Role, candidates
from glia.models.embedded.text import content_stems, name_words, shorten, words
from glia.models.embedded.wishes import Turn, Wish, search_query, wish_for
from glia.models.types import ToolSpec

_MOST_CALLS = 8
_MOST_SEARCHES = 4


@dataclass(frozen=True)
class Decision:
    """calls: ready to be made, independent of each other. asks: wishes that lack arguments.

    described: tools asked about.
    declined: tools the user said not to call.
    """

    calls: tuple[Wish, ...] = ()
    asks: tuple[Wish, ...] = ()
    described: tuple[ToolSpec, ...] = ()
    declined: tuple[ToolSpec, ...] = ()


def decide(turn: Turn, tools: Sequence[ToolSpec]) -> Decision:
    known = candidates(tools)
    if not known or not turn.text.strip():
        return Decision()
    waiting = next((one for one in known if one.tool.name == turn.waiting_for), None)
    if waiting and (wish := _continued(waiting, turn)):
        return Decision(calls=() if wish.missing else (wish,), asks=(wish,) if wish.missing else ())
    starters = frozenset(word for one in known for word in (one.tool.name.lower(), *name_words(one.tool.name)[:1]))
    wishes: list[Wish] = []
    described: list[ToolSpec] = []
    declined: list[ToolSpec] = []
    questions: list[str] = []
    for clause in phrasing.clauses(turn.text, starters):
        if about := naming.asked_about(clause, known):
            described.append(about)
        elif refused := _declined(clause, turn, known):
            declined.append(refused)
        elif chosen := _chosen(clause, turn, known):
            wishes.extend(chosen)
        elif _wants_search(clause):
            questions.append(clause)
    wishes.extend(_searches(questions, turn, known, alone=not wishes and not described and not declined))
    wishes = _distinct(wishes)[:_MOST_CALLS]
    calls = tuple(one for one in wishes if not one.missing)
    return Decision(calls, tuple(one for one in wishes if one.missing), tuple(described), tuple(declined))


def _wants_search(clause: str) -> bool:
    return (phrasing.asks_for_information(clause) and bool(words(clause))) or (
        phrasing.mood(clause) is Mood.REQUEST and bool(content_stems(clause))
    )


def _searches(questions: list[str], turn: Turn, known: list[Candidate], alone: bool) -> list[Wish]:
    one = next((one for one in known if one.role is Role.KNOWLEDGE), None)
    one = one or next((one for one in known if one.role is Role.WEB_SEARCH), None)
    if not one or not one.query or not questions:
        return []
    asking = [question for question in questions if phrasing.asks_for_information(question)]
    questions = asking or (questions if alone else [])
    if len(questions) == 1 and alone:
        questions = [turn.text]
    wishes: list[Wish] = []
    before = turn.before
    for question in questions[:_MOST_SEARCHES]:
        query = search_query(question, before)
        where = "documents: searching the knowledge base" if one.role is Role.KNOWLEDGE else "the web: searching"
        wishes.append(
            wish_for(one, question, f'Question about {where} for "{shorten(query, 120)}".', {one.query.name: query})
        )
        before = question
    return wishes


def _distinct(wishes: list[Wish]) -> list[Wish]:
    kept: list[Wish] = []
    for wish in wishes:
        if not any(one.tool is wish.tool and one.arguments == wish.arguments for one in kept):
            kept.append(wish)
    return kept


def _declined(clause: str, turn: Turn, known: list[Candidate]) -> ToolSpec | None:
    """The tool in `do not send the invoice`."""
    core = phrasing.polite_free(clause)
    if not phrasing.is_negated(core[:20]) or matching.asks_to_remember(core) or phrasing.mood(clause) is Mood.QUESTION:
        return None
    chosen = _chosen(re.sub(r"^(?:do not|don['’]?t|never)\s", "", core, flags=re.IGNORECASE), turn, known)
    return chosen[0].tool if chosen else None


def _chosen(clause: str, turn: Turn, known: list[Candidate]) -> list[Wish]:
    """The tools this part of the message asks for, apart from searching for an answer."""
    if explicit := naming.explicit(clause, turn, known):
        return [explicit]
    return matching.by_role(clause, known) or matching.matched(clause, known)


def _continued(one: Candidate, turn: Turn) -> Wish | None:
    """The call I asked arguments for, now with the user's answer. None when the user has changed the subject."""
    if phrasing.mood(turn.text) is Mood.QUESTION or re.match(
        r"(?:no|never ?mind|cancel|stop|forget it)\b", turn.text.strip(), re.IGNORECASE
    ):
        return None
    thought = f"The user gives what {one.tool.name} still needed."
    first = wish_for(one, turn.before, thought, remainder=matching.rest(turn.before, one))
    second = fill(one.tool.schema, turn.text, turn.text, first.arguments)
    arguments = second.arguments
    missing = list(second.missing)
    lacking = [each for each in one.properties if each.name in missing and each.type == "string" and not each.choices]
    if len(missing) == 1 and lacking and not lacking[0].format and len(turn.text) < 2000:
        arguments = {**arguments, lacking[0].name: _free_of_choices(turn.text, one, arguments)}
        missing = []
    return Wish(one.tool, one.role, arguments, tuple(missing), thought)


def _free_of_choices(text: str, one: Candidate, arguments: dict[str, object]) -> str:
    """The text without the words that already went into another argument with fixed choices."""
    taken = [str(arguments[each.name]) for each in one.properties if each.choices and each.name in arguments]
    kept = text
    for value in taken:
        kept = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", "", kept, flags=re.IGNORECASE)
    return kept.strip(" .,;") or text.strip()
