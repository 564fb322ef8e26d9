"""Reads one file inside a process that may be killed at any time: `python -m glia.knowledge.parsing.child REQUEST`.

REQUEST is a JSON object with `path`, `file_name`, `media_type` and `limits`. Standard output receives one JSON
object: `{"format", "title", "pages": [[number, [[kind, text, level], ...]], ...]}` or `{"error": {"code", "message"}}`.
Only the reader that the file needs is imported.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO

from glia.knowledge.parsing import formats
from glia.knowledge.parsing.errors import (
    DocumentCorrupt,
    DocumentEmpty,
    DocumentEncrypted,
    DocumentLimit,
    DocumentRejected,
    DocumentUnsupported,
)
from glia.knowledge.parsing.types import Block, Format, Page, ParsedDocument, ParseLimits

Read = Callable[[], tuple[str, list[Page]]]


def main() -> None:
    request = json.loads(sys.argv[1])
    limits = ParseLimits(**request["limits"])
    path, file_name = Path(request["path"]), str(request["file_name"])
    with _own_output() as output:
        try:
            document = read(
                path, file_name=file_name, media_type=request["media_type"], limits=limits, confine=_confine
            )
            answer = _encode(document)
        except DocumentRejected as error:
            answer = json.dumps({"error": {"code": error.code, "message": error.message}}).encode()
        except (MemoryError, RecursionError):
            message = f"Reading {file_name!r} needs more than {limits.memory_bytes // 1_000_000} MB. Split it."
            answer = json.dumps({"error": {"code": DocumentLimit.code, "message": message}}).encode()
        output.write(answer)


def read(
    path: Path, *, file_name: str, media_type: str | None, limits: ParseLimits, confine: Callable[[ParseLimits], None]
) -> ParsedDocument:
    """Reads the file in this process. Only for the child: hostile files exhaust memory and time here.

    confine: called once the reader is imported, which may write its bytecode, and before it sees the file.
    """
    with path.open("rb") as file:
        head = file.read(formats.HEAD_BYTES)
    format = formats.detect(head, file_name=file_name, media_type=media_type)
    if head.startswith(formats.OLE_MAGIC):
        raise _ole_failure(path, file_name)
    if format is Format.DOCX:
        from glia.knowledge.parsing.package import zip_format

        format = zip_format(path, file_name=file_name)
    read_pages = _reader(format, path, file_name=file_name, limits=limits)
    confine(limits)
    title, pages = read_pages()
    _check_output(pages, file_name=file_name, format=format, limits=limits)
    return ParsedDocument(title=_title(title, pages, file_name), pages=tuple(pages), format=format)


def _reader(format: Format, path: Path, *, file_name: str, limits: ParseLimits) -> Read:
    match format:
        case Format.PDF:
            from glia.knowledge.parsing.pdf import read_pdf

            return lambda: read_pdf(path, file_name=file_name, limits=limits)
        case Format.DOCX:
            from glia.knowledge.parsing.docx import read_docx

            return lambda: _on_one_page(*read_docx(path, file_name=file_name, limits=limits))
        case Format.PPTX | Format.XLSX | Format.CSV | Format.EPUB:
            return _office_reader(format, path, file_name=file_name, limits=limits)
        case Format.HTML:
            from glia.knowledge.parsing.html import read_html

            return lambda: _on_one_page(*read_html(path.read_bytes(), file_name=file_name))
        case Format.MARKDOWN:
            from glia.knowledge.parsing.markdown import read_markdown

            return lambda: _on_one_page("", read_markdown(path.read_bytes(), file_name=file_name))
        case Format.TEXT:
            from glia.knowledge.parsing.text import read_text

            return lambda: _on_one_page("", read_text(path.read_bytes(), file_name=file_name))


def _office_reader(format: Format, path: Path, *, file_name: str, limits: ParseLimits) -> Read:
    match format:
        case Format.PPTX:
            from glia.knowledge.parsing.pptx import read_pptx

            return lambda: read_pptx(path, file_name=file_name, limits=limits)
        case Format.XLSX:
            from glia.knowledge.parsing.xlsx import read_xlsx

            return lambda: read_xlsx(path, file_name=file_name, limits=limits)
        case Format.CSV:
            from glia.knowledge.parsing.csv_rows import read_csv

            return lambda: _on_one_page("", read_csv(path.read_bytes(), file_name=file_name, limits=limits))
        case _:
            from glia.knowledge.parsing.epub import read_epub

            return lambda: _on_one_page(*read_epub(path, file_name=file_name, limits=limits))


def _on_one_page(title: str, blocks: list[Block]) -> tuple[str, list[Page]]:
    return title, [Page(None, tuple(blocks))]


def _check_output(pages: list[Page], *, file_name: str, format: Format, limits: ParseLimits) -> None:
    blocks = sum(len(page.blocks) for page in pages)
    if not any(character.isalnum() for page in pages for block in page.blocks for character in block.text):
        scan = (
            "it may be a scan. Glia recognizes no text in images; run OCR on it first, for example `ocrmypdf`"
            if format is Format.PDF
            else "it has no words in it"
        )
        raise DocumentEmpty(f"No text was found in {file_name!r}: {scan}.")
    if blocks > limits.blocks:
        raise DocumentLimit(
            f"{file_name!r} has {blocks:,} paragraphs and rows; the limit is {limits.blocks:,}. Split it."
        )
    size_bytes = sum(len(block.text.encode("utf-8", "replace")) for page in pages for block in page.blocks)
    if size_bytes > limits.output_bytes:
        raise DocumentLimit(
            f"{file_name!r} holds {size_bytes:,} bytes of text; the limit is {limits.output_bytes:,}. Split it."
        )


def _title(title: str, pages: list[Page], file_name: str) -> str:
    """What the file calls itself, else its top heading if it has only one, else its name without the extension."""
    title = title.removeprefix("Microsoft Word - ").strip()
    if title and title.lower() not in {"untitled", "document", "word document"}:
        return title[:300]
    headings = [block for page in pages for block in page.blocks if block.kind == "heading"]
    top = [heading for heading in headings if heading.level == 1]
    # Several are chapters; and what stands above the title is none.
    return top[0].text[:300] if len(top) == 1 and headings[0] is top[0] else Path(file_name).stem[:300]


def _ole_failure(path: Path, file_name: str) -> DocumentRejected:
    """Word wraps a DOCX with a password into the container that the formats before 2007 used."""
    marker = "EncryptedPackage".encode("utf-16-le")
    with path.open("rb") as file:
        before = b""
        while block := file.read(1_000_000):
            if marker in before + block:
                return DocumentEncrypted(
                    f"{file_name!r} is protected by a password. Save a copy without one and upload that."
                )
            before = block[-len(marker) :]
    if file_name.lower().endswith(".docx"):
        return DocumentCorrupt(f"{file_name!r} is not a DOCX file inside but an older Office file. Save it as DOCX.")
    return DocumentUnsupported(f"{file_name!r} is an Office file from before 2007. Save it as DOCX or PDF.")


def _encode(document: ParsedDocument) -> bytes:
    def fields(block: Block) -> tuple[str, str, int]:
        return block.kind, block.text, block.level

    pages = [(page.number, [fields(block) for block in page.blocks]) for page in document.pages]
    answer = {"format": document.format, "title": document.title, "pages": pages}
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _own_output() -> IO[bytes]:
    """Standard output for the answer alone: what a library prints goes to standard error instead."""
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return output


def _confine(limits: ParseLimits) -> None:
    """Lowers this process's own limits for good. The alarm ends it even when its parent is gone."""
    import resource
    import signal

    wanted = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_CPU: limits.cpu_seconds,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: 64,
    }
    if sys.platform != "darwin":  # macOS refuses any limit on the address space
        wanted[resource.RLIMIT_AS] = limits.memory_bytes
    for kind, value in wanted.items():
        hard = resource.getrlimit(kind)[1]
        limit = value if hard == resource.RLIM_INFINITY else min(value, hard)  # raising one is not allowed
        resource.setrlimit(kind, (limit, limit))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, limits.wall_seconds + 5)


if __name__ == "__main__":
    main()
