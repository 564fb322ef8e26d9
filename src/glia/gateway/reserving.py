"""What a call of the gateway may take at most, and the hold for it before it is made."""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgspec

from glia.gateway.types import ChatCall
from glia.identity.types import Principal
from glia.kit.errors import InvalidRequest
from glia.models.service import ResolvedModel, largest_call, largest_forwarded_input, largest_input
from glia.models.types import ModelRequest
from glia.usage.service import Spending
from glia.usage.types import CallBound, Hold, SpendingCall

_OUTPUT_FIELDS = ("max_completion_tokens", "max_tokens")
_MOST_ANSWERS = 128
_FREE = CallBound(0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Held:
    """What is held for a call. output_tokens: the cap that its answer must be given; None to leave it as it is."""

    hold: Hold | None = None
    output_tokens: int | None = None


NOTHING_HELD = Held()


class Reserving:
    """Holds what calls can take. Raises what `Spending.reserve` raises, before anything is sent."""

    def __init__(self, spending: Spending | None) -> None:
        self._spending = spending

    async def forwarded_chat(self, principal: Principal, call: ChatCall, resolved: ResolvedModel) -> Held:
        spending = await self._limiting(principal)
        if spending is None:
            return NOTHING_HELD
        answers = _number(call, "n", most=_MOST_ANSWERS) or 1
        named = [found for name in _OUTPUT_FIELDS if (found := _number(call, name)) is not None]
        # What was predicted and not said is billed as said.
        predicted = len(bytes(call.fields.get("prediction", b"")))
        most, least = _span(spending, resolved, max(named) if named else None)
        bound = largest_call(
            [resolved],
            input_tokens=largest_forwarded_input(call.body, bytes(call.fields["messages"])),
            most_output=most * answers + predicted,
            least_output=least * answers + predicted,
        )
        hold = await spending.reserve(_call(principal, resolved.id, bound))
        if named or hold is None or hold.output_tokens is None:
            return Held(hold)
        return Held(hold, (hold.output_tokens - predicted) // answers)

    async def translated_chat(
        self, principal: Principal, request: ModelRequest, resolved: ResolvedModel
    ) -> tuple[Hold | None, ModelRequest]:
        """The hold, and the request with an answer that fits."""
        spending = await self._limiting(principal)
        if spending is None:
            return None, request
        named = request.settings.max_output_tokens
        most, least = _span(spending, resolved, named)
        bound = largest_call([resolved], input_tokens=largest_input(request), most_output=most, least_output=least)
        hold = await spending.reserve(_call(principal, resolved.id, bound))
        if named is not None or hold is None or hold.output_tokens is None:
            return hold, request
        settings = replace(request.settings, max_output_tokens=hold.output_tokens)
        return hold, replace(request, settings=settings)

    async def embeddings(self, principal: Principal, body: bytes, resolved: ResolvedModel) -> Held:
        spending = await self._limiting(principal)
        if spending is None:
            return NOTHING_HELD
        bound = largest_call([resolved], input_tokens=len(body), most_output=0, least_output=0)
        return Held(await spending.reserve(_call(principal, resolved.id, bound)))

    async def free_embeddings(self, principal: Principal, body: bytes, model: str) -> Held:
        """Of a model in this process: it costs nothing, but tokens and calls may be limited too."""
        spending = await self._limiting(principal)
        if spending is None:
            return NOTHING_HELD
        bound = replace(_FREE, input_tokens=len(body))
        return Held(await spending.reserve(_call(principal, model, bound)))

    async def _limiting(self, principal: Principal) -> Spending | None:
        spending = self._spending
        if spending is None or not await spending.must_reserve(principal.workspace_id):
            return None
        return spending


def _call(principal: Principal, model: str, bound: CallBound) -> SpendingCall:
    return SpendingCall(
        workspace_id=principal.workspace_id,
        project_id=principal.project_id,
        key_id=principal.key_id,
        model=model,
        bound=bound,
    )


def _span(spending: Spending, resolved: ResolvedModel, named: int | None) -> tuple[int, int]:
    """How long an answer may become, and how short it may be made. A length that the client names is kept."""
    if named is not None:
        return named, named
    return spending.config.span_of(None if resolved.price is None else resolved.price.max_output)


def _number(call: ChatCall, name: str, *, most: int = 10_000_000) -> int | None:
    raw = bytes(call.fields.get(name, b""))
    if raw in (b"", b"null"):
        return None
    try:
        found = msgspec.json.decode(raw, type=int)
    except (msgspec.DecodeError, OverflowError):
        found = 0
    if not 1 <= found <= most:
        raise InvalidRequest(f"`{name}` must be a whole number from 1 to {most}.", field=name)
    return found
