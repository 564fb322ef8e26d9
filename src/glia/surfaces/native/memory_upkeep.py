"""/v1/agents/{agent}/memory: how an agent's memory behaves, and what keeps it in order.

`@common` in the place of the agent means the memories that every agent of the workspace finds.
"""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Path
from fastapi.responses import Response
from pydantic import BaseModel, Field

from glia.identity.types import Principal
from glia.kit.errors import InvalidRequest
from glia.kit.ids import parse_id
from glia.memory.types import ForgetOrder, MemorySettings, Policy, Preference, Strategy, Tier
from glia.surfaces.native.memories import MemoryOut, TierName
from glia.surfaces.native.words import LimitText, ListOf
from glia.surfaces.shared.bodies import Body, Out, TheHouse, ThePrincipal, Time, WatchedRoute, id_of, number_of
from glia.wiring import House

router = APIRouter(prefix="/v1", tags=["memory"], route_class=WatchedRoute)

COMMON = "@common"
TheAgent = Annotated[str, Path(description="The agent's id or slug; `@common` for the common memories.")]


class MemorySettingsBody(Body):
    """shares_sessions: what is learnt or said in one session is found in the same user's others.

    is_learning: facts are extracted from a session once it has been quiet for idle_seconds. model: what extracts them;
    null takes the default model, or plain rules where only the built-in one is there.
    keeps_answers: each answer is kept as a working memory. recalls: memories that fit a message are put into the prompt
    of the run that answers it.
    """

    shares_sessions: bool = False
    is_learning: bool = False
    idle_seconds: int = 600
    model: str | None = Field(None, max_length=200)
    keeps_answers: bool = False
    recalls: bool = False


class MemorySettingsOut(Out):
    """tended_at: when the memories were last put in order."""

    shares_sessions: bool
    is_learning: bool
    idle_seconds: int
    model: str | None
    tended_at: Time | None
    keeps_answers: bool
    recalls: bool


class PolicyBody(Body):
    """max_age_seconds: since it was last used. max_count: the strongest stay. min_strength: 0 to 1.

    is_archiving: what must go can be brought back; false deletes it for good.
    """

    max_age_seconds: int | None = None
    max_count: int | None = None
    min_strength: float | None = Field(None, strict=False)
    is_archiving: bool = True


class PolicyOut(Out):
    bucket: str
    max_age_seconds: int | None
    max_count: int | None
    min_strength: float | None
    is_archiving: bool


class ForgetBody(PolicyBody):
    """bucket: forget by the bounds given here; left away, the policies that are kept are followed.

    is_dry_run: only say what would go.
    """

    bucket: str | None = None
    tier: TierName | None = None
    is_dry_run: bool = False


class ForgottenOut(Out):
    """reason: `age`, `strength` or `count`."""

    id: UUID
    bucket: str
    tier: Tier
    content: str
    reason: str


class ForgetByBody(Body):
    """min_kept_seconds: what is younger stays. max_count: what is beyond goes, whatever the strategy.

    tiers: left away, all. is_dry_run: only say what would go.
    """

    strategy: Literal["time", "importance", "relevance", "conflict", "hybrid"] = "hybrid"
    tiers: list[TierName] = Field(default_factory=list[TierName], max_length=3)
    max_age_seconds: float = Field(30 * 86400.0, strict=False)
    min_importance: float = Field(0.3, strict=False)
    min_strength: float = Field(0.2, strict=False)
    max_count: int = 10_000
    min_kept_seconds: float = Field(7 * 86400.0, strict=False)
    is_archiving: bool = True
    is_dry_run: bool = False


class DecideBody(Body):
    """prefer: which of two memories is kept; `merge` makes a third one that says both."""

    prefer: Literal["newest", "confidence", "source", "model", "merge"] = "newest"


class DecisionOut(Out):
    """error: why it could not be decided."""

    conflict_id: UUID
    tier: Tier
    kept: Literal["newer", "older", "both", "merged"]
    error: str | None


class ConsolidateBody(Body):
    """similarity_threshold: 0.7 to 1; how much of their words two memories must share to be merged."""

    tier: TierName | None = None
    similarity_threshold: float = Field(0.9, strict=False)


class SummariseBody(Body):
    """max_memories: how many of the oldest become one. user_name: of this user; left away, those of nobody."""

    max_memories: int = 10
    user_name: str | None = Field(None, max_length=200)


class CheckBody(Body):
    is_repairing: bool = False


class MemoryIssueOut(Out):
    memory_id: UUID
    tier: Tier
    kind: str
    severity: Literal["low", "medium", "high", "critical"]
    is_repairable: bool


class CheckOut(BaseModel):
    issues: list[MemoryIssueOut]
    repaired: int


class QualityOut(Out):
    """Each from 0 to 1."""

    completeness: float
    accuracy: float
    relevance: float
    freshness: float
    consistency: float
    overall: float


class RatedOut(BaseModel):
    memory: MemoryOut
    quality: QualityOut


class CountOut(BaseModel):
    """count: of memories."""

    count: int


class UpkeepStartedOut(BaseModel):
    """run_id: the job; follow it at /v1/runs/{run_id}."""

    run_id: UUID


class RecallBody(Body):
    """session_id: only what was said in this session."""

    query: str
    session_id: str | None = Field(None, max_length=100)
    limit: int = 10


class TurnOut(Out):
    """before, after: what was said around it. seq: the event in the session's log."""

    session_id: UUID
    seq: int
    run_id: UUID | None
    role: str
    at: Time
    text: str
    before: str
    after: str
    lexical: float | None
    dense: float | None
    score: float


async def _owner(house: House, principal: Principal, agent: str) -> UUID | None:
    return None if agent == COMMON else (await house.agents.find(principal, agent)).id


@router.get("/agents/{agent}/memory/settings")
async def settings(agent: str, house: TheHouse, principal: ThePrincipal) -> MemorySettingsOut:
    """How the agent's memory behaves."""
    found = await house.agents.find(principal, agent)
    return MemorySettingsOut.of(await house.upkeep.settings(principal, found.id))


@router.put("/agents/{agent}/memory/settings")
async def set_settings(
    agent: str, body: MemorySettingsBody, house: TheHouse, principal: ThePrincipal
) -> MemorySettingsOut:
    """Say how the agent's memory behaves; what is left away gets its default."""
    found = await house.agents.find(principal, agent)
    wanted = MemorySettings(
        body.shares_sessions,
        body.is_learning,
        body.idle_seconds,
        body.model,
        keeps_answers=body.keeps_answers,
        recalls=body.recalls,
    )
    return MemorySettingsOut.of(await house.upkeep.set_settings(principal, found.id, wanted))


@router.get("/agents/{agent}/memory/policies")
async def policies(agent: TheAgent, house: TheHouse, principal: ThePrincipal) -> ListOf[PolicyOut]:
    """What may stay, per bucket."""
    found = await house.upkeep.policies(principal, await _owner(house, principal, agent))
    return ListOf(data=[PolicyOut.of(policy) for policy in found])


@router.put("/agents/{agent}/memory/policies/{bucket}")
async def set_policy(
    agent: TheAgent, bucket: str, body: PolicyBody, house: TheHouse, principal: ThePrincipal
) -> PolicyOut:
    """Say what may stay in a bucket. Followed when memories are put in order."""
    policy = Policy(bucket, body.max_age_seconds, body.max_count, body.min_strength, body.is_archiving)
    return PolicyOut.of(await house.upkeep.set_policy(principal, await _owner(house, principal, agent), policy))


@router.delete("/agents/{agent}/memory/policies/{bucket}", status_code=204, response_class=Response)
async def delete_policy(agent: TheAgent, bucket: str, house: TheHouse, principal: ThePrincipal) -> Response:
    """Let everything stay in a bucket again."""
    await house.upkeep.delete_policy(principal, await _owner(house, principal, agent), bucket)
    return Response(status_code=204)


@router.get("/agents/{agent}/memory/buckets")
async def buckets(agent: TheAgent, house: TheHouse, principal: ThePrincipal) -> ListOf[str]:
    """The buckets that hold something."""
    return ListOf(data=await house.upkeep.buckets(principal, await _owner(house, principal, agent)))


@router.post("/agents/{agent}/memory/forget")
async def forget(agent: TheAgent, body: ForgetBody, house: TheHouse, principal: ThePrincipal) -> ListOf[ForgottenOut]:
    """Forget by a policy, once. Answers what goes, and why."""
    policy = None
    if body.bucket is None and given_bound(body):
        raise InvalidRequest(
            f"`{given_bound(body)}` needs `bucket`, the one to forget in; without bounds the policies are followed.",
            field="bucket",
        )
    if body.bucket is not None:
        policy = Policy(body.bucket, body.max_age_seconds, body.max_count, body.min_strength, body.is_archiving)
    gone = await house.upkeep.forget(
        principal,
        await _owner(house, principal, agent),
        policy,
        tier=None if body.tier is None else Tier(body.tier),
        is_dry_run=body.is_dry_run,
    )
    return ListOf(data=[ForgottenOut.of(one) for one in gone])


def given_bound(body: ForgetBody) -> str | None:
    bounds = ("max_age_seconds", "max_count", "min_strength")
    return next((name for name in bounds if getattr(body, name) is not None), None)


@router.post("/agents/{agent}/memory/forget-by")
async def forget_by(agent: str, body: ForgetByBody, house: TheHouse, principal: ThePrincipal) -> ListOf[ForgottenOut]:
    """Forget by a strategy, from all buckets. Answers what goes, and why."""
    found = await house.agents.find(principal, agent)
    order = ForgetOrder(
        Strategy(body.strategy),
        tuple(Tier(tier) for tier in body.tiers),
        body.max_age_seconds,
        body.min_importance,
        body.min_strength,
        body.max_count,
        body.min_kept_seconds,
        body.is_archiving,
    )
    gone = await house.forgetting.forget(principal, found.id, order, is_dry_run=body.is_dry_run)
    return ListOf(data=[ForgottenOut.of(one) for one in gone])


@router.post("/agents/{agent}/memory/decide-conflicts")
async def decide_conflicts(
    agent: str, body: DecideBody, house: TheHouse, principal: ThePrincipal
) -> ListOf[DecisionOut]:
    """Decide the contradictions that nobody has decided by hand, the newest 500."""
    found = await house.agents.find(principal, agent)
    decided = await house.forgetting.decide(principal, found.id, Preference(body.prefer))
    return ListOf(data=[DecisionOut.of(one) for one in decided])


@router.post("/agents/{agent}/memory/consolidate")
async def consolidate(agent: TheAgent, body: ConsolidateBody, house: TheHouse, principal: ThePrincipal) -> CountOut:
    """Merge memories that say nearly the same. Answers how many were merged into others."""
    tier = None if body.tier is None else Tier(body.tier)
    owner = await _owner(house, principal, agent)
    return CountOut(count=await house.upkeep.consolidate(principal, owner, tier=tier, alike=body.similarity_threshold))


@router.post("/agents/{agent}/memory/resolve-conflicts")
async def resolve_conflicts(agent: TheAgent, house: TheHouse, principal: ThePrincipal) -> CountOut:
    """Look for contradictions among all memories; the newest wins. Answers how many were superseded."""
    return CountOut(count=await house.upkeep.resolve_conflicts(principal, await _owner(house, principal, agent)))


@router.post("/agents/{agent}/memory/summarise", status_code=201, response_model=MemoryOut)
async def summarise(agent: str, body: SummariseBody, house: TheHouse, principal: ThePrincipal) -> MemoryOut | Response:
    """Make one memory of the oldest ones, which it supersedes; 204 when there are fewer than two."""
    found = await house.agents.find(principal, agent)
    made = await house.upkeep.summarise(principal, found.id, most=body.max_memories, user_name=body.user_name)
    return Response(status_code=204) if made is None else MemoryOut.of(made)


@router.get("/agents/{agent}/memory/quality")
async def qualities(
    agent: TheAgent, house: TheHouse, principal: ThePrincipal, limit: LimitText = None
) -> ListOf[RatedOut]:
    """How good the memories are, the worst first; of the oldest 1,000."""
    owner = await _owner(house, principal, agent)
    found = await house.upkeep.qualities(principal, owner, limit=number_of(limit, "limit", 20))
    return ListOf(data=[RatedOut(memory=MemoryOut.of(one.memory), quality=QualityOut.of(one.quality)) for one in found])


@router.post("/agents/{agent}/memory/check")
async def check(agent: TheAgent, body: CheckBody, house: TheHouse, principal: ThePrincipal) -> CheckOut:
    """Look for damaged memories, and mend what can be mended."""
    owner = await _owner(house, principal, agent)
    found = await house.upkeep.check(principal, owner, is_repairing=body.is_repairing)
    return CheckOut(issues=[MemoryIssueOut.of(issue) for issue in found.issues], repaired=found.repaired)


@router.post("/agents/{agent}/memory/tend", status_code=202)
async def tend(agent: str, house: TheHouse, principal: ThePrincipal) -> UpkeepStartedOut:
    """Put the agent's memories in order in the background."""
    found = await house.agents.find(principal, agent)
    return UpkeepStartedOut(run_id=await house.sleep_time.ask_to_tend(principal, found.id))


@router.post("/agents/{agent}/memory/conversations/search")
async def search_conversations(
    agent: str, body: RecallBody, house: TheHouse, principal: ThePrincipal
) -> ListOf[TurnOut]:
    """Find what was said in the agent's sessions."""
    found = await house.agents.find(principal, agent)
    session = None if body.session_id is None else id_of(body.session_id, "session_id")
    turns = await house.conversations.search(
        principal, body.query, agent_id=found.id, session_id=session, limit=body.limit
    )
    return ListOf(data=[TurnOut.of(turn) for turn in turns])


@router.post("/sessions/{session}/learn", status_code=202)
async def learn(session: str, house: TheHouse, principal: ThePrincipal) -> UpkeepStartedOut:
    """Extract facts from a session in the background, now."""
    return UpkeepStartedOut(run_id=await house.sleep_time.ask_to_learn(principal, parse_id(session, "session")))
