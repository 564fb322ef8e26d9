"""Slugs: names as they stand in an address."""

from __future__ import annotations

import hashlib
import re
import unicodedata

_LONGEST = 80
_MARKS = 8


def slug_of(name: str, fallback: str) -> str:
    """The same name gives the same slug: lower-case letters, digits and `-`, at most 80 of them.

    Letters that ASCII has no form of are told apart by a short mark made of the whole name, so that two names in
    another script are two slugs. fallback: for a name with nothing to spell.
    """
    spelled = unicodedata.normalize("NFKD", name)
    plain = re.sub(r"[^a-z0-9]+", "-", spelled.encode("ascii", "ignore").decode().lower()).strip("-")[:_LONGEST]
    if all(character.isascii() or not character.isalnum() for character in spelled):
        return plain or fallback
    mark = hashlib.sha256(unicodedata.normalize("NFKC", name).strip().lower().encode()).hexdigest()[:_MARKS]
    return f"{(plain or fallback)[: _LONGEST - _MARKS - 1].rstrip('-')}-{mark}"
