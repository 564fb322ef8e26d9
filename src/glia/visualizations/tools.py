"""What agents may draw and write up: charts as SVG, reports as HTML, Markdown or PDF."""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable
from typing import Annotated, Literal

from msgspec import Meta, Struct

from glia.kit.errors import GliaError
from glia.tools.errors import InvalidArguments
from glia.tools.service import tool
from glia.tools.types import Effect, MadeArtifact, Tool, ToolContext, ToolResult
from glia.visualizations.reports import Section, html, markdown
from glia.visualizations.svg import svg
from glia.visualizations.types import MOST_POINTS, MOST_SERIES, Chart, ChartKind, Series

_MOST_SECTIONS = 100
_UNSAFE = re.compile(r"[^\w.-]+")

KeepFile = Callable[[ToolContext, str, bytes, str], Awaitable[MadeArtifact]]
"""Shows the user a file: (context, name, content, media type)."""

PrintPdf = Callable[[ToolContext, str], Awaitable[bytes]]
"""Makes a PDF of an HTML page. Raises GliaError when this server cannot."""


class SeriesArguments(Struct, forbid_unknown_fields=True):
    values: list[float]
    name: str = ""
    at: Annotated[list[float], Meta(description="For scatter: the x of each value.")] = []


class ChartArguments(Struct, forbid_unknown_fields=True):
    kind: ChartKind
    series: list[SeriesArguments]
    title: Annotated[str, Meta(max_length=200)] = ""
    labels: Annotated[list[str], Meta(description="One for each value.")] = []
    x_label: Annotated[str, Meta(max_length=100)] = ""
    y_label: Annotated[str, Meta(max_length=100)] = ""
    width: Annotated[int, Meta(ge=100, le=4000)] = 800
    height: Annotated[int, Meta(ge=100, le=4000)] = 450


class SectionArguments(Struct, forbid_unknown_fields=True):
    heading: str = ""
    text: str = ""
    table: Annotated[list[list[str]], Meta(description="Rows of cells; the first row has the heads.")] = []
    chart: ChartArguments | None = None


class VisualizationArguments(Struct, forbid_unknown_fields=True):
    action: Annotated[
        Literal["create_chart", "create_report", "export_chart"],
        Meta(description="create_chart shows an SVG to the user, export_chart gives you its source as well."),
    ]
    chart: ChartArguments | None = None
    title: Annotated[str, Meta(description="Of a report.", max_length=200)] = ""
    sections: Annotated[list[SectionArguments], Meta(description="Of a report.")] = []
    format: Annotated[Literal["html", "markdown", "pdf"], Meta(description="Of a report.")] = "html"
    name: Annotated[str, Meta(description="Of the file; made from the title when empty.", max_length=100)] = ""


def visualization(keep: KeepFile, print_pdf: PrintPdf) -> Tool:
    @tool(name="visualization", effect=Effect.ONCE, timeout_seconds=120, is_default=False)
    async def visualization(context: ToolContext, arguments: VisualizationArguments) -> ToolResult:
        """Draws bar, line, area, scatter and pie charts, and writes reports with texts, tables and charts as HTML,
        Markdown or PDF. The user sees what is made. A chart may have 10,000 points."""
        if arguments.action == "create_report":
            return await _report(context, arguments, keep, print_pdf)
        drawn = svg(_chart(arguments.chart, "chart"))
        title = "" if arguments.chart is None else arguments.chart.title
        made = await keep(context, _name(arguments.name or title or "chart", ".svg"), drawn.encode(), "image/svg+xml")
        source = f"\n{drawn}" if arguments.action == "export_chart" else ""
        return ToolResult(f"The chart {made.name} is shown to the user.{source}", artifacts=(made,))

    return visualization


async def _report(
    context: ToolContext, arguments: VisualizationArguments, keep: KeepFile, print_pdf: PrintPdf
) -> ToolResult:
    if not arguments.sections or len(arguments.sections) > _MOST_SECTIONS:
        raise InvalidArguments(f"`sections` must have 1 to {_MOST_SECTIONS} entries.", field="sections")
    title = arguments.title or "Report"
    sections = [_section(section, index) for index, section in enumerate(arguments.sections)]
    name = arguments.name or title
    try:
        match arguments.format:
            case "markdown":
                text = markdown(title, sections).encode()
                made = await keep(context, _name(name, ".md"), text, "text/markdown")
            case "html":
                made = await keep(context, _name(name, ".html"), html(title, sections).encode(), "text/html")
            case "pdf":
                pdf = await print_pdf(context, html(title, sections))
                made = await keep(context, _name(name, ".pdf"), pdf, "application/pdf")
    except GliaError as error:
        return ToolResult(f"The report could not be made: {error.message}", is_error=True)
    return ToolResult(f"The report {made.name} ({made.size_bytes} bytes) is shown to the user.", artifacts=(made,))


def _section(section: SectionArguments, index: int) -> Section:
    chart = "" if section.chart is None else svg(_chart(section.chart, f"sections[{index}].chart"))
    if len({len(row) for row in section.table}) > 1:
        raise InvalidArguments(
            f"`sections[{index}].table` has rows of different lengths.", field=f"sections[{index}].table"
        )
    return Section(section.heading, section.text, section.table, chart)


def _chart(given: ChartArguments | None, field: str) -> Chart:
    """Raises InvalidArguments for what cannot be drawn."""
    if given is None:
        raise InvalidArguments(f"`{field}` is missing; describe the chart.", field=field)
    points = sum(len(series.values) for series in given.series)
    if not 1 <= len(given.series) <= MOST_SERIES or not 1 <= points <= MOST_POINTS:
        raise InvalidArguments(
            f"`{field}` has {len(given.series)} series with {points} points; there may be 1 to {MOST_SERIES} series and"
            f" 1 to {MOST_POINTS} points.",
            field=field,
        )
    if not all(map(math.isfinite, [number for series in given.series for number in [*series.values, *series.at]])):
        raise InvalidArguments(f"`{field}` has a value that is no finite number.", field=field)
    return _checked(given, field)


def _checked(given: ChartArguments, field: str) -> Chart:
    longest = max(len(series.values) for series in given.series)
    labels = given.labels or [str(number) for number in range(1, longest + 1)]
    for index, series in enumerate(given.series):
        at = f"{field}.series[{index}]"
        if given.kind == "scatter" and len(series.at) != len(series.values):
            raise InvalidArguments(f"`{at}` has {len(series.values)} values and {len(series.at)} in `at`.", field=at)
        if given.kind != "scatter" and len(series.values) > len(labels):
            raise InvalidArguments(f"`{at}` has {len(series.values)} values for {len(labels)} labels.", field=at)
    first = given.series[0].values
    if given.kind == "pie" and (min(first) < 0 or math.fsum(first) <= 0):
        raise InvalidArguments("A pie needs values that are not negative, and one above 0.", field=f"{field}.series[0]")
    if given.kind == "pie":
        labels = labels[: len(first)]
    series = [Series(each.name, each.values, each.at) for each in given.series]
    return Chart(given.kind, given.title, labels, series, given.x_label, given.y_label, given.width, given.height)


def _name(text: str, ending: str) -> str:
    plain = _UNSAFE.sub("-", text.removesuffix(ending)).strip("-.")[:80] or "file"
    return plain + ending
