"""Parses uploaded files without trusting them: each in a child process of its own that can be killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import msgspec

from glia.knowledge.parsing.errors import (
    BY_CODE,
    DocumentCorrupt,
    DocumentLimit,
    DocumentRejected,
    DocumentTooLarge,
)
from glia.knowledge.parsing.types import Block, BlockKind, Format, Page, ParsedDocument, ParseLimits

# JSON writes a control character or a quote with up to six bytes, and each block has its brackets.
_ENVELOPE_RATIO, _ENVELOPE_BYTES_PER_BLOCK = 2, 64
_LIMIT_SIGNALS = {signal.SIGXCPU, signal.SIGALRM, signal.SIGKILL}


class _Error(msgspec.Struct):
    code: str
    message: str


class _Answer(msgspec.Struct):
    format: Format = Format.TEXT
    title: str = ""
    pages: list[tuple[int | None, list[tuple[BlockKind, str, int]]]] = []
    error: _Error | None = None


async def parse(
    path: Path, *, file_name: str, media_type: str | None, limits: ParseLimits | None = None
) -> ParsedDocument:
    """The file's text with pages and headings, never without a word in it.

    file_name: as the user named it; used for its extension, the title and in errors, never opened.
    Costs about 0.1 s for the child and up to `limits.memory_bytes` while it runs. Raises a DocumentRejected.
    Cancelling kills the child and all it started.
    """
    limits = limits or ParseLimits()
    request = await asyncio.to_thread(_request, path, file_name, media_type, limits)
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "glia.knowledge.parsing.child",
        request,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        env=_environment(),
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(limits.wall_seconds):
            answer, complaint = await _communicate(child, limits)
    except TimeoutError:
        raise DocumentLimit(
            f"Reading {file_name!r} took more than {limits.wall_seconds:g} seconds. Split it."
        ) from None
    finally:
        await _end(child)
    if child.returncode:
        raise _crash(child.returncode, complaint, file_name=file_name, limits=limits)
    return await asyncio.to_thread(_decode, answer, file_name)


def _request(path: Path, file_name: str, media_type: str | None, limits: ParseLimits) -> str:
    size_bytes = path.stat().st_size
    if size_bytes > limits.input_bytes:
        raise DocumentTooLarge(
            f"{file_name!r} has {size_bytes:,} bytes; the limit is {limits.input_bytes:,}. Split it."
        )
    request = {"path": str(path.absolute()), "file_name": file_name, "media_type": media_type, "limits": asdict(limits)}
    return json.dumps(request)


async def _communicate(child: Process, limits: ParseLimits) -> tuple[bytes, bytes]:
    """The child's answer and the start of its complaints. Returns when both streams have ended and it is gone."""
    if child.stdout is None or child.stderr is None:
        raise RuntimeError("The child was started without pipes.")
    cap = limits.output_bytes * _ENVELOPE_RATIO + limits.blocks * _ENVELOPE_BYTES_PER_BLOCK
    async with asyncio.TaskGroup() as group:
        answer = group.create_task(_read_capped(child.stdout, cap))
        complaint = group.create_task(_read_capped(child.stderr, limits.stderr_bytes))
        group.create_task(child.wait())
    return answer.result(), complaint.result()


async def _read_capped(stream: asyncio.StreamReader, cap: int) -> bytes:
    """Up to `cap` bytes; what follows is read and dropped, so that the writer never blocks."""
    parts: list[bytes] = []
    room = cap
    while block := await stream.read(65_536):
        if room > 0:
            parts.append(block[:room])
            room -= len(block)
    return b"".join(parts)


async def _end(child: Process) -> None:
    """Kills the child with its group, unless it has ended already, and reaps it."""
    if child.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
    await asyncio.shield(child.wait())


def _environment() -> dict[str, str]:
    """Nothing of the server's settings and secrets; only where Python finds this package."""
    return {
        "PATH": os.defpath,
        "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
        "PYTHONUTF8": "1",
        "LC_ALL": "C.UTF-8",
    }


def _crash(returncode: int, complaint: bytes, *, file_name: str, limits: ParseLimits) -> DocumentRejected:
    """What a child that gave no answer died of. Native parsers abort when memory ends, so a signal means a limit."""
    megabytes = limits.memory_bytes // 1_000_000
    if returncode < 0 and signal.Signals(-returncode) in _LIMIT_SIGNALS:
        return DocumentLimit(
            f"Reading {file_name!r} took more than {limits.cpu_seconds} seconds of CPU time. Split it."
        )
    if returncode < 0 or b"MemoryError" in complaint:
        return DocumentLimit(
            f"Reading {file_name!r} was stopped: it needs more than {megabytes} MB, or crashed its parser."
        )
    last = complaint.decode("utf-8", "replace").strip().rpartition("\n")[2][:300]
    return DocumentCorrupt(f"{file_name!r} cannot be read: its parser failed ({last}). Save it again.", stderr=last)


def _decode(answer: bytes, file_name: str) -> ParsedDocument:
    try:
        decoded = msgspec.json.decode(answer, type=_Answer)
    except msgspec.DecodeError as error:
        raise DocumentLimit(f"{file_name!r} gives more text than one document may have. Split it.") from error
    if decoded.error is not None:
        raise BY_CODE.get(decoded.error.code, DocumentRejected)(decoded.error.message)
    pages = tuple(
        Page(number, tuple(Block(kind, text, level) for kind, text, level in blocks))
        for number, blocks in decoded.pages
    )
    return ParsedDocument(title=decoded.title, pages=pages, format=decoded.format)
