"""EPUB to blocks: its chapters in reading order, each read as HTML."""

from __future__ import annotations

import posixpath
from pathlib import Path
from urllib.parse import unquote

from glia.knowledge.parsing.errors import DocumentEncrypted, DocumentLimit
from glia.knowledge.parsing.html import read_html
from glia.knowledge.parsing.package import Attributes, Handler, opened, stream
from glia.knowledge.parsing.types import Block, ParseLimits

_CONTAINER = "META-INF/container.xml"
_READABLE = frozenset(("application/xhtml+xml", "text/html"))


def read_epub(path: Path, *, file_name: str, limits: ParseLimits) -> tuple[str, list[Block]]:
    with opened(path, file_name=file_name, limits=limits) as archive:
        names = set(archive.namelist())
        if "META-INF/rights.xml" in names:
            raise DocumentEncrypted(f"{file_name!r} is protected by its publisher. Upload a copy without protection.")
        container = _Container()
        stream(archive, _CONTAINER, container)
        package = _Package(posixpath.dirname(container.package))
        stream(archive, container.package, package)
        blocks: list[Block] = []
        characters = 0
        for part in package.chapters():
            if part in names:
                _, chapter = read_html(archive.read(part), file_name=file_name)
                characters += sum(len(block.text) for block in chapter)
                if characters > limits.output_bytes:
                    raise DocumentLimit(f"{file_name!r} holds more text than one document may have. Split it.")
                blocks += chapter
    return " ".join("".join(package.title).split()), blocks


class _Container(Handler):
    def __init__(self) -> None:
        self.package = "content.opf"

    def start(self, name: str, attributes: Attributes) -> None:
        if name == "rootfile":
            self.package = attributes.get("full-path", self.package)


class _Package(Handler):
    def __init__(self, folder: str) -> None:
        self.title: list[str] = []
        self._folder = folder
        self._items: dict[str, str] = {}
        self._spine: list[str] = []
        self._in_title = False

    def start(self, name: str, attributes: Attributes) -> None:
        if name == "item" and attributes.get("media-type") in _READABLE:
            href = unquote(attributes.get("href", ""))
            self._items[attributes.get("id", "")] = posixpath.normpath(posixpath.join(self._folder, href))
        elif name == "itemref":
            self._spine.append(attributes.get("idref", ""))
        elif name == "title":
            self._in_title = not self.title

    def end(self, name: str) -> None:
        if name == "title":
            self._in_title = False

    def text(self, data: str) -> None:
        if self._in_title:
            self.title.append(data[:1000])

    def chapters(self) -> list[str]:
        return [self._items[item] for item in self._spine if item in self._items]
