"""What a call to the outside can end with, apart from an answer."""

from __future__ import annotations

from typing import Literal

from glia.kit.errors import GliaError, UpstreamFailed

FailureKind = Literal["connect", "tls", "timeout", "protocol", "disconnect", "too_large", "resolve"]


class OutboundRefused(GliaError):
    """The rules for outbound calls forbid this address. Nothing was sent to it."""

    code, status = "outbound_refused", 403


class UrlRefused(OutboundRefused):
    """The URL itself is at fault: malformed, ambiguous, or of a scheme other than http and https."""

    status = 400


class OutboundFailed(UpstreamFailed):
    """The other side could not be reached, or did not answer as HTTP asks.

    kind: where it went wrong.
    is_sent: False when the request certainly never left, so that sending it again repeats nothing.
    """

    def __init__(self, message: str, *, kind: FailureKind, is_sent: bool) -> None:
        super().__init__(message, kind=kind)
        self.kind: FailureKind = kind
        self.is_sent = is_sent
