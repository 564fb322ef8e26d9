import json
from xml.etree import ElementTree

import pytest

from glia.kit.errors import Unavailable
from glia.kit.ids import new_id
from glia.tools.errors import InvalidArguments
from glia.tools.types import MadeArtifact, ToolContext, ToolResult
from glia.visualizations.tools import visualization

SVG = "{http://www.w3.org/2000/svg}"


class Maker:
    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    async def keep(self, context: ToolContext, name: str, content: bytes, media_type: str) -> MadeArtifact:
        self.kept[name] = content
        return MadeArtifact("1", name, media_type, len(content))

    async def print_pdf(self, context: ToolContext, html: str) -> bytes:
        raise Unavailable("There is no Chromium on this server.")

    async def __call__(self, **arguments: object) -> ToolResult:
        context = ToolContext(new_id(), new_id(), new_id(), new_id(), new_id(), idempotency_key="k")
        return await visualization(self.keep, self.print_pdf).call(context, json.dumps(arguments))


BAR = {"kind": "bar", "title": "Cups <per> day", "labels": ["Mon", "Tue"], "series": [{"values": [2, 4]}]}


async def test_a_bar_chart_has_a_bar_for_each_value_in_its_proportion() -> None:
    make = Maker()

    result = await make(action="create_chart", chart=BAR)

    (name,) = make.kept
    drawn = ElementTree.fromstring(make.kept[name])
    heights = [float(bar.attrib["height"]) for bar in drawn.iter(f"{SVG}rect") if bar.find(f"{SVG}title") is not None]
    assert name == "Cups-per-day.svg"
    assert result.artifacts[0].media_type == "image/svg+xml"
    assert heights[1] == pytest.approx(2 * heights[0], abs=0.1)
    assert "Cups <per> day" in "".join(drawn.itertext())


@pytest.mark.parametrize(
    ("kind", "element", "count"), [("line", "polyline", 2), ("area", "polygon", 2), ("scatter", "circle", 6)]
)
async def test_every_kind_draws_its_series(kind: str, element: str, count: int) -> None:
    make = Maker()
    series = [{"name": name, "values": [1.5, -2, 3], "at": [0, 1, 2]} for name in ("a", "b")]

    result = await make(action="export_chart", chart={"kind": kind, "series": series})

    drawn = ElementTree.fromstring(result.text[result.text.index("<svg") :])
    assert len(list(drawn.iter(f"{SVG}{element}"))) == count


async def test_a_pie_says_what_part_each_value_is() -> None:
    make = Maker()

    await make(action="create_chart", chart={"kind": "pie", "labels": ["a", "b"], "series": [{"values": [1, 3]}]})

    drawn = make.kept["chart.svg"].decode()
    assert "a (25.0%)" in drawn
    assert "b (75.0%)" in drawn


@pytest.mark.parametrize(
    "chart",
    [
        {"kind": "bar", "series": []},
        {"kind": "bar", "series": [{"values": [1] * 10_001}]},
        {"kind": "bar", "labels": ["one"], "series": [{"values": [1, 2]}]},
        {"kind": "pie", "series": [{"values": [1, -1]}]},
        {"kind": "scatter", "series": [{"values": [1, 2], "at": [1]}]},
        {"kind": "bar", "series": [{"values": [1e999]}]},
    ],
)
async def test_what_cannot_be_drawn_is_refused_in_words(chart: object) -> None:
    with pytest.raises(InvalidArguments):
        await Maker()(action="create_chart", chart=chart)


async def test_reports_hold_text_tables_and_charts_and_run_nothing() -> None:
    make = Maker()
    sections = [
        {
            "heading": "Tea",
            "text": "<script>alert(1)</script>\n\nEnd",
            "table": [["a", "b"], ["1", "x|y"]],
            "chart": BAR,
        }
    ]

    await make(action="create_report", title="Week", sections=sections)
    await make(action="create_report", title="Week", sections=sections, format="markdown")
    pdf = await make(action="create_report", title="Week", sections=sections, format="pdf")

    page, text = make.kept["Week.html"].decode(), make.kept["Week.md"].decode()
    assert "<script" not in page
    assert "<td>x|y</td>" in page
    assert "<svg" in page
    assert "| 1 | x\\|y |" in text
    assert pdf.is_error
    assert "no Chromium" in pdf.text
