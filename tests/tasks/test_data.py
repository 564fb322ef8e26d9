from __future__ import annotations

import pytest

from glia.kit.errors import InvalidRequest
from glia.tasks.data import process
from glia.tasks.work import duration

CSV = "name,age\nAda,36\nBob,25\nEve,9\n"
JSON = '[{"name": "Ada", "age": 36}, {"name": "Bob", "age": 25}, {"name": "Eve", "age": 9}]'
XML = "<people><p age='36'><name>Ada</name></p><p age='25'><name>Bob</name></p><p age='9'><name>Eve</name></p></people>"


@pytest.mark.parametrize(("text", "kind"), [(CSV, "csv"), (JSON, "json"), (XML, "xml")])
def test_rows_are_read_filtered_sorted_and_narrowed(text: str, kind: str) -> None:
    transform = {"filter": [{"column": "age", "op": "gt", "value": 10}], "sort": "age", "select": ["name"]}

    found = process(text, "auto", transform)

    assert found["type"] == kind
    assert found["rows"] == [{"name": "Bob"}, {"name": "Ada"}]
    assert found["row_count"] == 2
    whole = process(text, kind, {"sort": "-age", "limit": 1})
    assert whole["rows"][0]["name"] == "Ada"  # type: ignore[index]
    assert process(text, kind, {})["summary"]["age"]["mean"] == pytest.approx(70 / 3)  # type: ignore[index]


@pytest.mark.parametrize(
    ("text", "kind", "transform"),
    [
        ("{", "json", {}),
        ("<a>", "xml", {}),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><a><b>&b;</b></a>", "xml", {}),
        ("<a>" * 60 + "</a>" * 60, "xml", {}),
        (CSV, "yaml", {}),
        (CSV, "csv", {"filter": 3}),
        (CSV, "csv", {"filter": [{"column": "age", "op": "like"}]}),
        (CSV, "csv", {"select": [1]}),
    ],
)
def test_what_is_no_data_is_refused(text: str, kind: str, transform: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest):
        process(text, kind, transform)


def test_durations_are_read_as_they_are_written() -> None:
    assert (duration(None), duration("30s"), duration("1m30s"), duration(5)) == (30, 30, 90, 5)
    for wrong in ("", "soon", "0s", "10m", True, -1):
        with pytest.raises(InvalidRequest):
            duration(wrong)
