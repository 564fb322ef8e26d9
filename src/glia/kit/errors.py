"""What can go wrong, said once. Services raise these; each surface decides how they look on its wire."""

from __future__ import annotations


class GliaError(Exception):
    """An error whose message is meant for the person who can fix it."""

    code: str = "internal_error"
    status: int = 500

    def __init__(self, message: str, *, field: str | None = None, **details: object) -> None:
        """message: a whole sentence that names the value and the way out.

        field: the request field at fault, in the words of the native wire.
        details: further facts for logs and clients; never secrets.
        """
        super().__init__(message)
        self.message = message
        self.field = field
        self.details = details


class InvalidRequest(GliaError):
    code, status = "invalid_request", 400


class Unauthorized(GliaError):
    code, status = "unauthorized", 401


class PaymentRequired(GliaError):
    code, status = "payment_required", 402


class Forbidden(GliaError):
    code, status = "forbidden", 403


class NotFound(GliaError):
    code, status = "not_found", 404


class MethodNotAllowed(GliaError):
    code, status = "method_not_allowed", 405


class Conflict(GliaError):
    code, status = "conflict", 409


class TooLarge(GliaError):
    code, status = "too_large", 413


class UnsupportedMedia(GliaError):
    code, status = "unsupported_media_type", 415


class RateLimited(GliaError):
    code, status = "rate_limited", 429

    def __init__(
        self, message: str, *, retry_after_seconds: float, limit: int | None = None, requests: int | None = None
    ) -> None:
        """limit: how many requests a minute there may be, where that is the reason. requests: how many there were."""
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
        self.limit = limit
        self.requests = requests


class UpstreamFailed(GliaError):
    """Something we called (a model, a tool, a website) did not do its part."""

    code, status = "upstream_failed", 502


class Unavailable(GliaError):
    code, status = "unavailable", 503


class DatabaseUnavailable(Unavailable):
    """The database did not answer, or cut the line: what was being written is stored or not, and can be tried again."""


class StorageFull(GliaError):
    code, status = "storage_full", 507
