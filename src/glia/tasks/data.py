"""Working through data: rows from CSV, JSON or XML, filtered, sorted and narrowed, with a summary of each column."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any, cast
from xml.parsers import expat

import orjson

from glia.kit.errors import InvalidRequest

MOST_ROWS = 100_000
SHOWN_ROWS = 1_000
_DEEPEST = 50
_OPS = ("eq", "ne", "gt", "gte", "lt", "lte", "contains")

Row = dict[str, Any]


def process(text: str, kind: str, transform: Mapping[str, Any]) -> dict[str, object]:
    """`{type, row_count, rows, columns, summary}`; at most 1,000 rows are shown. Raises InvalidRequest."""
    kind = sniffed(text) if kind == "auto" else kind
    readers = {"csv": _csv, "json": _json, "xml": _xml}
    if kind not in readers:
        raise InvalidRequest(f"`type` {kind[:50]!r} is none of csv, json, xml, auto.", field="type")
    rows = transformed(readers[kind](text), transform)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return {
        "type": kind,
        "row_count": len(rows),
        "columns": columns,
        "rows": rows[:SHOWN_ROWS],
        "is_truncated": len(rows) > SHOWN_ROWS,
        "summary": {name: _summary([row.get(name) for row in rows]) for name in columns[:200]},
    }


def sniffed(text: str) -> str:
    start = text.lstrip()[:1]
    return "json" if start in ("{", "[") else "xml" if start == "<" else "csv"


def transformed(rows: list[Row], transform: Mapping[str, Any]) -> list[Row]:
    """filter: `{column: value}` or `[{column, op, value}]`; sort: a column, `-column` or a list; select: columns;
    limit: how many."""
    for condition in _conditions(transform.get("filter")):
        rows = [row for row in rows if _holds(row, condition)]
    for column in reversed(_names(transform.get("sort"), "sort")):
        name = column.removeprefix("-")
        rows = sorted(rows, key=lambda row, name=name: _sortable(row.get(name)), reverse=column.startswith("-"))
    if selected := _names(transform.get("select"), "select"):
        rows = [{name: row.get(name) for name in selected} for row in rows]
    limit = transform.get("limit")
    if limit is not None:
        if not isinstance(limit, int) or limit < 0:
            raise InvalidRequest("`transform.limit` must be a whole number.", field="transform")
        rows = rows[:limit]
    return rows


def _conditions(given: Any) -> list[tuple[str, str, Any]]:
    if given is None:
        return []
    if isinstance(given, dict):
        fields = cast(dict[str, Any], given)
        if "column" not in fields and "field" not in fields:
            return [(name, "eq", value) for name, value in fields.items()]
        given = [fields]
    if not isinstance(given, list):
        raise InvalidRequest("`transform.filter` must be an object or a list of conditions.", field="transform")
    found: list[tuple[str, str, Any]] = []
    for one in cast(list[Any], given):
        condition = cast(dict[str, Any], one) if isinstance(one, dict) else {}
        name, op = condition.get("column") or condition.get("field"), condition.get("op", "eq")
        if not isinstance(name, str) or op not in _OPS:
            raise InvalidRequest(
                f"Each condition of `transform.filter` has a `column` and an `op` out of {', '.join(_OPS)}.",
                field="transform",
            )
        found.append((name, op, condition.get("value")))
    return found


def _names(given: Any, field: str) -> list[str]:
    names = [given] if isinstance(given, str) else given or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in cast(list[Any], names)):
        raise InvalidRequest(f"`transform.{field}` must be a column or a list of columns.", field="transform")
    return cast(list[str], names)


def _holds(row: Row, condition: tuple[str, str, Any]) -> bool:
    name, op, wanted = condition
    value = row.get(name)
    if op == "contains":
        return str(wanted).lower() in str(value).lower()
    if op in ("eq", "ne"):
        return (value == wanted or str(value) == str(wanted)) is (op == "eq")
    left, right = _number(value), _number(wanted)
    if left is None or right is None:
        return False
    return {"gt": left > right, "gte": left >= right, "lt": left < right, "lte": left <= right}[op]


def _sortable(value: Any) -> tuple[int, float, str]:
    number = _number(value)
    return (0, number, "") if number is not None else (1, 0.0, str(value))


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _summary(values: Sequence[Any]) -> dict[str, object]:
    present = [value for value in values if value not in (None, "")]
    numbers = [number for value in present if (number := _number(value)) is not None]
    found: dict[str, object] = {"count": len(present), "distinct": len({str(value) for value in present})}
    if numbers and len(numbers) == len(present):
        found |= {"min": min(numbers), "max": max(numbers), "sum": sum(numbers), "mean": sum(numbers) / len(numbers)}
    return found


def _csv(text: str) -> list[Row]:
    lines = io.StringIO(text.lstrip("\ufeff"))
    try:
        separator = csv.Sniffer().sniff(text[:4_000], ",;\t|").delimiter
    except csv.Error:
        separator = ","
    try:
        rows = [{str(name): value for name, value in row.items()} for row in csv.DictReader(lines, delimiter=separator)]
    except csv.Error as error:
        raise InvalidRequest(f"`data` is not CSV: {error}.", field="data") from None
    return _few(rows)


def _json(text: str) -> list[Row]:
    try:
        found: Any = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"`data` is not JSON: {error}.", field="data") from None
    if isinstance(found, dict):
        fields = cast(dict[str, Any], found)
        lists = [cast(list[Any], value) for value in fields.values() if isinstance(value, list)]
        found = lists[0] if len(lists) == 1 and len(fields) <= 3 else [fields]
    items = cast(list[Any], found) if isinstance(found, list) else [found]
    return _few([cast(Row, item) if isinstance(item, dict) else {"value": item} for item in items])


def _xml(text: str) -> list[Row]:
    """The elements below the root, each with its attributes and the texts of its children. No entities are declared."""
    reader = _XmlReader()
    try:
        reader.parser.Parse(text.encode(), True)
    except expat.ExpatError as error:
        raise InvalidRequest(f"`data` is not XML: {error}.", field="data") from None
    return _few(reader.rows)


class _XmlReader:
    def __init__(self) -> None:
        self.rows: list[Row] = []
        self._path: list[str] = []
        self._row: Row = {}
        self._text: list[str] = []
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text.append
        self.parser.StartDoctypeDeclHandler = self._refuse

    def _refuse(self, *_: object) -> None:
        raise InvalidRequest("`data` declares a document type, which is not read.", field="data")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._path.append(name)
        self._text.clear()
        if len(self._path) > _DEEPEST:
            raise InvalidRequest(f"`data` is nested more than {_DEEPEST} deep.", field="data")
        if len(self._path) == 2:
            self._row = dict(attributes)

    def _end(self, name: str) -> None:
        text = "".join(self._text).strip()
        self._text.clear()
        if len(self._path) > 2 and text:
            self._row[".".join(self._path[2:])] = text
        elif len(self._path) == 2:
            if text:
                self._row[name] = text
            self.rows.append(self._row)
        self._path.pop()


def _few(rows: list[Row]) -> list[Row]:
    if len(rows) > MOST_ROWS:
        raise InvalidRequest(f"`data` has {len(rows)} rows; the most is {MOST_ROWS}.", field="data")
    return rows
