"""POST /v1/search: things of a brain by name, under a path such as `neurons/billing`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from difflib import SequenceMatcher
from typing import Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from glia.agents.types import AgentFilter
from glia.identity.types import Principal
from glia.kit.errors import InvalidRequest
from glia.kit.pages import LARGEST_LIMIT, Window
from glia.runs.types import SummaryFilter
from glia.surfaces.auvy.auth import InBrain
from glia.surfaces.shared.bodies import Body, Out, TheHouse, WatchedRoute
from glia.wiring import House

router = APIRouter(prefix="/v1/search", tags=["search"], route_class=WatchedRoute)

Kind = Literal["neurons", "traces", "pathways", "reflexes", "receptors", "vault"]
_MOST = 100
_SNIPPET = 200


class SearchBody(Body):
    """query: `<kind>/<words>` looks among neurons, traces, pathways, reflexes, receptors or the vault; without a kind
    among all of them. `<kind>/` lists them."""

    query: str = Field(max_length=500)
    limit: int = Field(20, ge=1, le=_MOST)


class FoundOut(Out):
    """path: as `neurons/billing`. score: from 0 to 1, by how near the words are to the title."""

    path: str
    kind: Kind
    id: UUID
    title: str
    snippet: str
    score: float


class SearchOut(Out):
    query: str
    results: list[FoundOut]
    total: int


@router.post("")
async def search(body: SearchBody, house: TheHouse, principal: InBrain) -> SearchOut:
    """Find things of a brain, the best first."""
    kinds, words = _read(body.query)
    found: list[FoundOut] = []
    for kind in kinds:
        found += await _LOOKS[kind](house, principal, words)
    found.sort(key=lambda result: (-result.score, result.path))
    return SearchOut(query=body.query, results=found[: body.limit], total=len(found))


def _read(query: str) -> tuple[list[Kind], str]:
    head, slash, rest = query.strip().lstrip("/").partition("/")
    named: list[Kind] = [kind for kind in _LOOKS if kind == head.lower()]
    if slash and named:
        return named, rest.strip()
    words = query.strip()
    if not words:
        raise InvalidRequest("`query` is empty; give words, or a path such as `neurons/billing`.", field="query")
    return list(_LOOKS), words


async def _neurons(house: House, principal: Principal, words: str) -> list[FoundOut]:
    found, _ = await house.agents.search(principal, AgentFilter(principal.project_id, words, limit=_MOST))
    return [
        _found("neurons", agent.id, agent.slug, agent.current.name, agent.current.description, words) for agent in found
    ]


async def _traces(house: House, principal: Principal, words: str) -> list[FoundOut]:
    wanted = SummaryFilter(project_id=principal.project_id, text=words, limit=_MOST)
    found, _ = await house.summaries.search(principal, wanted)
    return [
        _found("traces", trace.id, str(trace.id), trace.shown_title or "", trace.first_message or "", words)
        for trace in found
    ]


async def _pathways(house: House, principal: Principal, words: str) -> list[FoundOut]:
    found, _ = await house.workflows.search(principal, text=words, limit=_MOST)
    return [
        _found("pathways", flow.id, flow.slug, flow.current.name, flow.current.description, words) for flow in found
    ]


async def _reflexes(house: House, principal: Principal, words: str) -> list[FoundOut]:
    found, _ = await house.bundles.list(principal, text=words, limit=_MOST)
    return [_found("reflexes", one.id, one.name, one.title or one.name, one.description, words) for one in found]


async def _receptors(house: House, principal: Principal, words: str) -> list[FoundOut]:
    found = (await house.triggers.list(principal, Window(LARGEST_LIMIT))).items
    wanted = words.lower()
    return [
        _found("receptors", one.id, one.slug or str(one.id), one.name, one.message or "", words)
        for one in found
        if one.project_id == principal.project_id and wanted in f"{one.name} {one.slug or ''}".lower()
    ][:_MOST]


async def _vault(house: House, principal: Principal, words: str) -> list[FoundOut]:
    found, _ = await house.knowledge.vault_documents(principal, text=words, limit=_MOST)
    return [
        _found("vault", one.id, f"{one.path}/{one.name}".lstrip("/"), one.title or one.name, one.name, words)
        for one in found
    ]


Look = Callable[[House, Principal, str], Awaitable[list[FoundOut]]]
_LOOKS: dict[Kind, Look] = {
    "neurons": _neurons,
    "traces": _traces,
    "pathways": _pathways,
    "reflexes": _reflexes,
    "receptors": _receptors,
    "vault": _vault,
}


def _found(kind: Kind, id: UUID, name: str, title: str, text: str, words: str) -> FoundOut:
    return FoundOut(
        path=f"{kind}/{name}", kind=kind, id=id, title=title, snippet=_snippet(text, words), score=_score(title, words)
    )


def _score(title: str, words: str) -> float:
    title, words = title.lower(), words.lower()
    if not words or title == words:
        return 1.0
    likeness = SequenceMatcher(None, title[:200], words[:200]).ratio()
    return round(0.5 + likeness / 2 if words in title else likeness / 2, 4)


def _snippet(text: str, words: str) -> str:
    """The text around the words, or its beginning."""
    plain = " ".join(text.split())
    at = max(0, plain.lower().find(words.lower()) - _SNIPPET // 4) if words else 0
    return plain[at : at + _SNIPPET]
