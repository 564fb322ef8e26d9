"""URLs read strictly: one meaning or none, so that what is judged is what is dialled."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import quote, urljoin

from glia.kit.outbound.errors import OutboundRefused, UrlRefused

IPAddress = IPv4Address | IPv6Address

LARGEST_URL_CHARACTERS = 8192
_URL = re.compile(r"(https?)://([^/?#]*)([^#]*)(?:#.*)?", re.IGNORECASE)
_SCHEME = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]*):")
_CONTROL_OR_SPACE = re.compile(r"[\x00-\x20\x7f]")
_AUTHORITY = re.compile(r"(\[[^\[\]]*\]|[^\[\]:@]*)(?::([0-9]{0,5}))?")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PRINTABLE_ASCII = "".join(map(chr, range(0x21, 0x7F)))
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes, in canonical form.

    host: lower case, without brackets or a trailing dot. literal: set when the host is an IP address.
    path: path and query as they go on the wire. authority: the Host header. name: `host:port`, as operators write it.
    """

    url: str
    scheme: str
    host: str
    port: int
    path: str
    authority: str
    name: str
    literal: str | None

    def has_origin_of(self, other: Target) -> bool:
        return (self.scheme, self.host, self.port) == (other.scheme, other.host, other.port)


def canonical_host(text: str) -> tuple[str, IPAddress | None]:
    """The host in its one spelling, and its address when it is a literal. ValueError says what is wrong with it."""
    if text.startswith("["):
        if "%" in text:
            raise ValueError("a zone index has no meaning in a URL")
        address = IPv6Address(text[1:-1])
        return address.compressed, address
    if len(text) > 255:
        raise ValueError("the host name is longer than 253 characters")
    if not text.isascii():
        # May turn full-width digits and dots into plain ones, hence before the look for numbers.
        text = text.encode("idna").decode("ascii")
    host = text.lower().removesuffix(".")
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        # Some resolvers read `2130706433`, `0x7f.1` and `0177.0.0.1` as addresses. Only four plain decimals pass here.
        return host, IPv4Address(host)
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError("the host name is not a valid one")
    return host, None


def split_authority(text: str) -> tuple[str, IPAddress | None, int | None]:
    """Host, address and port of `host:port`, `[v6]:port` or a bare host. ValueError says what is wrong."""
    match = _AUTHORITY.fullmatch(text)
    if match is None:
        raise ValueError("it does not read as host or host:port")
    host, address = canonical_host(match[1])
    if not match[2]:
        return host, address, None
    port = int(match[2])
    if not 0 < port < 65536:
        raise ValueError("the port is not between 1 and 65535")
    return host, address, port


def bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


@lru_cache(maxsize=512)
def parse(url: str) -> Target:
    """Reads an absolute http or https URL. Raises UrlRefused, which names what is wrong with it."""
    if len(url) > LARGEST_URL_CHARACTERS:
        raise UrlRefused(f"The URL has {len(url)} characters; the largest is {LARGEST_URL_CHARACTERS}.", field="url")
    match = _URL.fullmatch(url)
    if match is None or _CONTROL_OR_SPACE.search(url):
        raise UrlRefused(_why_not_a_url(url), field="url")
    scheme = match[1].lower()
    if "@" in match[2]:
        raise UrlRefused("The URL carries a user name before its host; send credentials in a header.", field="url")
    try:
        host, address, port = split_authority(match[2])
        path = match[3] if match[3].isascii() else quote(match[3], safe=_PRINTABLE_ASCII)
    except ValueError as error:
        raise UrlRefused(f"The host of the URL, {match[2]!r}, cannot be used: {error}.", field="url") from error
    path = path if path.startswith("/") else f"/{path}"
    port = _PORTS[scheme] if port is None else port
    authority = bracketed(host) if port == _PORTS[scheme] else f"{bracketed(host)}:{port}"
    return Target(
        url=f"{scheme}://{authority}{path}",
        scheme=scheme,
        host=host,
        port=port,
        path=path,
        authority=authority,
        name=f"{bracketed(host)}:{port}",
        literal=None if address is None else str(address),
    )


def follow(base: Target, location: str) -> Target:
    """Where a redirect leads. Raises UrlRefused for what is no URL and OutboundRefused for a step down to http."""
    # A Location header arrives as Latin-1, and servers put UTF-8 and spaces into it.
    text = location.encode("latin-1", "replace").decode("utf-8", "replace").strip(" \t").replace(" ", "%20")
    try:
        target = parse(urljoin(base.url, text))
    except ValueError as error:
        raise UrlRefused(f"{base.name} redirects to something that is not a URL.", field="url") from error
    if base.scheme == "https" and target.scheme == "http":
        raise OutboundRefused(f"{base.name} redirects from https to http at {target.name}; that is not followed.")
    return target


def _why_not_a_url(url: str) -> str:
    scheme = _SCHEME.match(url)
    if scheme is not None and scheme[1].lower() not in _PORTS:
        return f"Only http and https addresses are called, not {scheme[1].lower()!r} ones."
    return "The URL is not of the form http(s)://host[:port]/path, without spaces or control characters."
