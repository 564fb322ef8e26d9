"""Spaces: open, share, write in, look at what happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from glia.collaboration import queries
from glia.collaboration.errors import OnlyLooking, ParticipantNotFound, SpaceNotFound, TooManyParticipants
from glia.collaboration.types import News, Participant, Space, SpaceRole, Update, UpdateKind
from glia.identity.types import Principal
from glia.kit.db import Database, Transaction
from glia.kit.errors import Conflict, InvalidRequest
from glia.kit.ids import new_id
from glia.kit.pages import Page, Window, page_of

MOST_SPACES = 10_000
MOST_PARTICIPANTS = 1_000
LONGEST_NAME = 200
LONGEST_TEXT = 20_000
LARGEST_CONTEXT_BYTES = 256_000


@dataclass(frozen=True)
class Author:
    """In whose name something is written: an agent's, or a person's; the principal's own when both are None."""

    agent_id: UUID | None = None
    user_name: str | None = None


MYSELF = Author()


class Spaces:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def create(
        self,
        principal: Principal,
        name: str,
        *,
        description: str = "",
        context: dict[str, object] | None = None,
        owner: str | None = None,
    ) -> Space:
        """owner: a person's name; the principal's when not given. The owner takes part from the beginning."""
        principal.require("collaboration:write")
        _check_text(name, "name", LONGEST_NAME, is_needed=True)
        _check_text(description, "description", LONGEST_TEXT)
        _check_json(context or {}, "context")
        id, owner = new_id(), (owner or principal.name)[:200]
        async with self._db.transaction(principal.workspace_id) as tx:
            if await queries.count(tx) >= MOST_SPACES:
                raise Conflict(f"This workspace has {MOST_SPACES} spaces, the most; delete some.")
            await queries.insert(
                tx,
                id,
                workspace_id=principal.workspace_id,
                project_id=principal.project_id,
                name=name,
                description=description,
                owner=owner,
                context=context or {},
            )
            await queries.put_participant(
                tx,
                new_id(),
                id,
                workspace_id=principal.workspace_id,
                user_name=owner,
                agent_id=None,
                role=SpaceRole.OWNER,
            )
            return await _get(tx, id)

    async def get(self, principal: Principal, id: UUID) -> tuple[Space, list[Participant]]:
        principal.require("collaboration:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await _get(tx, id), await queries.participants(tx, id)

    async def list(self, principal: Principal, window: Window, *, agent_id: UUID | None = None) -> Page[Space]:
        """Newest first. agent_id: those in which this agent takes part."""
        principal.require("collaboration:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            rows = await queries.list_page(tx, window, agent_id=agent_id)
        return page_of(rows, window, lambda space: space.id)

    async def update(
        self, principal: Principal, id: UUID, changes: Mapping[str, Any], *, author: Author = MYSELF
    ) -> Space:
        """changes: name, description, context (whole); a new context is written into the log as `context_sync`."""
        principal.require("collaboration:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            space = await _lock(tx, id)
            await _require_member(tx, id, author)
            wanted: dict[str, Any] = {
                "name": space.name,
                "description": space.description,
                "context": space.context,
                **changes,
            }
            _check_text(wanted["name"], "name", LONGEST_NAME, is_needed=True)
            _check_text(wanted["description"], "description", LONGEST_TEXT)
            _check_json(wanted["context"], "context")
            await queries.update(tx, id, **wanted)
            if wanted["context"] != space.context:
                news = News(UpdateKind.CONTEXT_SYNC, "The shared context was changed.", wanted["context"])
                await _append(tx, principal, id, news, author)
            return await _get(tx, id)

    async def delete(self, principal: Principal, id: UUID) -> None:
        principal.require("collaboration:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            if not await queries.delete(tx, id):
                raise _missing(id)

    async def admit(
        self,
        principal: Principal,
        id: UUID,
        role: SpaceRole,
        *,
        user_name: str | None = None,
        agent_id: UUID | None = None,
    ) -> Participant:
        """Lets a person or an agent take part, or changes their role; the log says so."""
        principal.require("collaboration:write")
        if (user_name is None) == (agent_id is None):
            raise InvalidRequest("Give `user_name` or `agent_id`, one of both.", field="agent_id")
        _check_text(user_name or "someone", "user_name", 200, is_needed=True)
        async with self._db.transaction(principal.workspace_id) as tx:
            await _lock(tx, id)
            if agent_id is not None and not await queries.has_agent(tx, agent_id):
                raise InvalidRequest(f"There is no agent '{agent_id}' in this workspace.", field="agent_id")
            if len(await queries.participants(tx, id)) >= MOST_PARTICIPANTS:
                raise TooManyParticipants(f"{MOST_PARTICIPANTS} take part in this space, the most there can be.")
            await queries.put_participant(
                tx,
                new_id(),
                id,
                workspace_id=principal.workspace_id,
                user_name=user_name,
                agent_id=agent_id,
                role=role,
            )
            who = f"agent {agent_id}" if agent_id else str(user_name)
            told: dict[str, object] = {"role": role.value}
            told |= {"agent_id": str(agent_id)} if agent_id else {"user_name": user_name}
            await _append(tx, principal, id, News(UpdateKind.STATE_CHANGE, f"{who} takes part as {role}.", told))
            found = await queries.participants(tx, id)
        return next(one for one in found if (one.user_name, one.agent_id) == (user_name, agent_id))

    async def dismiss(self, principal: Principal, id: UUID, participant_id: UUID) -> None:
        principal.require("collaboration:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            await _lock(tx, id)
            if not await queries.delete_participant(tx, id, participant_id):
                raise ParticipantNotFound(f"Nobody takes part in this space as '{participant_id}'.")
            gone: dict[str, object] = {"participant_id": str(participant_id)}
            await _append(tx, principal, id, News(UpdateKind.STATE_CHANGE, "A participant left.", gone))

    async def write(self, principal: Principal, id: UUID, news: News, *, author: Author = MYSELF) -> Update:
        """Raises OnlyLooking for an author who takes part as a viewer, or an agent that does not take part."""
        principal.require("collaboration:write")
        _check_text(news.content, "content", LONGEST_TEXT)
        _check_json(news.data, "data")
        async with self._db.transaction(principal.workspace_id) as tx:
            await _lock(tx, id)
            await _require_member(tx, id, author)
            return await _append(tx, principal, id, news, author)

    async def updates(self, principal: Principal, id: UUID, *, after: int = 0, limit: int = 100) -> list[Update]:
        """What happened behind `after`, oldest first."""
        principal.require("collaboration:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            await _get(tx, id)
            return await queries.updates(tx, id, after=after, limit=limit)


async def _append(tx: Transaction, principal: Principal, id: UUID, news: News, author: Author = MYSELF) -> Update:
    name = author.user_name or (f"agent:{author.agent_id}" if author.agent_id else principal.name)
    return await queries.append(
        tx, id, news, workspace_id=principal.workspace_id, author=name, agent_id=author.agent_id
    )


async def _require_member(tx: Transaction, id: UUID, author: Author) -> None:
    """A principal that writes in nobody else's name has its rights from its scopes."""
    if author.agent_id is None and author.user_name is None:
        return
    role = await queries.role_of(tx, id, agent_id=author.agent_id, user_name=author.user_name)
    who = f"agent '{author.agent_id}'" if author.agent_id else f"user {str(author.user_name)[:100]!r}"
    if role is None:
        raise OnlyLooking(f"The {who} does not take part in this space; add it as a participant first.")
    if role == SpaceRole.VIEWER:
        raise OnlyLooking(f"The {who} takes part as a viewer, who may only look.")


async def _get(tx: Transaction, id: UUID) -> Space:
    space = await queries.get(tx, id)
    if space is None:
        raise _missing(id)
    return space


async def _lock(tx: Transaction, id: UUID) -> Space:
    space = await queries.lock(tx, id)
    if space is None:
        raise _missing(id)
    return space


def _missing(id: UUID) -> SpaceNotFound:
    return SpaceNotFound(f"There is no space '{id}' in this workspace.", space_id=str(id))


def _check_text(text: str, field: str, longest: int, *, is_needed: bool = False) -> None:
    if is_needed and not text.strip():
        raise InvalidRequest(f"`{field}` is empty.", field=field)
    if len(text) > longest or "\0" in text:
        raise InvalidRequest(f"`{field}` has {len(text)} characters; the most is {longest}, without NUL.", field=field)


def _check_json(value: object, field: str) -> None:
    if not isinstance(value, dict):
        raise InvalidRequest(f"`{field}` must be an object.", field=field)
    packed = orjson.dumps(value)
    if len(packed) > LARGEST_CONTEXT_BYTES or b"\\u0000" in packed:
        raise InvalidRequest(
            f"`{field}` has {len(packed)} bytes as JSON; the most is {LARGEST_CONTEXT_BYTES}, without NUL.",
            field=field,
        )
