"""A chart as an agent describes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

MOST_POINTS = 10_000
"""Of all series of one chart together."""
MOST_SERIES = 50

ChartKind = Literal["bar", "line", "area", "scatter", "pie"]


@dataclass(frozen=True)
class Series:
    """values: by label; for a scatter chart pairs of x and y."""

    name: str
    values: Sequence[float]
    at: Sequence[float] = ()


@dataclass(frozen=True)
class Chart:
    """labels: below the values, one for each; numbers from 1 when there are none."""

    kind: ChartKind
    title: str
    labels: Sequence[str]
    series: Sequence[Series]
    x_label: str = ""
    y_label: str = ""
    width: int = 800
    height: int = 450
