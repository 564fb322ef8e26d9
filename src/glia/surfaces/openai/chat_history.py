"""The messages of a chat completion as an agent's session keeps them."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, replace

from glia.agents.types import Agent, AgentVersion
from glia.gateway.service import ReadMessage, read_messages
from glia.gateway.types import ChatCall
from glia.identity.types import Principal
from glia.kit.errors import InvalidRequest
from glia.models.service import ResolvedModel
from glia.models.types import Image
from glia.runs.message_events import CalledTool, StoredImage
from glia.runs.service import RunOptions, Said
from glia.wiring import House

MOST_IMAGES = 100


@dataclass(frozen=True)
class Told:
    """An entry whose pictures are not stored yet. field: where its pictures come from, for messages about them."""

    said: Said
    images: tuple[Image, ...] = ()
    field: str = "messages"


def read_history(call: ChatCall) -> list[Told]:
    """What the messages say. Raises InvalidRequest for what an agent cannot be told."""
    told: list[Told] = []
    calls = OpenCalls()
    for index, read in enumerate(read_messages(call)):
        field = f"messages[{index}]"
        entry = _entry(read, field, calls)
        if entry.said.content or entry.images or entry.said.tool_calls or entry.said.role == "tool":
            told.append(entry)
    calls.check_closed("messages")
    if not told or told[-1].said.role not in ("user", "tool"):
        raise InvalidRequest("The last of `messages` must be the user's and not empty.", field="messages")
    return told


class OpenCalls:
    """Tool calls of a history that have no result yet."""

    def __init__(self, ids: Sequence[str] = ()) -> None:
        self._ids = set(ids)

    def add(self, id: str) -> None:
        self._ids.add(id)

    def close(self, id: str, field: str) -> None:
        if id not in self._ids:
            raise InvalidRequest(
                f"`{field}` is {id[:100]!r}, but no tool call before it has that id and waits for its result.",
                field=field,
            )
        self._ids.remove(id)

    def check_closed(self, field: str) -> None:
        """Every call must have its result before anything else is said."""
        if self._ids:
            raise InvalidRequest(
                f"The tool calls {', '.join(sorted(self._ids)[:5])} have no result before `{field}`; send a message"
                " of the role 'tool' for each.",
                field=field,
            )


def _entry(read: ReadMessage, field: str, calls: OpenCalls) -> Told:
    message, text = read.message, read.text
    if message.role == "tool":
        calls.close(message.tool_call_id or "", f"{field}.tool_call_id")
        return Told(Said("tool", text, tool_call_id=message.tool_call_id or ""))
    calls.check_closed(field)
    if message.role == "assistant":
        made = tuple(CalledTool(c.id, c.id, c.function.name, c.function.arguments) for c in message.tool_calls or ())
        for call in made:
            calls.add(call.id)
        return Told(Said("assistant", text, tool_calls=made))
    role = "system" if message.role == "developer" else message.role
    return Told(Said(role, text), read.images, f"{field}.content")


async def model_of(house: House, agent: AgentVersion) -> ResolvedModel:
    """Raises ModelNotFound, unless the agent takes another for one that nobody has."""
    return await house.models.resolve(agent.model, or_default=agent.settings.default_if_unknown)


async def stored(
    house: House, principal: Principal, agent: Agent | None, told: Sequence[Told], options: RunOptions
) -> list[Said]:
    """What was said, with its pictures among the workspace's files. Raises InvalidRequest for what the model cannot.

    agent: None for the model that the options name.
    """
    count = sum(len(entry.images) for entry in told)
    if count > MOST_IMAGES:
        raise InvalidRequest(f"The conversation has {count} pictures; the most is {MOST_IMAGES}.", field="messages")
    if count or options.response_format is not None:
        resolved = await (house.models.resolve(options.model) if agent is None else model_of(house, agent.current))
        house.models.check(resolved, has_images=bool(count), response_format=options.response_format)
    return [await _stored(house, principal, entry) for entry in told]


async def _stored(house: House, principal: Principal, entry: Told) -> Said:
    if not entry.images:
        return entry.said
    images = [await _kept(house, principal, image, entry.field) for image in entry.images]
    return replace(entry.said, images=tuple(images))


async def _kept(house: House, principal: Principal, image: Image, field: str) -> StoredImage:
    if image.file_id:
        return StoredImage(image.file_id, image.media_type, image.detail)
    whole = await house.models.fetched(image, field)
    file = await house.files.keep(
        base64.b64decode(whole.data),
        workspace_id=principal.workspace_id,
        project_id=principal.project_id,
        name=f"image.{whole.media_type.rpartition('/')[2]}",
        media_type=whole.media_type,
    )
    return StoredImage(str(file.id), whole.media_type, whole.detail)
