"""What a program from outside may call, and what comes back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from glia.identity.types import Principal
from glia.tools.types import Effect

ASK = "ask_"
"""What the names of agents begin with, as in `ask_support`."""


@dataclass(frozen=True)
class Caller:
    """Who waits for an answer. report: tells a client that asked for progress what is going on.

    leaving_cancels: whether a client that goes away takes its question back, as revision 2026-07-28 has it; before,
    a connection that broke meant nothing.
    """

    report: Callable[[str], Awaitable[None]]
    leaving_cancels: bool


@dataclass(frozen=True)
class Answer:
    """text: for models. structured: the same and more, for programs."""

    text: str
    structured: Mapping[str, object] | None = None
    is_error: bool = False


@dataclass(frozen=True)
class Offer:
    """Something a client may call. call: with the arguments as they came, unchecked."""

    name: str
    title: str
    description: str
    schema: Mapping[str, object]
    effect: Effect
    call: Callable[[Principal, Mapping[str, object], Caller], Awaitable[Answer]]
    output_schema: Mapping[str, object] | None = field(default=None)
