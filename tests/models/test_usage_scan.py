from __future__ import annotations

import json

from glia.models.usage_scan import UsageScanner, usage_of_answer

USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}}


def stream(*documents: object) -> bytes:
    return b"".join(b"data: " + json.dumps(document).encode() + b"\n\n" for document in documents) + b"data: [DONE]\n\n"


def text(content: str | None) -> dict:
    return {"choices": [{"delta": {"content": content}}]}


def test_the_usage_is_read_however_the_bytes_are_cut() -> None:
    data = stream(text("a"), text(None), {"choices": [], "usage": USAGE})
    scanner = UsageScanner()

    for start in range(0, len(data), 7):
        scanner.feed(data[start : start + 7])

    assert (scanner.usage.input_tokens, scanner.usage.output_tokens, scanner.usage.cached_input_tokens) == (5, 2, 4)
    assert not scanner.usage.is_estimated


def test_without_usage_the_sizes_are_the_estimate() -> None:
    scanner = UsageScanner(request_bytes=400)

    scanner.feed(stream(text("x" * 80)))

    assert (scanner.usage.input_tokens, scanner.usage.output_tokens, scanner.usage.is_estimated) == (100, 20, True)


def test_garbage_never_raises() -> None:
    scanner = UsageScanner()

    scanner.feed(b"<html>\n\ndata: nonsense\n\ndata: 3\n\n")

    assert scanner.usage.is_estimated


def test_an_answer_in_one_piece_names_its_usage() -> None:
    usage = usage_of_answer(json.dumps({"choices": [], "usage": USAGE}).encode())

    assert usage
    assert usage.input_tokens == 5
    assert usage_of_answer(b"{}") is None
    assert usage_of_answer(b"nonsense") is None
