"""Where the request comes from that is being answered, for records of who did what."""

from __future__ import annotations

from contextvars import ContextVar

_LONGEST = 100

_address: ContextVar[str] = ContextVar("glia_origin", default="")


def come_from(address: str) -> None:
    """Remembers the address for what this task does from now on, and for the tasks that it starts."""
    _address.set(address[:_LONGEST])


def address() -> str:
    """The network address of whoever asked; empty for what nobody asked over the wire."""
    return _address.get()
