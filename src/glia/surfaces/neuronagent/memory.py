"""/api/v1/agents/{id}/memory and /api/v1/memory: flat chunks, and what keeps an agent's memory in order."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response

from glia.identity.types import Principal
from glia.kit.clock import now
from glia.kit.errors import InvalidRequest, NotFound
from glia.kit.ids import new_id
from glia.memory.types import Filter, ForgetOrder, Memory, MemoryStatus, Quality, Scope, Strategy
from glia.surfaces.neuronagent.auth import TheCaller
from glia.surfaces.neuronagent.memory_bodies import (
    ISSUES,
    PREFER,
    CheckedOut,
    ConsolidateBody,
    ConsolidatedOut,
    DecidedOut,
    FeedbackBody,
    FeedbackOut,
    ForgetBody,
    ForgetConfig,
    ForgottenOut,
    IssueOut,
    QualityOut,
    RatedOut,
    ResolveBody,
    ResolvedOut,
    SearchBody,
    SummarizeBody,
    SummarizedOut,
)
from glia.surfaces.neuronagent.memory_words import (
    ChunkOut,
    FoundChunkOut,
    Numbers,
    chunk_out,
    found_out,
    memory_named,
    milliseconds_since,
    tier_name,
    tier_of,
)
from glia.surfaces.neuronagent.words import ThePart, number_in, part_from, uuid_in
from glia.surfaces.shared.bodies import TheHouse, WatchedRoute
from glia.wiring import House

router = APIRouter(prefix="/api/v1", tags=["memory"], route_class=WatchedRoute)

_MOST_FOUND = 100
_USUAL_FOUND = 5


async def agent_in(house: House, principal: Principal, id: str) -> UUID:
    """The agent's id, once it is known to be there and its newest answers are among its memories."""
    agent = (await house.agents.get(principal, uuid_in(id))).id
    await house.answers.catch_up(principal.workspace_id, principal.project_id, agent)
    return agent


@router.get("/agents/{id}/memory")
async def list_chunks(id: str, house: TheHouse, principal: TheCaller, part: ThePart) -> list[ChunkOut]:
    """List an agent's memory chunks, newest first."""
    agent, numbers = await agent_in(house, principal, id), Numbers(house, principal)
    found = await part_from(
        lambda window: house.memories.list(principal, window, Filter(agent_id=agent)), part, _is_alive
    )
    return [await chunk_out(memory, numbers) for memory in found]


def _is_alive(memory: Memory) -> bool:
    return memory.expires_at is None or memory.expires_at > now()


@router.post("/agents/{id}/memory/search")
async def search(id: str, body: SearchBody, house: TheHouse, principal: TheCaller) -> list[FoundChunkOut]:
    """The chunks that fit a query by meaning and words, best first."""
    agent = await agent_in(house, principal, id)
    most = body.top_k if body.top_k is not None else body.limit if body.limit is not None else _USUAL_FOUND
    if not 1 <= most <= _MOST_FOUND:
        name = "top_k" if body.top_k is not None else "limit"
        raise InvalidRequest(f"`{name}` is {most}; it must be between 1 and {_MOST_FOUND}.", field=name)
    recall = await house.memories.search(principal, body.query, Scope(agent), limit=most)
    if recall.is_fallback:
        return []
    numbers, best = Numbers(house, principal), max(one.lexical or 0.0 for one in recall.found)
    return [await found_out(one, best, numbers) for one in recall.found]


@router.get("/memory/{chunk_id}")
async def get_chunk(chunk_id: str, house: TheHouse, principal: TheCaller) -> ChunkOut:
    """One chunk."""
    memory = await house.memories.numbered(principal, number_in(chunk_id, "chunk_id"))
    if memory.status is not MemoryStatus.ACTIVE:
        raise NotFound(f"The memory chunk {memory.number} is {memory.status.value}; nothing finds it any more.")
    return await chunk_out(memory, Numbers(house, principal))


@router.delete("/memory/{chunk_id}", status_code=204, response_class=Response)
async def delete_chunk(chunk_id: str, house: TheHouse, principal: TheCaller) -> Response:
    """Delete a chunk for good."""
    memory = await house.memories.numbered(principal, number_in(chunk_id, "chunk_id"))
    await house.memories.delete(principal, memory.id)
    return Response(status_code=204)


@router.post("/memory/{id}/summarize")
async def summarize(id: str, house: TheHouse, principal: TheCaller, body: SummarizeBody | None = None) -> SummarizedOut:
    """Make one chunk of the oldest. `id`: an agent's, or that of a chunk, whose agent is meant."""
    if id.isascii() and id.isdigit():
        memory = await house.memories.numbered(principal, number_in(id))
        if memory.agent_id is None:
            raise InvalidRequest("This chunk belongs to no agent; name an agent instead.", field="id")
        id = str(memory.agent_id)
    return await _summarize(id, body or SummarizeBody.model_validate({}), house, principal)


@router.post("/agents/{id}/memory/summarize")
async def summarize_agent(
    id: str, house: TheHouse, principal: TheCaller, body: SummarizeBody | None = None
) -> SummarizedOut:
    """Make one chunk of the agent's oldest."""
    return await _summarize(id, body or SummarizeBody.model_validate({}), house, principal)


async def _summarize(id: str, body: SummarizeBody, house: House, principal: Principal) -> SummarizedOut:
    agent = await agent_in(house, principal, id)
    if not 2 <= body.max_chunks <= 100:
        raise InvalidRequest(f"`max_chunks` is {body.max_chunks}; it must be between 2 and 100.", field="max_chunks")
    made = await house.upkeep.summarise(principal, agent, most=body.max_chunks, is_of_all=True)
    if made is not None and body.max_length is not None and len(made.content) > body.max_length:
        made = await house.memories.update(principal, made.id, {"content": made.content[: body.max_length]})
    return SummarizedOut(
        status="summarized",
        max_chunks=body.max_chunks,
        agent_id=agent,
        summary=None if made is None else made.content,
        chunk_id=None if made is None else made.number,
    )


@router.post("/memory/{memory_id}/feedback", status_code=201)
async def memory_feedback(memory_id: str, body: FeedbackBody, house: TheHouse, principal: TheCaller) -> FeedbackOut:
    """Say what a memory was worth, which moves its importance and quality."""
    if body.agent_id is None:
        raise InvalidRequest("`agent_id` is missing.", field="agent_id")
    return await _feed(memory_id, body.agent_id, body, house, principal)


@router.post("/agents/{id}/memory/feedback", status_code=201)
async def agent_memory_feedback(id: str, body: FeedbackBody, house: TheHouse, principal: TheCaller) -> FeedbackOut:
    """The same, with the memory in the body."""
    if body.memory_id is None:
        raise InvalidRequest("`memory_id` is missing.", field="memory_id")
    return await _feed(str(body.memory_id), id, body, house, principal)


async def _feed(memory_id: str, agent_id: str, body: FeedbackBody, house: House, principal: Principal) -> FeedbackOut:
    started = now()
    agent = (await house.agents.get(principal, uuid_in(agent_id, "agent_id"))).id
    memory = await memory_named(house, principal, memory_id, "memory_id")
    if memory.agent_id != agent:
        raise NotFound(f"The agent '{agent}' has no memory {memory_id[:100]!r}.")
    if body.memory_tier != "chunk" and memory.tier is not tier_of(body.memory_tier):
        raise NotFound(f"The memory {memory_id!r} lies in `{tier_name(memory.tier)}`, not in `{body.memory_tier}`.")
    is_useful = {"positive": True, "negative": False, "correction": False}.get(body.feedback_type)
    if is_useful is None and body.relevance_score is not None:
        is_useful = None if body.relevance_score == 0.5 else body.relevance_score > 0.5
    id = new_id()
    said = {
        "type": body.feedback_type,
        "text": body.feedback_text,
        "query": body.query,
        "relevance_score": body.relevance_score,
        "session_id": None if body.session_id is None else str(uuid_in(body.session_id, "session_id")),
        "metadata": body.metadata,
    }
    await house.memories.feedback(principal, memory.id, is_useful=is_useful, comment=_comment(said), feedback_id=id)
    done = now()
    return FeedbackOut(
        feedback_id=id,
        memory_id=memory_id,
        agent_id=agent,
        feedback_type=body.feedback_type,
        status="recorded",
        message="The feedback was recorded.",
        duration_ms=milliseconds_since(started, done),
        created_at=done,
    )


def _comment(said: dict[str, Any]) -> str:
    import json

    text = json.dumps({name: value for name, value in said.items() if value is not None}, ensure_ascii=False)
    if len(text) > 2_000:
        raise InvalidRequest("The feedback has more than 2000 characters in all; shorten its text.", field="metadata")
    return text


@router.post("/agents/{id}/memory/consolidate")
async def consolidate(
    id: str, house: TheHouse, principal: TheCaller, body: ConsolidateBody | None = None
) -> ConsolidatedOut:
    """Merge memories of a tier that say nearly the same."""
    body, started = body or ConsolidateBody.model_validate({}), now()
    agent = await agent_in(house, principal, id)
    merged = await house.upkeep.consolidate(principal, agent, tier=tier_of(body.tier), alike=body.similarity_threshold)
    return ConsolidatedOut(
        agent_id=agent,
        tier=body.tier,
        similarity_threshold=body.similarity_threshold,
        consolidated_count=merged,
        status="completed",
        duration_ms=milliseconds_since(started, now()),
        completed_at=now(),
    )


@router.get("/agents/{id}/memory/quality", response_model_exclude_none=True)
async def quality(
    id: str,
    house: TheHouse,
    principal: TheCaller,
    memory_id: Annotated[str | None, Query(description="Of this memory alone.", max_length=100)] = None,
    tier: Annotated[str | None, Query(description="The tier in which it lies.", max_length=20)] = None,
) -> RatedOut:
    """How good a memory is, or all of them."""
    started, agent = now(), await agent_in(house, principal, id)
    wanted = None if tier in (None, "chunk") else tier_of(tier)
    if memory_id is not None:
        memory = await memory_named(house, principal, memory_id, "memory_id")
        if memory.agent_id != agent or (wanted is not None and memory.tier is not wanted):
            raise NotFound(f"The agent '{agent}' has no memory {memory_id[:100]!r} in this tier.")
        rated = await house.upkeep.quality(principal, memory.id)
        return RatedOut(
            agent_id=agent,
            memory_id=memory.id,
            tier=tier_name(memory.tier),
            quality=_quality(rated.quality),
            duration_ms=milliseconds_since(started, now()),
            scored_at=now(),
        )
    found = await house.upkeep.qualities(principal, agent, limit=1000)
    rated_all = [one for one in found if wanted is None or one.memory.tier is wanted]
    return RatedOut(
        agent_id=agent,
        status="completed",
        updated=len(rated_all),
        message=f"{len(rated_all)} memories were rated.",
        memories=[
            {
                "memory_id": str(one.memory.id),
                "tier": tier_name(one.memory.tier),
                "quality": _quality(one.quality).model_dump(),
            }
            for one in rated_all[:100]
        ],
        duration_ms=milliseconds_since(started, now()),
        updated_at=now(),
    )


def _quality(found: Quality) -> QualityOut:
    return QualityOut(
        completeness=found.completeness,
        accuracy=found.accuracy,
        relevance=found.relevance,
        freshness=found.freshness,
        consistency=found.consistency,
        overall_score=found.overall,
    )


@router.post("/agents/{id}/memory/forget")
async def forget(id: str, house: TheHouse, principal: TheCaller, body: ForgetBody | None = None) -> ForgottenOut:
    """Forget by a strategy. What goes is set aside, unless `archive_before_delete` is false."""
    body, started = body or ForgetBody(), now()
    agent, config = await agent_in(house, principal, id), body.config
    order = ForgetOrder(
        Strategy(config.strategy),
        () if body.tier == "all" else (tier_of(body.tier),),
        config.time_threshold_hours * 3600,
        config.importance_threshold,
        config.relevance_threshold,
        config.max_memory_size,
        config.min_retention_hours * 3600,
        config.archive_before_delete,
    )
    gone = await house.forgetting.forget(principal, agent, order)
    names: list[str] = ["stm", "mtm", "lpm"] if body.tier == "all" else [body.tier]
    return ForgottenOut(
        agent_id=agent,
        tier=body.tier,
        status="completed",
        total_forgotten=len(gone),
        tier_results={name: sum(one.tier is tier_of(name) for one in gone) for name in names},
        config_used=config.model_dump(include=set(ForgetConfig.model_fields)),
        duration_ms=milliseconds_since(started, now()),
        completed_at=now(),
    )


@router.post("/agents/{id}/memory/check-corruption")
async def check_corruption(id: str, house: TheHouse, principal: TheCaller) -> CheckedOut:
    """Look for damaged memories, and mend what can be mended."""
    return await _check(id, house, principal, now())


@router.post("/agents/{id}/memory/corruption")
async def corruption(id: str, house: TheHouse, principal: TheCaller) -> CheckedOut:
    """The same under another name."""
    return await _check(id, house, principal, now())


async def _check(id: str, house: House, principal: Principal, started: datetime) -> CheckedOut:
    agent = await agent_in(house, principal, id)
    found = await house.upkeep.check(principal, agent, is_repairing=True)
    issues = [
        IssueOut(
            memory_id=one.memory_id,
            tier=tier_name(one.tier),
            issue_type=ISSUES.get(one.kind, (one.kind, ""))[0],
            description=ISSUES.get(one.kind, ("", one.kind))[1],
            severity=one.severity,  # type: ignore[arg-type] # one of the four
            repairable=one.is_repairable,
        )
        for one in found.issues
    ]
    severities = [issue.severity for issue in issues]
    return CheckedOut(
        agent_id=agent,
        status="healthy" if not issues else "repaired" if found.repaired >= len(issues) else "issues_found",
        total_issues=len(issues),
        conflicts=sum(issue.issue_type == "conflict" for issue in issues),
        repairable=sum(issue.repairable for issue in issues),
        repaired=found.repaired,
        severity_counts={name: severities.count(name) for name in ("low", "medium", "high", "critical")},
        issues=issues,
        duration_ms=milliseconds_since(started, now()),
        checked_at=now(),
    )


@router.post("/agents/{id}/memory/resolve-conflicts")
async def resolve_conflicts(
    id: str, house: TheHouse, principal: TheCaller, body: ResolveBody | None = None
) -> ResolvedOut:
    """Decide between memories that contradict each other."""
    return await _resolve(id, body or ResolveBody(), house, principal)


@router.post("/agents/{id}/memory/conflicts")
async def conflicts(id: str, house: TheHouse, principal: TheCaller, body: ResolveBody | None = None) -> ResolvedOut:
    """The same under another name."""
    return await _resolve(id, body or ResolveBody(), house, principal)


async def _resolve(id: str, body: ResolveBody, house: House, principal: Principal) -> ResolvedOut:
    started, agent = now(), await agent_in(house, principal, id)
    await house.upkeep.resolve_conflicts(principal, agent)
    decided = await house.forgetting.decide(principal, agent, PREFER[body.strategy])
    results = [
        DecidedOut(
            conflict_id=one.conflict_id,
            tier=tier_name(one.tier),
            type="contradiction",
            resolved=one.error is None,
            error=one.error,
        )
        for one in decided
    ]
    return ResolvedOut(
        agent_id=agent,
        strategy=body.strategy,
        status="completed",
        conflicts_found=len(results),
        conflicts_resolved=sum(result.resolved for result in results),
        resolution_results=results,
        duration_ms=milliseconds_since(started, now()),
        completed_at=now(),
    )
