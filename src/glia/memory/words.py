"""What a text is found by: the words PostgreSQL's English configuration knows, and pairs of characters elsewhere."""

from __future__ import annotations

import re

# Chinese, Japanese and Thai write words without spaces between them.
_UNSPACED = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]{2,}")
_MOST_CHARACTERS = 50_000


def searchable(text: str) -> str:
    """The text as it is indexed and asked for: with the pairs of characters of its unspaced scripts behind it."""
    text = text.replace("\0", " ")[:_MOST_CHARACTERS]
    runs: list[str] = _UNSPACED.findall(text)
    pairs = [run[at : at + 2] for run in runs for at in range(len(run) - 1)]
    return " ".join([text, *pairs]) if pairs else text
