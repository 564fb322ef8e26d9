"""Files to passages: parsing in a child process, then cutting."""

from __future__ import annotations

import asyncio
from pathlib import Path

from glia.knowledge.chunking import chunk
from glia.knowledge.parsing.parse import parse
from glia.knowledge.parsing.types import ParseLimits
from glia.knowledge.types import Reading
from glia.knowledge.words import telling_name


class Reader:
    """Reads at most `at_once` files at the same time in this process: each may cost what `limits` allow."""

    def __init__(self, limits: ParseLimits | None = None, *, at_once: int = 2) -> None:
        self._limits = limits or ParseLimits()
        self._turns = asyncio.Semaphore(at_once)

    async def __call__(self, path: Path, *, file_name: str, media_type: str) -> Reading:
        """Raises a DocumentRejected that says what is wrong with the document and the way out."""
        async with self._turns:
            document = await parse(path, file_name=file_name, media_type=media_type, limits=self._limits)
            passages = await asyncio.to_thread(chunk, document)
        has_pages = any(page.number is not None for page in document.pages)
        stem = Path(file_name).stem
        # A parser that finds no title falls back on the file's name, which seldom says anything.
        title = telling_name(stem) if document.title == stem[:300] else document.title
        return Reading(pages=len(document.pages) if has_pages else None, passages=passages, title=title)
