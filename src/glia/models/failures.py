"""Reads what a provider says when it does not answer, and says it again with the way out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import cast

import orjson

from glia.kit.clock import now
from glia.kit.outbound import FailureKind as OutboundKind
from glia.models.errors import FailureKind, ModelFailed
from glia.models.providers import Provider

MAX_QUOTE = 300

_TOO_LONG = re.compile(
    r"context[_ ](length|window|size)|maximum context|prompt is too long|too many (input )?tokens|input is too long"
)
_REFUSED = re.compile(r"content[_ ](filter|policy)|safety system|responsibleai")
_NO_CREDIT = re.compile(
    r"insufficient[_ ](quota|balance|credit|funds)|billing|credit balance|exceeded your current quota"
)
_SECRET = re.compile(r"(?i)\b(?:bearer\s+\S{6,}|(?:sk|pk|gsk|xai|key|hf|r8|AIza)[-_]?[A-Za-z0-9*][-_A-Za-z0-9*.]{11,})")

_KINDS_BY_STATUS: dict[int, FailureKind] = {
    401: "auth",
    402: "rate_limited",
    403: "auth",
    404: "not_found",
    408: "timeout",
    429: "rate_limited",
    504: "timeout",
}

_CONNECTION_FAILURES: dict[OutboundKind, tuple[FailureKind, str]] = {
    "resolve": ("connect", "could not be found"),
    "connect": ("connect", "could not be reached"),
    "tls": ("connect", "could not be reached safely"),
    "disconnect": ("server", "closed the connection"),
    "timeout": ("timeout", "took too long"),
    "protocol": ("protocol", "did not speak HTTP properly"),
    "too_large": ("protocol", "sent too much"),
}

# Words that providers use for the class of an error, in the body of an answer or inside a stream that began well.
_KINDS_BY_WORD: dict[str, FailureKind] = {
    "authentication_error": "auth",
    "permission_error": "auth",
    "invalid_api_key": "auth",
    "not_found_error": "not_found",
    "model_not_found": "not_found",
    "rate_limit_error": "rate_limited",
    "rate_limit_exceeded": "rate_limited",
    "insufficient_quota": "rate_limited",
    "billing_error": "rate_limited",
    "request_too_large": "context_too_long",
    "context_length_exceeded": "context_too_long",
    "invalid_request_error": "bad_request",
    "content_filter": "refused",
    "content_policy_violation": "refused",
    "overloaded_error": "server",
    "api_error": "server",
    "server_error": "server",
    "timeout_error": "timeout",
}


def unreachable(provider: Provider, kind: OutboundKind, said: str, *, is_sent: bool) -> ModelFailed:
    """The connection failed: refused, timed out, cut, or not HTTP at all."""
    failure, what = _CONNECTION_FAILURES[kind]
    check = f" and that {provider.url_variable} is right" if provider.url_variable else ""
    return ModelFailed(
        f"The model provider {provider.name} at {provider.base_url} {what}: {quote(said, provider)}."
        f" Check that the server runs{check}.",
        kind=failure,
        provider=provider.name,
        # A server that was asked and stayed silent for minutes is not asked again.
        is_retryable=False if failure == "timeout" and is_sent else None,
    )


def forbidden(provider: Provider, said: str) -> ModelFailed:
    """Our own outbound rules do not let the call pass."""
    return ModelFailed(
        f"The model provider {provider.name} cannot be called: {quote(said, provider)}."
        f" Check {provider.url_variable or 'its base URL'}.",
        kind="connect",
        provider=provider.name,
        is_retryable=False,
    )


def cut_short(provider: Provider) -> ModelFailed:
    return ModelFailed(
        f"The model provider {provider.name} ended its answer in the middle. Send the request again; if it stays so,"
        f" look at the log of the server at {provider.base_url}.",
        kind="server",
        provider=provider.name,
    )


def garbled(provider: Provider, sample: bytes) -> ModelFailed:
    """The answer is no answer of a model API: a web page, an empty body, broken JSON."""
    text = sample[:4000].decode("utf-8", "replace").strip()
    if not text:
        what = "sent an empty answer"
    elif text[0] == "<":
        what = f"sent a web page instead of an answer ({quote(_visible_text(text), provider)})"
    else:
        what = f"sent something that is no model answer ({quote(text, provider)})"
    variable = provider.url_variable or "its base URL"
    return ModelFailed(
        f"The model provider {provider.name} {what}. Check that {variable} names the API and not a website;"
        f" it is {provider.base_url}.",
        kind="protocol",
        provider=provider.name,
    )


def refused_answer(
    provider: Provider, status: int, body: bytes, *, retry_after: str | None = None, model: str = ""
) -> ModelFailed:
    """Reads an answer with an error status. body: as much of it as was read; any form, HTML too."""
    said, words = read_error(body)
    kind = _kind_of(status, said, words)
    has_credit = not (status in {402, 429} and _NO_CREDIT.search(f"{said} {' '.join(words)}".lower()))
    seconds = _retry_seconds(retry_after)
    if body.lstrip()[:1] == b"<" and kind in {"not_found", "bad_request", "protocol"}:
        return garbled(provider, body)
    return ModelFailed(
        f"The model provider {provider.name} answered {status}: {quote(said, provider) or 'nothing more'}."
        f" {_way_out(kind, provider, model, seconds, has_credit)}",
        kind=kind,
        provider=provider.name,
        provider_status=status,
        retry_after_seconds=seconds,
        is_retryable=None if has_credit else False,
    )


def failed_in_stream(provider: Provider, error: bytes, *, model: str = "") -> ModelFailed:
    """Reads an error that came inside a stream, after the status had promised success."""
    said, words = read_error(error)
    number = next((int(word) for word in words if word.isdigit() and len(word) == 3), 500)
    kind = _kind_of(number, said, words)
    return ModelFailed(
        f"The model provider {provider.name} failed while it answered: {quote(said, provider) or 'it did not say why'}."
        f" {_way_out(kind, provider, model, None, True)}",
        kind=kind,
        provider=provider.name,
    )


def quote(text: str, provider: Provider) -> str:
    """The first 300 characters of what a provider said, on one line, without anything that looks like a key."""
    if provider.api_key:
        text = text.replace(provider.api_key, "***")
    text = _SECRET.sub("***", " ".join(text.split()))
    return text[:MAX_QUOTE].rstrip(" .") + ("…" if len(text) > MAX_QUOTE else "")


def read_error(body: bytes) -> tuple[str, list[str]]:
    """The sentence and the code words of an error body in any of the shapes providers use."""
    try:
        value: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        text = body.decode("utf-8", "replace").strip()
        return (_visible_text(text) if text[:1] == "<" else text), []
    # Google's compatible endpoint wraps the error in a list.
    if isinstance(value, list):
        items = cast("list[object]", value)
        value = items[0] if items else {}
    if not isinstance(value, dict):
        return str(value), []
    whole = cast("dict[str, object]", value)
    inner = whole.get("error", whole)
    error = cast("dict[str, object]", inner) if isinstance(inner, dict) else {"message": inner}
    said = error.get("message") or error.get("detail") or whole.get("detail") or whole.get("message")
    words = [str(error[name]) for name in ("code", "type", "status") if error.get(name)]
    if isinstance(said, str):
        return said, words
    return orjson.dumps(error if said is None else said).decode(), words


def _kind_of(status: int, said: str, words: list[str]) -> FailureKind:
    text = f"{said} {' '.join(words)}".lower()
    if status in {400, 413, 422, 500} and (status == 413 or _TOO_LONG.search(text)):
        return "context_too_long"
    if status == 400 and _REFUSED.search(text):
        return "refused"
    by_status = _kind_of_status(status)
    if status in {400, 500}:
        for word in words:
            if word in _KINDS_BY_WORD:
                return _KINDS_BY_WORD[word]
    return by_status


def _kind_of_status(status: int) -> FailureKind:
    if status in _KINDS_BY_STATUS:
        return _KINDS_BY_STATUS[status]
    if status >= 500:
        return "server"
    return "bad_request" if status >= 400 else "protocol"


def _way_out(kind: FailureKind, provider: Provider, model: str, seconds: float | None, has_credit: bool) -> str:
    if not has_credit:
        return f"Add credit to the account at {provider.name}, or choose another model."
    wait = f"in {seconds:g} s" if seconds else "in a while"
    named = f" {model!r}" if model else ""
    where = provider.base_url
    ways: Mapping[FailureKind, str] = {
        "auth": f"Check {provider.key_variable or 'the API key'}: the key is wrong or has no right to this model.",
        "not_found": f"Check the model name{named} and the address {where}; GET /v1/models lists what there is.",
        "timeout": "Try again, or choose a faster model.",
        "rate_limited": f"Try again {wait}, or set a fallback model.",
        "context_too_long": "Shorten the conversation or choose a model with a larger context.",
        "refused": "The content was refused; change the request.",
        "server": "The fault is at the provider; try again, or set a fallback model.",
        "protocol": f"Check {provider.url_variable or 'the base URL'}; it is {where}.",
        "connect": f"Check that the server at {where} runs.",
        "bad_request": "The model may not support a tool or a setting that was asked; change the request or the model.",
    }
    return ways[kind]


def _retry_seconds(header: str | None) -> float | None:
    """Reads Retry-After in both its forms, seconds and a date."""
    if not header:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(header) - now()).total_seconds())
    except (ValueError, TypeError):
        return None


def _visible_text(page: str) -> str:
    title = re.search(r"(?is)<title[^>]*>(.*?)</title>", page[:4000])
    return " ".join((title.group(1) if title else re.sub(r"(?s)<[^>]*>", " ", page[:4000])).split())
