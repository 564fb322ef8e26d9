"""What memory offers to agents: keeping a fact, and finding it again."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from glia.identity.types import Principal, system_principal
from glia.memory.service import LONGEST_CONTENT, LONGEST_QUERY, Memories
from glia.memory.types import Origin
from glia.tools.service import tool
from glia.tools.types import Effect, Tool, ToolContext

_LARGEST_ANSWER_CHARACTERS = 20_000


class SaveArguments(Struct, forbid_unknown_fields=True):
    content: Annotated[
        str,
        Meta(
            description="One fact in a whole sentence that is understood without this conversation.",
            min_length=1,
            max_length=LONGEST_CONTENT,
        ),
    ]


class SearchArguments(Struct, forbid_unknown_fields=True):
    query: Annotated[str, Meta(description="Words that the memory is likely to hold.", max_length=LONGEST_QUERY)]
    limit: Annotated[int, Meta(description="How many at most.", ge=1, le=50)] = 10


def memory_tools(memories: Memories) -> tuple[Tool, Tool]:
    """`memory_save` and `memory_search`, working on the memories of the agent that calls."""

    @tool(name="memory_save", effect=Effect.IDEMPOTENT, timeout_seconds=15)
    async def save(context: ToolContext, arguments: SaveArguments) -> str:
        """Keeps a fact for later conversations: a preference, a decision, something the user told about themselves."""
        origin = Origin(context.session_id, context.run_id, source_key=context.idempotency_key)
        saved = await memories.save(_caller(context), arguments.content, agent_id=context.agent_id, origin=origin)
        return f"Remembered as {saved.id}."

    @tool(name="memory_search", effect=Effect.READ, timeout_seconds=15)
    async def search(context: ToolContext, arguments: SearchArguments) -> str:
        """Finds facts that were remembered in earlier conversations."""
        recall = await memories.search(
            _caller(context), arguments.query, agent_id=context.agent_id, limit=arguments.limit
        )
        if not recall.memories:
            return "Nothing has been remembered yet."
        lines = [f"- {memory.content} (remembered {memory.created_at:%Y-%m-%d})" for memory in recall.memories]
        head = "Nothing matches these words. The newest memories are:" if recall.is_fallback else "Remembered:"
        return "\n".join([head, *lines])[:_LARGEST_ANSWER_CHARACTERS]

    return save, search


def _caller(context: ToolContext) -> Principal:
    return system_principal(context.workspace_id, context.project_id)
