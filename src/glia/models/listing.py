"""Asks providers which models they have, and looks for servers on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from glia.kit.clock import monotonic
from glia.kit.outbound import Outbound, Timeouts
from glia.models.answers import raise_for_status
from glia.models.errors import ModelFailed
from glia.models.failures import garbled
from glia.models.providers import Provider
from glia.models.transport import LISTING_TIMEOUTS, PROBE_TIMEOUTS, open_answer

LISTING_SECONDS = 300.0
FAILED_LISTING_SECONDS = 5.0
PROBE_SECONDS = 30.0
MAX_LISTING_BYTES = 8 * 1024 * 1024


class _Entry(msgspec.Struct, gc=False):
    id: str = ""


class _Listing(msgspec.Struct, gc=False):
    data: list[_Entry] | None = None


_decode_listing = msgspec.json.Decoder(_Listing).decode
_decode_entries = msgspec.json.Decoder(list[_Entry]).decode


class Listings:
    """Knows which models each provider has, asking it at most every five minutes; a failing one every 5 s."""

    def __init__(self, outbound: Outbound, timeouts: Timeouts = LISTING_TIMEOUTS) -> None:
        self._outbound = outbound
        self._timeouts = timeouts
        self._found: dict[str, tuple[float, tuple[str, ...], ModelFailed | None]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def names(self, provider: Provider) -> tuple[str, ...]:
        """The models of a provider, those named in its configuration first. Empty rather than an error."""
        known = self._fresh(provider.name)
        if known is None:
            async with self._locks.setdefault(provider.name, asyncio.Lock()):
                known = self._fresh(provider.name)
                if known is None:
                    known = await self._ask(provider)
        return tuple(dict.fromkeys((*provider.models, *known)))

    def cached(self, provider: Provider) -> tuple[str, ...]:
        """What is known without asking."""
        return (*provider.models, *self._found[provider.name][1]) if provider.name in self._found else provider.models

    def failure(self, provider: Provider) -> ModelFailed | None:
        """Why the provider did not list its models when it was last asked."""
        found = self._found.get(provider.name)
        return found[2] if found else None

    def remember(self, provider: Provider, names: tuple[str, ...]) -> None:
        self._found[provider.name] = (monotonic() + LISTING_SECONDS, names, None)

    def _fresh(self, name: str) -> tuple[str, ...] | None:
        found = self._found.get(name)
        return found[1] if found and monotonic() < found[0] else None

    async def _ask(self, provider: Provider) -> tuple[str, ...]:
        try:
            names = await fetch_names(self._outbound, provider, self._timeouts)
        except ModelFailed as error:
            # What was there a moment ago is most likely still there.
            names = self._found[provider.name][1] if provider.name in self._found else ()
            self._found[provider.name] = (monotonic() + FAILED_LISTING_SECONDS, names, error)
            return names
        self.remember(provider, names)
        return names


class LocalServers:
    """Finds the local servers that answer, looking at most every 30 s."""

    def __init__(self, outbound: Outbound, candidates: Sequence[Provider], listings: Listings) -> None:
        self._outbound = outbound
        self._candidates = candidates
        self._listings = listings
        self._lock = asyncio.Lock()
        self._next_look = 0.0
        self.found: tuple[Provider, ...] = ()

    def seeks(self, name: str) -> bool:
        return any(server.name == name for server in self._candidates)

    async def look(self) -> tuple[Provider, ...]:
        """The servers that answer, in the order of preference. Costs at most 0.3 s, and that every 30 s."""
        if not self._candidates or monotonic() < self._next_look:
            return self.found
        async with self._lock:
            if monotonic() >= self._next_look:
                async with asyncio.TaskGroup() as group:
                    probes = [(server, group.create_task(self._probe(server))) for server in self._candidates]
                self.found = tuple(server for server, probe in probes if probe.result())
                self._next_look = monotonic() + PROBE_SECONDS
        return self.found

    async def _probe(self, server: Provider) -> bool:
        try:
            names = await fetch_names(self._outbound, server, PROBE_TIMEOUTS)
        except ModelFailed:
            return False
        self._listings.remember(server, names)
        return True


async def fetch_names(outbound: Outbound, provider: Provider, timeouts: Timeouts) -> tuple[str, ...]:
    """The names a provider lists at `/models`. Raises ModelFailed."""
    path = "/models?limit=1000" if provider.kind == "anthropic" else "/models"
    async with open_answer(outbound, provider, path, method="GET", timeouts=timeouts) as answer:
        await raise_for_status(answer, provider, "")
        body = await answer.read(MAX_LISTING_BYTES)
    try:
        # Together lists bare, everybody else under `data`; Ollama says null when it has none.
        entries = _decode_entries(body) if body.lstrip()[:1] == b"[" else _decode_listing(body).data or []
    except msgspec.DecodeError:
        raise garbled(provider, body) from None
    # Google lists `models/gemini-...` and takes the name without the folder too.
    return tuple(entry.id.removeprefix("models/") for entry in entries if entry.id)
