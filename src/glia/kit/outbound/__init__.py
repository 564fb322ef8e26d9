"""The one HTTP client: what may be called, how long to wait, what comes back."""

from glia.kit.outbound.client import Outbound, Stream
from glia.kit.outbound.errors import FailureKind, OutboundFailed, OutboundRefused, UrlRefused
from glia.kit.outbound.headers import Headers
from glia.kit.outbound.policy import OutboundPolicy
from glia.kit.outbound.resolver import Resolver, SystemResolver
from glia.kit.outbound.response import Response, StreamedResponse, Timeouts

__all__ = [
    "FailureKind",
    "Headers",
    "Outbound",
    "OutboundFailed",
    "OutboundPolicy",
    "OutboundRefused",
    "Resolver",
    "Response",
    "Stream",
    "StreamedResponse",
    "SystemResolver",
    "Timeouts",
    "UrlRefused",
]
