"""What agents call the tools of MCP servers: `<server>__<tool>`, in the characters that every model provider takes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

SEPARATOR = "__"
EVERY = "*"
_SERVER = re.compile(r"[a-z](?:[a-z0-9-]|_(?!_)){0,30}[a-z0-9]|[a-z]")
_LONGEST = 64  # the providers' limit for the name of a tool
_ODD = re.compile(r"[^A-Za-z0-9_-]+")


def is_server_name(text: str) -> bool:
    """Lower-case letters, digits, `-` and single `_`, from a letter on, at most 32."""
    return _SERVER.fullmatch(text) is not None


def server_of(name: str) -> str | None:
    """The server that an agent's tool name speaks of, if it speaks of one."""
    server, separator, tool = name.partition(SEPARATOR)
    return server if separator and tool and is_server_name(server) else None


def shown_names(server: str, tools: Iterable[str]) -> dict[str, str]:
    """The tools' own names by the names that agents use; a hash keeps apart what would become the same."""
    shown: dict[str, str] = {}
    for tool in tools:
        name = f"{server}{SEPARATOR}{_ODD.sub('_', tool)}"
        if len(name) > _LONGEST or name in shown or _ODD.search(tool):
            digest = hashlib.sha256(tool.encode()).hexdigest()[:6]
            name = f"{name[: _LONGEST - 7]}_{digest}"
        shown.setdefault(name, tool)
    return shown
