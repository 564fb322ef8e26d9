"""The rules for custom tools: what a user may describe, before anything is kept."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast

from glia.kit.errors import InvalidRequest
from glia.kit.outbound import UrlRefused
from glia.kit.outbound.headers import render
from glia.kit.outbound.target import parse
from glia.tools.placing import PLACEHOLDER, QUERY_METHODS
from glia.tools.schema import check_schema
from glia.tools.types import CustomToolSpec

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
LONGEST_DESCRIPTION = 4_000
LARGEST_HEADERS_BYTES = 16_384
LONGEST_TIMEOUT_SECONDS = 600
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}")


def check_spec(spec: CustomToolSpec) -> None:
    """Raises InvalidRequest, naming the field, as `http.url`."""
    if not _NAME.fullmatch(spec.name):
        raise InvalidRequest(
            f"`name` {spec.name[:80]!r} must begin with a letter or `_` and hold letters, digits, `_` and `-`,"
            " at most 64 of them.",
            field="name",
        )
    if not spec.description.strip() or len(spec.description) > LONGEST_DESCRIPTION or "\0" in spec.description:
        raise InvalidRequest(
            f"`description` has {len(spec.description)} characters; the model needs 1 to {LONGEST_DESCRIPTION} of them"
            " to know when to call the tool.",
            field="description",
        )
    check_schema(spec.schema)
    _check_http(spec)
    _check_placements(spec)
    if not 1 <= spec.timeout_seconds <= LONGEST_TIMEOUT_SECONDS:
        raise InvalidRequest(
            f"`timeout_seconds` is {spec.timeout_seconds}; it must be between 1 and {LONGEST_TIMEOUT_SECONDS}.",
            field="timeout_seconds",
        )


def _check_http(spec: CustomToolSpec) -> None:
    if spec.method not in METHODS:
        raise InvalidRequest(
            f"`http.method` {spec.method[:20]!r} must be one of {', '.join(METHODS)}.", field="http.method"
        )
    _check_url(spec)
    check_headers(spec.headers)


def check_headers(headers: Mapping[str, str], field: str = "http.headers") -> None:
    """Raises InvalidRequest for headers that cannot be sent with each call."""
    size = sum(len(name) + len(value) for name, value in headers.items())
    if size > LARGEST_HEADERS_BYTES:
        raise InvalidRequest(f"`{field}` has {size} characters; the most is {LARGEST_HEADERS_BYTES}.", field=field)
    if any(name.lower() == "idempotency-key" for name in headers):
        raise InvalidRequest("The header 'Idempotency-Key' is set anew for each call; leave it out.", field=field)
    try:
        render(headers, "glia")
    except InvalidRequest as error:
        raise InvalidRequest(error.message, field=field) from None


def _check_placements(spec: CustomToolSpec) -> None:
    properties = spec.schema.get("properties", {})
    names = set(cast(dict[str, object], properties)) if isinstance(properties, dict) else set[str]()
    in_url = set(PLACEHOLDER.findall(spec.url))
    for key, placement in spec.placements.items():
        at = f"http.parameters.{key}"
        if key not in names:
            raise InvalidRequest(f"`{at}` is about {key!r}, but the schema has no property of that name.", field=at)
        if (placement.place == "path") != (key in in_url):
            raise InvalidRequest(
                f"`{at}.in` is {placement.place!r}; it must be 'path' exactly when the URL has {{{key}}}.", field=at
            )
        if placement.place == "header":
            check_headers({placement.name: ""}, at)
    bodies = [key for key, placement in spec.placements.items() if placement.place == "body"]
    has_form = any(placement.place == "form" for placement in spec.placements.values())
    if len(bodies) > 1 or (bodies and has_form):
        raise InvalidRequest("`http.parameters` makes more than one body; a request has one.", field="http.parameters")
    loose = names - set(spec.placements) - in_url
    if (bodies or has_form) and loose and spec.method not in QUERY_METHODS:
        raise InvalidRequest(
            f"`http.parameters` says what the body is, so it must also place {', '.join(sorted(loose)[:10])}.",
            field="http.parameters",
        )


def _check_url(spec: CustomToolSpec) -> None:
    bare = PLACEHOLDER.sub("x", spec.url)
    if "{" in bare or "}" in bare:
        raise InvalidRequest(
            "`http.url` holds a brace that is not part of a placeholder such as {city}.", field="http.url"
        )
    try:
        parse(bare)
        # A host that a model fills in could be any host: what is before the path must be written out.
        is_host_open = "{" in re.split(r"(?<![:/])[/?#]", spec.url, maxsplit=1)[0]
    except UrlRefused as error:
        raise InvalidRequest(f"`http.url` cannot be used. {error.message}", field="http.url") from None
    if is_host_open:
        raise InvalidRequest("`http.url` may hold placeholders only in its path and query.", field="http.url")
    properties = spec.schema.get("properties", {})
    for name in PLACEHOLDER.findall(spec.url):
        if not isinstance(properties, dict) or name not in properties:
            raise InvalidRequest(
                f"`http.url` has the placeholder {{{name}}}, but the schema has no property of that name.",
                field="http.url",
            )


def origin(url: str) -> str:
    """Scheme, host and port: whom a call goes to."""
    target = parse(PLACEHOLDER.sub("x", url))
    return f"{target.scheme}://{target.name}"
