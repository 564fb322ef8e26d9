"""Lists as this API gives them: filtered, sorted, cut into pages, with the fields that were asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, cast

from fastapi import Depends, Query
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query as QueryParameter
from fastapi.requests import Request
from fastapi.responses import JSONResponse, Response
from pydantic import ConfigDict, WithJsonSchema, create_model

from glia.kit.errors import InvalidRequest
from glia.kit.pages import LARGEST_LIMIT
from glia.surfaces.shared.bodies import Out, WatchedRoute, number_of
from glia.surfaces.shared.json_body import current_fields

DEFAULT_LIMIT: Final = 100
_LARGEST_OFFSET: Final = 10**9


class TellingRoute(WatchedRoute):
    """A route that says which fields of its body, and which parameters of its query, had no effect."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        known = {
            parameter.alias
            for parameter in get_flat_params(self.dependant)
            if isinstance(parameter.field_info, QueryParameter)
        }

        async def telling(request: Request) -> Response:
            for name, times in Counter(name for name, _ in request.query_params.multi_items()).items():
                if times > 1 and name in known:  # only one of them would have an effect
                    reason = f"is given {times} times; give it once"
                    raise InvalidRequest(f"`{name}` {reason}.", field=name, reason=reason)
            fields = current_fields.get()
            if fields is not None:
                fields.ignore([name for name in request.query_params if name not in known])
            return await handle(request)

        return telling


@dataclass(frozen=True)
class Listing:
    """Which part of a list is wanted, and how. sort: fields, and whether from the largest; fields: None for all."""

    limit: int
    offset: int
    sort: tuple[tuple[str, bool], ...]
    fields: tuple[str, ...] | None
    status: str | None
    region: str | None

    def answer(
        self, name: str, rows: Sequence[Out], model: type[Out], *, statuses: Collection[str] = ()
    ) -> JSONResponse:
        """`{<name>: [...], total, limit, offset, has_more}` of all rows that there are, in the order that they have
        unless `sort` says otherwise. statuses: all that a row can have.

        Raises InvalidRequest for a field or status that there is not.
        """
        if self.status is not None and self.status not in statuses:
            choices = f"must be one of {', '.join(statuses)}" if statuses else "is nothing that these have"
            raise InvalidRequest(f"`status` {self.status[:100]!r}: {choices}.", field="status", reason=choices)
        found = [row for row in rows if self._is_wanted(row)]
        for field, is_descending in reversed(self.sort):
            check_field(model, field, "sort")
            found.sort(key=lambda row: _rank(getattr(row, field), field), reverse=is_descending)
        shown = found[self.offset : self.offset + self.limit]
        page = {
            name: [selected(row, self.fields) for row in shown] if shown else checked_fields(model, self.fields),
            "total": len(found),
            "limit": self.limit,
            "offset": self.offset,
            "has_more": self.offset + len(shown) < len(found),
        }
        return JSONResponse(page)

    def _is_wanted(self, row: Out) -> bool:
        return all(
            wanted is None or getattr(row, field, None) == wanted
            for field, wanted in (("status", self.status), ("region", self.region))
        )


def checked_fields(model: type[Out], fields: Sequence[str] | None) -> list[object]:
    """Nothing. Raises InvalidRequest for a field that the model does not have."""
    for field in fields or ():
        check_field(model, field, "fields")
    return []


def selected(row: Out, fields: Sequence[str] | None) -> dict[str, Any]:
    """The row as JSON, whole or only these fields. Raises InvalidRequest for one that it does not have."""
    checked_fields(type(row), fields)
    return row.model_dump(mode="json", include=None if fields is None else set(fields))


def check_field(model: type[Out], field: str, parameter: str) -> None:
    if field not in model.model_fields:
        reason = f"{field[:100]!r} is not one of {', '.join(model.model_fields)}"
        raise InvalidRequest(f"`{parameter}`: {reason}.", field=parameter, reason=reason)


def _rank(value: object, field: str) -> tuple[bool, Any]:
    """Any: what a column's values are compared by; those of one column are of one kind. Nothing comes first."""
    if value is None:
        return (False, 0)
    if not isinstance(value, str | int | float | datetime):
        reason = f"cannot be by {field!r}, which has no order"
        raise InvalidRequest(f"`sort` {reason}.", field="sort", reason=reason)
    return (True, value.lower() if isinstance(value, str) else value)


def page_model(name: str, model: type[Out]) -> type[Out]:
    """For the document: what `Listing.answer` gives. With `fields`, a row has only those."""
    row = cast(
        "type[Out]",
        type(
            f"{model.__name__}Row",
            (model,),
            {
                "__doc__": model.__doc__,
                "__module__": model.__module__,
                "model_config": ConfigDict(json_schema_extra=_without_required),
            },
        ),
    )
    fields: dict[str, Any] = {name: (list[row], ...), "has_more": (bool, ...)}
    fields |= dict.fromkeys(("total", "limit", "offset"), (int, ...))
    return create_model(f"{model.__name__}Page", __base__=Out, **fields)


def _without_required(schema: dict[str, Any]) -> None:
    schema.pop("required", None)


_Whole = WithJsonSchema({"type": "integer", "minimum": 1, "maximum": LARGEST_LIMIT, "default": DEFAULT_LIMIT})
FieldsText = Annotated[str | None, Query(description="Only these fields, as `id,name,status`.")]


def fields_of(text: str | None) -> tuple[str, ...] | None:
    """Raises InvalidRequest when a name is empty."""
    if text is None:
        return None
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise InvalidRequest(f"`fields` {text[:100]!r}: name fields, as `id,name`.", field="fields")
    return names


def _sort_of(text: str | None) -> tuple[tuple[str, bool], ...]:
    if text is None:
        return ()
    found: list[tuple[str, bool]] = []
    for part in text.split(","):
        field, colon, order = part.strip().partition(":")
        if not field or (colon and order not in {"asc", "desc"}):
            reason = f"{text[:100]!r} is not as `created_at:desc`"
            raise InvalidRequest(f"`sort`: {reason}.", field="sort", reason=reason)
        found.append((field, order == "desc"))
    return tuple(found)


def listing_of(
    limit: Annotated[str | None, _Whole, Query(description=f"At most so many; 1 to {LARGEST_LIMIT}.")] = None,
    offset: Annotated[
        str | None,
        WithJsonSchema({"type": "integer", "minimum": 0, "default": 0}),
        Query(description="How many to leave out first."),
    ] = None,
    sort: Annotated[str | None, Query(description="`field`, `field:asc` or `field:desc`; more after commas.")] = None,
    fields: FieldsText = None,
    status: Annotated[str | None, Query(description="Only those in this state.")] = None,
    region: Annotated[str | None, Query(description="Only those of this region.")] = None,
) -> Listing:
    """The parameters that every list takes."""
    return Listing(
        limit=number_of(limit, "limit", DEFAULT_LIMIT),
        offset=number_of(offset, "offset", 0, smallest=0, largest=_LARGEST_OFFSET),
        sort=_sort_of(sort),
        fields=fields_of(fields),
        status=status,
        region=region,
    )


TheListing = Annotated[Listing, Depends(listing_of)]
