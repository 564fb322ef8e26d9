"""Passwords as argon2id hashes, computed off the event loop. The only module that knows argon2."""

from __future__ import annotations

import asyncio
import base64
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from glia.kit.errors import InvalidRequest, Unavailable

if TYPE_CHECKING:
    from argon2 import PasswordHasher

T = TypeVar("T")

SHORTEST = 8
LONGEST = 512
_MOST_WAITING = 64


@dataclass(frozen=True)
class Cost:
    """What one hash takes. The default is the second choice of RFC 9106 section 4: 64 MiB, about 50 ms."""

    rounds: int = 3
    memory_kib: int = 65536
    lanes: int = 4


class Passwords:
    def __init__(self, cost: Cost | None = None, *, at_once: int = 2) -> None:
        """at_once: hashes computed at the same time; each takes its memory and up to a core per lane."""
        self._cost = cost or Cost()
        self._slots = asyncio.Semaphore(at_once)
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """The hash to keep. Raises InvalidRequest when the password is too short or too long."""
        plain = _normal(check(password))
        return await self._in_thread(lambda: self._hasher.hash(plain))

    async def is_right(self, password: str, hash: str | None) -> bool:
        """hash: None for a user who does not exist, which takes as long as one who does."""
        plain = _normal(password[: LONGEST + 1])
        known = hash or self._nobodys_hash
        return await self._in_thread(lambda: self._verify(known, plain)) and hash is not None

    def is_outdated(self, hash: str) -> bool:
        """The hash was made at another cost and should be made anew while the password is at hand."""
        return self._hasher.check_needs_rehash(hash)

    def _verify(self, hash: str, password: bytes) -> bool:
        from argon2.exceptions import InvalidHashError, VerificationError

        try:
            return self._hasher.verify(hash, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._waiting >= _MOST_WAITING:
            raise Unavailable("Too many sign-ins are under way; try again shortly.")
        self._waiting += 1
        try:
            async with self._slots:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1

    @cached_property
    def _hasher(self) -> PasswordHasher:
        from argon2 import PasswordHasher

        return PasswordHasher(self._cost.rounds, self._cost.memory_kib, self._cost.lanes)

    @cached_property
    def _nobodys_hash(self) -> str:
        """Fits no password (nobody knows one), and takes as long to verify as any other at this cost."""
        salt, digest = (base64.b64encode(bytes(size)).rstrip(b"=").decode() for size in (16, 32))
        cost = self._cost
        return f"$argon2id$v=19$m={cost.memory_kib},t={cost.rounds},p={cost.lanes}${salt}${digest}"


def check(password: str) -> str:
    """The password, when it has a length that we take; raises InvalidRequest otherwise."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise InvalidRequest(
            f"`password` has {len(password)} characters; it must have between {SHORTEST} and {LONGEST}.",
            field="password",
        )
    return password


def _normal(password: str) -> bytes:
    """The same letters typed on another keyboard are the same password (NIST SP 800-63B section 5.1.1.2)."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "replace")
