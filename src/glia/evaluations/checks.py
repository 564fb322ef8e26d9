"""Reads and checks what a person says about cases, scorers and evaluations. Every refusal names the field."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast, get_args

import msgspec
import orjson

from glia.evaluations.types import (
    LARGEST_IMPORT_BYTES,
    MOST_CASES,
    MOST_CONCURRENT,
    MOST_REPEATS,
    MOST_SCORERS,
    CaseSpec,
    Cost,
    EvaluationSettings,
    Latency,
    Rubric,
    Scorer,
    Tokens,
)
from glia.kit.errors import InvalidRequest

LONGEST_NAME = 200
LONGEST_INPUT = 100_000
LONGEST_TEXT = 20_000
LARGEST_METADATA_BYTES = 16 * 1024
LONGEST_CASE_SECONDS = 24 * 3600
_MOST_NAMES = 100
_MOST_TAGS = 50

_KINDS = {str(struct.__struct_config__.tag): struct for struct in get_args(Scorer)}
_AT = re.compile(r" - at `\$\.?(.*?)`$")
_NAMED = re.compile(r"field `([^`]+)`")


def read_cases(given: Sequence[object], where: str) -> list[CaseSpec]:
    """where: the field that holds them, as `cases`. Raises InvalidRequest, which names the case and its field."""
    if not 1 <= len(given) <= MOST_CASES:
        raise InvalidRequest(f"`{where}` has {len(given)} cases; it needs 1 to {MOST_CASES}.", field=where)
    return [_case(one, f"{where}[{index}]", f"`{where}[{index}]`") for index, one in enumerate(given)]


def read_lines(body: bytes) -> list[CaseSpec]:
    """Cases from JSON lines; empty lines are passed over. Raises InvalidRequest, which names the line."""
    if len(body) > LARGEST_IMPORT_BYTES:
        raise InvalidRequest(f"The body has {len(body)} bytes; the most is {LARGEST_IMPORT_BYTES}.")
    lines = [(number, line) for number, line in enumerate(body.splitlines(), 1) if line.strip()]
    if not 1 <= len(lines) <= MOST_CASES:
        raise InvalidRequest(f"The body has {len(lines)} lines with cases; it needs 1 to {MOST_CASES}.")
    found: list[CaseSpec] = []
    for number, line in lines:
        try:
            tree: object = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise InvalidRequest(f"Line {number} is no JSON: {error}.", field=f"line[{number}]") from None
        found.append(_case(tree, f"line[{number}]", f"Line {number}"))
    return found


def _case(given: object, where: str, shown: str) -> CaseSpec:
    try:
        spec = msgspec.convert(given, CaseSpec)
    except msgspec.ValidationError as error:
        raise _refusal(str(error), where) from None
    check_case(spec, where, shown)
    return spec


def check_case(spec: CaseSpec, where: str = "", shown: str = "The case") -> None:
    """where: what comes before the field's name, as `cases[3]`. Raises InvalidRequest."""
    dot = f"{where}." if where else ""
    if not spec.input.strip():
        raise InvalidRequest(f"{shown} has an empty `input`; say what the agent is told.", field=f"{dot}input")
    for field, text, most in (
        ("input", spec.input, LONGEST_INPUT),
        ("name", spec.name, LONGEST_NAME),
        ("expected_answer", spec.expected_answer, LONGEST_TEXT),
        ("rubric", spec.rubric, LONGEST_TEXT),
    ):
        _check_text(f"{dot}{field}", text, most)
    for field, names, most in (
        ("expected_tools", spec.expected_tools, _MOST_NAMES),
        ("expected_documents", spec.expected_documents, _MOST_NAMES),
        ("tags", spec.tags, _MOST_TAGS),
    ):
        _check_names(f"{dot}{field}", names, most)
    check_metadata(spec.metadata, f"{dot}metadata")


def _check_text(field: str, text: str | None, most: int) -> None:
    if text is None:
        return
    if len(text) > most:
        raise InvalidRequest(f"`{field}` has {len(text)} characters; the most is {most}.", field=field)
    if "\0" in text:
        raise InvalidRequest(f"`{field}` holds a NUL character; leave it away.", field=field)


def _check_names(field: str, names: Sequence[str] | None, most: int) -> None:
    if names is None:
        return
    if len(names) > most:
        raise InvalidRequest(f"`{field}` has {len(names)} entries; the most is {most}.", field=field)
    for index, name in enumerate(names):
        if not name.strip() or len(name) > LONGEST_NAME or "\0" in name:
            raise InvalidRequest(
                f"`{field}[{index}]` has {len(name)} characters; it needs 1 to {LONGEST_NAME}, none of them NUL.",
                field=f"{field}[{index}]",
            )


def check_metadata(metadata: Mapping[str, object], field: str = "metadata") -> None:
    try:
        size = len(orjson.dumps(metadata))
    except TypeError as error:
        raise InvalidRequest(f"`{field}` cannot be kept as JSON: {error}.", field=field) from None
    if size > LARGEST_METADATA_BYTES:
        raise InvalidRequest(f"`{field}` has {size} bytes; the most is {LARGEST_METADATA_BYTES}.", field=field)
    if b"\\u0000" in orjson.dumps(metadata):
        raise InvalidRequest(f"`{field}` holds a NUL character; leave it away.", field=field)


def check_name(name: str, *, may_be_empty: bool = False) -> None:
    if (not name.strip() and not may_be_empty) or len(name) > LONGEST_NAME:
        raise InvalidRequest(f"`name` has {len(name)} characters; it needs 1 to {LONGEST_NAME}.", field="name")


def check_description(text: str) -> None:
    _check_text("description", text, LONGEST_TEXT)


def read_settings(given: Mapping[str, Any]) -> EvaluationSettings:
    """Any: JSON from a client, with `scorers` and the fields of EvaluationSettings. Raises InvalidRequest."""
    scorers = _read_scorers(given.get("scorers"))
    rest = {name: value for name, value in given.items() if name != "scorers"}
    try:
        settings = msgspec.convert({**rest, "scorers": []}, EvaluationSettings)
    except msgspec.ValidationError as error:
        raise _refusal(str(error), "") from None
    for field, value, most in (
        ("repeats", settings.repeats, MOST_REPEATS),
        ("concurrency", settings.concurrency, MOST_CONCURRENT),
        ("case_timeout_seconds", settings.case_timeout_seconds, LONGEST_CASE_SECONDS),
    ):
        if not 1 <= value <= most:
            raise InvalidRequest(f"`{field}` is {value}; it must be between 1 and {most}.", field=field)
    _check_names("tags", settings.tags, _MOST_TAGS)
    return msgspec.structs.replace(settings, scorers=scorers)


def _read_scorers(given: object) -> tuple[Scorer, ...]:
    scorers = cast(list[object], given) if isinstance(given, list) else []
    if not 1 <= len(scorers) <= MOST_SCORERS:
        raise InvalidRequest(f"`scorers` has {len(scorers)} entries; it needs 1 to {MOST_SCORERS}.", field="scorers")
    found: list[Scorer] = []
    for index, one in enumerate(scorers):
        scorer = _read_scorer(one, f"scorers[{index}]")
        if any(other.name == scorer.name for other in found):
            raise InvalidRequest(
                f"Two scorers have the name {scorer.name!r}; give each a `name` of its own.",
                field=f"scorers[{index}].name",
            )
        found.append(scorer)
    return tuple(found)


def _read_scorer(given: object, where: str) -> Scorer:
    tree = cast(dict[str, object], given) if isinstance(given, dict) else {}
    kind = tree.get("kind")
    if kind not in _KINDS:
        raise InvalidRequest(
            f"`{where}.kind` {str(kind)[:50]!r} is none; there are {', '.join(sorted(_KINDS))}.", field=f"{where}.kind"
        )
    try:
        # Scorer is a union of structs, which a type checker does not take for a type.
        scorer = cast(Scorer, msgspec.convert(tree, _KINDS[str(kind)]))
    except msgspec.ValidationError as error:
        raise _refusal(str(error), where) from None
    scorer = msgspec.structs.replace(scorer, name=scorer.name.strip() or scorer.kind)
    _check_scorer(scorer, where)
    return scorer


def _check_scorer(scorer: Scorer, where: str) -> None:
    _check_text(f"{where}.name", scorer.name, LONGEST_NAME)
    if not 0 <= scorer.threshold <= 1:  # also refuses what is not a number
        raise InvalidRequest(
            f"`{where}.threshold` is {scorer.threshold:g}; it must be between 0 and 1.", field=f"{where}.threshold"
        )
    most: tuple[str, int] | None = None
    match scorer:
        case Rubric(rubric=rubric, model=model):
            _check_text(f"{where}.rubric", rubric, LONGEST_TEXT)
            _check_text(f"{where}.model", model, LONGEST_NAME)
        case Latency(at_most_ms=at_most):
            most = "at_most_ms", at_most
        case Cost(at_most_micros=at_most):
            most = "at_most_micros", at_most
        case Tokens(at_most=at_most):
            most = "at_most", at_most
        case _:
            pass
    if most is not None and not 0 <= most[1] <= 10**12:
        raise InvalidRequest(
            f"`{where}.{most[0]}` is {most[1]}; it must be between 0 and 10^12.", field=f"{where}.{most[0]}"
        )


def _refusal(said: str, where: str) -> InvalidRequest:
    path = match[1] if (match := _AT.search(said)) else ""
    problem = _AT.sub("", said)
    named = _NAMED.search(said) if "unknown field" in said or "missing required" in said else None
    field = ".".join(filter(None, (where, path, named[1] if named else "")))
    if "unknown field" in said:
        return InvalidRequest(f"`{field}` is not known here; leave it away or correct its name.", field=field)
    if "missing required" in said:
        return InvalidRequest(f"`{field}` is missing.", field=field)
    return InvalidRequest(f"`{field}`: {problem[:1].lower()}{problem[1:]}.", field=field or None)
