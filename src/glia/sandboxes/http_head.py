"""The head of one proxied request, read strictly: one meaning or none."""

from __future__ import annotations

import re
from dataclasses import dataclass

LARGEST_HEAD_BYTES = 16 * 1024
MOST_FIELDS = 100

_LINE = re.compile(rb"([A-Z]{1,20}) ([\x21-\x7e]{1,8192}) HTTP/1\.[01]")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}):[ \t]*((?:[\x21-\x7e\x80-\xff][\t\x20-\x7e\x80-\xff]*)?)")
_LENGTH = re.compile(r"[0-9]{1,15}", re.ASCII)


class BadHead(ValueError):
    """Says what is wrong with it."""


@dataclass(frozen=True)
class Head:
    """target: as the client wrote it. fields: names in lower case, in order."""

    method: str
    target: str
    fields: tuple[tuple[str, str], ...]

    def get(self, name: str) -> str | None:
        return next((value for found, value in self.fields if found == name), None)

    def body_length(self) -> int | None:
        """Bytes of the body; None when it is chunked. Raises BadHead when the two headers leave a doubt."""
        lengths = [value for name, value in self.fields if name == "content-length"]
        codings = [value.strip().lower() for name, value in self.fields if name == "transfer-encoding"]
        if codings:
            if codings != ["chunked"] or lengths:
                raise BadHead("the length of its body is not clear")
            return None
        if len(lengths) > 1 or (lengths and not _LENGTH.fullmatch(lengths[0])):
            raise BadHead("the length of its body is not clear")
        return int(lengths[0]) if lengths else 0


def read_head(raw: bytes) -> Head:
    """raw: up to and with the empty line. Raises BadHead."""
    line, *lines = raw.removesuffix(b"\r\n\r\n").split(b"\r\n")
    match = _LINE.fullmatch(line)
    if match is None:
        raise BadHead("its first line is not an HTTP/1.1 request")
    if len(lines) > MOST_FIELDS:
        raise BadHead(f"it has more than {MOST_FIELDS} header fields")
    fields: list[tuple[str, str]] = []
    for each in lines:
        field = _FIELD.fullmatch(each)
        if field is None:
            raise BadHead("one of its header fields is malformed")
        fields.append((field[1].decode("ascii").lower(), field[2].decode("latin-1").rstrip(" \t")))
    return Head(match[1].decode("ascii"), match[2].decode("ascii"), tuple(fields))
