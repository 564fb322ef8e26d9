"""The one place that touches PDFium, through its ctypes binding."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pypdfium2  # pyright: ignore[reportMissingTypeStubs]  # it ships none
import pypdfium2.raw  # pyright: ignore[reportMissingTypeStubs]

from glia.knowledge.parsing.errors import DocumentCorrupt, DocumentEncrypted

# The binding is generated ctypes code without types: handles, C numbers and out parameters.
_raw: Any = pypdfium2.raw
_FPDF_ERR_PASSWORD, _FPDF_ERR_SECURITY = 4, 5


@dataclass(frozen=True, slots=True)
class Line:
    """One line as it stands on the page. size: of its first character as shown, in points.

    top: height above the page's lower edge, in points.
    """

    text: str
    size: float
    top: float


class PdfReader:
    """An open PDF. Raises DocumentEncrypted or DocumentCorrupt when it cannot be opened or a page cannot be loaded."""

    def __init__(self, path: Path, *, file_name: str) -> None:
        self._file_name = file_name
        try:
            self._document: Any = pypdfium2.PdfDocument(path)
            self.page_count = len(self._document)
        except pypdfium2.PdfiumError as error:
            raise self._failure(error) from error
        if not self.page_count:
            raise DocumentCorrupt(f"{file_name!r} is a PDF without pages: it may be damaged. Save it again.")

    def title(self) -> str:
        return str(self._document.get_metadata_value("Title"))

    def lines(self, index: int) -> list[Line]:
        """The lines of the page, counted from 0, in the order PDFium reads them."""
        try:
            page: Any = self._document[index]
        except pypdfium2.PdfiumError as error:
            raise self._failure(error, page=index + 1) from error
        try:
            text_page: Any = page.get_textpage()
            try:
                return list(_lines(text_page))
            finally:
                text_page.close()
        finally:
            page.close()

    def _failure(self, error: pypdfium2.PdfiumError, page: int | None = None) -> DocumentCorrupt | DocumentEncrypted:
        if getattr(error, "err_code", None) in {_FPDF_ERR_PASSWORD, _FPDF_ERR_SECURITY}:
            return DocumentEncrypted(
                f"{self._file_name!r} is protected by a password. Save a copy without one and upload that."
            )
        where = f" at page {page}" if page else ""
        return DocumentCorrupt(
            f"{self._file_name!r} is damaged{where} and cannot be read as PDF. Save or export it again."
        )


def _lines(text_page: Any) -> Iterator[Line]:
    """PDFium marks a word broken at a line's end by U+FFFE in place of the hyphen and the line end: it is joined."""
    text: str = text_page.get_text_range()
    position = 0  # in UTF-16 units, as PDFium counts
    for raw_line in text.split("\n"):
        line = raw_line.replace("\ufffe", "").strip()
        if line:
            lead = len(raw_line) - len(raw_line.lstrip())
            size, top = _size_and_top(text_page, position + lead)
            yield Line(line, size, top)
        position += (
            len(raw_line) + 1 + (0 if raw_line.isascii() else sum(character > "\uffff" for character in raw_line))
        )


def _size_and_top(text_page: Any, position: int) -> tuple[float, float]:
    index = _raw.FPDFText_GetCharIndexFromTextIndex(text_page, position)
    if index < 0:
        return 0.0, 0.0
    x, y, matrix = ctypes.c_double(), ctypes.c_double(), _raw.FS_MATRIX()
    _raw.FPDFText_GetCharOrigin(text_page, index, x, y)
    size = float(_raw.FPDFText_GetFontSize(text_page, index))
    # Many producers set the font to size 1 and scale by the matrix.
    scale = math.hypot(matrix.c, matrix.d) if _raw.FPDFText_GetMatrix(text_page, index, matrix) else 1.0
    return size * (scale or 1.0), y.value
