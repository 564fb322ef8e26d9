"""How this API says things: errors, and the names of agents among the models."""

from __future__ import annotations

from typing import TypeVar

import orjson

from glia.kit.errors import GliaError, RateLimited
from glia.models.errors import FailureKind, ModelFailed
from glia.surfaces.shared.asgi import convert
from glia.surfaces.shared.json_body import read_object

T = TypeVar("T")

AGENT_PREFIX = "agent:"

_TYPES = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}
_CODES = {
    "unauthorized": "invalid_api_key",
    "wrong_credentials": "invalid_api_key",
    "rate_limited": "rate_limit_exceeded",
    "budget_busy": "rate_limit_exceeded",
    "budget_exceeded": "insufficient_quota",
    "insufficient_credit": "insufficient_quota",
    "agent_not_found": "model_not_found",
    "context_too_long": "context_length_exceeded",
}
_STATUS_OF_FAILURE: dict[FailureKind, tuple[int, str]] = {
    "bad_request": (400, "invalid_request"),
    "context_too_long": (400, "context_length_exceeded"),
    "refused": (400, "content_filter"),
    "not_found": (404, "model_not_found"),
    "timeout": (504, "upstream_timeout"),
}
_STATUS_OF_RUN = {
    "limit_reached": 422,
    "model_not_found": 404,
    "not_found": 404,
    "invalid_request": 400,
    "context_too_long": 400,
    "payment_required": 402,
    "budget_exceeded": 402,
    "price_unknown": 400,
    "run_cancelled": 409,
    "run_waiting": 409,
    "unavailable": 503,
}


class ProviderFailed(GliaError):
    """A model's failure under the status that clients of this API act upon."""

    def __init__(self, failure: ModelFailed) -> None:
        super().__init__(failure.message)
        self.status, self.code = _STATUS_OF_FAILURE.get(failure.kind, (failure.status, failure.code))


class RunEndedBadly(GliaError):
    """A run of an agent that failed or was cancelled."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.status = _STATUS_OF_RUN.get(code, 502 if code.startswith(("model", "upstream")) else 500)


def provider_failed(failure: ModelFailed) -> GliaError:
    """What a client is told of a provider's failure. A rate limit says when to come back."""
    if failure.kind == "rate_limited":
        return RateLimited(failure.message, retry_after_seconds=failure.retry_after_seconds or 1)
    return ProviderFailed(failure)


def openai_error(error: GliaError, request_id: str) -> dict[str, object]:
    """`{error: {message, type, param, code}}`."""
    kind = _TYPES.get(error.status, "invalid_request_error" if error.status < 500 else "server_error")
    code = _CODES.get(error.code, error.code)
    if code == "not_found" and error.field == "model":
        code = "model_not_found"
    return {
        "error": {
            "message": error.message,
            "type": kind,
            "param": error.field,
            "code": code,
            "request_id": request_id,
        }
    }


def error_event(error: GliaError, request_id: str) -> bytes:
    """An error after the stream has begun; clients of this API raise it."""
    return b"data: %s\n\n" % orjson.dumps(openai_error(error, request_id))


def read_body(body: bytes, type: type[T]) -> tuple[T, list[str]]:
    """A JSON object as a Struct, and the names of fields that it does not have. Raises InvalidRequest."""
    return convert(read_object(body), type)


def limit_headers(headers: dict[str, str]) -> dict[str, str]:
    """Our headers about a key's limit, and the same by the names that this API's clients look at."""
    if "X-RateLimit-Limit" not in headers:
        return headers
    return {
        **headers,
        "X-RateLimit-Limit-Requests": headers["X-RateLimit-Limit"],
        "X-RateLimit-Remaining-Requests": headers["X-RateLimit-Remaining"],
        "X-RateLimit-Reset-Requests": f"{headers['X-RateLimit-Reset']}s",
    }
