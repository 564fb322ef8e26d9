"""Inference tools: what providers offer, kept for each workspace, and offered to its agents."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import structlog

from glia.identity.types import Principal, system_principal
from glia.inference import queries
from glia.inference.calling import Caller
from glia.inference.errors import InferenceToolNotFound
from glia.inference.families import family_of, owner_of, title_of
from glia.inference.listing import offered_by
from glia.inference.tools import Maker, name_of, named, offered_tools, tool_name
from glia.inference.types import (
    EVERY,
    PREFIX,
    InferenceProvider,
    InferenceTool,
    Keep,
    Kind,
    Offered,
    Sync,
)
from glia.kit.db import Database, Transaction
from glia.kit.errors import UpstreamFailed
from glia.kit.ids import new_id
from glia.kit.outbound import Outbound, OutboundFailed, OutboundRefused
from glia.kit.pages import Page, Window, page_of
from glia.tools.types import Tool
from glia.usage.service import Spending

__all__ = ["InferenceTools", "name_of", "providers_of", "tool_name"]

log = structlog.get_logger(__name__)

_CHAT_ONLY = frozenset({"ollama", "lmstudio"})
_MOST_SECONDS: Mapping[Kind, int] = {"image": 300, "speech": 120, "video": 600, "text": 180}


class InferenceTools:
    """Also a source of tools for agents: see `glia.tools.types.ToolSource`."""

    def __init__(
        self,
        db: Database,
        outbound: Outbound,
        providers: Sequence[InferenceProvider],
        *,
        keep: Keep,
        spending: Spending | None = None,
    ) -> None:
        """keep: where what was made goes. spending: holds what a call may cost."""
        self._db = db
        self._outbound = outbound
        self._providers = {provider.name: provider for provider in providers}
        self._maker = Maker(self._caller, keep, spending)

    # --- what there is ----------------------------------------------------------------------------------------------

    async def sync(self, principal: Principal) -> Sync:
        """Asks every provider what it offers. One that does not answer keeps what is known of it, and is named."""
        principal.require("tools:write")
        failures: dict[str, str] = {}
        listed: dict[str, list[Offered]] = {}

        async def ask(provider: InferenceProvider) -> None:
            try:
                listed[provider.name] = await offered_by(self._outbound, provider)
            except (OutboundFailed, OutboundRefused, UpstreamFailed) as error:
                failures[provider.name] = error.message
                log.warning("a provider does not list its models", provider=provider.name, error=error.message)

        async with asyncio.TaskGroup() as group:
            for provider in self._providers.values():
                group.create_task(ask(provider))
        added = updated = removed = 0
        async with self._db.transaction(principal.workspace_id) as tx:
            removed += await queries.drop_strangers(tx, list(self._providers))
            for name, offered in listed.items():
                written = await queries.upsert(tx, principal.workspace_id, [_row(name, one) for one in offered])
                removed += await queries.drop_missing(tx, name, [one.model for one in offered])
                added, updated = added + written.added, updated + written.updated
        return Sync(added, updated, removed, failures)

    async def get(self, principal: Principal, id: UUID) -> InferenceTool:
        principal.require("tools:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            found = await queries.get(tx, id)
        if found is None:
            raise InferenceToolNotFound(f"There is no inference tool '{id}' in this workspace.", tool_id=str(id))
        return found

    async def list(
        self, principal: Principal, window: Window, *, kind: str | None = None, family: str | None = None
    ) -> Page[InferenceTool]:
        """What the last sync found, newest first."""
        principal.require("tools:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            rows = await queries.list_page(tx, window, kind, family)
        return page_of(rows, window, lambda tool: tool.id)

    async def everything(self, principal: Principal) -> list[InferenceTool]:
        """All of them, the cheapest first, at most 5,000. The first look at a workspace's tools asks the providers."""
        principal.require("tools:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            found = await queries.everything(tx)
        if found or not self._providers:
            return found
        await self.sync(system_principal(principal.workspace_id, principal.project_id))
        async with self._db.transaction(principal.workspace_id) as tx:
            return await queries.everything(tx)

    async def find(self, principal: Principal, references: Sequence[str]) -> list[InferenceTool]:
        """By id, model or tool name, in the order asked for. Raises InferenceToolNotFound, which names what is not."""
        known = await self.everything(principal)
        found: list[InferenceTool] = []
        for reference in references:
            tool = named(known, reference)
            if tool is None:
                raise InferenceToolNotFound(
                    f"There is no inference tool {reference[:200]!r} in this workspace; sync the tools with their"
                    " providers, or choose another.",
                    tool=reference[:200],
                )
            found.append(tool)
        return found

    # --- for agents -------------------------------------------------------------------------------------------------

    async def resolve(self, principal: Principal, names: Sequence[str]) -> Mapping[str, Sequence[Tool]]:
        wanted = [name for name in names if name.startswith(PREFIX)]
        if not wanted:
            return {}
        async with self._db.transaction(principal.workspace_id) as tx:
            known = await queries.everything(tx)
        return offered_tools(self._maker, known, wanted)

    async def known(self, principal: Principal, tx: Transaction, names: Sequence[str]) -> set[str]:
        wanted = [name for name in names if name.startswith(PREFIX)]
        if not wanted:
            return set()
        found = await queries.everything(tx)
        return {name for name in wanted if name == EVERY or offered_tools(self._maker, found, [name])}

    async def suggestions(self, principal: Principal, tx: Transaction) -> list[str]:
        return [EVERY] if await queries.count(tx) else []

    def _caller(self, tool: InferenceTool) -> Caller:
        provider = self._providers.get(tool.provider)
        if provider is None:
            raise UpstreamFailed(f"The provider {tool.provider!r} is no longer configured on this server.")
        return Caller(self._outbound, provider)


def providers_of(configured: Sequence[Any]) -> list[InferenceProvider]:
    """Those of the configured model providers that speak one of the two dialects.

    configured: providers as the model layer has them (name, kind, base_url, api_key).
    """
    found: list[InferenceProvider] = []
    for one in configured:
        if one.kind != "openai" or one.name in _CHAT_ONLY or not one.base_url:
            continue
        if one.name == "deepinfra":
            root = one.base_url.removesuffix("/openai").removesuffix("/v1")
            found.append(InferenceProvider(one.name, "deepinfra", root, one.api_key))
        else:
            found.append(InferenceProvider(one.name, "openai", one.base_url, one.api_key))
    return found


def _row(provider: str, offered: Offered) -> dict[str, object]:
    return {
        "id": str(new_id()),
        "provider": provider,
        "model": offered.model,
        "kind": offered.kind,
        "family": family_of(offered.model),
        "title": title_of(offered.model),
        "description": offered.description,
        "owner": owner_of(offered.model, provider),
        "price_micros": offered.price_micros,
        "output_price_micros": offered.output_price_micros,
        "price_unit": offered.price_unit,
        "most_seconds": _MOST_SECONDS[offered.kind],
        "logo_url": offered.logo_url,
    }
