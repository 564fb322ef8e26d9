"""References between steps: `{{steps.fetch.output.items[0].id}}` is looked up, never executed.

A text that is one reference becomes the value itself; references inside a longer text are put in as text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import orjson

from glia.workflows.errors import StepError

LARGEST_TEXT_CHARACTERS = 2_000_000
DEEPEST_TEMPLATE = 32
ROOTS = ("input", "steps", "item", "index", "execution")
_STEP_FIELDS = ("output", "status", "error")

_BRACES = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_ROOT = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)")
_PART = re.compile(r"""\.([A-Za-z_][A-Za-z0-9_-]*)|\[\s*(-?\d{1,9})\s*\]|\[\s*"([^"\\]*)"\s*\]|\[\s*'([^'\\]*)'\s*\]""")


class BadReference(ValueError):
    """What is written between braces is no reference; says why."""


@dataclass(frozen=True)
class Reference:
    root: str
    path: tuple[str | int, ...]
    text: str

    @property
    def step(self) -> str | None:
        """The step it reads, if it reads one."""
        return str(self.path[0]) if self.root == "steps" and self.path else None


Lookup = Callable[[Reference], Any]
"""Finds the value that a reference begins at: the input, a step's output, an item."""


@lru_cache(maxsize=8192)
def parts_of(text: str) -> tuple[str | Reference, ...]:
    """A text cut into plain pieces and references. Raises BadReference."""
    found: list[str | Reference] = []
    at = 0
    for match in _BRACES.finditer(text):
        if match.start() > at:
            found.append(text[at : match.start()])
        found.append(_parse(match[1]))
        at = match.end()
    if at < len(text):
        found.append(text[at:])
    if any(isinstance(piece, str) and "{{" in piece for piece in found):
        raise BadReference("it opens braces `{{` that are not closed by `}}`")
    return tuple(found)


def _parse(text: str) -> Reference:
    root = _ROOT.match(text)
    if root is None or root[1] not in ROOTS:
        raise BadReference(f"`{{{{{text[:80]}}}}}` must begin with one of {', '.join(ROOTS)}")
    path: list[str | int] = []
    end = len(text.rstrip())
    at = root.end()
    while at < end:
        part = _PART.match(text, at, end)
        if part is None:
            raise BadReference(
                f"`{{{{{text[:80]}}}}}` cannot be read at `{text[at : at + 20]}`: a reference goes on with `.name`,"
                ' `[0]` or `["name"]`, and nothing else'
            )
        name, index, double, single = part.groups()
        path.append(int(index) if index is not None else next(p for p in (name, double, single) if p is not None))
        at = part.end()
    _check_path(root[1], path, text)
    return Reference(root[1], tuple(path), text.strip())


def _check_path(root: str, path: list[str | int], text: str) -> None:
    shown = f"`{{{{{text[:80]}}}}}`"
    if root == "steps" and (len(path) < 2 or path[1] not in _STEP_FIELDS):
        raise BadReference(f"{shown} must name a step and its output, status or error, as `steps.fetch.output.id`")
    if root == "execution" and path != ["id"]:
        raise BadReference(f"{shown}: of an execution there is only its `id`")
    if root == "index" and path:
        raise BadReference(f"{shown}: an index is a number and has no parts")


def references_in(template: Any, at: str = "") -> Iterator[tuple[str, Reference | BadReference]]:
    """Every reference of a template with its place. Any: JSON."""
    yield from _references(template, at, 0)


def _references(template: Any, at: str, depth: int) -> Iterator[tuple[str, Reference | BadReference]]:
    if depth > DEEPEST_TEMPLATE:
        yield at, BadReference(f"it is nested more than {DEEPEST_TEMPLATE} levels deep")
    elif isinstance(template, str):
        try:
            for part in parts_of(template):
                if isinstance(part, Reference):
                    yield at, part
        except BadReference as problem:
            yield at, problem
    elif isinstance(template, dict):
        for name, value in cast(dict[str, Any], template).items():
            yield from _references(value, f"{at}.{name}", depth + 1)
    elif isinstance(template, list):
        for index, value in enumerate(cast(list[Any], template)):
            yield from _references(value, f"{at}[{index}]", depth + 1)


class Resolver:
    """Fills templates in. One object for one step: what it may write as text is limited in all."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._left = LARGEST_TEXT_CHARACTERS

    def value(self, template: Any) -> Any:
        """The template with every reference replaced by its value. Raises StepError."""
        if isinstance(template, str):
            return self._text(template, str)
        if isinstance(template, dict):
            return {name: self.value(value) for name, value in cast(dict[str, Any], template).items()}
        if isinstance(template, list):
            return [self.value(value) for value in cast(list[Any], template)]
        return template

    def text(self, template: str, encode: Callable[[str], str] = str) -> str:
        """As a text in any case. encode: applied to what is put in, not to what was written."""
        value = self._text(template, encode)
        return value if isinstance(value, str) else plain(value)

    def _text(self, template: str, encode: Callable[[str], str]) -> Any:
        parts = parts_of(template)
        if len(parts) == 1 and isinstance(parts[0], Reference):
            found = self.find(parts[0])
            if found is not None:
                self._count(len(plain(found)))
            return found
        pieces: list[str] = []
        for part in parts:
            piece = part if isinstance(part, str) else encode(plain(self.find(part)))
            self._count(len(piece))
            pieces.append(piece)
        return "".join(pieces)

    def _count(self, characters: int) -> None:
        """A few references can ask for far more than anybody can hold: each may name the same large output."""
        self._left -= characters
        if self._left < 0:
            raise StepError(
                f"What the references of this step put in is longer than {LARGEST_TEXT_CHARACTERS} characters.",
                code="input_too_large",
                is_final=True,
            )

    def find(self, reference: Reference) -> Any:
        """The value of one reference. Raises StepError, naming the part that is missing."""
        value = self._lookup(reference)
        start = 2 if reference.root == "steps" else 0
        # What a skipped or failed step would have said is null, and so is every part of it.
        if value is None and reference.root == "steps":
            return None
        return walk(value, reference.path[start:], reference.text)


def walk(value: Any, path: tuple[str | int, ...], text: str) -> Any:
    for part in path:
        if isinstance(part, int) and isinstance(value, list):
            items = cast(list[Any], value)
            if not -len(items) <= part < len(items):
                raise _missing(text, f"the list has {len(items)} items, so there is none at [{part}]")
            value = items[part]
        elif isinstance(part, str) and isinstance(value, Mapping):
            known = cast(Mapping[str, Any], value)
            if part not in known:
                names = ", ".join(list(known)[:20]) or "nothing"
                raise _missing(text, f"there is no `{part}`; there is {names}")
            value = known[part]
        else:
            raise _missing(text, f"`{part}` cannot be looked up in {_kind(value)}")
    return value


def plain(value: Any) -> str:
    """How a value reads inside a text: texts as they are, everything else as JSON."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _missing(text: str, why: str) -> StepError:
    return StepError(f"`{{{{{text}}}}}` leads nowhere: {why[:500]}.", code="invalid_reference", is_final=True)


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return "a text (an agent's answer is parsed only with `output: json`)"
    if isinstance(value, dict):
        return "an object"
    return "a list" if isinstance(value, list) else "null" if value is None else "a single value"
