"""Ids as this API shows them: a prefix and the hex digits of ours. Both forms are taken."""

from __future__ import annotations

from uuid import UUID

from glia.kit.errors import NotFound

RESPONSE, CONVERSATION, FILE, STORE = "resp_", "conv_", "file-", "vs_"


def shown(prefix: str, id: UUID) -> str:
    return prefix + id.hex


def read_id(prefix: str, text: str, noun: str, field: str | None = None) -> UUID:
    """Raises NotFound for what cannot be an id."""
    try:
        return UUID(text.removeprefix(prefix))
    except ValueError:
        raise NotFound(f"There is no {noun} {text[:200]!r} in this workspace.", field=field) from None


def item_id(kind: str, run_id: UUID, index: int) -> str:
    """Of the item at this place in a response's output. kind: as `msg`, `fc`, `rs`."""
    return f"{kind}_{run_id.hex}{index:04x}"


def run_of_item(id: str) -> UUID | None:
    """The run that an item of an output comes from."""
    digits = id.rpartition("_")[2]
    try:
        return UUID(digits[:32]) if len(digits) == 36 else None
    except ValueError:
        return None
