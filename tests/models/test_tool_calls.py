from __future__ import annotations

import msgspec
import pytest

from glia.models.tool_calls import ToolCallAssembler, arguments_text

Piece = dict[str, object]


def assembled(*pieces: Piece) -> list[tuple[str, str, str]]:
    assembler = ToolCallAssembler()
    for piece in pieces:
        assembler.add(**{"index": None, "provider_id": "", "name": "", "arguments": ""} | piece)
    return [(call.provider_id, call.name, call.arguments) for call in assembler.finish()]


def test_pieces_are_joined_by_index() -> None:
    calls = assembled(
        {"index": 0, "provider_id": "a", "name": "search"},
        {"index": 1, "provider_id": "b", "name": "clock"},
        {"index": 0, "arguments": '{"q": '},
        {"index": 1, "arguments": "{}"},
        {"index": 0, "arguments": '"x"}'},
    )

    assert calls == [("a", "search", '{"q": "x"}'), ("b", "clock", "{}")]


def test_an_id_and_a_name_repeated_with_every_piece_make_one_call() -> None:
    calls = assembled(
        *({"index": 0, "provider_id": "a", "name": "f", "arguments": part} for part in ('{"x"', ": 1", "}"))
    )

    assert calls == [("a", "f", '{"x": 1}')]


@pytest.mark.parametrize("index", [0, None])
def test_whole_calls_under_one_index_or_none_stay_apart(index: int | None) -> None:
    calls = assembled(
        {"index": index, "provider_id": "a", "name": "f", "arguments": '{"x": 1}'},
        {"index": index, "provider_id": "b", "name": "f", "arguments": '{"x": 2}'},
    )

    assert calls == [("a", "f", '{"x": 1}'), ("b", "f", '{"x": 2}')]


def test_whole_calls_without_ids_stay_apart_and_get_ids() -> None:
    first, second = assembled(
        {"index": 0, "name": "f", "arguments": '{"x": 1}'}, {"index": 0, "name": "f", "arguments": '{"x": 2}'}
    )

    assert (first[1:], second[1:]) == (("f", '{"x": 1}'), ("f", '{"x": 2}'))
    assert first[0].startswith("call_")
    assert first[0] != second[0]


def test_an_id_used_for_two_calls_is_given_to_the_first_only() -> None:
    first, second = assembled(
        {"index": 0, "provider_id": "a", "name": "f", "arguments": "{}"},
        {"index": 1, "provider_id": "a", "name": "g", "arguments": "{}"},
    )

    assert first[0] == "a"
    assert second[0] not in {"a", ""}


def test_a_call_without_arguments_has_an_empty_object() -> None:
    assert assembled({"index": 0, "provider_id": "a", "name": "now"}) == [("a", "now", "{}")]


def test_broken_arguments_are_kept_as_the_model_wrote_them() -> None:
    assert assembled({"index": 0, "provider_id": "a", "name": "f", "arguments": '{"x": '}) == [("a", "f", '{"x":')]


@pytest.mark.parametrize(
    ("raw", "text"), [(b'"{\\"a\\": 1}"', '{"a": 1}'), (b'{"a": 1}', '{"a": 1}'), (b"null", ""), (b'""', "")]
)
def test_arguments_may_come_as_a_string_or_as_the_object(raw: bytes, text: str) -> None:
    assert arguments_text(msgspec.Raw(raw)) == text
