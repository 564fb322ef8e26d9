"""What is kept encrypted of an endpoint: its signing secrets and the headers it wants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol
from uuid import UUID

import orjson

from glia.webhooks.queries import WebhookRow
from glia.webhooks.sending import Address


class Secrets(Protocol):
    """Keeps secrets unreadable at rest. context: what the secret belongs to; it opens under no other."""

    def seal(self, secret: bytes, context: str) -> bytes: ...

    def open(self, sealed: bytes, context: str) -> bytes: ...


def sealed_headers(headers: Mapping[str, str], secrets: Secrets, workspace_id: UUID, id: UUID) -> bytes | None:
    return secrets.seal(orjson.dumps(dict(headers)), _context("headers", workspace_id, id)) if headers else None


def sealed_secret(secret: str, secrets: Secrets, workspace_id: UUID, id: UUID) -> bytes:
    return secrets.seal(secret.encode(), _context("secret", workspace_id, id))


def address_of(row: WebhookRow, secrets: Secrets) -> Address:
    """Raises the sealer's GliaError when the installation's key has changed."""
    context = _context("secret", row.workspace_id, row.id)
    sealed = [one for one in (row.sealed_secret, row.sealed_old_secret) if one is not None]
    headers: dict[str, str] = {}
    if row.sealed_headers is not None:
        headers = orjson.loads(secrets.open(row.sealed_headers, _context("headers", row.workspace_id, row.id)))
    return Address(
        row.url,
        headers,
        tuple(secrets.open(one, context).decode() for one in sealed),
        row.style,
        row.event_names,
        row.header_prefix,
        row.fields,
    )


def _context(what: str, workspace_id: UUID, id: UUID) -> str:
    return f"webhooks.{what}:{workspace_id}:{id}"
