"""Which format a file has: what it contains counts before its name, its name before its media type."""

from __future__ import annotations

import re
from pathlib import PurePath

from glia.knowledge.parsing.errors import SUPPORTED, DocumentCorrupt, DocumentEmpty, DocumentUnsupported
from glia.knowledge.parsing.text import is_binary
from glia.knowledge.parsing.types import Format

HEAD_BYTES = 8192
OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

_FOREIGN = (
    (b"\x89PNG\r\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"{\\rtf", "an RTF document"),
    (b"\x7fELF", "a program"),
    (b"OggS", "a sound or video file"),
    (b"ID3", "a sound file"),
    (b"RIFF", "an image, sound or video file"),
)
_EXTENSIONS = {
    ".pdf": Format.PDF,
    ".docx": Format.DOCX,
    ".pptx": Format.PPTX,
    ".xlsx": Format.XLSX,
    ".epub": Format.EPUB,
    ".csv": Format.CSV,
    ".tsv": Format.CSV,
    ".html": Format.HTML,
    ".htm": Format.HTML,
    ".xhtml": Format.HTML,
    ".md": Format.MARKDOWN,
    ".markdown": Format.MARKDOWN,
    ".txt": Format.TEXT,
    ".text": Format.TEXT,
}
_MEDIA_TYPES = {
    "text/html": Format.HTML,
    "text/csv": Format.CSV,
    "text/tab-separated-values": Format.CSV,
    "application/xhtml+xml": Format.HTML,
    "text/markdown": Format.MARKDOWN,
    "text/x-markdown": Format.MARKDOWN,
}
_SEALED = frozenset((Format.PDF, Format.DOCX, Format.PPTX, Format.XLSX, Format.EPUB))
# Atomic and possessive, or a long row of comments would be tried in every grouping.
_HTML = re.compile(
    rb"\A(?>\s+|<\?xml.{0,500}?\?>|<!--.{0,4000}?-->)*+<(?:!doctype\s+html|html|head|body)[\s>]", re.I | re.S
)


def detect(head: bytes, *, file_name: str, media_type: str | None = None) -> Format:
    """The format to read the file as. A ZIP counts as DOCX here; `package.zip_format` looks at what is inside.

    head: the file's first `HEAD_BYTES` bytes. Raises DocumentEmpty, DocumentUnsupported or DocumentCorrupt.
    """
    if not head:
        raise DocumentEmpty(f"The file {file_name!r} is empty (0 bytes). Upload a file with text in it.")
    by_name = _EXTENSIONS.get(PurePath(file_name).suffix.lower())
    if b"%PDF-" in head[:1024]:
        return Format.PDF
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06", OLE_MAGIC)):
        return Format.DOCX
    for magic, what in _FOREIGN:
        if head.startswith(magic):
            raise DocumentUnsupported(f"{file_name!r} is {what}, which cannot be read. Supported are {SUPPORTED}.")
    if by_name is not None and by_name in _SEALED:
        raise DocumentCorrupt(
            f"{file_name!r} is named as a {by_name.upper()} file but is none: it may be damaged or cut off. "
            "Save it again; plain text wants a name ending in .txt."
        )
    if is_binary(head):
        raise DocumentUnsupported(f"{file_name!r} is a binary file of unknown type. Supported are {SUPPORTED}.")
    if _HTML.search(head.removeprefix(b"\xef\xbb\xbf")):
        return Format.HTML
    return by_name or _MEDIA_TYPES.get((media_type or "").partition(";")[0].strip().lower(), Format.TEXT)
