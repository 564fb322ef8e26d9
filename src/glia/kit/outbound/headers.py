"""Header fields: reading those that arrive, and refusing those that may not leave."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from glia.kit.errors import InvalidRequest

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_UNSAFE_VALUE = re.compile(r"[^\t\x20-\x7e\x80-\xff]")

# These frame the message or name its receiver; one written by a caller could smuggle a second request.
_OURS = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# What another origin may see of a redirected request. Anything else could be a credential under a name of its own.
_HARMLESS = frozenset(
    {
        "accept",
        "accept-language",
        "content-language",
        "content-type",
        "idempotency-key",
        "if-modified-since",
        "if-none-match",
        "range",
        "user-agent",
    }
)


class Headers:
    """Header fields in the order they arrived. Names are found in any case; a field may appear more than once."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Sequence[tuple[bytes, bytes]]) -> None:
        """fields: names in lower case, values as on the wire."""
        self._fields = fields

    def get(self, name: str, default: str | None = None) -> str | None:
        """The first value of that name."""
        wanted = name.lower().encode("latin-1", "replace")
        for field, value in self._fields:
            if field == wanted:
                return value.decode("latin-1")
        return default

    def get_all(self, name: str) -> list[str]:
        """Every value of that name, in order."""
        wanted = name.lower().encode("latin-1", "replace")
        return [value.decode("latin-1") for field, value in self._fields if field == wanted]

    def items(self) -> list[tuple[str, str]]:
        """Every field, names in lower case."""
        return [(field.decode("latin-1"), value.decode("latin-1")) for field, value in self._fields]

    def without(self, *names: str) -> Headers:
        dropped = {name.encode("latin-1") for name in names}
        return Headers([field for field in self._fields if field[0] not in dropped])

    def __getitem__(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for name, _ in self.items()))

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        # Names only: values may be credentials, and a repr ends up in logs.
        return f"Headers({', '.join(self)})"


def render(headers: Mapping[str, str], user_agent: str) -> str:
    """The caller's fields as lines for the wire. Raises InvalidRequest for a field that may not be sent."""
    lines: list[str] = []
    names_agent = False
    for name, value in headers.items():
        names_agent = _checked(name) == "user-agent" or names_agent
        if _UNSAFE_VALUE.search(value):
            raise InvalidRequest(
                f"The value of the header {name!r} holds a line break, a control character or a character "
                "outside Latin-1; remove it.",
                field=name,
            )
        lines.append(f"{name}: {value}\r\n")
    if not names_agent:
        lines.append(f"User-Agent: {user_agent}\r\n")
    return "".join(lines)


def for_another_origin(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() in _HARMLESS}


def without_body_fields(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if not name.lower().startswith("content-")}


@lru_cache(maxsize=512)
def _checked(name: str) -> str:
    lowered = name.lower()
    if not _TOKEN.fullmatch(name):
        raise InvalidRequest(f"{name!r} is not a valid header name.", field=name[:64])
    if lowered in _OURS:
        raise InvalidRequest(f"The header {name!r} is set by the HTTP client; leave it out.", field=name)
    return lowered
