"""What inference offers to agents: one tool for a model, or one for each kind that chooses among the models."""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from glia.inference.calling import Caller
from glia.inference.media import ending_of
from glia.inference.types import EVERY, KINDS, PREFIX, InferenceTool, Keep, Kind, Made
from glia.kit.errors import UpstreamFailed
from glia.kit.outbound import OutboundFailed, OutboundRefused
from glia.tools.service import held, tool
from glia.tools.types import Charge, ChargedOperation, Effect, MadeArtifact, Tool, ToolContext, ToolResult
from glia.usage.service import Spending

_LONGEST_PROMPT = 20_000
_MOST_OUTPUT_TOKENS = 2_048
_LONGEST_SLUG = 50
_NAMED_MODELS = 8
_OFFERED_KINDS: tuple[Kind, ...] = ("image", "speech", "video")
_OPERATIONS: Mapping[Kind, ChargedOperation] = {
    "image": "image", "speech": "speech", "video": "video", "text": "inference",
}  # fmt: skip
_WORDS: Mapping[Kind, str] = {
    "image": "Makes images from a description", "speech": "Speaks a text aloud as a sound file",
    "video": "Makes a short video from a description", "text": "Asks another language model",
}  # fmt: skip

Prompt = Annotated[str, Meta(min_length=1, max_length=_LONGEST_PROMPT)]
Size = Annotated[str, Meta(pattern=r"^\d{2,4}x\d{2,4}$", description="Width and height as 1024x1024.")]
Model = Annotated[str, Meta(max_length=200, description="Which model, if it matters; the cheapest otherwise.")]


class ImageArguments(Struct, forbid_unknown_fields=True, omit_defaults=True):
    prompt: Prompt
    size: Size | None = None
    count: Annotated[int, Meta(ge=1, le=4)] = 1
    model: Model | None = None


class SpeechArguments(Struct, forbid_unknown_fields=True, omit_defaults=True):
    text: Prompt
    voice: Annotated[str, Meta(max_length=100)] | None = None
    model: Model | None = None


class VideoArguments(Struct, forbid_unknown_fields=True, omit_defaults=True):
    prompt: Prompt
    seconds: Annotated[int, Meta(ge=1, le=60)] | None = None
    size: Size | None = None
    model: Model | None = None


class TextArguments(Struct, forbid_unknown_fields=True, omit_defaults=True):
    prompt: Prompt
    model: Model | None = None


Arguments = ImageArguments | SpeechArguments | VideoArguments | TextArguments


def tool_name(made_by: InferenceTool) -> str:
    """What agents' `tools` call the model's tool."""
    return name_of(made_by.model)


def name_of(reference: str) -> str:
    """The same for a model's name; a tool's name stays."""
    if reference.startswith(PREFIX):
        return reference
    return PREFIX + re.sub(r"[^a-zA-Z0-9]+", "_", reference).strip("_")[:_LONGEST_SLUG]


def named(known: Sequence[InferenceTool], reference: str) -> InferenceTool | None:
    """By id, model, `provider/model` or tool name; of several providers the cheapest."""
    try:
        id = UUID(reference)
    except ValueError:
        id = None
    names = {reference, reference.removeprefix(PREFIX)}
    for one in known:
        if one.id == id or one.model in names or f"{one.provider}/{one.model}" in names or tool_name(one) == reference:
            return one
    return None


def offered_tools(maker: Maker, known: Sequence[InferenceTool], names: Sequence[str]) -> dict[str, list[Tool]]:
    """The tools behind each name that means some. known: the cheapest first."""
    found: dict[str, list[Tool]] = {}
    for name in names:
        if name == EVERY:
            found[name] = [maker.tool(each, models) for each in _OFFERED_KINDS if (models := _of(known, each))]
        elif (kind := _kind(name)) is not None:
            if models := _of(known, kind):
                found[name] = [maker.tool(kind, models)]
        elif (one := named(known, name)) is not None:
            found[name] = [maker.tool(one.kind, [one], name=tool_name(one))]
    return found


class Maker:
    """Makes tools, and what they make."""

    def __init__(self, caller: Callable[[InferenceTool], Caller], keep: Keep, spending: Spending | None) -> None:
        self._caller = caller
        self._keep = keep
        self._spending = spending

    def tool(self, kind: Kind, models: Sequence[InferenceTool], *, name: str | None = None) -> Tool:
        """name: of a tool for a single model; without it, the tool chooses among the models."""
        about = f"{_WORDS[kind]}. " + (_one(models[0]) if name else _several(models))
        what = tool(
            name=name or f"{PREFIX}{kind}",
            effect=Effect.ONCE,  # a second call would cost a second time
            description=about[:1000],
            timeout_seconds=max(model.most_seconds for model in models) + 60.0,
            is_default=False,
        )

        async def make(context: ToolContext, arguments: Arguments) -> ToolResult:
            prompt = arguments.text if isinstance(arguments, SpeechArguments) else arguments.prompt
            options = {
                field: value
                for field in ("size", "count", "voice", "seconds")
                if (value := getattr(arguments, field, None)) is not None
            }
            return await self._make(context, chosen(models, arguments.model), prompt, options)

        match kind:
            case "image":

                async def image(context: ToolContext, arguments: ImageArguments) -> ToolResult:
                    return await make(context, arguments)

                return what(image)
            case "speech":

                async def speech(context: ToolContext, arguments: SpeechArguments) -> ToolResult:
                    return await make(context, arguments)

                return what(speech)
            case "video":

                async def video(context: ToolContext, arguments: VideoArguments) -> ToolResult:
                    return await make(context, arguments)

                return what(video)
            case "text":

                async def text(context: ToolContext, arguments: TextArguments) -> ToolResult:
                    return await make(context, arguments)

                return what(text)

    async def _make(
        self, context: ToolContext, model: InferenceTool, prompt: str, options: Mapping[str, object]
    ) -> ToolResult:
        service = f"{model.provider}/{model.model}"
        count = options.get("count")
        most = most_cost(model, prompt, count if isinstance(count, int) else 1)
        hold = await held(self._spending, context, service, most)
        is_over = False
        try:
            made = await self._caller(model).call(model, prompt, options)
            is_over = True
        except (OutboundFailed, OutboundRefused, UpstreamFailed) as error:
            return ToolResult(f"{model.title} made nothing. {error.message}", is_error=True)
        finally:
            if not is_over and hold is not None and self._spending is not None:
                await self._spending.release(context.workspace_id, hold)
        cost = made.cost_micros
        if cost is None and model.price_unit == "per_call" and model.price_micros is not None:
            cost = model.price_micros * max(1, len(made.files))
        charge = Charge(_OPERATIONS[model.kind], service, cost, hold and hold.id)
        artifacts = await self._kept(context, model.kind, made)
        said = made.text
        if artifacts:
            listed = ", ".join(f"{each.name} ({each.media_type}, {each.size_bytes} bytes)" for each in artifacts)
            said = f"{model.title} made {listed}. It is shown to the user; do not describe where it is stored."
        return ToolResult(said, artifacts=artifacts, charge=charge)

    async def _kept(self, context: ToolContext, kind: Kind, made: Made) -> tuple[MadeArtifact, ...]:
        kept: list[MadeArtifact] = []
        mark = f"{zlib.crc32(context.idempotency_key.encode()):08x}"[:6]
        for number, (content, media_type) in enumerate(made.files, 1):
            name = f"{kind}-{mark}{'' if number == 1 else f'-{number}'}.{ending_of(media_type)}"
            kept.append(await self._keep(context, name, media_type, content))
        return tuple(kept)


def chosen(models: Sequence[InferenceTool], wanted: str | None) -> InferenceTool:
    """The model whose name fits what was asked for best; the cheapest known one otherwise."""
    if wanted:
        words = [word for word in re.split(r"[^a-z0-9]+", wanted.lower()) if word]
        scored = [(sum(word in model.model.lower() for word in words), -at, model) for at, model in enumerate(models)]
        best = max(scored, key=lambda one: one[:2])
        if best[0]:
            return best[2]
    return models[0]


def most_cost(model: InferenceTool, prompt: str, count: int) -> int | None:
    """The most that a call can cost, in micro-dollars; None when the price is not known."""
    if model.price_micros is None:
        return None
    if model.price_unit == "per_call":
        return model.price_micros * count
    output = model.output_price_micros
    if output is None:
        return None
    return math.ceil((len(prompt) * model.price_micros + _MOST_OUTPUT_TOKENS * output) / 1_000_000)


def _kind(name: str) -> Kind | None:
    for kind in KINDS:
        if name == f"{PREFIX}{kind}":
            return kind
    return None


def _of(known: Sequence[InferenceTool], kind: Kind) -> list[InferenceTool]:
    return [one for one in known if one.kind == kind]


def _one(model: InferenceTool) -> str:
    return f"Uses {model.title}{': ' + model.description if model.description else ''}."


def _several(models: Sequence[InferenceTool]) -> str:
    listed = ", ".join(model.model for model in models[:_NAMED_MODELS])
    more = f" and {len(models) - _NAMED_MODELS} more" if len(models) > _NAMED_MODELS else ""
    return f"Models: {listed}{more}; the first one is used when none is named."
