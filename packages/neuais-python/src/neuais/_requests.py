"""What is the same with and without `await`: options, requests, answers, and when to try again."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, cast
from urllib.parse import quote
from uuid import uuid4

import httpx2

from neuais._decoding import M, decode, encode
from neuais.errors import ApiError, UnexpectedAnswer, error_of
from neuais.models import Page

USUAL_BASE_URL = "http://localhost:8000/v1"
_USER_AGENT = "neuais-python/0.1.0"
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 8.0
LONGEST_RETRY_AFTER_SECONDS = 60.0
"""A server that wants a longer pause is not waited for; the error says how long."""

_PASSING = frozenset({429, 502, 503, 504})
_REPEATABLE = frozenset({"GET", "PUT", "DELETE"})

Fields = Sequence[str]


@dataclass(frozen=True)
class Options:
    """timeout: seconds that a try may take. max_retries: how often it is tried again."""

    base_url: str
    timeout: float = 30.0
    max_retries: int = 3
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Call:
    """One request. idempotency_key: with it the server does a POST once, however often it is sent.

    is_open: needs no token.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    body: object = None
    idempotency_key: str | None = None
    is_open: bool = False

    @property
    def may_repeat(self) -> bool:
        return self.method in _REPEATABLE or self.idempotency_key is not None or self.is_open

    def headers(self, token: str | None) -> dict[str, str]:
        headers = {"Accept": "application/json", "User-Agent": _USER_AGENT}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if self.idempotency_key is not None:
            headers["Idempotency-Key"] = self.idempotency_key
        return headers

    def content(self) -> dict[str, Any]:
        """The arguments of httpx2 that carry the body."""
        return {} if self.body is None else {"json": encode(self.body)}


def get(path: str, **query: object) -> Call:
    return Call("GET", path, query_of(query))


def post(path: str, body: object = None, *, idempotency_key: str | None = None) -> Call:
    """With a key of its own unless one is given, so that it may be sent again."""
    return Call("POST", path, body=body, idempotency_key=idempotency_key or str(uuid4()))


def put(path: str, body: object) -> Call:
    return Call("PUT", path, body=body)


def delete(path: str) -> Call:
    return Call("DELETE", path)


def path_of(*parts: str) -> str:
    """Raises ValueError for an empty part, which would name another thing."""
    if not all(parts):
        raise ValueError(f"An id is empty in {'/'.join(parts)!r}.")
    return "/" + "/".join(quote(part, safe="") for part in parts)


def query_of(given: Mapping[str, object]) -> dict[str, str]:
    """Without what is None; sequences joined by commas."""
    return {name: _query_text(value) for name, value in given.items() if value is not None}


def given(**fields: object) -> dict[str, object]:
    """A body without what is None."""
    return {name: value for name, value in fields.items() if value is not None}


def _query_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return ",".join(str(one) for one in cast("tuple[object, ...]", value))
    return str(value)


def base_url_of(given: str | None) -> str:
    """The address with `/v1` at its end. given: with or without; else NEUAIS_BASE_URL, else port 8000 here."""
    url = (given or os.environ.get("NEUAIS_BASE_URL") or USUAL_BASE_URL).rstrip("/")
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"`base_url` {url!r} must begin with http:// or https://.")
    return url if url.endswith("/v1") else f"{url}/v1"


# --- Answers ----------------------------------------------------------------------------------------------------------


def body_of(response: httpx2.Response) -> Any:
    """The parsed answer, None for an empty one. Raises ApiError, UnexpectedAnswer."""
    if not response.is_success:
        raise refusal(response)
    if not response.content:
        return None
    try:
        return response.json()
    except ValueError as error:
        raise UnexpectedAnswer(f"{response.request.url} answered with something else than JSON.") from error


def refusal(response: httpx2.Response) -> ApiError:
    """response: read to its end."""
    try:
        body: object = json.loads(response.content)
    except ValueError:
        body = None  # something between us and the server answered
    return error_of(
        response.status_code,
        body,
        request_id=response.headers.get("x-request-id"),
        retry_after=retry_after_of(response.headers.get("retry-after")),
    )


def retry_after_of(header: str | None) -> float | None:
    """Seconds, of a number or a date."""
    if header is None:
        return None
    try:
        return max(float(header), 0.0)
    except ValueError:
        pass
    try:
        at = parsedate_to_datetime(header)
    except ValueError:
        return None
    return max((at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds(), 0.0)


def pause_before(attempt: int, error: ApiError | None) -> float | None:
    """Seconds to wait before the try after this one; None when another would not help.

    attempt: how many have failed, from 1. error: the server's answer; None when there was none.
    """
    if error is not None and not _is_passing(error):
        return None
    longest = min(_FIRST_PAUSE_SECONDS * 2 ** (attempt - 1), _LONGEST_PAUSE_SECONDS)
    pause = longest * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
    if error is None or error.retry_after is None:
        return pause
    if error.retry_after > LONGEST_RETRY_AFTER_SECONDS:
        return None
    # A little later than asked for, so that those who were sent away together do not come back together.
    return error.retry_after + random.uniform(0.0, 0.25)  # noqa: S311 - no secret


def _is_passing(error: ApiError) -> bool:
    # 409 with Retry-After: the first request with this Idempotency-Key is still being answered.
    return error.status in _PASSING or (error.status == 409 and error.retry_after is not None)


def page_of(model: type[M], name: str, body: Any, selected: Fields | None = None) -> Page[M]:
    """name: what the list is called in the envelope. selected: the fields that were asked for; None for all."""
    if not isinstance(body, dict) or not isinstance(body.get(name), list):  # pyright: ignore[reportUnknownMemberType]
        raise UnexpectedAnswer(f"Where a list of {name} should be, the server sent {body!r:.200}.")
    envelope = cast("dict[str, Any]", body)
    items = tuple(decode(model, row, selected) for row in envelope[name])
    offset = envelope.get("offset", 0)
    total = envelope.get("total", offset + len(items))
    has_more = envelope.get("has_more", offset + len(items) < total)
    return Page(items, total, envelope.get("limit", len(items)), offset, has_more)


def new_ones(items: Sequence[M], seen: set[str]) -> list[M]:
    """Those that an earlier page did not show: a thing made meanwhile moves the others to later pages."""
    fresh: list[M] = []
    for item in items:
        id = getattr(item, "id", None)
        if not isinstance(id, str):
            fresh.append(item)
        elif id not in seen:
            seen.add(id)
            fresh.append(item)
    return fresh
