"""The rules for custom tools: what a user may describe, before anything is kept."""

from __future__ import annotations

import re

from glia.kit.errors import InvalidRequest
from glia.kit.outbound import UrlRefused
from glia.kit.outbound.headers import render
from glia.kit.outbound.target import parse
from glia.tools.http import PLACEHOLDER
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
    size = sum(len(name) + len(value) for name, value in spec.headers.items())
    if size > LARGEST_HEADERS_BYTES:
        raise InvalidRequest(
            f"`http.headers` has {size} characters; the most is {LARGEST_HEADERS_BYTES}.", field="http.headers"
        )
    if any(name.lower() == "idempotency-key" for name in spec.headers):
        raise InvalidRequest(
            "The header 'Idempotency-Key' is set anew for each call; leave it out.", field="http.headers"
        )
    try:
        render(spec.headers, "glia")
    except InvalidRequest as error:
        raise InvalidRequest(error.message, field="http.headers") from None


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
