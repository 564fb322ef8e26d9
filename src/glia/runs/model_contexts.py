"""What each model call was sent besides its messages: instructions, tools, settings. Stored once, named by its hash."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from uuid import UUID

import msgspec

from glia.kit.db import Database
from glia.models.types import ModelRequest, SystemMessage
from glia.runs import queries

_KNOWN = 10_000


class SentTool(msgspec.Struct, frozen=True):
    name: str
    description: str
    schema: object


class SentContext(msgspec.Struct, frozen=True):
    """model: as the agent names it; None for the default."""

    model: str | None
    instructions: str
    tools: list[SentTool]
    settings: dict[str, object]


class ModelContexts:
    """Remembers which are stored already, so that a run whose agent has not changed pays nothing."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._known: OrderedDict[tuple[UUID, str], None] = OrderedDict()

    async def keep(self, workspace_id: UUID, model: str | None, request: ModelRequest) -> str:
        """Stores what the request holds besides the conversation and returns its name."""
        first = request.messages[0]
        context = SentContext(
            model,
            first.text if isinstance(first, SystemMessage) else "",
            [SentTool(tool.name, tool.description, tool.schema) for tool in request.tools],
            msgspec.to_builtins(request.settings),
        )
        body = msgspec.json.encode(context)
        key = hashlib.blake2b(body, digest_size=16).hexdigest()
        if (workspace_id, key) not in self._known:
            async with self._db.transaction(workspace_id) as tx:
                await queries.keep_context(tx, workspace_id, key, body.decode())
            self._known[workspace_id, key] = None
            if len(self._known) > _KNOWN:
                self._known.popitem(last=False)
        return key
