"""All models behind one door: what there is, which one is meant, and its answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import replace

from glia.kit.errors import GliaError, InvalidRequest
from glia.kit.outbound import Outbound, StreamedResponse, Timeouts
from glia.models.anthropic import AnthropicMessages
from glia.models.bounds import largest_call, largest_forwarded_input, largest_input
from glia.models.counting import count_call
from glia.models.discovery import Configuration, read_configuration
from glia.models.embeddings import BATCH_SIZE, embed_batch
from glia.models.errors import ModelAmbiguous, ModelFailed, ModelNotFound
from glia.models.estimate import estimate_input_tokens, estimate_tokens
from glia.models.held_calls import Patience, ask_held
from glia.models.images import LARGEST_IMAGE_BYTES, fetched_image, image_of, image_of_bytes
from glia.models.listing import PROBE_SECONDS, Listings, LocalServers
from glia.models.openai_chat import OpenAiChat
from glia.models.prices import Prices, read_prices
from glia.models.providers import Provider
from glia.models.resolving import EMBEDDED, EMBEDDED_DISPLAY_NAME, ResolvedModel, Resolver, purpose_of
from glia.models.retrying import Retries
from glia.models.structured import Format, check_format, format_instruction, format_problem
from glia.models.transport import CALL_TIMEOUTS, open_answer
from glia.models.types import (
    Image,
    Model,
    ModelEvent,
    ModelInfo,
    ModelRequest,
    ModelResponse,
    ProviderInfo,
    TokenUsage,
)
from glia.models.usage_scan import UsageScanner, usage_of_answer

__all__ = [
    "LARGEST_IMAGE_BYTES",
    "Configuration",
    "Models",
    "Patience",
    "ResolvedModel",
    "Retries",
    "UsageScanner",
    "ask_held",
    "check_format",
    "count_call",
    "estimate_input_tokens",
    "estimate_tokens",
    "format_instruction",
    "format_problem",
    "image_of",
    "image_of_bytes",
    "largest_call",
    "largest_forwarded_input",
    "largest_input",
    "read_configuration",
    "read_prices",
    "usage_of_answer",
]


class Models:
    """The models of all providers, and the built-in one."""

    def __init__(
        self,
        outbound: Outbound,
        configuration: Configuration,
        *,
        embedded: Model | None = None,
        prices: Prices | None = None,
        timeouts: Timeouts = CALL_TIMEOUTS,
        retries: Retries | None = None,
    ) -> None:
        """embedded: the built-in model, registered as `glia/embedded`; it answers when nothing else is configured.

        prices: None reads the built-in table and the file that the configuration names.
        """
        self._outbound = outbound
        self._embedded = embedded
        self._timeouts = timeouts
        self._retries = retries or Retries()
        self._clients: dict[str, Model] = {}
        self.embedding_model = configuration.embedding_model
        listings = Listings(outbound)
        self._local = LocalServers(outbound, configuration.candidates, listings)
        # The built-in model is a provider like any other, last in the order.
        providers = (*configuration.providers, EMBEDDED) if embedded else configuration.providers
        self._resolver = Resolver(
            providers,
            self._local,
            listings,
            prices or read_prices(configuration.prices_path),
            configuration.default_model,
        )

    async def watch_local_servers(self) -> None:
        """Looks for local model servers until cancelled, so that no request has to. Run it in a task."""
        while True:
            await self._local.look()
            await asyncio.sleep(PROBE_SECONDS)

    async def list(self) -> list[ModelInfo]:
        """Every model that can be named. A provider that is down is left out or shown as last seen, never an error."""
        default = await self._default_id()
        found: list[ModelInfo] = []
        for provider, names in await self._resolver.listed():
            found.extend(self._info(provider, name, default) for name in names)
        return found

    async def silent_providers(self) -> list[str]:
        """Names of configured providers that do not say what models they have."""
        return await self._resolver.silent()

    async def providers(self) -> list[ProviderInfo]:
        """Every provider, configured or found on this machine; each is asked what it has, as for `list`."""
        return [
            ProviderInfo(
                name=provider.name,
                kind=provider.kind,
                base_url=provider.base_url,
                is_local=provider.is_local,
                has_key=bool(provider.api_key),
                key_variable=provider.key_variable,
                models=len(names),
                problem=self._resolver.failure(provider),
            )
            for provider, names in await self._resolver.listed()
        ]

    async def resolve(self, name: str | None, *, or_default: bool = False) -> ResolvedModel:
        """The model that a name means.

        name: `provider/name`, taken at its word; a bare name that one provider lists or has as its default; or None
        for the default: the configured one, else that of the first configured provider, else a local server's first,
        else the built-in one. or_default: the first of several that have the name, and the default for one that nobody
        has, instead of an error.
        Raises ModelNotFound, ModelAmbiguous, or ModelFailed when the default's provider does not say what it has.
        """
        try:
            return await self._resolver.resolve(name)
        except ModelAmbiguous as ambiguous:
            if not or_default:
                raise
            return await self._resolver.resolve(ambiguous.choices[0])
        except (ModelNotFound, ModelFailed):  # it failed to say what it has
            if not or_default:
                raise
            return await self._resolver.resolve(None)

    async def stream(
        self, name: str | ResolvedModel | None, request: ModelRequest, *, fallback: str | None = None
    ) -> AsyncGenerator[ModelEvent, None]:
        """The answer to a request, as deltas and at last a ModelResponse with its cost.

        `request.model` is replaced by the name the provider knows. A failure that may pass is tried again, at most
        three times in all, and then `fallback` is asked; but only as long as nothing has been yielded.
        Raises ModelFailed, and what `resolve` raises.
        """
        has_begun = False
        for choice in (name, fallback) if fallback is not None else (name,):
            try:
                resolved = choice if isinstance(choice, ResolvedModel) else await self.resolve(choice)
                async with aclosing(self._attempts(resolved, request)) as events:
                    async for event in events:
                        has_begun = True
                        yield event
            except ModelFailed as failure:
                if has_begun or choice is fallback or fallback is None or not failure.may_fall_back:
                    raise
            else:
                return

    def forward(
        self, resolved: ResolvedModel, path: str, body: bytes, *, stream: bool
    ) -> AbstractAsyncContextManager[StreamedResponse]:
        """Passes a request on as it is, with the provider's key; the answer, errors too, is the provider's own.

        path: below the base URL, such as `/chat/completions`. body: names the model as `resolved.name`.
        Raises InvalidRequest unless `resolved.is_forwardable`; entering or reading raises ModelFailed when the
        connection fails. Nothing is tried again.
        """
        if not resolved.is_forwardable:
            raise InvalidRequest(f"{resolved.id!r} does not speak the chat-completions API; ask it by `stream`.")
        accept = "text/event-stream" if stream else "application/json"
        return open_answer(self._outbound, resolved.provider, path, body=body, timeouts=self._timeouts, accept=accept)

    def check(self, resolved: ResolvedModel, *, has_images: bool, response_format: Format | None) -> None:
        """Raises InvalidRequest for what the model is known not to be able to do, before it is asked."""
        if not resolved.is_embedded:
            return
        if has_images:
            raise InvalidRequest(
                "The built-in model reads text only; for pictures give the agent another model, as GET /v1/models"
                " lists them.",
                field="messages",
            )
        if problem := format_problem(response_format, '{"answer": ""}'):
            raise InvalidRequest(
                f"The built-in model can only answer as an object with the text `answer`, and for that {problem}; use"
                " another model, as GET /v1/models lists them.",
                field="response_format",
            )

    async def fetched(self, image: Image, field: str) -> Image:
        """The picture with its bytes, fetched if it lies elsewhere. Raises InvalidRequest when it cannot be had."""
        return await fetched_image(self._outbound, image, field) if image.url else image

    async def embed(self, name: str | None, texts: Sequence[str]) -> tuple[list[list[float]], TokenUsage]:
        """One vector per text, and the tokens they took. name: None takes GLIA_EMBEDDING_MODEL.

        Raises ModelFailed, and InvalidRequest for a model whose provider has no embeddings endpoint.
        """
        resolved = await self.resolve(self._embedding_name(name))
        if not resolved.is_forwardable:
            raise InvalidRequest(
                f"{resolved.id!r} has no embeddings endpoint; set GLIA_EMBEDDING_MODEL to one that has."
            )
        vectors: list[list[float]] = []
        total = TokenUsage()
        for start in range(0, len(texts), BATCH_SIZE):
            found, usage = await self._embed_batch(resolved, texts[start : start + BATCH_SIZE])
            vectors.extend(found)
            total = TokenUsage(
                input_tokens=total.input_tokens + usage.input_tokens,
                is_estimated=total.is_estimated or usage.is_estimated,
            )
        return vectors, total

    async def _attempts(self, resolved: ResolvedModel, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """One model's answer, asked again while its failures may pass and nothing has been said."""
        model = self._client(resolved.provider)
        request = replace(request, model=resolved.name)
        attempt = 1
        while True:
            has_begun = False
            call = _CountedCall(resolved)
            try:
                async with aclosing(model.stream(request)) as events:
                    async for event in events:
                        has_begun = True
                        yield call.settle(event) if isinstance(event, ModelResponse) else event
            except ModelFailed as failure:
                call.outcome = "failed"
                wait = None if has_begun else self._retries.wait_seconds(attempt, failure)
                if wait is None:
                    raise
            else:
                return
            finally:
                call.count()
            await self._retries.sleep(wait)
            attempt += 1

    async def _embed_batch(self, resolved: ResolvedModel, texts: Sequence[str]) -> tuple[list[list[float]], TokenUsage]:
        attempt = 1
        while True:
            try:
                return await embed_batch(self._outbound, resolved.provider, resolved.name, texts, self._timeouts)
            except ModelFailed as failure:
                wait = self._retries.wait_seconds(attempt, failure)
                if wait is None:
                    raise
            await self._retries.sleep(wait)
            attempt += 1

    def _embedding_name(self, name: str | None) -> str:
        wanted = name or self.embedding_model
        if wanted is None:
            raise InvalidRequest(
                "No embedding model is named. Set GLIA_EMBEDDING_MODEL to `provider/name`.", field="model"
            )
        return wanted

    def _client(self, provider: Provider) -> Model:
        if provider.name == EMBEDDED.name and self._embedded is not None:
            return self._embedded
        if provider.name not in self._clients:
            client = AnthropicMessages if provider.kind == "anthropic" else OpenAiChat
            self._clients[provider.name] = client(provider, self._outbound, self._timeouts)
        return self._clients[provider.name]

    async def _default_id(self) -> str:
        try:
            return (await self._resolver.default()).id
        except GliaError:
            # The list must not fail because the default cannot be told.
            return ""

    def _info(self, provider: Provider, name: str, default: str) -> ModelInfo:
        resolved = self._resolver.at(provider, name)
        return ModelInfo(
            id=resolved.id,
            provider=provider.name,
            name=name,
            display_name=EMBEDDED_DISPLAY_NAME if resolved.is_embedded else name,
            purpose="chat" if resolved.is_embedded else purpose_of(name),
            is_default=resolved.id == default,
            is_local=provider.is_local,
            input_price_micros=resolved.price.input if resolved.price else None,
            output_price_micros=resolved.price.output if resolved.price else None,
        )


class _CountedCall:
    """One call of a provider, counted when it ends, however it ends."""

    def __init__(self, resolved: ResolvedModel) -> None:
        self._resolved = resolved
        self._started = time.monotonic()
        self._response: ModelResponse | None = None
        self.outcome = "cancelled"

    def settle(self, response: ModelResponse) -> ModelResponse:
        self.outcome = "ok"
        self._response = _settled(response, self._resolved)
        return self._response

    def count(self) -> None:
        response, seconds = self._response, time.monotonic() - self._started
        if response is None:
            count_call(self._resolved.id, self.outcome, seconds=seconds)
        else:
            count_call(
                self._resolved.id, self.outcome, seconds=seconds, usage=response.usage, cost_micros=response.cost_micros
            )


def _settled(response: ModelResponse, resolved: ResolvedModel) -> ModelResponse:
    """The response under our name for the model, with its cost: the provider's own figure, or the table's."""
    cost = response.cost_micros
    if cost is None:
        cost = resolved.cost_micros(response.usage)
    return replace(response, model=resolved.id, cost_micros=cost)
