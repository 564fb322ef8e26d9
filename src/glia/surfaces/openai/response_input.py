"""The items that a response answers, as a session keeps them; and a session's messages as such items."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, cast
from uuid import UUID

from glia.files.service import Files
from glia.identity.types import Principal
from glia.kit.errors import InvalidRequest, NotFound
from glia.models.service import LARGEST_IMAGE_BYTES, image_of, image_of_bytes
from glia.models.types import Image
from glia.runs.events import CalledTool, MessageReceived
from glia.runs.service import Said
from glia.surfaces.openai.chat_history import OpenCalls, Told
from glia.surfaces.openai.ids import FILE, read_id
from glia.surfaces.openai.response_compact import summary_of
from glia.surfaces.openai.response_thoughts import CONTENT, Thoughts, read_thoughts

Json = dict[str, Any]

OutputItems = Callable[[Principal, str], Awaitable[list[Json]]]

_ROLES = {"user": "user", "assistant": "assistant", "system": "system", "developer": "system"}
_OF_THE_SERVER = frozenset(
    {"file_search_call", "web_search_call", "code_interpreter_call", "mcp_call", "mcp_list_tools"}
)
"""Items of an earlier output that were made here: the session knows them, or they hold nothing a model is sent."""
_LARGEST_TEXT_BYTES = 1024 * 1024


class InputItems:
    """Reads the items of one request. open_calls: of the response before, which wait for their results.

    output_items: finds the output that an item's id belongs to, see StoredResponses.
    """

    def __init__(
        self, files: Files, principal: Principal, open_calls: Sequence[str], output_items: OutputItems
    ) -> None:
        self._files = files
        self._principal = principal
        self._calls = OpenCalls(open_calls)
        self._output_items = output_items
        self._told: list[Told] = []
        self._thoughts: Thoughts | None = None
        """Of the assistant, before what it said or called next."""

    async def read(self, given: str | list[Json] | None) -> list[Told]:
        """Raises InvalidRequest that names the item at fault."""
        if not given:
            raise InvalidRequest("`input` is missing; send a text or a list of items.", field="input")
        if isinstance(given, str):
            given = [{"role": "user", "content": given}]
        for index, item in enumerate(given):
            await self._item(item, f"input[{index}]")
        self._calls.check_closed("input")
        if not self._told:
            raise InvalidRequest("`input` holds nothing that could be answered; add a message.", field="input")
        return self._told

    async def items(self, given: list[Json]) -> list[Told]:
        """As `read`, for items that need not be answered."""
        for index, item in enumerate(given):
            await self._item(item, f"items[{index}]")
        return self._told

    async def _item(self, item: Json, field: str) -> None:
        match item.get("type", "message"):
            case "message":
                self._calls.check_closed(field)
                await self._message(item, field)
            case "function_call":
                self._call(item, field)
            case "function_call_output":
                await self._answered(item, field)
            case "compaction":
                self._told.append(Told(summary_of(item, field)))
            case "reasoning":
                await self._reasoning(item, field)
            case "item_reference":
                await self._item(await self._referenced(item, field), field)
            case str(kind) if kind in _OF_THE_SERVER:
                self._thoughts = None  # of a turn that is not told
            case other:
                raise InvalidRequest(
                    f"`{field}.type` is {str(other)[:50]!r}, which this server does not read; send messages,"
                    " function calls and their outputs.",
                    field=f"{field}.type",
                )

    async def _message(self, item: Json, field: str) -> None:
        role = _ROLES.get(str(item.get("role")))
        if role is None:
            raise InvalidRequest(
                f"`{field}.role` is {str(item.get('role'))[:50]!r}; it must be one of {', '.join(_ROLES)}.",
                field=f"{field}.role",
            )
        text, images = await self._content(item.get("content"), f"{field}.content", is_user=role == "user")
        if text or images:
            self._tell(Said(cast(Any, role), text), images, f"{field}.content")

    def _tell(self, said: Said, images: tuple[Image, ...] = (), field: str = "input") -> None:
        thoughts, self._thoughts = self._thoughts, None
        if thoughts is not None and said.role == "assistant":
            said = thoughts.before(said)
        self._told.append(Told(said, images, field))

    async def _reasoning(self, item: Json, field: str) -> None:
        if not item.get(CONTENT) and isinstance(item.get("id"), str):
            item = next((one for one in await self._output(item["id"]) if one["id"] == item["id"]), item)
        self._thoughts = read_thoughts(item, field)

    async def _referenced(self, item: Json, field: str) -> Json:
        id = str(item.get("id") or "")
        found = next((one for one in await self._output(id) if one["id"] == id), None)
        if found is None:
            raise NotFound(
                f"There is no item {id[:100]!r} in an output of this workspace; send the item itself.",
                field=f"{field}.id",
            )
        return found

    async def _output(self, id: str) -> list[Json]:
        return await self._output_items(self._principal, id)

    def _call(self, item: Json, field: str) -> None:
        id, name = str(item.get("call_id") or ""), str(item.get("name") or "")
        if not id or not name:
            raise InvalidRequest(f"`{field}` needs a `call_id` and a `name`.", field=field)
        self._calls.add(id)
        call = CalledTool(id, id, name, str(item.get("arguments") or "{}"))
        last = self._told[-1].said if self._told else None
        if last is not None and last.role == "assistant" and self._thoughts is None:
            self._told[-1] = Told(replace(last, tool_calls=(*last.tool_calls, call)))
        else:
            self._tell(Said("assistant", "", tool_calls=(call,)))

    async def _answered(self, item: Json, field: str) -> None:
        id = str(item.get("call_id") or "")
        self._calls.close(id, f"{field}.call_id")
        text, _ = await self._content(item.get("output"), f"{field}.output", is_user=False)
        self._told.append(Told(Said("tool", text, tool_call_id=id)))

    async def _content(self, content: object, field: str, *, is_user: bool) -> tuple[str, tuple[Image, ...]]:
        if content is None or isinstance(content, str):
            return content or "", ()
        if not isinstance(content, list):
            raise InvalidRequest(f"`{field}` must be a text or a list of parts.", field=field)
        texts: list[str] = []
        images: list[Image] = []
        for index, part in enumerate(cast(list[object], content)):
            where = f"{field}[{index}]"
            if not isinstance(part, dict):
                raise InvalidRequest(f"`{where}` must be an object with a `type`.", field=where)
            found = await self._part(cast(Json, part), where, is_user=is_user)
            if isinstance(found, Image):
                images.append(found)
            else:
                texts.append(found)
        return "\n\n".join(text for text in texts if text) if len(texts) > 1 else "".join(texts), tuple(images)

    async def _part(self, part: Json, field: str, *, is_user: bool) -> str | Image:
        match part.get("type"):
            case "input_text" | "output_text" | "text" | "summary_text":
                return str(part.get("text") or "")
            case "refusal":
                return str(part.get("refusal") or "")
            case "input_image" if is_user:
                return await self._image(part, field)
            case "input_file" if is_user:
                return await self._file(part, field)
            case other:
                raise InvalidRequest(
                    f"`{field}.type` is {str(other)[:50]!r}; there are input_text, and in messages of the user"
                    " input_image and input_file.",
                    field=f"{field}.type",
                )

    async def _image(self, part: Json, field: str) -> Image:
        detail = str(part.get("detail") or "")
        if file_id := part.get("file_id"):
            content, _ = await self._stored(str(file_id), field, LARGEST_IMAGE_BYTES, is_upload=False)
            return image_of_bytes(content, field, detail)
        url = part.get("image_url")
        if not isinstance(url, str) or not url:
            raise InvalidRequest(f"`{field}` needs an `image_url` or a `file_id`.", field=field)
        return image_of(url, f"{field}.image_url", detail)

    async def _file(self, part: Json, field: str) -> str | Image:
        name = str(part.get("filename") or "file")
        if file_id := part.get("file_id"):
            content, name = await self._stored(str(file_id), field, _LARGEST_TEXT_BYTES, is_upload=True)
        elif isinstance(data := part.get("file_data"), str) and data:
            try:
                content = base64.b64decode(data.rpartition("base64,")[2], validate=True)
            except (binascii.Error, ValueError):
                raise InvalidRequest(
                    f"`{field}.file_data` holds no valid base64.", field=f"{field}.file_data"
                ) from None
        else:
            raise InvalidRequest(f"`{field}` needs a `file_id` or `file_data`.", field=field)
        try:
            text = content.decode()
        except UnicodeDecodeError:
            raise InvalidRequest(
                f"`{field}` is no text file; put documents of other kinds into a knowledge base and search that.",
                field=field,
            ) from None
        return f"[File {name}]\n{text}"

    async def _stored(self, id: str, field: str, largest_bytes: int, *, is_upload: bool) -> tuple[bytes, str]:
        """is_upload: only what a client uploaded; pictures may also be those of earlier messages."""
        self._principal.require("files:read")
        workspace_id = self._principal.workspace_id
        try:
            file_id = read_id(FILE, id, "file")
            file = await (
                self._files.get_uploaded(self._principal, file_id)
                if is_upload
                else self._files.get(workspace_id, file_id)
            )
        except NotFound as error:
            raise InvalidRequest(error.message, field=f"{field}.file_id") from None
        if file.size_bytes > largest_bytes:
            raise InvalidRequest(
                f"`{field}.file_id` has {file.size_bytes} bytes; {largest_bytes} can be read at once. Put it into a"
                " knowledge base and search that.",
                field=f"{field}.file_id",
            )
        return await self._files.read(workspace_id, file.id), file.name


def items_of(message: MessageReceived) -> list[Json]:
    """A message of a session as items of this API."""
    id = UUID(message.message_id).hex
    if message.role == "tool":
        fields = {"type": "function_call_output", "call_id": message.tool_call_id, "output": message.content}
        return [{"id": f"fco_{id}", "status": "completed", **fields}]
    found: list[Json] = []
    is_input = message.role != "assistant"
    content: list[Json] = []
    if message.content:
        part: Json = {"type": "input_text" if is_input else "output_text", "text": message.content}
        content.append(part if is_input else {**part, "annotations": []})
    content += [
        {"type": "input_image", "file_id": FILE + UUID(i.file_id).hex, "detail": i.detail or "auto", "image_url": None}
        for i in message.images
    ]
    if content:
        found.append(
            {"id": f"msg_{id}", "type": "message", "status": "completed", "role": message.role, "content": content}
        )
    for index, call in enumerate(message.tool_calls):
        fields = {"type": "function_call", "call_id": call.provider_id, "name": call.name, "arguments": call.arguments}
        found.append({"id": f"fc_{id}{index:02x}", "status": "completed", **fields})
    return found
