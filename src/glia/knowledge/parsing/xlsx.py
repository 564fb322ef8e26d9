"""XLSX to rows, sheet by sheet; a sheet is a page. Formulas give the values that were saved with them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from zipfile import ZipFile

from glia.knowledge.parsing.errors import DocumentLimit
from glia.knowledge.parsing.package import Attributes, Handler, opened, related, stream
from glia.knowledge.parsing.rows import RowBudget, row_blocks
from glia.knowledge.parsing.text import clean
from glia.knowledge.parsing.types import Block, Page, ParseLimits

_REFERENCE = re.compile(r"([A-Z]{1,3})\d+")
_WIDEST = 16_384
_DATE_FORMATS = frozenset((*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)))
_DATE_CODE = re.compile(r"[ymdhs]", re.IGNORECASE)
_QUOTED = re.compile(r'"[^"]*"|\[[^\]]*\]|\\.')
_EPOCH = datetime(1899, 12, 30)  # spreadsheets know no time zones


def read_xlsx(path: Path, *, file_name: str, limits: ParseLimits) -> tuple[str, list[Page]]:
    budget = RowBudget(file_name, limits)
    with opened(path, file_name=file_name, limits=limits) as archive:
        names = set(archive.namelist())
        book = next(name for name in names if name.startswith("xl/workbook") and name.endswith(".xml"))
        sheets = _Sheets()
        stream(archive, book, sheets)
        strings, styles = _Strings(file_name, limits), _Styles()
        if "xl/sharedStrings.xml" in names:
            stream(archive, "xl/sharedStrings.xml", strings)
        if "xl/styles.xml" in names:
            stream(archive, "xl/styles.xml", styles)
        targets = related(archive, book)
        pages: list[Page] = []
        for number, (title, relation) in enumerate(sheets.found, start=1):
            kind, part = targets.get(relation, ("", ""))
            if kind == "worksheet" and part in names:
                blocks = row_blocks(_rows(archive, part, strings.found, styles, budget), _Uncounted(file_name, limits))
                pages.append(Page(number, (Block("heading", title, 1), *blocks) if title else tuple(blocks)))
    return "", pages


def _rows(
    archive: ZipFile, part: str, strings: Sequence[str], styles: _Styles, budget: RowBudget
) -> Iterator[Sequence[str]]:
    sheet = _Sheet(strings, styles, budget)
    stream(archive, part, sheet)
    yield from sheet.rows


class _Uncounted(RowBudget):
    """The sheet counts its rows itself, while it is read."""

    def count(self, cells: Sequence[str]) -> None: ...


class _Sheets(Handler):
    def __init__(self) -> None:
        self.found: list[tuple[str, str]] = []

    def start(self, name: str, attributes: Attributes) -> None:
        if name == "sheet" and attributes.get("state", "visible") == "visible":
            self.found.append((clean(attributes.get("name", "")).strip()[:200], attributes.get("id", "")))


class _Strings(Handler):
    """Texts that cells share. A text may come in runs; phonetic readings beside it are left away."""

    def __init__(self, file_name: str, limits: ParseLimits) -> None:
        self.found: list[str] = []
        self._file_name, self._limits = file_name, limits
        self._parts: list[str] = []
        self._in_text = self._in_phonetic = False
        self._characters = 0

    def start(self, name: str, attributes: Attributes) -> None:
        match name:
            case "si":
                self._parts = []
            case "rPh":
                self._in_phonetic = True
            case "t":
                self._in_text = not self._in_phonetic
            case _:
                pass

    def end(self, name: str) -> None:
        match name:
            case "si":
                self.found.append("".join(self._parts))
            case "rPh":
                self._in_phonetic = False
            case "t":
                self._in_text = False
            case _:
                pass

    def text(self, data: str) -> None:
        if self._in_text:
            self._characters += len(data)
            if self._characters > self._limits.output_bytes:
                raise DocumentLimit(f"{self._file_name!r} holds more text than one document may have. Split it.")
            self._parts.append(data)


class _Styles(Handler):
    """Which cell styles show a number as a date."""

    def __init__(self) -> None:
        self.dates: set[int] = set()
        self._formats: dict[int, bool] = {}
        self._in_cells = False
        self._count = 0

    def start(self, name: str, attributes: Attributes) -> None:
        if name == "numFmt":
            code = _QUOTED.sub("", attributes.get("formatCode", ""))
            self._formats[_integer(attributes.get("numFmtId"))] = bool(_DATE_CODE.search(code))
        elif name == "cellXfs":
            self._in_cells = True
        elif name == "xf" and self._in_cells:
            format = _integer(attributes.get("numFmtId"))
            if self._formats.get(format, format in _DATE_FORMATS):
                self.dates.add(self._count)
            self._count += 1

    def end(self, name: str) -> None:
        if name == "cellXfs":
            self._in_cells = False


class _Sheet(Handler):
    def __init__(self, strings: Sequence[str], styles: _Styles, budget: RowBudget) -> None:
        self.rows: list[list[str]] = []
        self._strings, self._styles, self._budget = strings, styles, budget
        self._row: list[str] = []
        self._kind, self._style, self._column = "", -1, 0
        self._parts: list[str] = []
        self._in_value = False

    def start(self, name: str, attributes: Attributes) -> None:
        match name:
            case "row":
                self._row = []
            case "c":
                found = _REFERENCE.fullmatch(attributes.get("r", ""))
                self._column = min(_column(found[1]) if found else len(self._row), _WIDEST - 1)
                self._kind, self._style = attributes.get("t", "n"), _integer(attributes.get("s"))
                self._parts = []
            case "v" | "t":
                self._in_value = True
            case _:
                pass

    def end(self, name: str) -> None:
        match name:
            case "v" | "t":
                self._in_value = False
            case "c":
                self._row += [""] * (self._column - len(self._row))
                self._row.append(self._value("".join(self._parts)))
            case "row" if any(self._row):
                self._budget.count(self._row)
                self.rows.append(self._row)
            case _:
                pass

    def text(self, data: str) -> None:
        if self._in_value:
            self._parts.append(data)

    def _value(self, text: str) -> str:
        match self._kind:
            case "s":
                index = _integer(text)
                return self._strings[index] if 0 <= index < len(self._strings) else ""
            case "b":
                return "TRUE" if text == "1" else "FALSE"
            case "n" if self._style in self._styles.dates:
                return _date(text)
            case _:
                return text.removesuffix(".0")


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1


def _date(text: str) -> str:
    try:
        days = float(text)
        moment = _EPOCH + timedelta(seconds=round(days * 86_400))
    except (ValueError, OverflowError):
        return text
    if days < 1:
        return moment.strftime("%H:%M:%S")
    return moment.date().isoformat() if days == int(days) else moment.isoformat(sep=" ", timespec="minutes")


def _integer(value: str | None) -> int:
    return int(value) if value is not None and value.isascii() and value.isdigit() and len(value) < 10 else -1
