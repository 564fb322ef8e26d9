"""Payloads about messages: what was said to an agent, and what became of it later."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import msgspec


class CalledTool(msgspec.Struct, frozen=True):
    """arguments: the model's JSON text as it wrote it."""

    id: str
    provider_id: str
    name: str
    arguments: str


class StoredImage(msgspec.Struct, frozen=True, omit_defaults=True):
    """A picture among the workspace's files."""

    file_id: str
    media_type: str
    detail: str = ""


class MessageReceived(msgspec.Struct, frozen=True, omit_defaults=True):
    """images: shown to the model with the text. tool_calls: what the assistant wished to call, in history that a client
    brought along. tool_call_id: the call whose result a message of the role `tool` is. metadata: what a client keeps
    with the message; no model sees it. thinking and provider_state: of the assistant, as in ModelResponded.
    """

    type: ClassVar = "message.received"
    message_id: str
    role: Literal["user", "assistant", "system", "tool"]
    content: str
    images: list[StoredImage] = []
    tool_calls: list[CalledTool] = []
    tool_call_id: str = ""
    metadata: dict[str, Any] = {}
    thinking: str = ""
    provider_state: str = ""


class MessageEdited(msgspec.Struct, frozen=True):
    """Another text, or other metadata, for the message of the event `seq`; None leaves what it was.

    The entry itself stays as it was written. Runs that begin after this one read the new text.
    """

    type: ClassVar = "message.edited"
    seq: int
    content: str | None = None
    metadata: dict[str, Any] | None = None


class MessageDeleted(msgspec.Struct, frozen=True):
    """Nobody is shown the message of the event `seq` any more, and runs that begin after this one do not read it."""

    type: ClassVar = "message.deleted"
    seq: int
