from __future__ import annotations

import json

import pytest

from glia.gateway.calls import chat_for_provider, read_chat
from glia.gateway.forwarding import UsageHider

TEXT = b'data: {"choices":[{"delta":{"content":"a\\n\\n\\"usage\\": 1"}}],"usage":null}\n\n'
BOTH = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":1}}\n\n'
ONLY = b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\n'
DONE = b"data: [DONE]\n\n"


@pytest.mark.parametrize("gap", [b"\n\n", b"\r\n\r\n"])
def test_only_the_usage_event_is_taken_out_however_the_stream_is_cut(gap: bytes) -> None:
    stream = (TEXT + BOTH + ONLY + DONE).replace(b"\n\n", gap)
    wanted = (TEXT + BOTH + DONE).replace(b"\n\n", gap)
    for size in (1, 2, 3, 7, 50, 1000):
        hider = UsageHider()

        found = b"".join(hider.feed(stream[at : at + size]) for at in range(0, len(stream), size)) + hider.finish()

        assert found == wanted


def test_without_the_hider_the_event_would_be_there() -> None:
    assert ONLY in TEXT + BOTH + ONLY + DONE


def test_whole_events_do_not_wait() -> None:
    hider = UsageHider()

    assert hider.feed(TEXT) == TEXT
    assert hider.feed(TEXT + TEXT[:10]) == TEXT
    assert hider.feed(TEXT[10:]) == TEXT


def test_an_endless_event_is_let_through() -> None:
    hider = UsageHider()

    assert sum(len(hider.feed(b"x" * 10_000)) for _ in range(20)) >= 130_000


def test_a_body_that_needs_no_change_is_not_touched() -> None:
    body = b'{ "model" : "m",  "messages": [ ], "n": 1.50, "big": 12345678901234567890123 }'

    assert chat_for_provider(read_chat(body), "m", asks_usage=True) is body


def test_a_changed_body_keeps_every_other_byte() -> None:
    message = b'{"role":"user","content":"\\u00e9 \\"model\\":\\"p/m\\""}'
    body = b'{"model":"p/m","messages":[' + message + b'],"big":1.50e3,"stream":true}'

    changed = chat_for_provider(read_chat(body), "m", asks_usage=True)

    assert changed == body.replace(b'"model":"p/m",', b'"model":"m",')[:-1] + (
        b',"stream_options":{"include_usage":true}}'
    )


def test_a_field_given_twice_is_sent_once() -> None:
    body = b'{"model":"cheap/x","model":"p/m","messages":[]}'

    assert json.loads(chat_for_provider(read_chat(body), "m", asks_usage=True))["model"] == "m"
