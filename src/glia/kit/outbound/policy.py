"""Which addresses may be called: the public internet, and what the operator has opened."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from glia.kit.errors import InvalidRequest
from glia.kit.outbound.errors import OutboundRefused
from glia.kit.outbound.target import IPAddress, Target, bracketed, split_authority

# The ranges are written out because `ipaddress.is_private` and its kin change between Python versions.
# Sources: the IANA special-purpose registries for IPv4 and IPv6 (RFC 6890 and its updates).
_REFUSED_V4 = tuple(
    (IPv4Network(network), why)
    for network, why in (
        ("0.0.0.0/8", "an unspecified address"),
        ("10.0.0.0/8", "a private address"),
        ("100.64.0.0/10", "a carrier-internal (CGNAT) address"),
        ("127.0.0.0/8", "a loopback address"),
        ("168.63.129.16/32", "a cloud platform's internal address"),
        ("169.254.0.0/16", "a link-local address"),
        ("172.16.0.0/12", "a private address"),
        ("192.0.0.0/24", "a reserved address"),
        ("192.0.2.0/24", "a documentation address"),
        ("192.88.99.0/24", "a 6to4 relay address"),
        ("192.168.0.0/16", "a private address"),
        ("198.18.0.0/15", "a benchmarking address"),
        ("198.51.100.0/24", "a documentation address"),
        ("203.0.113.0/24", "a documentation address"),
        ("224.0.0.0/4", "a multicast address"),
        ("240.0.0.0/4", "a reserved address"),
    )
)
_REFUSED_V6 = tuple(
    (IPv6Network(network), why)
    for network, why in (
        ("::/128", "an unspecified address"),
        ("::1/128", "a loopback address"),
        ("::ffff:0:0/96", "an IPv4-mapped address"),
        ("::ffff:0:0:0/96", "an IPv4-translated address"),
        ("::/96", "an IPv4-compatible address"),
        ("64:ff9b::/96", "a NAT64 address"),
        ("64:ff9b:1::/48", "a NAT64 address"),
        ("2001::/32", "a Teredo address"),
        ("2001:2::/48", "a benchmarking address"),
        ("2001::/23", "a reserved address"),
        ("2001:db8::/32", "a documentation address"),
        ("2002::/16", "a 6to4 address"),
        ("3fff::/20", "a documentation address"),
        ("fc00::/7", "a unique local (private) address"),
        ("fe80::/10", "a link-local address"),
        ("fec0::/10", "a site-local address"),
        ("ff00::/8", "a multicast address"),
    )
)
_GLOBAL_V6 = IPv6Network("2000::/3")
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)


def why_refused(address: IPAddress) -> str | None:
    """What kind of address it is when it is not a public one, as in `a loopback address`; None when it is public."""
    if isinstance(address, IPv4Address):
        return next((why for network, why in _REFUSED_V4 if address in network), None)
    for network, why in _REFUSED_V6:
        if address in network:
            return why
    if address not in _GLOBAL_V6:
        return "a reserved address"
    if (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP:
        return "an ISATAP address, which leads to an IPv4 one"
    return None


@dataclass(frozen=True)
class OutboundPolicy:
    """allow: `host:port` pairs the operator has opened. A host is a name or an IP address, IPv6 in brackets.

    A name opens whatever it resolves to; an address opens it under every name. Raises InvalidRequest on nonsense.
    refuses_own: also refuse this machine's own addresses when they are public ones.
    """

    allow: frozenset[str] = frozenset()
    refuses_own: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "allow", frozenset(_canonical(entry) for entry in self.allow))

    @classmethod
    def from_setting(cls, text: str) -> OutboundPolicy:
        """Reads `host:port,host:port`. Spaces around entries and empty entries are ignored."""
        return cls(frozenset(entry.strip() for entry in text.split(",") if entry.strip()))

    def judge(self, target: Target, addresses: Sequence[str]) -> None:
        """Raises OutboundRefused when any of the addresses the target resolved to may not be called."""
        if target.name in self.allow:
            return
        for text in addresses:
            address = ip_address(text)
            why = why_refused(address) or (_why_own(address) if self.refuses_own else None)
            if why is not None and f"{bracketed(address.compressed)}:{target.port}" not in self.allow:
                # The address behind a name stays unsaid: it would let a tenant read the internal DNS.
                verb = "is" if target.literal else "resolves to"
                raise OutboundRefused(
                    f"{target.name} may not be called: it {verb} {why}. "
                    f"The operator can open it with GLIA_OUTBOUND_ALLOW={target.name}.",
                    host=target.host,
                    port=target.port,
                )


def _why_own(address: IPAddress) -> str | None:
    """Only an address of this machine can be bound, so trying tells, whatever interfaces come and go."""
    family = socket.AF_INET if isinstance(address, IPv4Address) else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return None
    return "an address of this machine"


def _canonical(entry: str) -> str:
    try:
        host, address, port = split_authority(entry)
    except ValueError as error:
        raise _bad_entry(entry, str(error)) from error
    if port is None:
        raise _bad_entry(entry, "it has no port")
    if isinstance(address, IPv6Address):
        return f"[{address.compressed}]:{port}"
    return f"{host}:{port}"


def _bad_entry(entry: str, why: str) -> InvalidRequest:
    return InvalidRequest(
        f"GLIA_OUTBOUND_ALLOW has the entry {entry!r}, which cannot be used: {why}. "
        "Write host:port pairs separated by commas, IPv6 in brackets, as in 10.0.0.5:8080,[fd00::1]:443.",
        field="GLIA_OUTBOUND_ALLOW",
    )
