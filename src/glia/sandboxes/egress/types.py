"""What the proxy decides, and what it adds to a request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from glia.kit.clock import now
from glia.kit.ids import new_id
from glia.sandboxes.egress.rules import HostRule

Verdict = Literal["allowed", "denied", "failed"]


@dataclass
class Decision:
    """One try to reach the outside. Its bytes grow while the connection is open.

    host: as far as it could be read. reason: empty when it was allowed and worked. sent_bytes: out of the sandbox.
    """

    method: str
    host: str
    port: int | None
    verdict: Verdict
    reason: str = ""
    sent_bytes: int = 0
    received_bytes: int = 0
    id: UUID = field(default_factory=new_id)
    at: datetime = field(default_factory=now)


Note = Callable[[Decision], None]
"""Called when a decision is made, and again when its connection has ended. Must not wait."""


@dataclass(frozen=True)
class Attachment:
    """A header that the proxy sets on requests to these hosts, whatever the sandbox wrote there.

    scheme: how the host is called; the sandbox itself always asks by plain `http://`.
    """

    rules: tuple[HostRule, ...]
    header: str
    value: str = field(repr=False)
    scheme: Literal["https", "http"] = "https"

    def fits(self, host: str, port: int) -> bool:
        return any(rule.matches(host, port) for rule in self.rules)
