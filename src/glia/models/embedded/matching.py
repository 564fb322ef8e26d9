"""Tools that fit what a message says, by their role or by the words of their name and description."""

from __future__ import annotations

import re

from glia.models.embedded import literals, phrasing
from glia.models.embedded.naming import without_noise
from glia.models.embedded.phrasing import Mood
from glia.models.embedded.roles import Candidate, Role
from glia.models.embedded.text import content_stems, shorten, squeeze, stems
from glia.models.embedded.wishes import Wish, wish_for

_REMEMBER = re.compile(
    r"^(?:remember|memorise|memorize|note|save|store|keep in mind|don['’]t forget"
    r"|make a note)\b(?:\s(?:that|this|down|it))?"
    r"(?:\s(?:to|in) (?:your )?memory)?(?:\sthat)?[\s:,]{0,3}(.{2,4000})$",
    re.IGNORECASE | re.DOTALL,
)
_RECALL = re.compile(
    r"\b(?:what do you (?:remember|know|recall)\b(?:.{0,20}\b(?:me|my)\b|[^\w]{0,3}$|.{0,200})"
    r"|do you (?:remember|recall)|what (?:did|have) i (?:tell|told|say|said)"
    r"|recall|your memor(?:y|ies)|about me\b|who am i|what(?:['’]s| is| are) my\b)",
    re.IGNORECASE,
)
_CLOCK = re.compile(
    r"\b(?:what(?:['’]s| is)? (?:the )?(?:current |exact |local )?(?:time|date|day|year"
    r"|month)(?: and (?:time|date))?(?: is it| today| now|\s?\?|$)|what (?:time|day|year|month) is"
    r"|current (?:time|date)|today['’]s date|time is it"
    r"|what day is|time now|date today|which (?:day|year|month) is|time in [A-Z])",
    re.IGNORECASE,
)
_DEFINITION = re.compile(r"^what(?:['’]s| is| are)? an? ", re.IGNORECASE)
_VALUE = re.compile(r"(?<=\s)[A-Z][\w’'-]{0,40}|\S{0,60}[\d@]\S{0,60}|\"[^\"]{0,500}\"|“[^”]{0,500}”")


def by_role(clause: str, known: list[Candidate]) -> list[Wish]:
    """Calls of the tools whose role is plain: memory, pages, arithmetic, the clock."""
    roles = {one.role: one for one in reversed(known)}
    return _memory(clause, roles) or _fetches(clause, roles) or _calculations(clause, roles) or _clock(clause, roles)


def asks_to_remember(text: str) -> bool:
    return bool(_REMEMBER.match(text))


def _memory(clause: str, roles: dict[Role, Candidate]) -> list[Wish]:
    save, search = roles.get(Role.MEMORY_SAVE), roles.get(Role.MEMORY_SEARCH)
    told = _REMEMBER.match(phrasing.polite_free(clause))
    if save and save.query and told and phrasing.mood(clause) is not Mood.QUESTION:
        fact = squeeze(told.group(1)).strip(" \"'")
        fact = fact[:1].upper() + fact[1:]
        given: dict[str, object] = {save.query.name: fact}
        given |= {
            one.name: "_".join(content_stems(fact)[:4])
            for one in save.properties
            if one.name == "key" and one.is_required
        }
        return [wish_for(save, clause, f'Asked to remember: saving "{shorten(fact, 80)}" to memory.', given)]
    if search and search.query and _RECALL.search(clause[:500]):
        query = shorten(phrasing.subject(clause), 300)
        return [
            wish_for(search, clause, "Question about what is remembered: searching memory.", {search.query.name: query})
        ]
    return []


def _fetches(clause: str, roles: dict[Role, Candidate]) -> list[Wish]:
    one = roles.get(Role.FETCH)
    if not one:
        return []
    name = next(each.name for each in one.properties if each.name.lower() == "url")
    return [
        wish_for(one, clause, f"The message holds an address: fetching {shorten(url, 120)}.", {name: url})
        for url in literals.urls(clause)[:4]
    ]


def _calculations(clause: str, roles: dict[Role, Candidate]) -> list[Wish]:
    one = roles.get(Role.CALCULATOR)
    if not one or not one.query:
        return []
    return [
        wish_for(one, clause, f"Arithmetic: calculating {found}.", {one.query.name: found})
        for found in literals.expressions(clause)
    ]


def _clock(clause: str, roles: dict[Role, Candidate]) -> list[Wish]:
    one = roles.get(Role.CLOCK)
    if not one or not _CLOCK.search(clause[:300]):
        return []
    return [wish_for(one, clause, "Question about the time: reading the clock.")]


def matched(clause: str, known: list[Candidate]) -> list[Wish]:
    """Any other tool whose name or description the clause matches well enough."""
    if phrasing.mood(clause) is Mood.STATEMENT or len(clause) > 2000:
        return []
    said = frozenset(content_stems(clause))
    best = max(
        ((_score(one, clause, said), at) for at, one in enumerate(known) if one.role is Role.OTHER), default=(0.0, 0)
    )
    if best[0] <= 0:
        return []
    one = known[best[1]]
    wish = wish_for(one, clause, f"The message matches the tool {one.tool.name}.", remainder=rest(clause, one))
    # A question that lacks an argument is more likely about the subject, unless it holds nothing but the tool's words.
    about = phrasing.mood(clause) is Mood.QUESTION and (not said <= one.profile.name or bool(_DEFINITION.match(clause)))
    return [] if wish.missing and about else [wish]


def rest(clause: str, one: Candidate) -> str:
    """The clause without the leading words that chose the tool."""
    kept = phrasing.polite_free(clause).split()
    meaning = one.profile.name | {"a", "an", "the", "new", "me", "my"}
    while kept and (set(stems(kept[0])) <= meaning or kept[0].lower() in meaning):
        kept.pop(0)
    return without_noise(" ".join(kept))


def _score(one: Candidate, clause: str, said: frozenset[str]) -> float:
    """Zero when the tool is not meant; otherwise higher is better."""
    all_words = frozenset(stems(clause[:2000]))
    in_name = one.profile.name & all_words
    in_description = (one.profile.description - one.profile.name) & said
    coverage = len(in_name) / max(1, len(one.profile.name))
    chosen = {word for each in one.properties for choice in each.choices[:50] for word in stems(str(choice)[:100])}
    hits = (in_name | in_description | chosen) & said
    # Names, numbers and quotations are arguments; they say nothing against the tool.
    other = frozenset(content_stems(_VALUE.sub(" ", clause))) | hits
    share = len(hits) / max(1, len(other))
    asks = phrasing.mood(clause) is Mood.QUESTION
    if one.profile.acts:
        first = stems(phrasing.polite_free(clause)[:40])[:1]
        if asks or not first or first[0] not in one.profile.name | one.profile.description:
            return 0
    full = coverage == 1 and (len(one.profile.name) > 1 or not asks or bool(in_description) or share >= 0.3)
    half = coverage >= 0.5 and bool(in_description) and share >= (0.6 if asks else 0.5)
    described = len(in_description) >= 3 and share >= 0.6
    return 2 * coverage + 0.5 * len(in_description) + share if full or half or described else 0
