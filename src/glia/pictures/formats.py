"""Which kind of picture some bytes are. Only kinds that hold pixels and no program: SVG is a page, and left out."""

from __future__ import annotations

LONGEST_HEAD_BYTES = 256
"""Enough of a file to tell."""

NAMES = "PNG, JPEG, GIF, WebP and AVIF"
MEDIA_TYPES = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/avif")

_AVIF_BRANDS = (b"avif", b"avis")


def media_type_of(head: bytes) -> str | None:
    """The media type that a file's first bytes tell; None for everything but those pictures.

    head: the first LONGEST_HEAD_BYTES of the file, or all of it when it is shorter.
    """
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return "image/avif" if _is_avif(head) else None


def _is_avif(head: bytes) -> bool:
    """The `ftyp` box of an ISO base media file names a main brand, a version, and the brands it is compatible with."""
    if head[4:8] != b"ftyp":
        return False
    end = min(int.from_bytes(head[:4], "big"), len(head))
    brands = [head[8:12], *(head[start : start + 4] for start in range(16, end - 3, 4))]
    return any(brand in _AVIF_BRANDS for brand in brands)
