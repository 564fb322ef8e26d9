"""The rules for endpoints: what a user may describe, before anything is kept."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import get_args

import orjson

from glia.kit.errors import InvalidRequest
from glia.kit.mail import MAILTO, check_address
from glia.kit.outbound import Outbound, OutboundRefused
from glia.kit.outbound.headers import render
from glia.kit.outbound.target import parse
from glia.webhooks.types import EVENT_TYPES, FAMILIES, PING, Style, WebhookSpec

MOST_EVENT_TYPES = 50
LONGEST_DESCRIPTION = 500
LARGEST_HEADERS_BYTES = 8_192
LARGEST_METADATA_BYTES = 16_000
_PREFIX = re.compile(r"[Xx]-[A-Za-z0-9][A-Za-z0-9-]{0,39}", re.ASCII)
_OURS = frozenset(
    {
        "content-type",
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
        "x-webhook-event",
        "x-webhook-delivery-id",
        "x-webhook-signature",
        "x-webhook-id",
        "x-webhook-timestamp",
    }
)


def check_spec(spec: WebhookSpec, outbound: Outbound) -> None:
    """Raises InvalidRequest, or OutboundRefused for an address that may not be called; both name the field."""
    if spec.url.startswith(MAILTO):
        check_address(spec.url)
    else:
        try:
            outbound.check(spec.url)
        except OutboundRefused as error:
            error.field = "url"
            raise
    _check_own(spec)
    if len(spec.description) > LONGEST_DESCRIPTION or "\0" in spec.description:
        raise InvalidRequest(
            f"`description` has {len(spec.description)} characters; the most is {LONGEST_DESCRIPTION}, without NUL.",
            field="description",
        )
    check_event_types(spec.event_types)
    _check_headers(spec.headers, spec.header_prefix)


def check_event_types(types: Sequence[str]) -> None:
    if not 1 <= len(types) <= MOST_EVENT_TYPES:
        raise InvalidRequest(
            f"`event_types` names {len(types)} types; it needs 1 to {MOST_EVENT_TYPES}, or `*` for all.",
            field="event_types",
        )
    families = [f"{family}.*" for family in FAMILIES]
    known = ["*", *families, *EVENT_TYPES, PING]
    for index, type in enumerate(types):
        if type not in known:
            near = difflib.get_close_matches(type, known, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"There are {', '.join(known)}."
            raise InvalidRequest(
                f"`event_types[{index}]` {type[:80]!r} is no event that webhooks are told of. {hint}",
                field=f"event_types[{index}]",
            )


def _check_own(spec: WebhookSpec) -> None:
    if spec.style not in get_args(Style):
        raise InvalidRequest(f"`style` {spec.style[:50]!r} is none of {', '.join(get_args(Style))}.", field="style")
    for name, value, smallest, largest in (
        ("timeout_seconds", spec.timeout_seconds, 1, 60),
        ("max_attempts", spec.max_attempts, 1, 20),
        ("retry_seconds", spec.retry_seconds, 1, 3600),
    ):
        if value is not None and not smallest <= value <= largest:
            raise InvalidRequest(f"`{name}` is {value:g}; it must be between {smallest} and {largest}.", field=name)
    if spec.header_prefix and not _PREFIX.fullmatch(spec.header_prefix):
        raise InvalidRequest(
            f"`header_prefix` {spec.header_prefix[:50]!r} is not `X-` with up to 40 letters, digits and `-`.",
            field="header_prefix",
        )
    objects = {"event_names": spec.event_names, "fields": spec.fields, "metadata": spec.metadata}
    for name, value in ((name, dict(found)) for name, found in objects.items()):
        packed = orjson.dumps(value)
        if len(packed) > LARGEST_METADATA_BYTES or b"\\u0000" in packed:
            raise InvalidRequest(
                f"`{name}` may have {LARGEST_METADATA_BYTES} bytes as JSON, and no NUL character.", field=name
            )
    if any("\n" in name or not 1 <= len(name) <= 100 or not name.isascii() for name in spec.event_names.values()):
        raise InvalidRequest("`event_names` has a name that is not 1 to 100 ASCII characters.", field="event_names")


def _check_headers(headers: Mapping[str, str], prefix: str) -> None:
    size = sum(len(name) + len(value) for name, value in headers.items())
    if size > LARGEST_HEADERS_BYTES:
        raise InvalidRequest(f"`headers` has {size} characters; the most is {LARGEST_HEADERS_BYTES}.", field="headers")
    for name in headers:
        if name.lower() in _OURS or (prefix and name.lower().startswith(f"{prefix.lower()}-")):
            raise InvalidRequest(f"The header {name!r} is set anew for each delivery; leave it out.", field="headers")
    if len({name.lower() for name in headers}) < len(headers):
        raise InvalidRequest("`headers` names the same header twice, in different letters.", field="headers")
    try:
        render(headers, "glia")
    except InvalidRequest as error:
        raise InvalidRequest(error.message, field="headers") from None


def origin(url: str) -> str:
    """Scheme, host and port: whom a delivery goes to."""
    target = parse(url)
    return f"{target.scheme}://{target.name}"
