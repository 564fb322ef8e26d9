"""Answers that must be JSON: how a model is told that has no switch for it, and whether an answer is what was asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, cast

import orjson

from glia.kit.errors import InvalidRequest

Format = Mapping[str, object]

LARGEST_SCHEMA_BYTES = 65_536


def check_format(form: object, field: str = "response_format") -> Format | None:
    """The format as chat completions say it; None for plain text. Raises InvalidRequest that names the fault."""
    if form is None:
        return None
    if not isinstance(form, Mapping):
        raise InvalidRequest(f"`{field}` must be an object with a `type`.", field=field)
    known = cast(Format, form)
    match known.get("type"):
        case "text":
            return None
        case "json_object":
            return {"type": "json_object"}
        case "json_schema":
            _check_schema(known.get("json_schema"), f"{field}.json_schema")
            return known
        case other:
            raise InvalidRequest(
                f"`{field}.type` is {str(other)[:50]!r}; it must be 'text', 'json_object' or 'json_schema'.",
                field=f"{field}.type",
            )


def _check_schema(given: object, field: str) -> None:
    found: Format = cast(Format, given) if isinstance(given, Mapping) else {}
    if not isinstance(found.get("name"), str) or not found["name"]:
        raise InvalidRequest(f"`{field}.name` is missing; give the schema a name.", field=f"{field}.name")
    schema = found.get("schema")
    if schema is not None and not isinstance(schema, Mapping):
        raise InvalidRequest(f"`{field}.schema` must be a JSON Schema, which is an object.", field=f"{field}.schema")
    if len(orjson.dumps(schema, default=dict)) > LARGEST_SCHEMA_BYTES:
        raise InvalidRequest(
            f"`{field}.schema` is larger than {LARGEST_SCHEMA_BYTES} bytes; shorten it.", field=f"{field}.schema"
        )


def schema_of(form: Format | None) -> Format | None:
    """The JSON Schema of the answer; an empty one when any object will do; None for plain text."""
    if form is None or form.get("type") not in ("json_object", "json_schema"):
        return None
    named = form.get("json_schema")
    schema = cast(Format, named).get("schema") if isinstance(named, Mapping) else None
    return cast(Format, schema) if isinstance(schema, Mapping) else {}


def format_instruction(form: Format | None) -> str:
    """What a model is told that cannot be given the format itself; empty for plain text."""
    schema = schema_of(form)
    if schema is None:
        return ""
    told = "Answer with one JSON object and nothing else: no explanation, no code fence."
    return f"{told} It must follow this JSON Schema: {orjson.dumps(schema, default=dict).decode()}" if schema else told


def format_problem(form: Format | None, text: str) -> str:
    """What is wrong with an answer, as half a sentence; empty when it is as it was asked for."""
    schema = schema_of(form)
    if schema is None:
        return ""
    try:
        value: object = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return f"it is not valid JSON ({error})"
    if not schema:
        return "" if isinstance(value, dict) else "it is not a JSON object"
    return _schema_problem(schema, value)


def _schema_problem(schema: Format, value: object) -> str:
    from jsonschema.exceptions import SchemaError, ValidationError
    from referencing.exceptions import Unresolvable

    try:
        found = cast("ValidationError | None", next(_validator()(schema).iter_errors(value), None))
    except (SchemaError, Unresolvable) as error:
        raise InvalidRequest(f"The schema of the answer makes no sense: {str(error).splitlines()[0]}.") from None
    return "" if found is None else f"at {found.json_path}: {found.message[:300]}"


@cache
def _validator() -> Callable[[Format], Any]:
    """Neither fetches what a `$ref` names elsewhere nor applies patterns: who writes a schema writes the patterns too,
    and one can be made to take hours."""
    import jsonschema  # 40 ms; few requests need it
    import referencing

    # jsonschema has no types of its own.
    base: Any = jsonschema.Draft202012Validator
    from jsonschema import validators

    extend: Any = cast(Any, validators).extend
    nowhere: Any = cast(Any, referencing.Registry)()

    def without(*_: object) -> None:
        return None

    def additional(validator: Any, rule: object, value: object, schema: Format) -> Iterator[Any]:
        if "patternProperties" not in schema:
            yield from base.VALIDATORS["additionalProperties"](validator, rule, value, schema)

    own: Any = extend(
        base,
        {
            "pattern": without,
            "patternProperties": without,
            "unevaluatedProperties": without,
            "additionalProperties": additional,
        },
    )

    def validator(schema: Format) -> Any:
        own.check_schema(schema)
        return own(schema, registry=nowhere)

    return validator
