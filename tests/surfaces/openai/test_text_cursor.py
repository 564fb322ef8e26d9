from __future__ import annotations

import random

from glia.runs.events import ModelResponded, TextDelta
from glia.runs.model_events import StepUsage
from glia.surfaces.shared.text_cursor import TextCursor


def deltas(text: str, *, step: int = 1, attempt: int = 1, size: int = 3) -> list[TextDelta]:
    return [TextDelta(step, attempt, at, text[at : at + size]) for at in range(0, len(text), size)]


def responded(text: str, step: int = 1) -> ModelResponded:
    return ModelResponded(step, "m", text, "", [], StepUsage(1, 1), None, 1, "stop")


def shown(cursor: TextCursor, pieces: list[TextDelta]) -> str:
    return "".join(cursor.take(piece) for piece in pieces)


def test_previews_and_stored_pieces_give_the_text_once() -> None:
    text = "The quick brown fox jumps over the lazy dog."
    for seed in range(50):
        chance = random.Random(seed)
        previews = [piece for piece in deltas(text, size=2) if chance.random() < 0.7]
        stored = deltas(text, size=7)
        mixed = sorted([*previews, *stored], key=lambda piece: piece.offset + chance.random() * 4)
        cursor = TextCursor()

        assert shown(cursor, mixed) + cursor.settle(responded(text), 1) == text


def test_missed_pieces_come_with_the_response() -> None:
    cursor = TextCursor()

    assert shown(cursor, deltas("Hello world")[:1] + deltas("Hello world")[2:]) == "Hel"
    assert cursor.settle(responded("Hello world"), 1) == "lo world"


def test_a_repeated_step_that_says_the_same_shows_only_what_is_new() -> None:
    cursor = TextCursor()
    shown(cursor, deltas("Hello wor"))

    assert shown(cursor, deltas("Hello world!", attempt=2)) == "ld!"


def test_a_repeated_step_that_says_something_else_is_shown_anew() -> None:
    cursor = TextCursor()
    shown(cursor, deltas("Hello wor"))

    assert shown(cursor, deltas("Hello, Ada.", attempt=2)) == "\n\nHello, Ada."
    assert cursor.settle(responded("Hello, Ada."), 2) == ""


def test_a_second_crash_amid_the_repetition_forgets_nothing() -> None:
    cursor = TextCursor()
    shown(cursor, deltas("Hello wor"))
    shown(cursor, deltas("Hello wor", attempt=2)[:1])

    assert shown(cursor, deltas("Hello world", attempt=3)) == "ld"


def test_late_pieces_of_an_earlier_attempt_change_nothing() -> None:
    cursor = TextCursor()
    shown(cursor, deltas("Hello"))
    shown(cursor, deltas("Hello world", attempt=2))

    assert shown(cursor, deltas("Hello there")) == ""


def test_texts_of_different_steps_are_set_apart() -> None:
    cursor = TextCursor()

    assert shown(cursor, deltas("I look.")) == "I look."
    assert cursor.settle(responded("I look."), 1) == ""
    assert shown(cursor, deltas("Found.", step=2)) == "\n\nFound."


def test_a_silent_step_leaves_no_gap() -> None:
    cursor = TextCursor()

    assert cursor.settle(responded(""), 1) == ""
    assert shown(cursor, deltas("Found.", step=2)) == "Found."
