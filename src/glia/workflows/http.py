"""An `http` step: builds the request, sends it, and says honestly what came of it."""

from __future__ import annotations

import asyncio
from typing import Any, cast
from urllib.parse import quote, urlencode

import orjson
from msgspec import UNSET

from glia.kit.outbound import Outbound, OutboundFailed, OutboundRefused, Response, Timeouts
from glia.tools.types import Effect
from glia.workflows.errors import StepError
from glia.workflows.references import Resolver, plain
from glia.workflows.types import HttpAction

DEFAULT_SECONDS = 30.0
LARGEST_BODY_BYTES = 2 * 1024 * 1024
_LARGEST_EXCERPT = 2_000
_REDIRECTS = 3
_NO_ANSWER_BEHIND = frozenset({502, 504})
_EFFECTS = {"GET": Effect.READ, "HEAD": Effect.READ, "PUT": Effect.IDEMPOTENT, "DELETE": Effect.IDEMPOTENT}


def effect_of(action: HttpAction) -> Effect:
    return action.effect or _EFFECTS.get(action.method, Effect.ONCE)


def unknown(what: str) -> StepError:
    """It went out, and nobody can tell whether it took effect; so it is not tried again."""
    return StepError(
        f"The outcome of {what} is unknown: it may or may not have taken effect, and it must not happen twice.",
        code="outcome_unknown",
        is_final=True,
    )


async def call(action: HttpAction, resolver: Resolver, key: str, outbound: Outbound) -> Any:
    """`{status, content_type, body}` of an answer with status 200 to 299; body is parsed when it is JSON.

    Raises StepError.
    """
    url, headers, body = _request(action, resolver, key)
    effect = effect_of(action)
    seconds = action.timeout_seconds or DEFAULT_SECONDS
    try:
        async with asyncio.timeout(seconds + 5):
            response = await outbound.request(
                action.method,
                url,
                headers=headers,
                body=body,
                timeouts=Timeouts(connect_seconds=min(10.0, seconds), idle_seconds=seconds, total_seconds=seconds),
                largest_body_bytes=LARGEST_BODY_BYTES,
                redirects=_REDIRECTS if action.method in ("GET", "HEAD") else 0,
                may_repeat=effect is not Effect.ONCE,
            )
    except OutboundRefused as error:
        raise StepError(f"The request was not sent. {error.message}", code=error.code, is_final=True) from None
    except OutboundFailed as error:
        if error.is_sent and effect is Effect.ONCE:
            raise unknown(f"the {action.method} request") from None
        code = "timeout" if error.kind == "timeout" else "upstream_failed"
        raise StepError(error.message, code=code) from None
    except TimeoutError:
        if effect is Effect.ONCE:
            raise unknown(f"the {action.method} request") from None
        raise StepError(f"There was no answer within {seconds:g} s.", code="timeout") from None
    return _result(response, effect)


def _request(action: HttpAction, resolver: Resolver, key: str) -> tuple[str, dict[str, str], bytes | None]:
    url = resolver.text(action.url, _segment)
    if pairs := _pairs(resolver.value(action.query)):
        url += ("&" if "?" in url else "?") + urlencode(pairs)
    headers = {name: resolver.text(value) for name, value in action.headers.items()}
    names = {name.lower() for name in headers}
    if "accept" not in names:
        headers["Accept"] = "application/json, text/*;q=0.9, */*;q=0.1"
    body: bytes | None = None
    if action.body is not UNSET:
        value = resolver.value(action.body)
        if "content-type" in names and isinstance(value, str):
            body = value.encode()
        else:
            body = _json(value)
            if "content-type" not in names:
                headers["Content-Type"] = "application/json"
    return url, headers | {"Idempotency-Key": key}, body


def _json(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:
        raise StepError("`body` is nested too deeply.", code="input_too_large", is_final=True) from None


def _segment(text: str) -> str:
    """Encoded so that what is put in stays in its place."""
    if text in {".", ".."}:
        raise StepError(f"{text!r} may not be put into a URL: it would lead elsewhere.", is_final=True)
    return quote(text, safe="")


def _pairs(query: dict[str, Any]) -> list[tuple[str, str]]:
    """A list repeats its name, null is left out."""
    pairs: list[tuple[str, str]] = []
    for name, value in query.items():
        items = cast(list[Any], value) if isinstance(value, list) else [value]
        pairs.extend((name, plain(item)) for item in items if item is not None)
    return pairs


def _result(response: Response, effect: Effect) -> Any:
    kind = (response.headers.get("content-type") or "").partition(";")[0].strip().lower()
    body = _read(response.body, kind)
    if 200 <= response.status < 300:
        return {"status": response.status, "content_type": kind, "body": body}
    if effect is Effect.ONCE and response.status in _NO_ANSWER_BEHIND:
        raise unknown(f"the request, which a gateway answered with status {response.status},")
    excerpt = plain(body)[:_LARGEST_EXCERPT] if body else "It sent no text."
    raise StepError(f"The answer has status {response.status}. {excerpt}", code="http_status")


def _read(body: bytes, kind: str) -> Any:
    if not body:
        return None
    if "json" in kind or (not kind and body.lstrip()[:1] in b"{["):
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError:
            pass
    return body.decode("utf-8", "replace").replace("\0", "")
