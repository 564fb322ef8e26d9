"""Office files and e-books are ZIP archives of XML: opened with care, streamed through expat, no tree in memory."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from xml.parsers import expat
from zipfile import BadZipFile, ZipFile

from glia.knowledge.parsing.archive import check_archive
from glia.knowledge.parsing.errors import SUPPORTED, DocumentBomb, DocumentCorrupt, DocumentUnsupported
from glia.knowledge.parsing.types import Format, ParseLimits

Attributes = dict[str, str]

_MARKS = (
    ("xl/workbook", Format.XLSX),
    ("ppt/presentation", Format.PPTX),
    ("word/", Format.DOCX),
    ("META-INF/container.xml", Format.EPUB),
)


class Handler:
    """Receives the elements of one part by their local names."""

    def start(self, name: str, attributes: Attributes) -> None: ...
    def end(self, name: str) -> None: ...
    def text(self, data: str) -> None: ...


def zip_format(path: Path, *, file_name: str) -> Format:
    """Which of the supported formats this ZIP archive is, by what lies in it."""
    try:
        with ZipFile(path) as archive:
            names = archive.namelist()
    except (BadZipFile, EOFError, NotImplementedError, ValueError, OSError) as error:
        raise DocumentCorrupt(f"{file_name!r} is damaged and cannot be read ({error}). Save it again.") from error
    for mark, format in _MARKS:
        if any(name.startswith(mark) for name in names):
            return format
    raise DocumentUnsupported(f"{file_name!r} is a ZIP archive without a document in it. Supported are {SUPPORTED}.")


@contextmanager
def opened(path: Path, *, file_name: str, limits: ParseLimits) -> Generator[ZipFile]:
    """The archive, checked for bombs and passwords. What is damaged inside raises DocumentCorrupt."""
    try:
        with ZipFile(path) as archive:
            check_archive(archive, file_name=file_name, limits=limits)
            yield archive
    except (BadZipFile, EOFError, NotImplementedError, expat.ExpatError, KeyError, ValueError, OSError) as error:
        # zipfile and zlib say "damaged" in all these ways; a part that is named but missing is a KeyError.
        raise DocumentCorrupt(f"{file_name!r} is damaged and cannot be read ({error}). Save it again.") from error


def stream(archive: ZipFile, part: str, handler: Handler) -> None:
    """Feeds one part to the handler. Raises DocumentBomb when it defines entities."""

    def refuse(*_: object) -> None:
        raise DocumentBomb(f"{part} in this file defines XML entities, which no office program writes. Save it again.")

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = _local_start(handler.start)
    parser.EndElementHandler = lambda name: handler.end(_local(name))
    parser.CharacterDataHandler = handler.text
    parser.buffer_text = True
    with archive.open(part) as source:
        _feed(parser, source)


def related(archive: ZipFile, part: str) -> dict[str, tuple[str, str]]:
    """What a part refers to: its relationship ids to (kind, name of the part)."""
    folder, name = posixpath.split(part)
    relations = f"{folder}/_rels/{name}.rels"
    found = _Relations(folder)
    if relations in archive.namelist():
        stream(archive, relations, found)
    return found.targets


class _Relations(Handler):
    def __init__(self, folder: str) -> None:
        self.targets: dict[str, tuple[str, str]] = {}
        self._folder = folder

    def start(self, name: str, attributes: Attributes) -> None:
        if name == "Relationship" and attributes.get("TargetMode") != "External":
            target = attributes.get("Target", "")
            path = target[1:] if target.startswith("/") else posixpath.normpath(posixpath.join(self._folder, target))
            self.targets[attributes.get("Id", "")] = (attributes.get("Type", "").rpartition("/")[2], path)


def _feed(parser: expat.XMLParserType, source: IO[bytes]) -> None:
    while block := source.read(65_536):
        parser.Parse(block, False)
    parser.Parse(b"", True)


def _local(name: str) -> str:
    return name.rpartition(" ")[2]


def _local_start(start: Callable[[str, Attributes], None]) -> Callable[[str, Attributes], None]:
    def handle(name: str, attributes: Attributes) -> None:
        start(_local(name), {_local(key): value for key, value in attributes.items()} if attributes else attributes)

    return handle
