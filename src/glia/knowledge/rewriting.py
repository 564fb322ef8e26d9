"""Follow-up questions made whole: `And how long is it?` says nothing to a search without the question before it."""

from __future__ import annotations

import re
from collections.abc import Sequence

import structlog

from glia.kit.errors import GliaError
from glia.knowledge.types import FollowUp, Rewrite, Rewriting

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_MOST_CARRIED = 12
_LONGEST_CARRIED = 1000
# fmt: off
# Words that point to something said before.
_POINTING = frozenset((
    "it", "its", "they", "them", "their", "this", "that", "these", "those", "he", "him", "his", "she", "her", "hers",
    "there", "one", "ones", "same", "such", "former", "latter", "else", "other", "others", "another",
))
# Words that say nothing about what is looked for.
_EMPTY = _POINTING | frozenset((
    "a", "an", "the", "and", "or", "but", "of", "in", "on", "at", "to", "for", "from", "by", "with", "about", "as",
    "is", "are", "was", "were", "be", "been", "am", "do", "does", "did", "has", "have", "had", "can", "could", "will",
    "would", "shall", "should", "may", "might", "must", "what", "which", "who", "whom", "whose", "when", "where",
    "why", "how", "much", "many", "long", "often", "so", "then", "than", "if", "not", "no", "yes", "ok", "okay", "i",
    "me", "my", "we", "us", "our", "you", "your", "please", "tell", "show", "give", "explain", "more", "also", "too",
    "again", "any", "some", "all", "just", "really", "exactly", "mean", "thanks", "thank", "know", "want", "need",
))
# fmt: on
_BEGINS_MIDWAY = re.compile(
    r"\s*(?:and|or|but|so|also|then|what about|how about|what if|why not|why|how so|really|more)\b", re.IGNORECASE
)

log = structlog.stdlib.get_logger(__name__)


async def followed_up(follow_up: FollowUp, rewrite: Rewrite | None) -> Rewriting:
    """The query as a question of its own: by the model where there is one, else by `carried_over`. Never fails."""
    query, previous = follow_up.query, follow_up.previous
    if not previous:
        return Rewriting(query)
    problem = None
    if rewrite is not None:
        try:
            written = await rewrite(follow_up)
        except GliaError as error:
            log.warning("follow-up not rewritten by the model", code=error.code)
            problem = error.message
        else:
            if written:
                return Rewriting(written[:_LONGEST_CARRIED], "model")
    carried = carried_over(query, previous)
    return Rewriting(carried, "nothing" if carried == query else "rules", problem)


def carried_over(query: str, previous: Sequence[str]) -> str:
    """The query with the telling words of the nearest question before it that has some, if it leans on one."""
    if not previous or not leans(query):
        return query
    own = {word.lower() for word in _WORD.findall(query)}
    for before in reversed(previous):
        words = [word for word in telling(before[:_LONGEST_CARRIED]) if word.lower() not in own]
        if words:
            return f"{query} {' '.join(words[:_MOST_CARRIED])}"
    return query


def leans(query: str) -> bool:
    """Whether the question cannot be understood alone: it begins midway, is all but empty, or points back."""
    words = [word.lower() for word in _WORD.findall(query)]
    count = len(telling(query))
    if _BEGINS_MIDWAY.match(query) and count <= 3:
        return True
    return (count <= 1 and len(words) <= 6) or (count <= 3 and any(word in _POINTING for word in words))


def telling(text: str) -> list[str]:
    """Its words that say what it is about, each once, in order."""
    found = dict.fromkeys(word for word in _WORD.findall(text) if word.lower() not in _EMPTY and len(word) > 1)
    return list(found)
