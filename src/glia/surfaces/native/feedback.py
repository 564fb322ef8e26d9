"""/v1/feedback: what people say of answers."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import Field

from glia.feedback.types import FeedbackSpec
from glia.kit.ids import parse_id
from glia.surfaces.native.words import ListOf, TheWindow, agent_id_of, page_of
from glia.surfaces.shared.bodies import Body, Out, TheHouse, ThePrincipal, Time, WatchedRoute, id_of

router = APIRouter(prefix="/v1/feedback", tags=["feedback"], route_class=WatchedRoute)

KindName = Literal["positive", "negative", "neutral", "correction"]


class FeedbackBody(Body):
    """agent_id: id or slug; the session's own when a session is named. message_seq: the event in the session's log.

    rating: 1 to 5. user_name: who says so.
    """

    kind: KindName
    agent_id: str | None = Field(None, max_length=200)
    session_id: str | None = Field(None, max_length=100)
    message_seq: int | None = Field(None, ge=1, le=2**62)
    user_name: str | None = None
    rating: int | None = None
    comment: str = ""
    metadata: dict[str, Any] = Field(default_factory=dict[str, Any])


class FeedbackOut(Out):
    """number: counts feedback."""

    id: UUID
    number: int
    kind: KindName
    agent_id: UUID | None
    session_id: UUID | None
    message_seq: int | None
    user_name: str | None
    rating: int | None
    comment: str
    metadata: dict[str, Any]
    created_by: str
    created_at: Time


class FeedbackStatsOut(Out):
    """average_rating: null when nobody rated."""

    total: int
    positive: int
    negative: int
    neutral: int
    corrections: int
    average_rating: float | None


TheAgent = Annotated[str | None, Query(description="Only about this agent; its id or slug.")]


@router.post("", status_code=201)
async def give(body: FeedbackBody, house: TheHouse, principal: ThePrincipal) -> FeedbackOut:
    """Say what an answer, or an agent, was worth."""
    spec = FeedbackSpec(
        body.kind,
        None if body.agent_id is None else (await house.agents.find(principal, body.agent_id)).id,
        None if body.session_id is None else id_of(body.session_id, "session_id"),
        body.message_seq,
        body.user_name,
        body.rating,
        body.comment,
        body.metadata,
    )
    return FeedbackOut.of(await house.feedback.give(principal, spec))


@router.get("")
async def list_feedback(
    house: TheHouse,
    principal: ThePrincipal,
    window: TheWindow,
    agent_id: TheAgent = None,
    session_id: Annotated[str | None, Query(description="Only about this session.")] = None,
    kind: KindName | None = None,
) -> ListOf[FeedbackOut]:
    """List feedback, newest first."""
    found = await house.feedback.list(
        principal,
        window,
        agent_id=None if agent_id is None else await agent_id_of(house, principal, agent_id),
        session_id=None if session_id is None else id_of(session_id, "session_id"),
        kind=kind,
    )
    return page_of(found, FeedbackOut.of)


@router.get("/stats")
async def stats(house: TheHouse, principal: ThePrincipal, agent_id: TheAgent = None) -> FeedbackStatsOut:
    """How much of each kind there is, and the mean rating."""
    agent = None if agent_id is None else await agent_id_of(house, principal, agent_id)
    return FeedbackStatsOut.of(await house.feedback.stats(principal, agent_id=agent))


@router.get("/{feedback}")
async def get(feedback: str, house: TheHouse, principal: ThePrincipal) -> FeedbackOut:
    """One piece of feedback."""
    return FeedbackOut.of(await house.feedback.get(principal, parse_id(feedback, "feedback")))


@router.delete("/{feedback}", status_code=204, response_class=Response)
async def delete(feedback: str, house: TheHouse, principal: ThePrincipal) -> Response:
    """Take it back."""
    await house.feedback.delete(principal, parse_id(feedback, "feedback"))
    return Response(status_code=204)
