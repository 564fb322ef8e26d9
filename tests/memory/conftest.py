from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest

from glia.agents.service import Agents
from glia.agents.types import AgentSpec
from glia.identity.types import Principal
from glia.kit.db import Database
from glia.memory.service import Memories
from glia.sessions.service import Sessions

MakeAgent = Callable[[str], Awaitable[UUID]]
Say = Callable[..., Awaitable[UUID]]


@pytest.fixture
def memories(db: Database) -> Memories:
    return Memories(db)


@pytest.fixture
async def agent(db: Database, principal: Principal) -> UUID:
    return (await Agents(db).create(principal, AgentSpec(name="Clerk"))).id


@pytest.fixture
def say(db: Database, principal: Principal) -> Say:
    """Writes turns into a session's log, users' and the assistant's in turns; opens the session when none is given."""

    async def write(
        agent: UUID, *said: str, session: UUID | None = None, user_name: str | None = None, days_ago: int = 0
    ) -> UUID:
        metadata = {} if user_name is None else {"user_name": user_name}
        session = session or (await Sessions(db).create(principal, agent_id=agent, metadata=metadata)).id
        async with db.transaction(principal.workspace_id) as tx:
            last = await tx.value("select last_seq from sessions where id = %(id)s", id=session)
            for number, text in enumerate(said, last + 1):
                is_user = number % 2 == 1
                data = {"message": {"id": str(number), "content": text, "role": "assistant"}}
                if is_user:
                    data = {"message_id": str(number), "role": "user", "content": text}
                await tx.execute(
                    """
                    insert into events (session_id, seq, workspace_id, type, at, data)
                    values (%(session)s, %(seq)s, %(ws)s, %(type)s, now() - make_interval(days => %(days)s),
                      %(data)s)""",
                    session=session,
                    seq=number,
                    ws=principal.workspace_id,
                    type="message.received" if is_user else "run.completed",
                    days=days_ago,
                    data=json.dumps(data),
                )
            await tx.execute(
                "update sessions set last_seq = %(n)s, updated_at = now() where id = %(id)s",
                n=last + len(said),
                id=session,
            )
        return session

    return write
