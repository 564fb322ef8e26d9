"""What goes wrong, by kind. All of it is a NeuaisError."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from neuais.models import Agent


class NeuaisError(Exception):
    """Whatever this library raises."""


class ConnectionFailed(NeuaisError):
    """The server gave no answer, also after trying again."""


class TimedOut(ConnectionFailed):
    """No answer came in time."""


class UnexpectedAnswer(NeuaisError):
    """Something answered that does not speak this API; is `base_url` right?"""


class InvalidSignature(NeuaisError):
    """A webhook's delivery that does not come from whom it says, or is too old."""


class WaitFailed(NeuaisError):
    """What was waited for did not come.

    agent: as it was seen last, with its `status` and `reason`.
    """

    def __init__(self, message: str, agent: Agent) -> None:
        super().__init__(message)
        self.agent = agent


class LiveError(NeuaisError):
    """The live connection was refused, or the server refused a subscription.

    code: the server's word for it, such as `not_found`.
    """

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class ApiError(NeuaisError):
    """The server refused a request.

    code: `invalid_request`, `not_found` ...; each has its own class. status: of HTTP. field, reason: what was wrong
    with the request, where the server says so. retry_after: seconds after which it may be sent again. request_id: what
    the server's operator can look it up by.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        status: int,
        details: Mapping[str, Any] | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.status = status
        self.details: Mapping[str, Any] = details or {}
        self.request_id = request_id
        self.retry_after = retry_after

    def __reduce__(self) -> tuple[object, ...]:
        return _remade, (type(self), self.message, {**vars(self)})

    @property
    def field(self) -> str | None:
        return _text(self.details.get("field"))

    @property
    def reason(self) -> str | None:
        return _text(self.details.get("reason"))

    def __str__(self) -> str:
        place = f" ({self.field}: {self.reason})" if self.field and self.reason else ""
        return f"{self.message}{place} [{self.status} {self.code}]"


def _remade(kind: type[ApiError], message: str, facts: dict[str, Any]) -> ApiError:
    """An error that comes from another process."""
    error = kind.__new__(kind, message)
    vars(error).update(facts)
    return error


class InvalidRequest(ApiError):
    """400: a field or parameter is not what it may be; `field` and `reason` say which and why."""


class Unauthorized(ApiError):
    """401: the token, or the email and password, are not accepted."""


class Forbidden(ApiError):
    """403: the caller may not do this."""


class NotFound(ApiError):
    """404: there is no such thing, or it is another workspace's."""


class Conflict(ApiError):
    """409: it does not go with what is there, as a second agent of one name."""


class RateLimitExceeded(ApiError):
    """429: more requests than the plan allows; `retry_after` says when to go on."""


class InternalError(ApiError):
    """500: the server's fault."""


class ServiceUnavailable(ApiError):
    """502, 503 or 504: the server cannot answer at the moment."""


_BY_CODE: dict[str, type[ApiError]] = {
    "invalid_request": InvalidRequest,
    "unauthorized": Unauthorized,
    "forbidden": Forbidden,
    "not_found": NotFound,
    "conflict": Conflict,
    "rate_limit_exceeded": RateLimitExceeded,
    "internal_error": InternalError,
    "service_unavailable": ServiceUnavailable,
}
_CODE_OF_STATUS = {
    400: "invalid_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    409: "conflict",
    422: "invalid_request",
    429: "rate_limit_exceeded",
    502: "service_unavailable",
    503: "service_unavailable",
    504: "service_unavailable",
}


def error_of(status: int, body: object, *, request_id: str | None, retry_after: float | None) -> ApiError:
    """The error of an answer. body: what came, parsed; anything else than the API's own shape is borne."""
    said = _mapping(_mapping(body).get("error"))
    usual = _CODE_OF_STATUS.get(status, "internal_error" if status >= 500 else "invalid_request")
    code = _text(said.get("code")) or usual
    kind = _BY_CODE.get(code) or _BY_CODE.get(usual, ApiError)
    return kind(
        _text(said.get("message")) or f"The server answered with status {status}.",
        code=code,
        status=status,
        details=_mapping(said.get("details")),
        request_id=request_id or _text(said.get("request_id")),
        retry_after=retry_after,
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
