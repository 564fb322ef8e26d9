"""Finds out which provider is meant by the name of a model."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from glia.kit.errors import Unavailable
from glia.models.errors import ModelAmbiguous, ModelNotFound
from glia.models.listing import Listings, LocalServers
from glia.models.prices import Price, Prices
from glia.models.providers import Provider
from glia.models.types import TokenUsage

EMBEDDED_NAME = "embedded"
EMBEDDED_DISPLAY_NAME = "built-in extractive model"
EMBEDDED = Provider(name="glia", base_url="", models=(EMBEDDED_NAME,), default_model=EMBEDDED_NAME, is_local=True)
FREE = Price(input=0, output=0)

_EMBEDDING = re.compile(r"(?i)embed|\bbge\b|\be5\b|minilm")
_OTHER = re.compile(
    r"(?i)whisper|tts|dall-e|moderation|image|realtime|transcribe|audio|sora|veo|imagen|rerank|ocr|babbage|davinci"
)


@dataclass(frozen=True)
class ResolvedModel:
    """A model at one provider. name: the provider's own name for it. price: None when it is not known."""

    provider: Provider
    name: str
    price: Price | None

    @property
    def id(self) -> str:
        return f"{self.provider.name}/{self.name}"

    @property
    def is_embedded(self) -> bool:
        return self.provider.name == EMBEDDED.name

    @property
    def is_forwardable(self) -> bool:
        """Whether the provider speaks the chat-completions API itself, so that a request can be passed on as it is."""
        return self.provider.kind == "openai" and not self.is_embedded

    def cost_micros(self, usage: TokenUsage) -> int | None:
        """What a call with this usage costs, None when the price is not known.

        OpenRouter says what a call cost; elsewhere the same field may be in another unit.
        """
        if usage.reported_cost is not None and self.provider.name == "openrouter":
            return round(usage.reported_cost * 1_000_000)
        return None if self.price is None else self.price.cost_micros(usage)


class Resolver:
    """Knows all providers, configured and found."""

    def __init__(
        self,
        providers: Sequence[Provider],
        local: LocalServers,
        listings: Listings,
        prices: Prices,
        default: str | None,
    ) -> None:
        self._configured = {provider.name: provider for provider in providers}
        self._local = local
        self._listings = listings
        self._prices = prices
        self._default = default

    def failure(self, provider: Provider) -> str | None:
        """Why the provider did not list its models when it was last asked."""
        found = self._listings.failure(provider)
        return None if found is None else found.message

    async def resolve(self, name: str | None) -> ResolvedModel:
        """See `Models.resolve`."""
        if name is None:
            return await self.default()
        prefix, _, rest = name.partition("/")
        if rest:
            provider = self._configured.get(prefix) or await self._found(prefix)
            if provider is not None:
                return self.at(provider, rest)
        return await self._bare(name)

    async def default(self) -> ResolvedModel:
        """The model that answers when none is named. Raises ModelFailed when its provider cannot say what it has."""
        if self._default:
            return await self._named_default(self._default)
        for provider in self._configured.values():
            if provider.name == EMBEDDED.name:
                continue  # a server on this machine goes before it
            name = provider.default_model or await self._first_chat_model(provider)
            if name:
                return self.at(provider, name)
            if failure := self._listings.failure(provider):
                raise failure
        for provider in await self._local.look():
            if name := await self._first_chat_model(provider):
                return self.at(provider, name)
        if EMBEDDED.name in self._configured:
            return self.at(EMBEDDED, EMBEDDED_NAME)
        raise Unavailable(
            "No model is configured. Set OPENAI_API_KEY, OPENAI_BASE_URL, ANTHROPIC_API_KEY or OLLAMA_HOST."
        )

    async def _named_default(self, name: str) -> ResolvedModel:
        try:
            return await self.resolve(name)
        except (ModelNotFound, ModelAmbiguous) as error:
            # The caller named no model, so it is the operator who has to hear of it.
            raise Unavailable(f"GLIA_DEFAULT_MODEL is {name!r}. {error.message}") from error

    def at(self, provider: Provider, name: str) -> ResolvedModel:
        if provider.name == EMBEDDED.name:
            if name != EMBEDDED_NAME:
                raise ModelNotFound(f"{provider.name}/{name}", [f"{provider.name}/{EMBEDDED_NAME}"])
            return ResolvedModel(provider, name, FREE)
        price = self._prices.find(provider.name, name, has_list_prices=provider.has_list_prices)
        return ResolvedModel(provider, name, price)

    async def listed(self) -> list[tuple[Provider, tuple[str, ...]]]:
        """All providers with their models. One that does not answer has those that its configuration names."""
        providers = [*self._configured.values(), *await self._local.look()]
        asked = [provider for provider in providers if provider.name != EMBEDDED.name]
        async with asyncio.TaskGroup() as group:
            answers = {provider.name: group.create_task(self._listings.names(provider)) for provider in asked}
        return [(p, answers[p.name].result() if p.name in answers else p.models) for p in providers]

    async def silent(self) -> list[str]:
        """Configured providers that did not say what models they have when they were last asked."""
        await self.listed()
        return [name for name, provider in self._configured.items() if self._listings.failure(provider) is not None]

    async def _bare(self, name: str) -> ResolvedModel:
        listed = await self.listed()
        holders = [(provider, exact) for provider, names in listed if (exact := _match(name, provider, names))]
        if len(holders) > 1:
            wanted = [holder for holder in holders if holder[0].default_model == name]
            holders = wanted if len(wanted) == 1 else holders
        if len(holders) == 1:
            return self.at(*holders[0])
        if holders:
            raise ModelAmbiguous(name, [f"{provider.name}/{exact}" for provider, exact in holders])
        return self._unlisted(name, listed)

    def _unlisted(self, name: str, listed: list[tuple[Provider, tuple[str, ...]]]) -> ResolvedModel:
        """A name nobody lists. With one server configured it is taken at its word there, since lists are often partial:
        gateways, fine-tunes and dated names go without saying. Otherwise perhaps it is one of the only server that
        cannot list its models."""
        configured = [provider for provider in self._configured.values() if provider.name != EMBEDDED.name]
        if len(configured) == 1 and "/" not in name:
            return self.at(configured[0], name)
        silent = [(provider, failure) for provider, _ in listed if (failure := self._listings.failure(provider))]
        mute = [provider for provider, failure in silent if failure.kind == "not_found"]
        if len(mute) == 1 and "/" not in name:
            return self.at(mute[0], name)
        if len(silent) == 1:
            # Whether the model exists only that provider knows; that it is silent is what has to be repaired.
            raise silent[0][1]
        known = [f"{provider.name}/{model}" for provider, names in listed for model in names]
        raise ModelNotFound(name, known, silent=[provider.name for provider, _ in silent])

    async def _found(self, name: str) -> Provider | None:
        if not self._local.seeks(name):
            return None
        return next((server for server in await self._local.look() if server.name == name), None)

    async def _first_chat_model(self, provider: Provider) -> str | None:
        names = await self._listings.names(provider)
        return next((name for name in names if purpose_of(name) == "chat"), None)


def purpose_of(name: str) -> Literal["chat", "embedding", "other"]:
    if _EMBEDDING.search(name):
        return "embedding"
    return "other" if _OTHER.search(name) else "chat"


def _match(name: str, provider: Provider, names: Iterable[str]) -> str | None:
    """The name as the provider writes it. Ollama lists `qwen3:latest` for what people call `qwen3`."""
    if name == provider.default_model or name in names:
        return name
    return f"{name}:latest" if f"{name}:latest" in names else None
