"""One question to everything that the caller may see."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from uuid import UUID

from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.errors import Forbidden, InvalidRequest
from glia.search import queries
from glia.search.types import Found, Kind, Passages, Wanted

LONGEST = 200
MOST = 50
"""Of one kind."""

_MOST_WORDS = 8
_ID_PART = re.compile(r"[0-9a-f]{8,32}")
_SCOPES = {
    Kind.AGENT: "agents:read",
    Kind.KNOWLEDGE_BASE: "knowledge:read",
    Kind.DOCUMENT: "knowledge:read",
    Kind.PASSAGE: "knowledge:read",
    Kind.SESSION: "sessions:read",
    Kind.RUN: "runs:read",
    Kind.MEMORY: "memory:read",
    Kind.DEPLOYMENT: "deployments:read",
}


class Searches:
    def __init__(self, db: Database, passages: Passages) -> None:
        """passages: finds what documents say."""
        self._db = db
        self._passages = passages

    async def find(
        self, principal: Principal, text: str, *, kinds: Collection[Kind] | None = None, limit: int = 5
    ) -> list[Found]:
        """Things that hold every word, or whose id begins with it; kind by kind, the best of each first. Passages hold
        every word that is not too common to tell anything, in any of its forms.

        text: words or parts of words, or at least 8 digits of an id. kinds: None for all; kinds that the caller may not
        read are left out. limit: of each kind. Raises InvalidRequest, and Forbidden when the caller may read none.
        """
        wanted = wanted_of(text, limit)
        allowed = [kind for kind in kinds or Kind if principal.allows(_SCOPES[kind])]
        if not allowed:
            raise Forbidden("This key may read nothing that is searched; use a key that has `agents:read` or another.")
        by_kind: dict[Kind, Sequence[Found]] = {}
        async with self._db.transaction(principal.workspace_id) as tx:
            for kind in allowed:
                if kind is not Kind.PASSAGE:
                    by_kind[kind] = await queries.find(tx, kind, wanted)
        if Kind.PASSAGE in allowed:
            by_kind[Kind.PASSAGE] = await self._passages(principal, text, limit)
        return [each for kind in allowed for each in by_kind[kind]]


def wanted_of(text: str, limit: int) -> Wanted:
    words = text.split()
    if not words:
        raise InvalidRequest("`q` is empty; give a word, or the beginning of an id.", field="q")
    if len(text) > LONGEST or "\0" in text:
        raise InvalidRequest(f"`q` may have {LONGEST} characters, and no zero byte.", field="q")
    if not 1 <= limit <= MOST:
        raise InvalidRequest(f"`limit` is {limit}; it must be between 1 and {MOST}.", field="limit")
    patterns = [f"%{_escaped(word)}%" for word in words[:_MOST_WORDS]]
    lowest, highest = _ids_of(text.strip().lower())
    return Wanted(patterns, text.strip().lower(), lowest, highest, limit)


def _escaped(word: str) -> str:
    return re.sub(r"([\\%_])", r"\\\1", word)


def _ids_of(text: str) -> tuple[UUID, UUID]:
    digits = text.replace("-", "")
    if not _ID_PART.fullmatch(digits):
        return UUID(int=0), UUID(int=0)
    return UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
