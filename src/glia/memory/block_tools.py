"""What blocks offer to agents: `memory_block_edit`."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from glia.kit.errors import GliaError, InvalidRequest
from glia.memory.blocks import MOST_CHARACTERS, Edit, MemoryBlocks
from glia.memory.service import Memories
from glia.memory.tools import caller
from glia.tools.service import tool
from glia.tools.types import Effect, Tool, ToolContext, ToolResult

BLOCK_EDIT = "memory_block_edit"


class BlockEditArguments(Struct, forbid_unknown_fields=True):
    label: Annotated[str, Meta(description="The block's label, such as `human`.", max_length=50)]
    action: Annotated[
        Literal["append", "replace", "rewrite"],
        Meta(description="append: add a line. replace: put `text` in the place of `old`. rewrite: `text` alone stays."),
    ]
    text: Annotated[str, Meta(description="What is to stand there.", max_length=MOST_CHARACTERS)]
    old: Annotated[
        str, Meta(description="For replace: a piece of the block that occurs exactly once.", max_length=MOST_CHARACTERS)
    ] = ""
    version: Annotated[
        int | None, Meta(description="For rewrite: the version you have read, so that no other edit is lost.")
    ] = None


def memory_block_edit(blocks: MemoryBlocks, memories: Memories) -> Tool:
    @tool(name=BLOCK_EDIT, effect=Effect.IDEMPOTENT, timeout_seconds=15, is_default=False)
    async def edit_block(context: ToolContext, arguments: BlockEditArguments) -> ToolResult:
        """Changes one of your memory blocks, which stand in your instructions. Earlier versions are kept."""
        if context.agent_id is None:
            return ToolResult("Only an agent has memory blocks.", is_error=True)
        if arguments.action == "rewrite" and arguments.version is None:
            return ToolResult("A rewrite needs `version`, the version of the block that you have read.", is_error=True)
        try:
            block = await blocks.edit(
                caller(context),
                arguments.label,
                _edit_of(arguments),
                agent_id=context.agent_id,
                user_name=await memories.user_of(context.workspace_id, context.session_id),
                run_id=context.run_id,
                source_key=context.idempotency_key,
                version=arguments.version,
            )
        except GliaError as error:
            return ToolResult(error.message, is_error=True)
        return ToolResult(f"The block {block.label!r} is at version {block.version} and says:\n{block.content}")

    return edit_block


def _edit_of(arguments: BlockEditArguments) -> Edit:
    def edit(content: str) -> str:
        match arguments.action:
            case "append":
                return f"{content}\n{arguments.text}".strip("\n")
            case "replace":
                return _replaced(content, arguments.old, arguments.text)
            case "rewrite":
                return arguments.text

    return edit


def _replaced(content: str, old: str, new: str) -> str:
    times = content.count(old) if old else 0
    if times != 1:
        found = "does not occur" if times == 0 else f"occurs {times} times"
        raise InvalidRequest(f"`old` {found} in the block; give a piece that occurs exactly once.", field="old")
    return content.replace(old, new)
