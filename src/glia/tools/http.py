"""Calls a user's HTTP endpoint as a tool: builds the request, sends it, and says honestly what came of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, cast

import orjson

from glia.kit.outbound import Outbound, OutboundFailed, OutboundRefused, Response, Timeouts
from glia.tools.answers import compact, cut, decoded, is_text, media_type
from glia.tools.errors import InvalidArguments
from glia.tools.placing import place
from glia.tools.schema import check_arguments
from glia.tools.types import Effect, Permission, Placement, Tool, ToolContext, ToolResult

LARGEST_BODY_BYTES = 2 * 1024 * 1024
LARGEST_TEXT_CHARACTERS = 50_000
_LARGEST_ERROR_CHARACTERS = 2_000
_LARGEST_ARGUMENTS_CHARACTERS = 1_000_000
_REDIRECTS = 3
_RETRIES = 2
_RETRY_PAUSE_SECONDS = 0.25
_WORTH_RETRYING = frozenset({502, 503, 504})
_NO_ANSWER_BEHIND = frozenset({502, 504})


class Secrets(Protocol):
    """Keeps secrets unreadable at rest. context: what the secret belongs to; it opens under no other."""

    def seal(self, secret: bytes, context: str) -> bytes: ...

    def open(self, sealed: bytes, context: str) -> bytes: ...


@dataclass(frozen=True)
class Endpoint:
    """Everything needed to call a custom tool. sealed_headers: None when the user gave none."""

    name: str
    description: str
    schema: Mapping[str, object]
    effect: Effect
    method: str
    url: str
    sealed_headers: bytes | None
    secret_context: str
    timeout_seconds: float
    permission: Permission = Permission.ALWAYS
    placements: Mapping[str, Placement] = field(default_factory=dict[str, Placement])


@dataclass(frozen=True)
class _Request:
    url: str
    body: bytes | None
    headers: Mapping[str, str]


def http_tool(endpoint: Endpoint, outbound: Outbound, secrets: Secrets) -> Tool:
    """The endpoint as a tool that agents can call."""

    async def call(context: ToolContext, arguments: str) -> ToolResult:
        values = arguments_of(arguments, endpoint.name)
        check_arguments(endpoint.schema, values, name=endpoint.name)
        request = _request(endpoint, values, context.idempotency_key, secrets)
        return await _call(outbound, endpoint, request)

    return Tool(
        endpoint.name,
        endpoint.description,
        endpoint.schema,
        endpoint.effect,
        call,
        # Our own limit comes first, because it knows whether the request was sent.
        timeout_seconds=endpoint.timeout_seconds + 5,
        is_default=False,
        permission=endpoint.permission,
    )


def sealed(headers: Mapping[str, str], secrets: Secrets, context: str) -> bytes | None:
    return secrets.seal(orjson.dumps(dict(headers)), context) if headers else None


def opened(sealed_headers: bytes | None, secrets: Secrets, context: str) -> dict[str, str]:
    return {} if sealed_headers is None else orjson.loads(secrets.open(sealed_headers, context))


def arguments_of(arguments: str, name: str) -> dict[str, object]:
    """What a model wrote, as an object; nothing at all is an empty one. Raises InvalidArguments."""
    if len(arguments) > _LARGEST_ARGUMENTS_CHARACTERS:
        raise InvalidArguments(
            f"The arguments of {name} have {len(arguments)} characters; the most is {_LARGEST_ARGUMENTS_CHARACTERS}."
        )
    try:
        value = orjson.loads(arguments if arguments.strip() else "{}")
    except orjson.JSONDecodeError as error:
        raise InvalidArguments(f"The arguments of {name} are not valid JSON ({error}). Call it again.") from None
    if not isinstance(value, dict):
        raise InvalidArguments(f"The arguments of {name} must be a JSON object. Call it again with one.")
    return cast(dict[str, object], value)


def _request(endpoint: Endpoint, values: dict[str, object], key: str, secrets: Secrets) -> _Request:
    placed = place(endpoint.url, endpoint.method, endpoint.placements, values, endpoint.name)
    headers = {"Accept": "application/json, text/*;q=0.9, */*;q=0.1", **placed.headers}
    if endpoint.sealed_headers is not None:
        own = opened(endpoint.sealed_headers, secrets, endpoint.secret_context)
        names = {name.lower() for name in own}
        headers = {name: value for name, value in headers.items() if name.lower() not in names} | own
    return _Request(placed.url, placed.body, headers | {"Idempotency-Key": key})


async def _call(outbound: Outbound, endpoint: Endpoint, request: _Request) -> ToolResult:
    """Sends it, again only when that repeats nothing, or repeats what may be repeated."""
    ends_at = time.monotonic() + endpoint.timeout_seconds
    tries = 1 if endpoint.effect is Effect.ONCE else 1 + _RETRIES
    while True:
        tries -= 1
        left = max(0.1, ends_at - time.monotonic())
        try:
            response = await _send(outbound, endpoint, request, left)
        except OutboundRefused as error:
            return ToolResult(f"{endpoint.name} was not called. {error.message}", is_error=True)
        except OutboundFailed as error:
            result, is_worth_retrying = _failure(endpoint, error), not error.is_sent
        else:
            result, is_worth_retrying = _result(endpoint, response), response.status in _WORTH_RETRYING
        if not is_worth_retrying or not tries or time.monotonic() + _RETRY_PAUSE_SECONDS >= ends_at:
            return result
        await asyncio.sleep(_RETRY_PAUSE_SECONDS)


async def _send(outbound: Outbound, endpoint: Endpoint, request: _Request, seconds: float) -> Response:
    is_plain_read = endpoint.method == "GET" and endpoint.effect is Effect.READ
    return await outbound.request(
        endpoint.method,
        request.url,
        headers=request.headers,
        body=request.body,
        timeouts=Timeouts(connect_seconds=min(10.0, seconds), idle_seconds=seconds, total_seconds=seconds),
        largest_body_bytes=LARGEST_BODY_BYTES,
        redirects=_REDIRECTS if is_plain_read else 0,
        may_repeat=endpoint.effect is not Effect.ONCE,
    )


def _failure(endpoint: Endpoint, error: OutboundFailed) -> ToolResult:
    if not error.is_sent:
        return ToolResult(f"{endpoint.name} could not be called; nothing was sent. {error.message}", is_error=True)
    if endpoint.effect is Effect.ONCE:
        return ToolResult(
            f"The outcome of {endpoint.name} is unknown: the request was sent, but no complete answer came. "
            f"{error.message} It may have taken effect; find out before calling it again.",
            is_error=True,
            is_unknown=True,
        )
    return ToolResult(f"{endpoint.name} failed. {error.message}", is_error=True)


def _result(endpoint: Endpoint, response: Response) -> ToolResult:
    text = _text(response)
    if 200 <= response.status < 300:
        return ToolResult(cut(text, LARGEST_TEXT_CHARACTERS) or f"(Done: status {response.status}, no content.)")
    excerpt = cut(text, _LARGEST_ERROR_CHARACTERS) or "It sent no text."
    said = f"{endpoint.name} answered with status {response.status}. {excerpt}"
    if 300 <= response.status < 400:
        target = (response.headers.get("location") or "")[:500]
        said = f"{endpoint.name} redirects to {target!r}, which is not followed; its owner should set that address."
    if endpoint.effect is Effect.ONCE and response.status in _NO_ANSWER_BEHIND:
        said += " A gateway said so, not the service: the outcome is unknown, it may have taken effect."
        return ToolResult(said, is_error=True, is_unknown=True)
    return ToolResult(said, is_error=True)


def _text(response: Response) -> str:
    if not response.body:
        return ""
    if not is_text(response):
        return (
            f"({media_type(response) or 'binary data'} of {len(response.body)} bytes, which cannot be shown as text.)"
        )
    return compact(decoded(response))
