"""Programs for pods: an address that opens one version's program for a while, and what it opens."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
from collections.abc import AsyncGenerator, Iterator
from uuid import UUID

from glia.deployments.binaries import Binaries, Wanted
from glia.deployments.kubernetes import queries
from glia.deployments.kubernetes.packing import pack
from glia.kit.clock import now
from glia.kit.db import Database
from glia.kit.errors import Forbidden, NotFound

LINK_PURPOSE = "program link"
_DAY = 86_400
_EXPIRES = re.compile(r"[0-9]{1,12}", re.ASCII)


class ProgramLinks:
    def __init__(self, key: bytes) -> None:
        """key: secret, the same in every process of an installation."""
        self._key = key

    def path(self, version_id: UUID) -> str:
        """Below the server's address; the same for a day, and good for at least a week after it."""
        expires = (int(now().timestamp()) // _DAY + 9) * _DAY
        return f"/programs/{version_id}?expires={expires}&signature={self._signature(version_id, expires)}"

    def check(self, version_id: UUID, expires: str, signature: str) -> None:
        """Raises Forbidden."""
        at = int(expires) if _EXPIRES.fullmatch(expires) else 0
        if not hmac.compare_digest(self._signature(version_id, at).encode(), signature.encode()):
            raise Forbidden("This address is not one that this server gave out.")
        if at <= now().timestamp():
            raise Forbidden("This address has expired; the node that looks after the cluster renews it.")

    def _signature(self, version_id: UUID, expires: int) -> str:
        return hmac.digest(self._key, f"{expires}\n{version_id}".encode(), hashlib.sha256).hex()


class Programs:
    def __init__(self, db: Database, binaries: Binaries, links: ProgramLinks) -> None:
        self._db, self._binaries, self._links = db, binaries, links

    async def open(self, version: str, expires: str, signature: str) -> AsyncGenerator[bytes]:
        """The tar of that version's program, as a generator. Raises Forbidden, NotFound, BinaryRefused and what a
        download raises: this server gets the program by itself when it has it not."""
        try:
            id = UUID(version)
        except ValueError:
            raise NotFound("There is no such program.") from None
        self._links.check(id, expires, signature)
        async with self._db.across_workspaces() as tx:
            found = await queries.version(tx, id)
        if found is None:
            raise NotFound("The deployment whose program this is has been deleted.")
        wanted = Wanted(
            found.workspace_id, found.project_id, found.runtime, found.binary_url, found.digest or found.sha256
        )
        kept = await self._binaries.get(wanted)
        return _pieces(pack(kept.folder))


async def _pieces(packed: Iterator[bytes]) -> AsyncGenerator[bytes]:
    while piece := await asyncio.to_thread(next, packed, b""):
        yield piece
