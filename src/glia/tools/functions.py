"""Makes a tool from a typed async function: its JSON Schema, and the decoding of what a model writes."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar, cast, get_type_hints

import msgspec

from glia.tools.errors import InvalidArguments
from glia.tools.types import Effect, Tool, ToolContext, ToolResult

A = TypeVar("A", bound=msgspec.Struct)

_PATH = re.compile(r"(?P<problem>.*?) - at `\$\.?(?P<path>.*)`", re.DOTALL)
_QUOTED = re.compile(r"(?P<problem>Object (?:contains unknown|missing required) field) `(?P<name>.*?)`(?P<rest>.*)")


def tool(
    *, name: str, effect: Effect, description: str = "", timeout_seconds: float = 60.0, is_default: bool = True
) -> Callable[[Callable[[ToolContext, A], Awaitable[ToolResult | str]]], Tool]:
    """Decorates `async def f(context: ToolContext, arguments: SomeStruct) -> ToolResult | str`.

    SomeStruct is a msgspec.Struct with `forbid_unknown_fields=True`; `msgspec.Meta(description=...)` on its fields
    is what the model reads about them. description: the function's docstring unless given.
    """

    def decorate(function: Callable[[ToolContext, A], Awaitable[ToolResult | str]]) -> Tool:
        type = _arguments_type(function)
        decoder = msgspec.json.Decoder(type)
        schema = schema_of(type)

        async def call(context: ToolContext, arguments: str) -> ToolResult:
            answer = await function(context, _decode(decoder, arguments, name=name, schema=schema))
            return ToolResult(answer) if isinstance(answer, str) else answer

        text = description or inspect.getdoc(function) or ""
        return Tool(name, text, schema, effect, call, timeout_seconds, is_default)

    return decorate


def schema_of(type: type[msgspec.Struct]) -> dict[str, object]:
    """The struct's JSON Schema as one object: models read it better without a reference at its top."""
    (_,), components = msgspec.json.schema_components((type,), ref_template="#/$defs/{name}")
    schema: dict[str, object] = components.pop(type.__name__)
    schema.pop("title", None)
    schema.pop("description", None)
    if components:
        schema["$defs"] = components
    return schema


def _arguments_type(function: Callable[[ToolContext, A], Awaitable[ToolResult | str]]) -> type[A]:
    hints: dict[str, Any] = get_type_hints(function)  # parameter names to types, in the order they are written
    type = [hint for name, hint in hints.items() if name != "return"][1]
    if not type.__struct_config__.forbid_unknown_fields:
        raise TypeError(f"{type.__name__} must forbid unknown fields, so that a model learns of a misspelt one.")
    return type


def _decode(decoder: msgspec.json.Decoder[A], text: str, *, name: str, schema: Mapping[str, object]) -> A:
    try:
        # Models write nothing at all when a tool needs nothing.
        return decoder.decode(text if text.strip() else "{}")
    except msgspec.ValidationError as error:
        problem, field = _explain(str(error))
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        problem, field = f"they are not valid JSON ({error})", None
    except RecursionError:
        problem, field = "they are nested too deeply", None
    raise InvalidArguments(
        f"The arguments of {name} are wrong: {problem}. {expectation(schema)} Correct them and call again.",
        field=field,
    )


def _explain(message: str) -> tuple[str, str | None]:
    """msgspec's words in ours: which property is wrong, and how."""
    match = _PATH.fullmatch(message)
    path = match["path"] if match else ""
    problem = match["problem"] if match else message
    if quoted := _QUOTED.fullmatch(problem):
        field = f"{path}.{quoted['name']}" if path else quoted["name"]
        is_unknown = "unknown" in quoted["problem"]
        return (f"there is no property `{field}`" if is_unknown else f"the property `{field}` is missing"), field
    problem = problem[:1].lower() + problem[1:]
    return (f"`{path}`: {problem}", path) if path else (problem, None)


def expectation(schema: Mapping[str, object]) -> str:
    """One sentence that lists the properties an object schema asks for."""
    properties = cast(dict[str, object], schema.get("properties") or {})
    needed = cast(list[object], schema.get("required") or [])
    if not properties:
        return "It takes an object without properties."
    listed = ", ".join(
        f"`{name}` ({_type_word(part)}{', required' if name in needed else ''})" for name, part in properties.items()
    )
    return f"It takes an object with {listed[:1500]}."


def _type_word(part: object) -> str:
    if not isinstance(part, dict):
        return "anything"
    known = cast(dict[str, object], part)
    if isinstance(options := known.get("enum"), list):
        return "one of " + ", ".join(repr(option) for option in cast(list[object], options)[:20])
    kind = known.get("type", "anything")
    if isinstance(kind, list):
        return " or ".join(str(word) for word in cast(list[object], kind))
    return str(kind)
