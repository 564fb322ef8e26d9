"""From an uploaded file to passages: parse in a killable child, cut on a thread."""

from __future__ import annotations

import asyncio
from pathlib import Path

from glia.knowledge.chunking import chunk
from glia.knowledge.parsing.parse import parse
from glia.knowledge.parsing.types import Format, ParseLimits
from glia.knowledge.types import Read, Reading


def read_document(largest_bytes: int) -> Read:
    limits = ParseLimits(input_bytes=largest_bytes)

    async def read(path: Path, *, file_name: str, media_type: str) -> Reading:
        document = await parse(path, file_name=file_name, media_type=media_type, limits=limits)
        passages = await asyncio.to_thread(chunk, document)
        return Reading(len(document.pages) if document.format is Format.PDF else None, passages)

    return read
