"""Puts a model's arguments into an HTTP request: path, query, headers, cookies and body, each encoded for its place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import quote, urlencode

import orjson

from glia.tools.errors import InvalidArguments
from glia.tools.types import Placement

PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_-]*)\}")
QUERY_METHODS = frozenset({"GET", "DELETE"})
_UNSAFE_IN_HEADER = re.compile(r"[^\t\x20-\x7e\x80-\xff]")
_JOINTS = {"repeat": ",", "comma": ",", "space": " ", "pipe": "|", "deep": ","}
_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"


@dataclass
class Placed:
    """A request without the tool's own headers."""

    url: str
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: bytes | None = None


@dataclass
class _Parts:
    query: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    headers: dict[str, str] = field(default_factory=dict[str, str])
    cookies: list[str] = field(default_factory=list[str])
    form: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    body: object = None
    has_body: bool = False


def place(
    url: str, method: str, placements: Mapping[str, Placement], values: Mapping[str, object], name: str
) -> Placed:
    """values: the arguments, null meaning not given where a place can be left empty.

    Raises InvalidArguments for a value that its place cannot hold.
    """
    url, rest = _fill(url, placements, values, name)
    parts = _Parts()
    loose: dict[str, object] = {}
    for key, value in rest.items():
        placement = placements.get(key)
        if placement is None:
            loose[key] = value
        elif value is not None or placement.place == "body":
            _put(parts, placement, key, value, name)
    has_own_body = parts.has_body or any(each.place in {"body", "form"} for each in placements.values())
    if method in QUERY_METHODS or has_own_body:
        if has_own_body and method not in QUERY_METHODS and loose:
            raise _wrong(name, f"there is no property `{next(iter(loose))[:80]}`", None)
        for key, value in loose.items():
            parts.query += _pairs(Placement("query", key), value)
    elif loose or not placements:  # a tool that places everything, and nothing in a body, has none
        parts.body, parts.has_body = loose, True
    return _assembled(url, parts)


def plain(value: object) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _assembled(url: str, parts: _Parts) -> Placed:
    if query := urlencode(parts.query):
        url += ("&" if "?" in url else "?") + query
    headers, body = parts.headers, None
    if parts.cookies:
        headers["Cookie"] = "; ".join(parts.cookies)
    if parts.form:
        body, headers["Content-Type"] = urlencode(parts.form).encode(), _FORM
    elif parts.has_body:
        body, headers["Content-Type"] = orjson.dumps(parts.body), _JSON
    return Placed(url, headers, body)


def _put(parts: _Parts, placement: Placement, key: str, value: object, name: str) -> None:
    match placement.place:
        case "query":
            parts.query += _pairs(placement, value)
        case "form":
            parts.form += _pairs(placement, value)
        case "header":
            text = _joined(value, ",")
            if _UNSAFE_IN_HEADER.search(text):
                raise _wrong(name, f"`{key}` is sent as a header and may hold no line break or special character", key)
            parts.headers[placement.name] = text
        case "cookie":
            parts.cookies.append(f"{placement.name}={quote(_joined(value, ','), safe='')}")
        case "body":
            parts.body, parts.has_body = value, True
        case "path":
            pass  # `_fill` has done it


def _fill(
    url: str, placements: Mapping[str, Placement], values: Mapping[str, object], name: str
) -> tuple[str, dict[str, object]]:
    """Puts arguments into the URL's placeholders, encoded so that none can leave its place; returns the others too."""
    used: set[str] = set()

    def value_of(match: re.Match[str]) -> str:
        used.add(match[1])
        value = values.get(match[1])
        is_list = match[1] in placements and _is_list(value)
        text = _joined(value, ",") if is_list else plain(value)
        # An empty or dotted segment would lead to another path than the one the user allowed.
        if value is None or text in {"", ".", ".."}:
            raise _wrong(name, f"`{match[1]}` is part of the address and may not be {text!r}", match[1])
        return quote(text, safe="," if is_list else "")

    return PLACEHOLDER.sub(value_of, url), {key: value for key, value in values.items() if key not in used}


def _pairs(placement: Placement, value: object) -> list[tuple[str, str]]:
    """Parameters: a list repeats its name unless it is joined, an object is spread or nested, null is left out."""
    name, style = placement.name, placement.style
    if style == "deep" and type(value) is dict:
        return _deep(name, cast(dict[str, object], value))
    if isinstance(value, list):
        items = [item for item in cast(list[object], value) if item is not None]
        if style in {"repeat", "deep"}:
            return [(name, plain(item)) for item in items]
        return [(name, _JOINTS[style].join(plain(item) for item in items))] if items else []
    return [] if value is None else [(name, plain(value))]


def _deep(name: str, value: Mapping[str, object]) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for key, item in value.items():
        items = cast(list[object], item) if isinstance(item, list) else [item]
        pairs += [(f"{name}[{key}]", plain(each)) for each in items if each is not None]
    return pairs


def _joined(value: object, joint: str) -> str:
    if isinstance(value, list):
        return joint.join(plain(item) for item in cast(list[object], value))
    return plain(value)


def _wrong(name: str, problem: str, field: str | None) -> InvalidArguments:
    return InvalidArguments(f"The arguments of {name} are wrong: {problem}. Correct it and call again.", field=field)


def _is_list(value: object) -> bool:
    """Apart from the rest, so that the value keeps its plain type."""
    return isinstance(value, list)
