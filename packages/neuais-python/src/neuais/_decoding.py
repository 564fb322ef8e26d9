"""From parsed JSON to models, and back. What the models do not know is kept in `extra`."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from datetime import date, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from neuais.errors import UnexpectedAnswer


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Model:
    """Something the server told of.

    extra: fields that this version of the library does not know. A field that the server left away (because `fields`
    selected others) has no value: reading it is an AttributeError that says so.
    """

    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in vars(self).items() if name != "extra" or value)
        return f"{type(self).__name__}({shown})"

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    __hash__ = None  # pyright: ignore[reportAssignmentType] - they hold lists and mappings

    if not TYPE_CHECKING:  # for a type checker, only declared fields exist

        def __getattr__(self, name: str) -> Any:
            if name in {known.name for known in fields(self)}:
                raise AttributeError(f"The server sent no `{name}`; name it in `fields`, or leave `fields` away.")
            raise AttributeError(f"A {type(self).__name__} has no `{name}`.")


M = TypeVar("M", bound=Model)


def decode(model: type[M], data: object, selected: Sequence[str] | None = None) -> M:
    """selected: the fields that were asked for; the others have no value, not even their default. None for all.

    Raises UnexpectedAnswer for something else than an object, or a time that is none.
    """
    if not isinstance(data, Mapping):
        raise UnexpectedAnswer(f"Where a {model.__name__} should be, the server sent {data!r:.200}.")
    given = cast("Mapping[str, Any]", data)
    hints = _hints(model)
    made = object.__new__(model)
    for known in fields(model):
        if known.name == "extra":
            value: object = {name: value for name, value in given.items() if name not in hints}
        elif known.name in given:
            value = _value(hints[known.name], given[known.name], known.name)
        elif selected is not None and known.name not in selected:
            continue
        elif known.default is not MISSING:
            value = known.default
        elif known.default_factory is not MISSING:
            value = known.default_factory()
        else:
            continue
        object.__setattr__(made, known.name, value)
    return made


def encode(value: object) -> object:
    """JSON for a request: a model without the fields that are None; anything else as it is."""
    if isinstance(value, Model):
        known = {name: encode(one) for name, one in vars(value).items() if name != "extra" and one is not None}
        return {**known, **value.extra}
    if isinstance(value, Mapping):
        return {name: encode(one) for name, one in cast("Mapping[str, object]", value).items()}
    if isinstance(value, (tuple, list)):
        return [encode(one) for one in cast("tuple[object, ...]", value)]
    return value


@cache
def _hints(model: type[Model]) -> dict[str, Any]:
    # A default that stays on its class would be read where a value was left away.
    for known in fields(model):
        if known.name in vars(model):
            delattr(model, known.name)
    return get_type_hints(model)


def _value(hint: Any, value: Any, name: str) -> Any:
    """hint: of the forms that the models use. What does not fit a plain form is given as it came."""
    if value is None:
        return None
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        [inner] = [one for one in arguments if one is not type(None)]
        return _value(inner, value, name)
    if origin is tuple and isinstance(value, list):
        return tuple(_value(arguments[0], one, name) for one in cast("list[Any]", value))
    if origin is Mapping and isinstance(value, dict):
        return {key: _value(arguments[1], one, name) for key, one in cast("dict[str, Any]", value).items()}
    return _single(hint, value, name) if isinstance(hint, type) else value


def _single(kind: type[Any], value: Any, name: str) -> Any:
    if issubclass(kind, Model):
        return decode(kind, value)
    return _time(kind, value, name) if issubclass(kind, date) else value


def _time(kind: type[date], value: object, name: str) -> date:
    try:
        return (datetime if issubclass(kind, datetime) else date).fromisoformat(str(value))
    except ValueError as error:
        raise UnexpectedAnswer(f"The server sent `{name}` {value!r:.100}, which is no time.") from error
