"""From a judged address to an open connection."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from functools import cached_property
from ipaddress import ip_address
from itertools import zip_longest

from glia.kit.outbound.connection import Connection
from glia.kit.outbound.errors import FailureKind, OutboundFailed
from glia.kit.outbound.policy import OutboundPolicy
from glia.kit.outbound.resolver import Resolver
from glia.kit.outbound.target import Target

# How long the addresses of a name the operator configured are remembered. Others are looked up for each request,
# because an old answer would escape a judgement that has changed since.
TRUSTED_TTL_SECONDS = 30.0
_MOST_REMEMBERED = 1024
_MOST_ADDRESSES = 6


class Dialer:
    """Resolves once, judges all, dials exactly what was judged."""

    def __init__(self, policy: OutboundPolicy, resolver: Resolver) -> None:
        self._policy = policy
        self._resolver = resolver
        self._remembered: dict[tuple[str, int], tuple[float, tuple[str, ...]]] = {}

    def check(self, target: Target) -> None:
        """Raises OutboundRefused for a literal address that may not be called."""
        if target.literal is not None:
            self._policy.judge(target, (target.literal,))

    async def addresses(self, target: Target, *, is_trusted: bool, seconds: float) -> tuple[str, ...]:
        """The addresses that may be dialled, best first. Raises OutboundRefused or OutboundFailed."""
        if target.literal is not None:
            addresses = (target.literal,)
        elif is_trusted:
            return await self._remember(target, seconds)
        else:
            addresses = await self._resolve(target, seconds)
        if not is_trusted:
            self._policy.judge(target, addresses)
        return addresses

    async def connect(
        self, target: Target, addresses: Sequence[str], *, seconds: float, on_lost: Callable[[Connection], None]
    ) -> tuple[Connection, str]:
        """A connection and the address it leads to. Tries the addresses in turn, within `seconds` in all."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        failure: OutboundFailed | None = None
        addresses = _alternating(addresses)[:_MOST_ADDRESSES]
        for tried, address in enumerate(addresses):
            # One address that swallows packets must not use up the time of the others.
            share = (deadline - loop.time()) / (len(addresses) - tried)
            try:
                async with asyncio.timeout(share):
                    return await self._open(loop, target, address, on_lost), address
            except TimeoutError:
                failure = _failed(f"{target.name} did not accept a connection in {seconds:g} seconds.", "timeout")
            except ssl.SSLError as error:
                raise _tls_failure(target, error) from error
            except OSError as error:
                failure = _failed(f"{target.name} cannot be reached: {error.strerror or error}.", "connect")
        raise failure or _failed(f"{target.name} has no address.", "resolve")

    async def _open(
        self, loop: asyncio.AbstractEventLoop, target: Target, address: str, on_lost: Callable[[Connection], None]
    ) -> Connection:
        is_tls = target.scheme == "https"
        _, connection = await loop.create_connection(
            lambda: Connection(loop, on_lost),
            address,
            target.port,
            ssl=self._tls if is_tls else None,
            server_hostname=target.host if is_tls else None,
        )
        return connection

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        context.set_alpn_protocols(["http/1.1"])
        return context

    async def _remember(self, target: Target, seconds: float) -> tuple[str, ...]:
        now = asyncio.get_running_loop().time()
        key = (target.host, target.port)
        known = self._remembered.get(key)
        if known is not None and now < known[0]:
            return known[1]
        addresses = await self._resolve(target, seconds)
        if len(self._remembered) >= _MOST_REMEMBERED:
            self._remembered.clear()
        self._remembered[key] = (now + TRUSTED_TTL_SECONDS, addresses)
        return addresses

    async def _resolve(self, target: Target, seconds: float) -> tuple[str, ...]:
        try:
            async with asyncio.timeout(seconds):
                found = await self._resolver.resolve(target.host, target.port)
            addresses = tuple(str(ip_address(text)) for text in found)
        except TimeoutError as error:
            raise _failed(f"The name {target.host!r} was not resolved in {seconds:g} seconds.", "timeout") from error
        except (OSError, ValueError) as error:
            raise _failed(f"The name {target.host!r} cannot be resolved; check its spelling.", "resolve") from error
        if not addresses:
            raise _failed(f"The name {target.host!r} has no address.", "resolve")
        return addresses


def _alternating(addresses: Sequence[str]) -> list[str]:
    """IPv6 and IPv4 in turn, so that a family that leads nowhere costs one attempt."""
    first = [address for address in addresses if (":" in address) == (":" in addresses[0])]
    second = [address for address in addresses if address not in first]
    pairs = zip_longest(first, second)
    return [address for pair in pairs for address in pair if address is not None]


def _failed(message: str, kind: FailureKind) -> OutboundFailed:
    return OutboundFailed(message, kind=kind, is_sent=False)


def _tls_failure(target: Target, error: ssl.SSLError) -> OutboundFailed:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _failed(
            f"The certificate of {target.name} is not trusted: {error.verify_message}. For a private authority, "
            "the operator can point SSL_CERT_FILE at its certificates.",
            "tls",
        )
    return _failed(f"{target.name} and the client could not agree on TLS: {error.reason or error}.", "tls")
