"""The built-in tools that need nothing but the clock and arithmetic."""

from __future__ import annotations

import difflib
import zoneinfo
from datetime import UTC, tzinfo
from typing import Annotated

from msgspec import Meta, Struct

from glia.kit import clock
from glia.tools.calculator import calculate
from glia.tools.errors import InvalidArguments
from glia.tools.functions import tool
from glia.tools.types import Effect, Tool, ToolContext


class CurrentTimeArguments(Struct, forbid_unknown_fields=True):
    zone: Annotated[
        str, Meta(description="IANA time zone such as Europe/Berlin. UTC when not given.", max_length=64)
    ] = "UTC"


class CalculatorArguments(Struct, forbid_unknown_fields=True):
    expression: Annotated[
        str,
        Meta(
            description="Arithmetic such as (2 + 3) * 4, 17% of 2300, sqrt(2), round(10 / 3, 2) or 2 ** 10.",
            max_length=500,
        ),
    ]


@tool(name="current_time", effect=Effect.READ, timeout_seconds=5)
async def current_time(context: ToolContext, arguments: CurrentTimeArguments) -> str:
    """Tells the current date, weekday and time in a time zone."""
    moment = clock.now().astimezone(_zone(arguments.zone))
    return f"{moment:%A}, {moment.isoformat(timespec='seconds')} ({arguments.zone})"


@tool(name="calculator", effect=Effect.READ, timeout_seconds=5)
async def calculator(context: ToolContext, arguments: CalculatorArguments) -> str:
    """Calculates exactly: + - * / // % **, percentages, parentheses, pi, e, sqrt, log, ln, exp, round, floor, ceil,
    abs, min, max, sum, avg, and sin, cos, tan of radians. Rounds halves up."""
    return f"{arguments.expression.strip()} = {calculate(arguments.expression)}"


BUILT_IN: tuple[Tool, ...] = (current_time, calculator)


def _zone(name: str) -> tzinfo:
    if name.upper() in {"UTC", "Z", "GMT", ""}:
        return UTC
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):  # a folder of zones, as `Europe`, is an OSError
        known = zoneinfo.available_timezones()
    near = difflib.get_close_matches(
        name.lower().rpartition("/")[2], [zone.rpartition("/")[2].lower() for zone in known]
    )
    zones = sorted(zone for zone in known if zone.rpartition("/")[2].lower() in near)[:3]
    hint = f"did you mean {' or '.join(zones)}?" if zones else "use a name such as Europe/Berlin."
    raise InvalidArguments(f"There is no time zone {name!r}; {hint}", field="zone")
