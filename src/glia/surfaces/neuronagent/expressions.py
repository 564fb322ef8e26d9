"""Conditions as NeuronAgent writes them, `score > 0.5 and status in ["ok", "done"]`, as data that the core compares."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from glia.kit.errors import InvalidRequest

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<number>-?\d+(?:\.\d+)?)|(?P<op>==|!=|>=|<=|>|<|\(|\)|\[|\]|,)"""
    r"""|(?P<word>\{\{[^{}]*\}\}|[A-Za-z_$][A-Za-z0-9_.\-\[\]"]*))"""
)
_OPS = {"==": "eq", "!=": "ne", ">": "gt", ">=": "gte", "<": "lt", "<=": "lte"}
_CONSTANTS: dict[str, Any] = {"true": True, "false": False, "null": None, "none": None}
_LONGEST = 2000
_DEEPEST = 12


def condition_of(expression: str, reference: Callable[[str], str]) -> dict[str, Any]:
    """reference: makes the core's reference of a name, as `input.score`. Raises InvalidRequest."""
    if len(expression) > _LONGEST:
        raise _wrong(expression, f"it has more than {_LONGEST} characters")
    reader = _Reader(expression, reference)
    found = reader.any_of()
    reader.end()
    return found


class _Reader:
    def __init__(self, expression: str, reference: Callable[[str], str]) -> None:
        self._expression = expression
        self._reference = reference
        self._tokens = list(_tokens(expression))
        self._at = 0
        self._depth = 0

    def any_of(self) -> dict[str, Any]:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _wrong(self._expression, f"it is nested more than {_DEEPEST} levels deep")
        parts = [self._all_of()]
        while self._take_word("or", "||"):
            parts.append(self._all_of())
        self._depth -= 1
        return parts[0] if len(parts) == 1 else {"any": parts}

    def end(self) -> None:
        if self._at < len(self._tokens):
            raise _wrong(self._expression, f"{self._tokens[self._at][1]!r} is not expected there")

    def _all_of(self) -> dict[str, Any]:
        parts = [self._one()]
        while self._take_word("and", "&&"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else {"all": parts}

    def _one(self) -> dict[str, Any]:  # noqa: PLR0911 - one for each way to write it
        if self._take_word("not"):
            self._depth += 1
            if self._depth > _DEEPEST:
                raise _wrong(self._expression, f"it is nested more than {_DEEPEST} levels deep")
            inner = self._one()
            self._depth -= 1
            return {"not": inner}
        if self._take("("):
            inner = self.any_of()
            self._expect(")")
            return inner
        left = self._value()
        kind, text = self._peek()
        if kind == "op" and text in _OPS:
            self._at += 1
            return {"left": left, "op": _OPS[text], "right": self._value()}
        if self._take_word("in"):
            return {"left": left, "op": "in", "right": self._value()}
        if self._take_word("contains"):
            return {"left": left, "op": "contains", "right": self._value()}
        if isinstance(left, bool):
            return {"left": left, "op": "eq", "right": True}
        return {"all": [{"left": left, "op": "exists"}, {"not": {"left": left, "op": "eq", "right": False}}]}

    def _value(self) -> Any:
        kind, text = self._peek()
        self._at += 1
        match kind:
            case "text":
                return text[1:-1].replace("\\'", "'").replace('\\"', '"')
            case "number":
                return orjson.loads(text)
            case "word" if text.lower() in _CONSTANTS:
                return _CONSTANTS[text.lower()]
            case "word":
                return "{{" + self._reference(text.strip("{} ")) + "}}"
            case "op" if text == "[":
                return self._list()
            case _:
                raise _wrong(self._expression, "a value is missing")

    def _list(self) -> list[Any]:
        if self._peek() == ("op", "["):
            raise _wrong(self._expression, "a list lies in a list")
        items: list[Any] = []
        while not self._take("]"):
            if items:
                self._expect(",")
            items.append(self._value())
        return items

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "")

    def _take(self, op: str) -> bool:
        is_there = self._peek() == ("op", op)
        self._at += is_there
        return is_there

    def _take_word(self, *words: str) -> bool:
        kind, text = self._peek()
        is_there = kind == "word" and text.lower() in words
        self._at += is_there
        return is_there

    def _expect(self, op: str) -> None:
        if not self._take(op):
            raise _wrong(self._expression, f"{op!r} is missing")


def _tokens(expression: str) -> Iterator[tuple[str, str]]:
    text = expression.replace("&&", " and ").replace("||", " or ").strip()
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None or found.lastgroup is None:
            raise _wrong(expression, f"{text[at : at + 20]!r} cannot be read")
        yield found.lastgroup, found[found.lastgroup]
        at = found.end()
        while at < len(text) and text[at].isspace():
            at += 1


def _wrong(expression: str, why: str) -> InvalidRequest:
    return InvalidRequest(
        f"The expression {expression[:200]!r} cannot be used: {why}. Write it as `score > 0.5 and kind in ['a', 'b']`.",
        field="expression",
    )
