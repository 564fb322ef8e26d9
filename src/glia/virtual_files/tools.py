"""What agents may do with their virtual files: one tool with an action for each."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Literal
from uuid import UUID

import orjson
from msgspec import Meta, Struct

from glia.identity.types import Principal, system_principal
from glia.kit.errors import GliaError
from glia.tools.errors import InvalidArguments
from glia.tools.service import tool
from glia.tools.types import Effect, Tool, ToolContext, ToolResult
from glia.virtual_files.service import VirtualFiles
from glia.virtual_files.types import Tree, VirtualFile

LONGEST_READ = 50_000
"""Characters of a file that the model reads at once."""

_MOST_LISTED = 500


class FilesystemArguments(Struct, forbid_unknown_fields=True):
    action: Annotated[
        Literal["create", "read", "write", "delete", "list", "search", "copy", "move"],
        Meta(description="create fails when the file is there already; write replaces it."),
    ]
    path: Annotated[str, Meta(description="The file, or for list and search the folder.", max_length=1024)] = "/"
    content: Annotated[str | None, Meta(description="For create and write.")] = None
    encoding: Annotated[Literal["text", "base64"], Meta(description="How content is written.")] = "text"
    destination: Annotated[str | None, Meta(description="For copy and move.")] = None
    query: Annotated[str | None, Meta(description="For search: words in a path or a text.")] = None
    offset: Annotated[int, Meta(description="For read: characters to leave out at the beginning.", ge=0)] = 0


def filesystem(files: VirtualFiles) -> Tool:
    @tool(name="filesystem", effect=Effect.IDEMPOTENT, timeout_seconds=60, is_default=False)
    async def filesystem(context: ToolContext, arguments: FilesystemArguments) -> ToolResult:
        """Keeps files in this agent's own private tree, which lasts beyond the conversation: create, read, write,
        delete, list, search, copy and move them. Paths look like /notes/today.md."""
        if context.agent_id is None:
            return ToolResult("Only agents have files of their own; this run has no agent.", is_error=True)
        principal = system_principal(context.workspace_id, context.project_id)
        try:
            return await _did(files.as_agent(context.agent_id), principal, context.agent_id, arguments)
        except InvalidArguments:
            raise
        except GliaError as error:
            if error.status >= 500 and error.status != 507:
                raise
            return ToolResult(error.message, is_error=True)

    return filesystem


async def _did(files: VirtualFiles, principal: Principal, agent_id: UUID, arguments: FilesystemArguments) -> ToolResult:
    tree = Tree(agent_id)
    match arguments.action:
        case "read":
            return await _read(files, principal, tree, arguments)
        case "list" | "search":
            return ToolResult(await _found(files, principal, tree, arguments))
        case _:
            return ToolResult(await _changed(files, principal, tree, arguments))


async def _found(files: VirtualFiles, principal: Principal, tree: Tree, arguments: FilesystemArguments) -> str:
    if arguments.action == "list":
        found = await files.list(principal, tree, arguments.path)
        more = f"\n[{len(found) - _MOST_LISTED} more]" if len(found) > _MOST_LISTED else ""
        return "\n".join(map(_line, found[:_MOST_LISTED])) + more if found else f"{arguments.path} is empty."
    hits = await files.search(principal, tree, _needed(arguments.query, "query"), arguments.path)
    shown = [{"path": hit.file.path, "line": hit.line, "text": hit.excerpt} for hit in hits]
    return "\n".join(orjson.dumps(hit).decode() for hit in shown) or "Nothing was found."


async def _changed(files: VirtualFiles, principal: Principal, tree: Tree, arguments: FilesystemArguments) -> str:
    action, path = arguments.action, arguments.path
    if action == "delete":
        await files.delete(principal, tree, path)
        return f"{path} is deleted."
    if action in ("copy", "move"):
        change = files.copy if action == "copy" else files.move
        made = await change(principal, tree, path, _needed(arguments.destination, "destination"))
        return f"{path} is copied to {made.path}." if action == "copy" else f"{path} is {made.path} now."
    made = await files.write(principal, tree, path, _content(arguments), must_be_new=action == "create")
    return f"{made.path} has {made.size_bytes} bytes now."


async def _read(files: VirtualFiles, principal: Principal, tree: Tree, arguments: FilesystemArguments) -> ToolResult:
    file, content = await files.read(principal, tree, arguments.path)
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return ToolResult(f"{file.path} is {file.media_type} of {file.size_bytes} bytes, which cannot be read as text.")
    shown = text[arguments.offset : arguments.offset + LONGEST_READ].replace("\0", "\N{REPLACEMENT CHARACTER}")
    end = arguments.offset + len(shown)
    more = f"\n[{len(text) - end} more characters; go on with offset {end}]" if end < len(text) else ""
    return ToolResult(shown + more if text else "(The file is empty.)")


def _line(file: VirtualFile) -> str:
    return f"{file.path} ({file.media_type}, {file.size_bytes} bytes)"


def _needed(value: str | None, field: str) -> str:
    if not value:
        raise InvalidArguments(f"`{field}` is missing; this action needs it.", field=field)
    return value


def _content(arguments: FilesystemArguments) -> bytes:
    if arguments.content is None:
        raise InvalidArguments(f"`content` is missing; {arguments.action} needs it.", field="content")
    if arguments.encoding == "text":
        return arguments.content.encode()
    try:
        return base64.b64decode(arguments.content, validate=True)
    except binascii.Error:
        raise InvalidArguments("`content` is not base64; write it as text, or encode it.", field="content") from None
