"""The gateway: one door to every model, in the words of the chat-completions API.

A provider that speaks that API gets the request as it came and its bytes go back as they come; for the others both
are translated. Either way the call is metered once, and costs the same streamed or whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from glia.gateway import answering, asking, calls, forwarding
from glia.gateway.answering import DONE, Choice, Chunks, calls_json, completion, usage_json
from glia.gateway.asking import ChatMessage, ChatOptions, ReadMessage, read_messages, read_options
from glia.gateway.calls import read_chat, read_embedding
from glia.gateway.embedding import embed_here, fields_ignored_here
from glia.gateway.errors import CutShort, ProviderRefused
from glia.gateway.metering import NOTHING_USED, Metering
from glia.gateway.reserving import Held, Reserving
from glia.gateway.types import MINILM, Answer, ChatCall, EmbeddingCall, TextEmbedder
from glia.identity.types import Principal
from glia.kit.clock import monotonic
from glia.kit.errors import GliaError, InvalidRequest
from glia.models.service import Models, ResolvedModel, UsageScanner, estimate_input_tokens, usage_of_answer
from glia.models.types import Message, ModelRequest, ModelResponse, TextDelta, TokenUsage, UserMessage
from glia.usage.service import Meter, Spending
from glia.usage.types import CallStatus, Hold, Operation

__all__ = [
    "DONE",
    "ChatMessage",
    "ChatOptions",
    "Choice",
    "Chunks",
    "Gateway",
    "ReadMessage",
    "calls_json",
    "completion",
    "read_chat",
    "read_embedding",
    "read_messages",
    "read_options",
    "usage_json",
]

SCOPE = "models:use"
_REMEMBER_SECONDS = 10.0
_MOST_REMEMBERED = 1000
_BYTES_PER_TOKEN = 4


class Gateway:
    def __init__(
        self,
        models: Models,
        meter: Meter,
        minilm: TextEmbedder | None = None,
        *,
        spending: Spending | None = None,
        is_strict: bool = False,
    ) -> None:
        """minilm: what computes `glia/minilm`. spending: None for calls that no budget or credit limits.

        is_strict: refuse fields that would have no effect.
        """
        self._models = models
        self._metering = Metering(meter, spending)
        self._reserving = Reserving(spending)
        self._minilm = minilm
        self._is_strict = is_strict
        self._remembered: dict[str, tuple[float, ResolvedModel]] = {}

    @property
    def has_minilm(self) -> bool:
        return self._minilm is not None

    async def complete(self, principal: Principal, call: ChatCall) -> Answer:
        """The whole answer; the provider's own error too. Cancelling stops the provider.

        Raises ModelNotFound, ModelAmbiguous, ModelFailed, KeyRefused, NotAnAnswer, InvalidRequest, Forbidden, and
        before anything is sent BudgetExceeded, InsufficientCredit, PriceUnknown.
        """
        principal.require(SCOPE)
        resolved = await self._resolve(call.model)
        if not resolved.is_forwardable:
            return await self._complete_translated(principal, call, resolved)
        held = await self._reserving.forwarded_chat(principal, call, resolved)
        body = calls.chat_for_provider(
            call, resolved.name, asks_usage=False, output_limit=_output_limit(resolved, held)
        )
        return await self._pass(principal, resolved, "/chat/completions", body, held.hold)

    async def stream(
        self, principal: Principal, call: ChatCall
    ) -> tuple[AsyncGenerator[bytes, None], tuple[str, ...]] | Answer:
        """The bytes of an event stream once the provider has begun one, with the ignored fields; else its error.

        Raises as `complete` does. Reading may raise ModelFailed when the provider breaks off. Closing the generator
        stops the provider and meters what has been said until then.
        """
        principal.require(SCOPE)
        resolved = await self._resolve(call.model)
        ignored: tuple[str, ...] = ()
        if resolved.is_forwardable:
            events = self._forwarded(principal, call, resolved)
        else:
            request, ignored = await self._read(call, resolved)
            events = self._translated(principal, call, resolved, request)
        try:
            await anext(events)  # an empty piece that says: the provider has begun
        except ProviderRefused as refused:
            return refused.answer
        return events, ignored

    async def embed(self, principal: Principal, call: EmbeddingCall) -> Answer:
        """Embeddings; the provider's own error too. Raises as `complete` does, and Unavailable."""
        principal.require(SCOPE)
        if self._minilm is not None and call.model in (MINILM, MINILM.partition("/")[2]):
            return await self._embed_here(principal, call, self._minilm)
        resolved = await self._resolve(call.model)
        if not resolved.is_forwardable:
            raise InvalidRequest(f"{resolved.id!r} gives no embeddings; {MINILM!r} does.", field="model")
        body = calls.embedding_for_provider(call, resolved.name)
        held = await self._reserving.embeddings(principal, body, resolved)
        return await self._pass(principal, resolved, "/embeddings", body, held.hold)

    async def _pass(
        self, principal: Principal, resolved: ResolvedModel, path: str, body: bytes, hold: Hold | None
    ) -> Answer:
        """One request and its answer, as they are."""
        operation: Operation = "chat" if path == "/chat/completions" else "embeddings"
        metered = self._metering.begin(principal, resolved.id, operation, hold=hold, is_forwarded=True)
        try:
            async with self._models.forward(resolved, path, body, stream=False) as answer:
                await forwarding.refuse_unless_ok(answer, resolved)
                data = await answer.read(forwarding.LARGEST_ANSWER_BYTES)
                forwarding.require_object(data, resolved, answer.status)
            await metered.finish_at(resolved, usage_of_answer(data) or _estimated(sent=len(body), said=len(data)))
        except ProviderRefused as refused:
            await metered.finish_at(resolved, NOTHING_USED, "failed")
            return refused.answer
        except GliaError:
            await metered.finish_at(resolved, NOTHING_USED, "failed")
            raise
        except asyncio.CancelledError:
            # Nothing was received of an answer that may have been written for the most part.
            metered.settle_at(resolved, _estimated(sent=len(body), said=0), "cancelled")
            raise
        return Answer(answer.status, data)

    async def _forwarded(
        self, principal: Principal, call: ChatCall, resolved: ResolvedModel
    ) -> AsyncGenerator[bytes, None]:
        takes_options = resolved.provider.takes_stream_options
        hider = None if call.wants_usage or not takes_options else forwarding.UsageHider()
        scanner = UsageScanner(len(call.body))
        held = await self._reserving.forwarded_chat(principal, call, resolved)
        metered = self._metering.begin(
            principal, resolved.id, "chat", hold=held.hold, is_streamed=True, is_forwarded=True
        )
        status: CallStatus = "cancelled"
        has_begun = False
        try:
            body = calls.chat_for_provider(
                call, resolved.name, asks_usage=takes_options, output_limit=_output_limit(resolved, held)
            )
            async with self._models.forward(resolved, "/chat/completions", body, stream=True) as answer:
                await forwarding.refuse_unless_ok(answer, resolved)
                forwarding.require_stream(answer, resolved)
                has_begun = True
                yield b""
                async for piece in answer.chunks():
                    scanner.feed(piece)
                    if scanner.is_done:  # before the client knows that it may ask again
                        await metered.finish_at(resolved, scanner.usage)
                    shown = piece if hider is None else hider.feed(piece)
                    if shown:
                        yield shown
                if hider is not None and (rest := hider.finish()):
                    yield rest
            if scanner.is_cut_short:
                raise CutShort(resolved)
            status = "ok"
            await metered.finish_at(resolved, scanner.usage)
        except (GliaError, ProviderRefused):
            status = "failed"
            raise
        finally:
            used = scanner.usage if has_begun or status == "cancelled" else NOTHING_USED
            metered.settle_at(resolved, used, status)

    async def _complete_translated(self, principal: Principal, call: ChatCall, resolved: ResolvedModel) -> Answer:
        request, ignored = await self._read(call, resolved)
        hold, request = await self._reserving.translated_chat(principal, request, resolved)
        metered = self._metering.begin(principal, resolved.id, "chat", hold=hold)
        said = 0
        try:
            async with aclosing(self._models.stream(resolved, request)) as events:
                async for event in events:
                    if isinstance(event, ModelResponse):
                        await metered.finish(event.usage, event.cost_micros)
                        return Answer(200, answering.completion_of(event), ignored=ignored)
                    said += len(event.text)
        except GliaError:
            await metered.finish_at(resolved, _estimate(request, said) if said else NOTHING_USED, "failed")
            raise
        finally:
            metered.settle_at(resolved, _estimate(request, said), "cancelled")
        raise AssertionError("A model's stream ends with its response.")

    async def _translated(
        self, principal: Principal, call: ChatCall, resolved: ResolvedModel, request: ModelRequest
    ) -> AsyncGenerator[bytes, None]:
        hold, request = await self._reserving.translated_chat(principal, request, resolved)
        metered = self._metering.begin(principal, resolved.id, "chat", hold=hold, is_streamed=True)
        chunks = Chunks(resolved.id)
        said = 0
        try:
            async with aclosing(self._models.stream(resolved, request)) as events:
                async for event in events:
                    if isinstance(event, ModelResponse):
                        await metered.finish(event.usage, event.cost_micros)
                        for chunk in _ending(chunks, event, wants_usage=call.wants_usage, is_begun=bool(said)):
                            yield chunk
                        return
                    if not said:
                        yield b""
                    said += len(event.text)
                    yield chunks.text(event.text) if isinstance(event, TextDelta) else chunks.thinking(event.text)
        except GliaError:
            await metered.finish_at(resolved, _estimate(request, said) if said else NOTHING_USED, "failed")
            raise
        finally:
            metered.settle_at(resolved, _estimate(request, said), "cancelled")

    async def _embed_here(self, principal: Principal, call: EmbeddingCall, minilm: TextEmbedder) -> Answer:
        ignored = fields_ignored_here(call)
        self._refuse(ignored)
        held = await self._reserving.free_embeddings(principal, call.body, MINILM)
        metered = self._metering.begin(principal, MINILM, "embeddings", hold=held.hold)
        try:
            body, usage = await embed_here(minilm, call)
        except GliaError:
            if held.hold is not None:
                await metered.finish(NOTHING_USED, 0, "failed")
            raise
        await metered.finish(usage, 0)
        return Answer(200, body, ignored=ignored)

    async def _read(self, call: ChatCall, resolved: ResolvedModel) -> tuple[ModelRequest, tuple[str, ...]]:
        request, ignored = asking.read_request(call, resolved.name)
        self._refuse(ignored)
        if any(isinstance(message, UserMessage) and message.images for message in request.messages):
            request = replace(request, messages=[await self._with_pictures(one) for one in request.messages])
        return request, ignored

    async def _with_pictures(self, message: Message) -> Message:
        if not isinstance(message, UserMessage):
            return message
        return replace(
            message, images=tuple([await self._models.fetched(image, "image_url.url") for image in message.images])
        )

    def _refuse(self, ignored: tuple[str, ...]) -> None:
        if ignored and self._is_strict:
            raise InvalidRequest(f"`{ignored[0]}` has no effect on this model; leave it out.", field=ignored[0])

    async def _resolve(self, name: str) -> ResolvedModel:
        """What a name means, remembered for a moment: a bare name is looked for in every provider's list."""
        remembered = self._remembered.get(name)
        if remembered is not None and monotonic() < remembered[0]:
            return remembered[1]
        resolved = await self._models.resolve(name)
        if len(self._remembered) >= _MOST_REMEMBERED:
            self._remembered.clear()
        self._remembered[name] = (monotonic() + _REMEMBER_SECONDS, resolved)
        return resolved


def _output_limit(resolved: ResolvedModel, held: Held) -> tuple[str, int] | None:
    return None if held.output_tokens is None else (resolved.provider.output_limit_field, held.output_tokens)


def _ending(chunks: Chunks, response: ModelResponse, *, wants_usage: bool, is_begun: bool) -> list[bytes]:
    found = [] if is_begun else [b""]
    if response.tool_calls:
        found.append(chunks.tool_calls(response.tool_calls))
    found.append(chunks.delta({}, response.finish_reason))
    if wants_usage:
        found.append(chunks.usage(response.usage))
    found.append(DONE)
    return found


def _estimate(request: ModelRequest, said_characters: int) -> TokenUsage:
    return TokenUsage(
        input_tokens=estimate_input_tokens(request),
        output_tokens=-(-said_characters // _BYTES_PER_TOKEN),
        is_estimated=True,
    )


def _estimated(*, sent: int, said: int) -> TokenUsage:
    """From the sizes of bodies, in bytes."""
    return TokenUsage(
        input_tokens=-(-sent // _BYTES_PER_TOKEN), output_tokens=-(-said // _BYTES_PER_TOKEN), is_estimated=True
    )
