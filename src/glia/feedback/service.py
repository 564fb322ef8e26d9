"""Feedback: give, look at, add up."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args
from uuid import UUID

import orjson

from glia.feedback import queries
from glia.feedback.errors import FeedbackNotFound
from glia.feedback.types import Feedback, FeedbackSpec, FeedbackStats, Kind
from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.errors import InvalidRequest, NotFound
from glia.kit.ids import new_id
from glia.kit.pages import Page, Window, page_of

LONGEST_COMMENT = 10_000
LARGEST_METADATA_BYTES = 32_000


class Feedbacks:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def give(self, principal: Principal, spec: FeedbackSpec) -> Feedback:
        """With a session, the agent is that session's. Raises InvalidRequest, and NotFound for what is not there."""
        principal.require("feedback:write")
        _check(spec)
        id = new_id()
        async with self._db.transaction(principal.workspace_id) as tx:
            if spec.session_id is not None:
                agent_id = await queries.agent_of(tx, spec.session_id)
                if agent_id is None:
                    raise NotFound(f"There is no session '{spec.session_id}' with an agent in this workspace.")
                if spec.agent_id not in (None, agent_id):
                    raise InvalidRequest("`agent_id` is not the agent of this session.", field="agent_id")
                spec = replace(spec, agent_id=agent_id)
            elif spec.agent_id is not None and not await queries.has_agent(tx, spec.agent_id):
                raise NotFound(f"There is no agent '{spec.agent_id}' in this workspace.")
            await queries.insert(
                tx,
                id,
                spec,
                workspace_id=principal.workspace_id,
                project_id=principal.project_id,
                created_by=principal.name,
            )
        return await self.get(principal, id)

    async def get(self, principal: Principal, id: UUID) -> Feedback:
        principal.require("feedback:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            found = await queries.get(tx, id)
        if found is None:
            raise FeedbackNotFound(f"There is no feedback '{id}' in this workspace.")
        return found

    async def list(
        self,
        principal: Principal,
        window: Window,
        *,
        agent_id: UUID | None = None,
        session_id: UUID | None = None,
        kind: str | None = None,
    ) -> Page[Feedback]:
        """Newest first."""
        principal.require("feedback:read")
        if kind is not None:
            _check_kind(kind)
        async with self._db.transaction(principal.workspace_id) as tx:
            rows = await queries.list_page(tx, window, agent_id=agent_id, session_id=session_id, kind=kind)
        return page_of(rows, window, lambda one: one.id)

    async def stats(self, principal: Principal, *, agent_id: UUID | None = None) -> FeedbackStats:
        principal.require("feedback:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await queries.stats(tx, agent_id)

    async def delete(self, principal: Principal, id: UUID) -> None:
        principal.require("feedback:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            if not await queries.delete(tx, id):
                raise FeedbackNotFound(f"There is no feedback '{id}' in this workspace.")


def _check_kind(kind: str) -> None:
    if kind not in get_args(Kind):
        raise InvalidRequest(f"`kind` {kind[:50]!r} is none of {', '.join(get_args(Kind))}.", field="kind")


def _check(spec: FeedbackSpec) -> None:
    _check_kind(spec.kind)
    if spec.rating is not None and not 1 <= spec.rating <= 5:
        raise InvalidRequest(f"`rating` is {spec.rating}; it must be between 1 and 5.", field="rating")
    if len(spec.comment) > LONGEST_COMMENT or "\0" in spec.comment:
        raise InvalidRequest(
            f"`comment` has {len(spec.comment)} characters; the most is {LONGEST_COMMENT}, without NUL.",
            field="comment",
        )
    if spec.user_name is not None and (not 1 <= len(spec.user_name) <= 200 or "\0" in spec.user_name):
        raise InvalidRequest("`user_name` must have between 1 and 200 characters, without NUL.", field="user_name")
    metadata = orjson.dumps(spec.metadata)
    if len(metadata) > LARGEST_METADATA_BYTES or b"\\u0000" in metadata:
        raise InvalidRequest(
            f"`metadata` may have {LARGEST_METADATA_BYTES} bytes as JSON, and no NUL character.", field="metadata"
        )
    if spec.message_seq is not None and spec.session_id is None:
        raise InvalidRequest("`message_seq` needs `session_id`: it counts within a session.", field="message_seq")
