"""How every surface reads bodies and shows things with the framework: what it does not know is told, never dropped."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, ClassVar, TypeVar, cast
from uuid import UUID

from fastapi import Depends
from fastapi.requests import Request
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, PlainSerializer, WithJsonSchema, model_validator

from glia.identity.types import Principal
from glia.kit.clock import wire_time
from glia.kit.errors import InvalidRequest
from glia.kit.pages import LARGEST_LIMIT
from glia.surfaces.shared.asgi import int_parameter
from glia.surfaces.shared.json_body import current_fields
from glia.wiring import House

OutT = TypeVar("OutT", bound="Out")

Time = Annotated[datetime, PlainSerializer(wire_time), WithJsonSchema({"type": "string", "format": "date-time"})]


class Body(BaseModel):
    """A request body. Fields it does not know are named in `X-Ignored-Fields`, never dropped in silence.

    An explicit null for an optional field is the same as leaving the field away.
    """

    model_config = ConfigDict(extra="allow", strict=True, protected_namespaces=())
    null_is_default: ClassVar[bool] = True

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, given: Any) -> Any:
        """Any: whatever the client sent in place of this object."""
        if not cls.null_is_default or not isinstance(given, dict):
            return given
        optional = {
            field.alias or name
            for name, field in cls.model_fields.items()
            if not field.is_required() and field.default is not None
        }
        fields = cast(dict[str, Any], given)
        return {name: value for name, value in fields.items() if value is not None or name not in optional}


class Changes(Body):
    """The body of a PATCH: what is given changes, what is not stays. Null only where a field can be empty."""

    null_is_default: ClassVar[bool] = False


class Out(BaseModel):
    """Something shown on the wire, read from the core thing's attributes of the same names."""

    model_config = ConfigDict(from_attributes=True, protected_namespaces=(), serialize_by_alias=True)

    @classmethod
    def of(cls: type[OutT], thing: object) -> OutT:
        return cls.model_validate(thing)


def given(body: Body | None) -> dict[str, Any]:
    """The fields that the client sent and we know, by their names here."""
    if body is None:
        return {}
    return {name: getattr(body, name) for name in type(body).model_fields if name in body.model_fields_set}


def id_of(text: str, field: str) -> UUID:
    """An id inside a body."""
    try:
        return UUID(text)
    except ValueError:
        raise InvalidRequest(f"`{field}` {text[:100]!r} is not an id; ids are UUIDs.", field=field) from None


def unknown_fields(body: Body, path: str = "") -> list[str]:
    """Fields that nothing reads, those of objects inside included, as `limits.foo`."""
    found = [path + name for name in body.model_extra or {}]
    for name, field in type(body).model_fields.items():
        child = getattr(body, name)
        if isinstance(child, Body):
            found += unknown_fields(child, f"{path}{field.alias or name}.")
    return found


_MARK = "notices_unknown_fields"


class WatchedRoute(APIRoute):
    """A route that says which fields of its body had no effect, before it has one."""

    def __init__(self, path: str, endpoint: Callable[..., Awaitable[Any]], **options: Any) -> None:
        super().__init__(path, _noticing(endpoint), **options)


def _noticing(endpoint: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    if getattr(endpoint, _MARK, False):  # including a router makes its routes once more
        return endpoint

    @functools.wraps(endpoint)
    async def call(**values: Any) -> Any:
        fields = current_fields.get()
        for value in values.values():
            if fields is not None and isinstance(value, Body):
                fields.ignore(unknown_fields(value))
        return await endpoint(**values)

    setattr(call, _MARK, True)
    return call


def house_of(request: Request) -> House:
    return request.app.state.house


def principal_of(request: Request) -> Principal:
    return request.scope["state"]["principal"]


TheHouse = Annotated[House, Depends(house_of)]
ThePrincipal = Annotated[Principal, Depends(principal_of)]


def number_of(text: str | None, name: str, default: int, *, smallest: int = 1, largest: int = LARGEST_LIMIT) -> int:
    return int_parameter({} if text is None else {name: text}, name, default, smallest=smallest, largest=largest)
