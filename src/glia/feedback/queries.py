"""All SQL of feedback."""

from __future__ import annotations

from typing import LiteralString
from uuid import UUID

from glia.feedback.types import Feedback, FeedbackSpec, FeedbackStats
from glia.kit.db import Transaction, json
from glia.kit.pages import Window

_FEEDBACK: LiteralString = """
  select id, number, kind, agent_id, session_id, message_seq, user_name, rating, comment, metadata, created_by,
    created_at
  from feedback """


async def agent_of(tx: Transaction, session_id: UUID) -> UUID | None:
    return await tx.value("select agent_id from sessions where id = %(id)s and deleted_at is null", id=session_id)


async def has_agent(tx: Transaction, agent_id: UUID) -> bool:
    found = await tx.value("select true from agents where id = %(id)s and deleted_at is null", id=agent_id)
    return found is True


async def insert(
    tx: Transaction, id: UUID, spec: FeedbackSpec, *, workspace_id: UUID, project_id: UUID, created_by: str
) -> None:
    await tx.execute(
        """
        insert into feedback (id, workspace_id, project_id, agent_id, session_id, message_seq, user_name, kind, rating,
          comment, metadata, created_by)
        values (%(id)s, %(workspace_id)s, %(project_id)s, %(agent_id)s, %(session_id)s, %(message_seq)s,
          %(user_name)s, %(kind)s, %(rating)s, %(comment)s, %(metadata)s, %(created_by)s)""",
        id=id,
        workspace_id=workspace_id,
        project_id=project_id,
        agent_id=spec.agent_id,
        session_id=spec.session_id,
        message_seq=spec.message_seq,
        user_name=spec.user_name,
        kind=spec.kind,
        rating=spec.rating,
        comment=spec.comment,
        metadata=json(spec.metadata),
        created_by=created_by,
    )


async def get(tx: Transaction, id: UUID) -> Feedback | None:
    return await tx.one_or_none(Feedback, _FEEDBACK + "where id = %(id)s", id=id)


async def list_page(
    tx: Transaction, window: Window, *, agent_id: UUID | None, session_id: UUID | None, kind: str | None
) -> list[Feedback]:
    return await tx.many(
        Feedback,
        _FEEDBACK
        + """
        where (%(agent_id)s::uuid is null or agent_id = %(agent_id)s)
          and (%(session_id)s::uuid is null or session_id = %(session_id)s)
          and (%(kind)s::text is null or kind = %(kind)s) and (%(after)s::uuid is null or id < %(after)s)
        order by id desc limit %(rows)s""",
        agent_id=agent_id,
        session_id=session_id,
        kind=kind,
        after=window.after,
        rows=window.limit + 1,
    )


async def stats(tx: Transaction, agent_id: UUID | None) -> FeedbackStats:
    return await tx.one(
        FeedbackStats,
        """
        select count(*) as total, count(*) filter (where kind = 'positive') as positive,
          count(*) filter (where kind = 'negative') as negative, count(*) filter (where kind = 'neutral') as neutral,
          count(*) filter (where kind = 'correction') as corrections, avg(rating)::float8 as average_rating
        from feedback where %(agent_id)s::uuid is null or agent_id = %(agent_id)s""",
        agent_id=agent_id,
    )


async def delete(tx: Transaction, id: UUID) -> bool:
    return await tx.execute("delete from feedback where id = %(id)s", id=id) == 1
