"""/api/v1/feedback: what people say of answers."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field

from glia.feedback.types import Feedback, FeedbackSpec
from glia.identity.types import Principal
from glia.kit.errors import InvalidRequest, NotFound
from glia.surfaces.neuronagent.auth import TheCaller
from glia.surfaces.neuronagent.memory_words import Numbers
from glia.surfaces.neuronagent.words import ThePart, part_from, session_and_seq, uuid_in
from glia.surfaces.shared.bodies import Body, Out, TheHouse, Time, WatchedRoute
from glia.wiring import House

router = APIRouter(prefix="/api/v1", tags=["feedback"], route_class=WatchedRoute)

KindName = Literal["positive", "negative", "neutral", "correction"]


class FeedbackBody(Body):
    """rating: 1 to 5. message_id: the message that it is about. feedback_type: told from the rating when not given."""

    feedback_type: KindName | None = None
    agent_id: str | None = None
    session_id: str | None = None
    message_id: int | None = Field(None, ge=1, le=2**63 - 1)
    user_id: str | None = Field(None, max_length=200)
    rating: int | None = Field(None, ge=1, le=5)
    comment: str | None = Field(None, max_length=10_000)
    metadata: dict[str, Any] | None = None


class FeedbackOut(Out):
    id: int
    agent_id: UUID | None
    session_id: UUID | None
    message_id: int | None
    user_id: str | None
    feedback_type: KindName
    rating: int | None
    comment: str | None
    metadata: dict[str, Any]
    created_at: Time


class StatsOut(Out):
    """average_rating: null when nobody rated."""

    total: int
    positive_count: int
    negative_count: int
    neutral_count: int
    correction_count: int
    average_rating: float | None


async def feedback_out(found: Feedback, numbers: Numbers) -> FeedbackOut:
    return FeedbackOut(
        id=found.number,
        agent_id=found.agent_id,
        session_id=found.session_id,
        message_id=await numbers.message(found.session_id, found.message_seq),
        user_id=found.user_name,
        feedback_type=found.kind,
        rating=found.rating,
        comment=found.comment or None,
        metadata=found.metadata,
        created_at=found.created_at,
    )


async def give_feedback(
    house: House, principal: Principal, body: FeedbackBody, session_id: UUID | None = None
) -> FeedbackOut:
    """session_id: of the path, for those who give it about a session."""
    if session_id is None and body.session_id is not None:
        session_id = uuid_in(body.session_id, "session_id")
    seq: int | None = None
    if body.message_id is not None:
        number, seq = session_and_seq(body.message_id)
        its_session = await house.messages.numbered(principal, number)
        if session_id not in (None, its_session):
            raise NotFound(f"The session '{session_id}' has no message {body.message_id}.")
        session_id = its_session
    spec = FeedbackSpec(
        body.feedback_type or _kind_of(body.rating),
        None if body.agent_id is None else uuid_in(body.agent_id, "agent_id"),
        session_id,
        seq,
        body.user_id,
        body.rating,
        body.comment or "",
        body.metadata or {},
    )
    return await feedback_out(await house.feedback.give(principal, spec), Numbers(house, principal))


def _kind_of(rating: int | None) -> KindName:
    if rating is None:
        raise InvalidRequest("`feedback_type` is missing; it, or a `rating`, is needed.", field="feedback_type")
    return "positive" if rating > 3 else "negative" if rating < 3 else "neutral"


@router.post("/feedback", status_code=201)
async def give(body: FeedbackBody, house: TheHouse, principal: TheCaller) -> FeedbackOut:
    """Say what an answer, or an agent, was worth."""
    return await give_feedback(house, principal, body)


@router.post("/sessions/{id}/feedback", status_code=201)
async def give_about_session(id: str, body: FeedbackBody, house: TheHouse, principal: TheCaller) -> FeedbackOut:
    """The same about a session."""
    return await give_feedback(house, principal, body, uuid_in(id))


AgentText = Annotated[str | None, Query(description="Only about this agent.", max_length=100)]


@router.get("/feedback")
async def list_feedback(
    house: TheHouse,
    principal: TheCaller,
    part: ThePart,
    agent_id: AgentText = None,
    session_id: Annotated[str | None, Query(description="Only about this session.", max_length=100)] = None,
    feedback_type: Annotated[KindName | None, Query(description="Only of this type.")] = None,
) -> list[FeedbackOut]:
    """List feedback, newest first."""
    agent = None if agent_id is None else uuid_in(agent_id, "agent_id")
    session = None if session_id is None else uuid_in(session_id, "session_id")
    found = await part_from(
        lambda window: house.feedback.list(principal, window, agent_id=agent, session_id=session, kind=feedback_type),
        part,
    )
    numbers = Numbers(house, principal)
    return [await feedback_out(one, numbers) for one in found]


@router.get("/feedback/stats")
async def stats(house: TheHouse, principal: TheCaller, agent_id: AgentText = None) -> StatsOut:
    """How much of each kind there is, and the mean rating."""
    agent = None if agent_id is None else uuid_in(agent_id, "agent_id")
    found = await house.feedback.stats(principal, agent_id=agent)
    return StatsOut(
        total=found.total,
        positive_count=found.positive,
        negative_count=found.negative,
        neutral_count=found.neutral,
        correction_count=found.corrections,
        average_rating=found.average_rating,
    )
