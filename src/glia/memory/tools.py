"""What memory offers to agents: keeping facts, finding them again, and finding what was said."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from glia.identity.types import Principal, system_principal
from glia.memory.conversations import Conversations, shown
from glia.memory.errors import MemoryNotFound
from glia.memory.service import LONGEST_CONTENT, LONGEST_QUERY, Memories
from glia.memory.types import By, Draft, Origin, Scope, Tier, Use
from glia.tools.service import tool
from glia.tools.types import Effect, Tool, ToolContext, ToolResult

LARGEST_ANSWER_CHARACTERS = 20_000


class SaveArguments(Struct, forbid_unknown_fields=True):
    content: Annotated[
        str,
        Meta(
            description="One fact in a whole sentence that is understood without this conversation.",
            min_length=1,
            max_length=LONGEST_CONTENT,
        ),
    ]
    importance: Annotated[float, Meta(description="0 to 1; 0.5 when not given.", ge=0, le=1)] = 0.5
    bucket: Annotated[str, Meta(description="A word that groups memories.", min_length=1, max_length=100)] = "general"
    keep: Annotated[
        Literal["for this session", "for a week", "for good"],
        Meta(description="How long it will matter; for good when not given."),
    ] = "for good"


class SearchArguments(Struct, forbid_unknown_fields=True):
    query: Annotated[str, Meta(description="Words that the memory is likely to hold.", max_length=LONGEST_QUERY)]
    limit: Annotated[int, Meta(description="How many at most.", ge=1, le=50)] = 10


class ForgetArguments(Struct, forbid_unknown_fields=True):
    content: Annotated[
        str, Meta(description="The memory, word for word as memory_search shows it.", max_length=LONGEST_CONTENT)
    ]


_TIERS = {"for this session": Tier.WORKING, "for a week": Tier.SHORT, "for good": Tier.LONG}


def memory_tools(memories: Memories) -> tuple[Tool, Tool, Tool]:
    """`memory_save`, `memory_search` and `memory_forget`, working on the memories of the agent that calls.

    In a session that names its user, what is saved is that user's, and other users' memories are not found.
    """

    @tool(name="memory_save", effect=Effect.IDEMPOTENT, timeout_seconds=15)
    async def save(context: ToolContext, arguments: SaveArguments) -> str:
        """Keeps a fact for later conversations: a preference, a decision, something the user told about themselves."""
        user_name = await memories.user_of(context.workspace_id, context.session_id)
        draft = Draft(
            arguments.content,
            context.agent_id,
            user_name,
            tier=_TIERS[arguments.keep],
            bucket=arguments.bucket,
            importance=arguments.importance,
        )
        origin = Origin(context.session_id, context.run_id, source_key=context.idempotency_key, by=By.AGENT)
        saved = await memories.save(caller(context), draft, origin)
        return f"Remembered as {saved.id}."

    @tool(name="memory_search", effect=Effect.READ, timeout_seconds=15)
    async def search(context: ToolContext, arguments: SearchArguments) -> str:
        """Finds facts that were remembered in earlier conversations."""
        user_name = await memories.user_of(context.workspace_id, context.session_id)
        scope = Scope(context.agent_id, user_name, context.session_id, is_narrow=True)
        use = Use(context.session_id, context.run_id, context.idempotency_key)
        recall = await memories.search(caller(context), arguments.query, scope, limit=arguments.limit, use=use)
        if not recall.memories:
            return "Nothing has been remembered yet."
        lines = [f"- {memory.content} (remembered {memory.created_at:%Y-%m-%d})" for memory in recall.memories]
        head = "Nothing matches these words. The newest memories are:" if recall.is_fallback else "Remembered:"
        return "\n".join([head, *lines])[:LARGEST_ANSWER_CHARACTERS]

    @tool(name="memory_forget", effect=Effect.IDEMPOTENT, timeout_seconds=15, is_default=False)
    async def forget(context: ToolContext, arguments: ForgetArguments) -> ToolResult:
        """Sets a remembered fact aside that turned out wrong or useless. A person can bring it back."""
        user_name = await memories.user_of(context.workspace_id, context.session_id)
        scope = Scope(context.agent_id, user_name, context.session_id, is_narrow=True)
        try:
            memory = await memories.forget_said(caller(context), arguments.content, scope)
        except MemoryNotFound as error:
            return ToolResult(f"{error.message} Copy one that memory_search shows.", is_error=True)
        return ToolResult(f"Forgotten: {memory.content}")

    return save, search, forget


class RecallArguments(Struct, forbid_unknown_fields=True):
    query: Annotated[str, Meta(description="Words that were said, or what it was about.", max_length=LONGEST_QUERY)]
    limit: Annotated[int, Meta(description="How many at most.", ge=1, le=20)] = 5


def conversation_search(conversations: Conversations) -> Tool:
    @tool(name="conversation_search", effect=Effect.READ, timeout_seconds=30, is_default=False)
    async def search(context: ToolContext, arguments: RecallArguments) -> str:
        """Finds what was said before, in this conversation and, where allowed, in others with this user."""
        if context.agent_id is None:
            return "Only an agent has conversations."
        found = await conversations.search_as_agent(
            caller(context),
            arguments.query,
            agent_id=context.agent_id,
            session_id=context.session_id,
            limit=arguments.limit,
        )
        return shown(found, LARGEST_ANSWER_CHARACTERS) or "Nothing that was said fits these words."

    return search


def caller(context: ToolContext) -> Principal:
    return system_principal(context.workspace_id, context.project_id)
