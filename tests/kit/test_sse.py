from __future__ import annotations

import pytest

from glia.kit.sse import SseParser, SseTooLong

STREAM = (
    b'\xef\xbb\xbf: hello\r\n\r\nevent: x\r\ndata: {"a":1}\r\n\r\n'
    b'data:{"b":2}\n\nid: 7\ndata: one\ndata: two\n\ndata: [DONE]\n\n'
)
EVENTS = [b'{"a":1}', b'{"b":2}', b"one\ntwo", b"[DONE]"]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 16, 1000])
def test_events_are_the_same_however_the_bytes_are_cut(size: int) -> None:
    parser = SseParser()

    found = [event for start in range(0, len(STREAM), size) for event in parser.feed(STREAM[start : start + size])]

    assert found + parser.finish() == EVENTS


def test_an_event_without_its_blank_line_is_found_at_the_end() -> None:
    parser = SseParser()

    assert parser.feed(b"data: {}\n\ndata: last") == [b"{}"]
    assert parser.finish() == [b"last"]
    assert parser.finish() == []


def test_lone_carriage_returns_end_lines() -> None:
    parser = SseParser()

    assert parser.feed(b"data: a\r\rdata: b\r") + parser.feed(b"\r") + parser.finish() == [b"a", b"b"]


def test_an_endless_event_is_refused_and_a_smaller_one_is_not() -> None:
    parser = SseParser(max_event_bytes=100)

    with pytest.raises(SseTooLong, match="100 bytes"):
        for _ in range(20):
            parser.feed(b"data: xxxx")

    assert SseParser(max_event_bytes=1000).feed(b"data: " + b"x" * 500 + b"\n\n") == [b"x" * 500]
