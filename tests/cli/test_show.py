"""What a run looks like in the terminal."""

from __future__ import annotations

from typing import Any

import pytest

from glia.cli.show import Show


def text(kind: str, offset: int, text: str, *, step: int = 1, attempt: int = 1) -> dict[str, Any]:
    return {"type": f"text.{kind}", "data": {"step": step, "attempt": attempt, "offset": offset, "text": text}}


def show(*events: dict[str, Any]) -> Show:
    shown = Show()
    for event in events:
        shown.event(event)
    return shown


def test_text_is_printed_once_though_previews_and_log_both_bring_it(capsys: pytest.CaptureFixture[str]) -> None:
    show(text("preview", 0, "Hel"), text("preview", 3, "lo"), text("delta", 0, "Hello"), text("delta", 5, " you"))

    assert capsys.readouterr().out == "Hello you"


def test_a_missed_preview_is_made_up_for_by_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    show(text("preview", 0, "Hel"), text("preview", 5, " you"), text("delta", 0, "Hello you"))

    assert capsys.readouterr().out == "Hello you"


def test_the_whole_answer_makes_up_for_everything(capsys: pytest.CaptureFixture[str]) -> None:
    show(text("preview", 0, "Hel"), {"type": "model.responded", "data": {"step": 1, "text": "Hello you"}})

    assert capsys.readouterr().out == "Hello you"


def test_an_answer_that_begins_again_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    show(text("delta", 0, "Hel"), text("delta", 0, "Good day", attempt=2), text("preview", 3, "lo"))

    printed = capsys.readouterr()
    assert printed.out == "Hel\nGood day"
    assert "again" in printed.err


def test_steps_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    show(
        {"type": "tool.called", "data": {"tool": "calculator", "arguments": {"expression": "1+1"}}},
        {"type": "tool.returned", "data": {"status": "ok", "text": "2", "duration_ms": 3}},
    )

    printed = capsys.readouterr()
    assert printed.out == ""
    assert '→ calculator(expression="1+1")' in printed.err
    assert "← 2 (3 ms)" in printed.err


def test_sources_come_last_with_document_and_page(capsys: pytest.CaptureFixture[str]) -> None:
    citation = {"uri": "kb://b/d#3", "document_name": "a.pdf", "page": 7, "quote": "So it is."}

    shown = show({"type": "run.completed", "data": {"message": {"citations": [citation]}}})

    assert shown.is_completed
    assert "a.pdf, page 7: 'So it is.'" in capsys.readouterr().out


def test_a_failed_run_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    shown = show({"type": "run.failed", "data": {"error": {"code": "x", "message": "The model is down."}}})

    assert not shown.is_completed
    assert "The model is down." in capsys.readouterr().err
