"""Which hosts a sandbox may reach. Pure rules: a host is read strictly or not at all, then looked for in a list."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from glia.kit.errors import InvalidRequest

MOST_HOSTS = 200
USUAL_PORTS = frozenset({80, 443})

# Strictness comes first: NUL, `%`, userinfo, brackets, spaces and every other character that two readers might take
# differently never get as far as the comparison.
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?", re.IGNORECASE | re.ASCII)
_AUTHORITY = re.compile(r"([^:]{1,255}):([0-9]{1,5})", re.ASCII)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_LONGEST_HOST = 253


def read_host(text: str) -> str | None:
    """The host name in its one spelling, or None for what is none: IP addresses, in any notation, included."""
    if len(text) > _LONGEST_HOST + 1 or not _HOST.fullmatch(text):
        return None
    host = text.lower().removesuffix(".")
    # `127.0.0.1`, and what resolvers read as such: `2130706433`, `0x7f.1`, `127.1`.
    return None if _NUMBER.fullmatch(host.rpartition(".")[2]) or len(host) > _LONGEST_HOST else host


def read_authority(text: str) -> tuple[str, int] | None:
    """Host and port of `host:port`; None when it is not exactly that."""
    match = _AUTHORITY.fullmatch(text)
    host = read_host(match[1]) if match else None
    port = int(match[2]) if match else 0
    return (host, port) if host and 0 < port < 65536 else None


@dataclass(frozen=True)
class HostRule:
    """host: a name, or `*.name` for what is below it, the name itself left out. port: None for 80 and 443."""

    host: str
    port: int | None = None

    def matches(self, host: str, port: int) -> bool:
        """host: as `read_host` gives it."""
        if port != self.port if self.port is not None else port not in USUAL_PORTS:
            return False
        if self.host.startswith("*."):
            return host.endswith(self.host[1:])
        return host == self.host


@dataclass(frozen=True)
class AllowList:
    """Nothing is allowed unless a rule says so; no rules allow nothing."""

    rules: tuple[HostRule, ...] = ()

    def why_refused(self, host: str, port: int) -> str | None:
        """None when the host may be reached at this port."""
        if any(rule.matches(host, port) for rule in self.rules):
            return None
        if any(rule.matches(host, other) for rule in self.rules for other in USUAL_PORTS):
            return f"port {port} is not among those allowed for this host"
        return "the host is not on the sandbox's list"


def read_allow_list(entries: Sequence[str], field: str = "allow_hosts") -> AllowList:
    """Reads `example.org`, `*.example.org` and `example.org:8443`. Raises InvalidRequest naming the entry."""
    if len(entries) > MOST_HOSTS:
        raise InvalidRequest(f"`{field}` has {len(entries)} entries; the most is {MOST_HOSTS}.", field=field)
    return AllowList(tuple(_rule(entry, f"{field}[{index}]") for index, entry in enumerate(entries)))


def _rule(entry: str, field: str) -> HostRule:
    name, colon, port = entry.strip().partition(":")
    host = read_host(name.removeprefix("*."))
    if host is None or ("." not in host and name.startswith("*.")):
        raise InvalidRequest(
            f"`{field}` is {entry[:300]!r}; write a host name such as `api.example.org`, `*.example.org` or"
            " `example.org:8443`. IP addresses cannot be listed.",
            field=field,
        )
    if not colon:
        return HostRule(f"*.{host}" if name.startswith("*.") else host)
    if not port.isascii() or not port.isdigit() or not 0 < int(port[:6]) < 65536:
        raise InvalidRequest(f"`{field}` is {entry[:300]!r}; its port is not between 1 and 65535.", field=field)
    return HostRule(f"*.{host}" if name.startswith("*.") else host, int(port))
