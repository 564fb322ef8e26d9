"""A client of NeuAIs' API.

>>> from neuais import Client
>>> client = Client("your-token")
>>> agents = client.agents.list()
"""

from neuais._async.client import AsyncClient
from neuais._sync.client import Client
from neuais.errors import (
    ApiError,
    Conflict,
    ConnectionFailed,
    Forbidden,
    InternalError,
    InvalidRequest,
    InvalidSignature,
    LiveError,
    NeuaisError,
    NotFound,
    RateLimitExceeded,
    ServiceUnavailable,
    TimedOut,
    Unauthorized,
    UnexpectedAnswer,
    WaitFailed,
)
from neuais.models import (
    Agent,
    AgentConfig,
    ConfigFields,
    Cost,
    Delivery,
    Invoice,
    LogLine,
    Metrics,
    Page,
    Point,
    ReplicaMetrics,
    Series,
    Service,
    ServiceStatus,
    Token,
    Usage,
    UsageAmounts,
    User,
    Webhook,
    WebhookEvent,
)
from neuais.signatures import verify_signature

__version__ = "0.1.0"

__all__ = [
    "Agent",
    "AgentConfig",
    "ApiError",
    "AsyncClient",
    "Client",
    "ConfigFields",
    "Conflict",
    "ConnectionFailed",
    "Cost",
    "Delivery",
    "Forbidden",
    "InternalError",
    "InvalidRequest",
    "InvalidSignature",
    "Invoice",
    "LiveError",
    "LogLine",
    "Metrics",
    "NeuaisError",
    "NotFound",
    "Page",
    "Point",
    "RateLimitExceeded",
    "ReplicaMetrics",
    "Series",
    "Service",
    "ServiceStatus",
    "ServiceUnavailable",
    "TimedOut",
    "Token",
    "Unauthorized",
    "UnexpectedAnswer",
    "Usage",
    "UsageAmounts",
    "User",
    "WaitFailed",
    "Webhook",
    "WebhookEvent",
    "verify_signature",
]
