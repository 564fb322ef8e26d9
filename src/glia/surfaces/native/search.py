"""GET /v1/search: things of every kind, by words or by an id."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, WithJsonSchema

from glia.kit.errors import InvalidRequest
from glia.search.service import MOST
from glia.search.types import Found, Kind
from glia.surfaces.shared.bodies import Out, TheHouse, ThePrincipal, Time, WatchedRoute, number_of

router = APIRouter(prefix="/v1/search", tags=["search"], route_class=WatchedRoute)

_KINDS = [kind.value for kind in Kind]
_EACH = 5


class FoundOut(Out):
    """title: what people call it. text: a line that says more, perhaps empty.

    parent_id: a document's knowledge base, a run's session, the agent of a session or a memory.

    A passage has the id and the title of its document. page: where it stands there, from 1, in a document with pages.
    chunk: its place among the document's chunks, from 0.
    """

    kind: Kind
    id: UUID
    title: str
    text: str
    parent_id: UUID | None
    at: Time
    page: int | None
    chunk: int | None


class SearchOut(BaseModel):
    data: list[FoundOut]


@router.get("")
async def search(
    house: TheHouse,
    principal: ThePrincipal,
    q: Annotated[
        str,
        WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 200}),
        Query(description="Words or parts of words, all of which must be there; or the first 8 digits of an id."),
    ],
    kinds: Annotated[
        str | None, Query(description=f"Only these, with commas between them: {', '.join(_KINDS)}.")
    ] = None,
    limit: Annotated[
        str | None,
        WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MOST}),
        Query(description="How many of each kind at most."),
    ] = None,
) -> SearchOut:
    """Find agents, knowledge bases, documents and what they say, sessions, runs, memories and deployments.
    Kinds that the key may not read are left out."""
    each = number_of(limit, "limit", _EACH, largest=MOST)
    found = await house.searches.find(principal, q, kinds=_kinds_of(kinds), limit=each)
    return SearchOut(data=[_found_out(thing) for thing in found])


def _found_out(thing: Found) -> FoundOut:
    return FoundOut(
        kind=thing.kind,
        id=thing.id,
        title=thing.title,
        text=thing.text,
        parent_id=thing.parent_id,
        at=thing.at,
        page=thing.page,
        chunk=thing.ordinal,
    )


def _kinds_of(text: str | None) -> list[Kind] | None:
    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    if unknown := next((name for name in names if name not in _KINDS), None):
        raise InvalidRequest(f"`kinds` {unknown[:100]!r} is none of {', '.join(_KINDS)}.", field="kinds")
    return [kind for kind in Kind if kind in names] or None
