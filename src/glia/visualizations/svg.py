"""Draws a chart as SVG, without any other program."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from glia.visualizations.types import Chart, Series

# The colour-blind safe palette of Okabe and Ito.
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#666666")
_TOP, _RIGHT, _BOTTOM, _LEFT = 50.0, 20.0, 60.0, 70.0
_MOST_LABELS = 12
_LONGEST_LABEL = 18


@dataclass(frozen=True)
class _Frame:
    """Where values lie on the picture. y_ticks: round numbers between the lowest and the highest."""

    left: float
    top: float
    width: float
    height: float
    low: float
    high: float
    y_ticks: tuple[float, ...]

    def y(self, value: float) -> float:
        span = self.high - self.low or 1.0
        return self.top + self.height * (1 - (value - self.low) / span)


def svg(chart: Chart) -> str:
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{chart.width}" height="{chart.height}"'
        f' viewBox="0 0 {chart.width} {chart.height}" font-family="sans-serif" font-size="12" role="img"'
        f' aria-label="{escape(chart.title)}">',
        f'<rect width="{chart.width}" height="{chart.height}" fill="#ffffff"/>',
        f'<text x="{chart.width / 2:g}" y="22" text-anchor="middle" font-size="16">{escape(chart.title)}</text>',
    ]
    parts += _pie(chart) if chart.kind == "pie" else _axes(chart)
    if chart.kind != "pie" and len(chart.series) > 1:
        parts += _legend([series.name for series in chart.series], chart)
    return "\n".join([*parts, "</svg>"])


def _axes(chart: Chart) -> list[str]:
    frame = _frame(chart)
    parts: list[str] = []
    for tick in frame.y_ticks:
        y = frame.y(tick)
        parts.append(
            f'<line x1="{frame.left:g}" x2="{frame.left + frame.width:g}" y1="{y:.2f}" y2="{y:.2f}" stroke="#dddddd"/>'
            f'<text x="{frame.left - 6:g}" y="{y + 4:.2f}" text-anchor="end">{_number(tick)}</text>'
        )
    parts += _named_axes(chart, frame)
    match chart.kind:
        case "bar":
            return parts + _labels(chart, frame) + _bars(chart, frame)
        case "scatter":
            return parts + _points(chart, frame)
        case _:
            return parts + _labels(chart, frame) + _lines(chart, frame)


def _frame(chart: Chart) -> _Frame:
    values = [value for series in chart.series for value in series.values]
    low, high = min(values, default=0.0), max(values, default=1.0)
    if chart.kind != "scatter":
        low, high = min(0.0, low), max(0.0, high)
    ticks = _ticks(low, high)
    width, height = chart.width - _LEFT - _RIGHT, chart.height - _TOP - _BOTTOM
    return _Frame(_LEFT, _TOP, width, height, min(ticks[0], low), max(ticks[-1], high), ticks)


def _ticks(low: float, high: float) -> tuple[float, ...]:
    """About five round numbers from at most `low` to at least `high`."""
    span = high - low or abs(high) or 1.0
    rough = span / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough)
    first, last = math.floor(low / step), math.ceil(high / step)
    return tuple(round(step * count, 10) for count in range(first, last + 1))


def _named_axes(chart: Chart, frame: _Frame) -> list[str]:
    middle = frame.top + frame.height / 2
    parts: list[str] = []
    if chart.x_label:
        x = frame.left + frame.width / 2
        parts.append(f'<text x="{x:g}" y="{chart.height - 8}" text-anchor="middle">{escape(chart.x_label)}</text>')
    if chart.y_label:
        turned = f"rotate(-90 16 {middle:g})"
        parts.append(
            f'<text x="16" y="{middle:g}" text-anchor="middle" transform="{turned}">{escape(chart.y_label)}</text>'
        )
    return parts


def _labels(chart: Chart, frame: _Frame) -> list[str]:
    """At most a dozen, evenly spread."""
    count = len(chart.labels)
    every = max(1, -(-count // _MOST_LABELS))
    y = frame.top + frame.height + 18
    return [
        f'<text x="{_middle(frame, index, count):.2f}" y="{y:g}" text-anchor="middle">{escape(_short(label))}</text>'
        for index, label in enumerate(chart.labels)
        if index % every == 0
    ]


def _middle(frame: _Frame, index: int, count: int) -> float:
    return frame.left + frame.width * (index + 0.5) / max(1, count)


def _bars(chart: Chart, frame: _Frame) -> list[str]:
    count, groups = len(chart.labels), len(chart.series)
    width = frame.width / max(1, count) * 0.8 / max(1, groups)
    parts: list[str] = []
    for group, series in enumerate(chart.series):
        for index, value in enumerate(series.values):
            x = _middle(frame, index, count) + (group - groups / 2) * width
            top, bottom = sorted((frame.y(value), frame.y(0)))
            parts.append(
                f'<rect x="{x:.2f}" y="{top:.2f}" width="{width:.2f}" height="{bottom - top:.2f}"'
                f' fill="{_colour(group)}"><title>{_said(series, chart.labels[index], value)}</title></rect>'
            )
    return parts


def _lines(chart: Chart, frame: _Frame) -> list[str]:
    count = len(chart.labels)
    parts: list[str] = []
    for group, series in enumerate(chart.series):
        points = [(_middle(frame, index, count), frame.y(value)) for index, value in enumerate(series.values)]
        path = " ".join(f"{x:.2f},{y:.2f}" for x, y in points)
        if chart.kind == "area" and points:
            base = frame.y(0)
            closed = f"{points[0][0]:.2f},{base:.2f} {path} {points[-1][0]:.2f},{base:.2f}"
            parts.append(f'<polygon points="{closed}" fill="{_colour(group)}" fill-opacity="0.3"/>')
        parts.append(f'<polyline points="{path}" fill="none" stroke="{_colour(group)}" stroke-width="2"/>')
    return parts


def _points(chart: Chart, frame: _Frame) -> list[str]:
    xs = [x for series in chart.series for x in series.at]
    ticks = _ticks(min(xs, default=0.0), max(xs, default=1.0))
    low, high = ticks[0], ticks[-1]

    def x_of(value: float) -> float:
        return frame.left + frame.width * (value - low) / (high - low or 1.0)

    y = frame.top + frame.height + 18
    parts = [f'<text x="{x_of(tick):.2f}" y="{y:g}" text-anchor="middle">{_number(tick)}</text>' for tick in ticks]
    for group, series in enumerate(chart.series):
        parts += [
            f'<circle cx="{x_of(x):.2f}" cy="{frame.y(value):.2f}" r="3" fill="{_colour(group)}"/>'
            for x, value in zip(series.at, series.values, strict=True)
        ]
    return parts


def _pie(chart: Chart) -> list[str]:
    """Of the first series. Callers have seen to it that no value is negative and some is not 0."""
    values = list(chart.series[0].values)
    total = math.fsum(values)
    x, y = chart.width * 0.35, (chart.height + 30) / 2
    radius = min(chart.width * 0.3, (chart.height - 80) / 2)
    angle, parts = -math.pi / 2, list[str]()
    for index, value in enumerate(values):
        part = value / total
        said = f"<title>{_said(chart.series[0], chart.labels[index], value)} ({part:.1%})</title>"
        if part >= 1 - 1e-9:
            parts.append(f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" fill="{_colour(index)}">{said}</circle>')
        elif part > 0:
            end = angle + 2 * math.pi * part
            large = 1 if part > 0.5 else 0
            here, there = _around(x, y, radius, angle), _around(x, y, radius, end)
            path = f"M{x:g},{y:g} L{here} A{radius:g},{radius:g} 0 {large} 1 {there} Z"
            parts.append(f'<path d="{path}" fill="{_colour(index)}" stroke="#ffffff">{said}</path>')
            angle = end
    names = [f"{label} ({value / total:.1%})" for label, value in zip(chart.labels, values, strict=True)]
    return parts + _legend(names, chart, x=chart.width * 0.7, y=70, is_column=True)


def _around(x: float, y: float, radius: float, angle: float) -> str:
    return f"{x + radius * math.cos(angle):.2f},{y + radius * math.sin(angle):.2f}"


def _legend(
    names: Sequence[str], chart: Chart, *, x: float = _LEFT, y: float = 36, is_column: bool = False
) -> list[str]:
    parts: list[str] = []
    at_x, at_y = x, y
    for index, name in enumerate(names[:20]):
        parts.append(
            f'<rect x="{at_x:g}" y="{at_y - 9:g}" width="10" height="10" fill="{_colour(index)}"/>'
            f'<text x="{at_x + 14:g}" y="{at_y:g}">{escape(_short(name, 40))}</text>'
        )
        at_x, at_y = (at_x, at_y + 18) if is_column else (at_x + 30 + 7 * min(40, len(name)), at_y)
    return parts


def _colour(index: int) -> str:
    return _COLOURS[index % len(_COLOURS)]


def _said(series: Series, label: str, value: float) -> str:
    name = f"{series.name}, " if series.name else ""
    return escape(f"{name}{label}: {_number(value)}")


def _short(text: str, most: int = _LONGEST_LABEL) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) and abs(value) < 1e15 else f"{value:.6g}"
