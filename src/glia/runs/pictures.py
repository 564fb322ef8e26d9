"""Pictures in what the model is asked: messages name stored files, the request carries their bytes."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Awaitable, Callable
from dataclasses import replace
from uuid import UUID

from glia.files.errors import FileMissing
from glia.models.types import Image, ModelRequest, UserMessage

ReadFile = Callable[[UUID, UUID], Awaitable[bytes]]
"""Reads a small file whole, by workspace and id."""


async def no_files(_workspace_id: UUID, id: UUID) -> bytes:
    raise FileMissing(f"There is no file '{id}' in this workspace.")


class Pictures:
    """Those of one run, each read once."""

    def __init__(self, read_file: ReadFile, workspace_id: UUID) -> None:
        self._read_file = read_file
        self._workspace_id = workspace_id
        self._read: dict[str, str] = {}

    async def put_into(self, request: ModelRequest) -> ModelRequest:
        """Raises FileMissing."""
        if not any(isinstance(message, UserMessage) and message.images for message in request.messages):
            return request
        messages = [
            replace(message, images=tuple([await self._whole(image) for image in message.images]))
            if isinstance(message, UserMessage)
            else message
            for message in request.messages
        ]
        return replace(request, messages=messages)

    async def _whole(self, image: Image) -> Image:
        if image.file_id not in self._read:
            content = await self._read_file(self._workspace_id, UUID(image.file_id))
            self._read[image.file_id] = b64encode(content).decode()
        return replace(image, data=self._read[image.file_id])
