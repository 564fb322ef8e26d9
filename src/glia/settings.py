"""Every setting that begins with GLIA_, in one place. What providers need is read under the providers' own names."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from glia.billing.service import BillingConfig
from glia.browsers.types import BrowserConfig
from glia.deployments.config import FleetConfig
from glia.kit.mail import MailConfig
from glia.kit.origins import AllowedOrigins
from glia.kit.telemetry import LogFormat
from glia.runs.config import EngineConfig
from glia.sandboxes.config import SandboxConfig
from glia.storage.config import StorageConfig
from glia.tools.types import SearchConfig
from glia.usage.service import SpendingConfig
from glia.webhooks.config import WebhookConfig


def default_data_dir() -> Path:
    """`~/.local/share/glia`, or /var/lib/glia for root."""
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return Path("/var/lib/glia")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "glia"


@dataclass(frozen=True)
class LeaseSettings:
    """lease_seconds: how long a silent process keeps its runs. beat_seconds: how often it says that it lives."""

    lease_seconds: float = 5.0
    beat_seconds: float = 1.0


@dataclass(frozen=True)
class LimitSettings:
    """requests_per_minute: for keys without a limit of their own. The usual one stops nobody and lets every answer tell
    what is left; None for none. plan: of workspaces without one of their own, where a surface counts by plan: `free` is
    100 requests a minute, `pro` 1,000, `enterprise` enterprise_requests_per_minute."""

    upload_bytes: int = 100 * 1024 * 1024
    requests_per_minute: int | None = 1_000_000
    plan: Literal["free", "pro", "enterprise"] = "enterprise"
    enterprise_requests_per_minute: int = 1_000_000


@dataclass(frozen=True)
class LogSettings:
    level: str = "info"
    format: LogFormat = "auto"


@dataclass(frozen=True)
class Settings:
    """database_url: None starts the embedded PostgreSQL. outbound_allow: `host:port,...` that tools may reach although
    the rules refuse such addresses. database_wait_seconds: how long a request waits for a connection before it is
    answered 503; restarts of the database that are shorter go unnoticed. The model settings are
    described in docs/models.md. public_url: where browsers find this server; the address of the request when unset.
    allowed_origins: `https://app.example.com,...` or `*`: whose web pages may call the API, beside this server's own.
    mcp_file: JSON list of MCP servers for every workspace, programs among them. sql_databases: `name=url,...` that the
    SQL tools may read. shell_commands: that agents with the tool `run_shell` may use in their sandbox, none when empty;
    `standard` for ls, cat, grep and their like."""

    database_url: str | None = None
    data_dir: str | None = None
    service_user: str = "glia"
    secret_key: str | None = None
    registration: Literal["closed", "open"] = "closed"
    production: bool = False
    pg_bin: str | None = None
    outbound_allow: str = ""
    public_url: str | None = None
    allowed_origins: str = ""
    mcp_file: str | None = None
    sql_databases: str = ""
    shell_commands: str = ""
    default_model: str | None = None
    embedding_model: str | None = None
    rerank_model: str | None = None
    rerank_url: str | None = None
    rerank_key: str | None = None
    model_discovery: str = "on"
    prices: str | None = None
    strict_fields: bool = False
    database_pool: int = 20
    database_wait_seconds: float = 10.0
    lease: LeaseSettings = field(default_factory=LeaseSettings)
    runs: EngineConfig = field(default_factory=EngineConfig)
    browser: BrowserConfig = field(default_factory=BrowserConfig)
    sandbox: SandboxConfig = field(default_factory=SandboxConfig)
    fleet: FleetConfig = field(default_factory=FleetConfig)
    webhooks: WebhookConfig = field(default_factory=WebhookConfig)
    search: SearchConfig = field(default_factory=SearchConfig)
    mail: MailConfig = field(default_factory=MailConfig)
    storage: StorageConfig = field(default_factory=StorageConfig)
    limits: LimitSettings = field(default_factory=LimitSettings)
    budgets: SpendingConfig = field(default_factory=SpendingConfig)
    billing: BillingConfig = field(default_factory=BillingConfig)
    log: LogSettings = field(default_factory=LogSettings)

    def __post_init__(self) -> None:
        try:
            AllowedOrigins.from_setting(self.allowed_origins)
        except ValueError as error:
            raise ValueError(f"{error} - at `$.allowed_origins`") from None
