"""What a ZIP claims to hold, checked before anything is unpacked."""

from __future__ import annotations

from zipfile import ZipFile

from glia.knowledge.parsing.errors import DocumentBomb, DocumentEncrypted
from glia.knowledge.parsing.types import ParseLimits

_ENTRIES = 20_000


def check_archive(archive: ZipFile, *, file_name: str, limits: ParseLimits) -> None:
    """Raises DocumentBomb or DocumentEncrypted. A claimed size may lie, but no more than it is ever unpacked."""
    entries = archive.infolist()
    unpacked = sum(entry.file_size for entry in entries)
    packed = sum(entry.compress_size for entry in entries)
    if any(entry.flag_bits & 1 for entry in entries):
        raise DocumentEncrypted(f"{file_name!r} is protected by a password. Save a copy without one and upload that.")
    if len(entries) > _ENTRIES:
        raise DocumentBomb(f"{file_name!r} holds {len(entries):,} files; the most that are unpacked are {_ENTRIES:,}.")
    if unpacked > limits.unpacked_bytes:
        raise DocumentBomb(
            f"{file_name!r} unpacks to {unpacked:,} bytes; the limit is {limits.unpacked_bytes:,}. Split the document."
        )
    # Small files may repeat themselves as they like: an almost empty DOCX is no danger at any ratio.
    if unpacked > 1_000_000 and unpacked > packed * limits.unpacked_ratio:
        raise DocumentBomb(
            f"{file_name!r} unpacks to {unpacked // max(1, packed)} times its size; the limit is "
            f"{limits.unpacked_ratio} times. Save it again with the word processor that made it."
        )
