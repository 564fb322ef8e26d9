"""What the body of an HTTP answer says, as text that a model can read and the log can keep."""

from __future__ import annotations

import re

import orjson

from glia.kit.outbound import Response

_TEXT_TYPES = re.compile(
    r"text/.*|application/(?:json|xml|javascript|yaml|x-yaml|toml|x-ndjson|.*\+(?:json|xml))", re.IGNORECASE
)
_CHARSET = re.compile(r"""charset\s*=\s*["']?([\w-]+)""", re.IGNORECASE)
# Only plain character tables: Python's codecs also hold formats that cost time to decode.
_KNOWN_CHARSETS = re.compile(
    r"utf-?8|utf-?16(?:le|be)?|us-ascii|ascii|latin-?1|iso-?8859-\d+|windows-\d+|cp\d+|koi8-[ru]|shift_jis|euc-(?:jp|kr)"
    r"|gb2312|gbk|gb18030|big5",
    re.IGNORECASE,
)


def media_type(response: Response) -> str:
    return (response.headers.get("content-type") or "").partition(";")[0].strip().lower()


def is_text(response: Response) -> bool:
    """By its declared type; an answer without one is text unless it begins like a binary file."""
    declared = media_type(response)
    if declared and declared != "application/octet-stream":
        return _TEXT_TYPES.fullmatch(declared) is not None
    return b"\0" not in response.body[:1024]


def decoded(response: Response) -> str:
    """The body as text, without NUL characters, which PostgreSQL cannot keep."""
    match = _CHARSET.search(response.headers.get("content-type") or "")
    if match is None and media_type(response) in {"text/html", "application/xhtml+xml"}:
        match = _CHARSET.search(response.body[:2048].decode("latin-1"))
    charset = match[1] if match and _KNOWN_CHARSETS.fullmatch(match[1]) else "utf-8"
    try:
        return response.body.decode(charset, "replace").replace("\0", "")
    except LookupError:
        return response.body.decode("utf-8", "replace").replace("\0", "")


def compact(text: str) -> str:
    """JSON without its white space; anything else as it is."""
    try:
        return orjson.dumps(orjson.loads(text)).decode().replace("\\u0000", "")
    except (orjson.JSONDecodeError, TypeError):
        return text


def cut(text: str, largest_characters: int) -> str:
    """The beginning, with a note that says so when something is missing."""
    if len(text) <= largest_characters:
        return text
    return (
        f"{text[:largest_characters]}\n[Cut here: these are the first {largest_characters} of {len(text)} characters.]"
    )
