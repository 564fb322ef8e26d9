"""Reads what providers say they offer, whatever they say besides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import msgspec

from glia.inference.families import kind_of
from glia.inference.types import InferenceProvider, Kind, Offered
from glia.kit.errors import UpstreamFailed
from glia.kit.outbound import Outbound, Response, Timeouts

MOST_MODELS = 2_000
_TIMEOUTS = Timeouts(connect_seconds=5, idle_seconds=15, total_seconds=30)
_LARGEST_LIST_BYTES = 16 * 1024 * 1024
_MILLION = 1_000_000
_LONGEST_NAME, _LONGEST_DESCRIPTION, _LONGEST_URL = 200, 1_000, 1_000
_TYPES: Mapping[str, Kind | None] = {
    "text-to-image": "image", "text-to-speech": "speech", "text-to-video": "video", "text-generation": "text",
    "image": "image", "audio": "speech", "video": "video", "chat": "text", "language": "text",
    "embeddings": None, "embedding": None, "rerank": None, "reranker": None, "automatic-speech-recognition": None,
    "transcribe": None, "moderation": None, "object-detection": None, "zero-shot-image-classification": None,
    "image-classification": None, "fill-mask": None, "token-classification": None, "question-answering": None,
    "text-classification": None, "custom": None,
}  # fmt: skip


async def offered_by(outbound: Outbound, provider: InferenceProvider) -> list[Offered]:
    """The provider's models that are tools, at most 2,000. Raises UpstreamFailed, OutboundFailed, OutboundRefused."""
    if provider.style == "deepinfra":
        response = await _get(outbound, provider, "/models/list")
        if response.status == 404:  # a server that only speaks the newer of its two dialects
            response = await _get(outbound, provider, "/v1/openai/models")
    else:
        response = await _get(outbound, provider, "/models")
    if response.status != 200:
        raise UpstreamFailed(f"{provider.name} answered the request for its models with status {response.status}.")
    found = [offered for entry in _entries(provider, response.body) if (offered := _offered(entry)) is not None]
    return list({one.model: one for one in found}.values())[:MOST_MODELS]


async def _get(outbound: Outbound, provider: InferenceProvider, path: str) -> Response:
    return await outbound.request(
        "GET",
        f"{provider.base_url}{path}",
        headers={**provider.headers(), "Accept": "application/json"},
        timeouts=_TIMEOUTS,
        largest_body_bytes=_LARGEST_LIST_BYTES,
        redirects=2,
        trusted=True,
    )


def _entries(provider: InferenceProvider, body: bytes) -> Sequence[Mapping[str, object]]:
    try:
        value: object = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        raise UpstreamFailed(f"{provider.name} sent a list of models that is no JSON.") from None
    if isinstance(value, dict):
        fields = cast(dict[str, object], value)
        value = fields.get("data") if "data" in fields else fields.get("models")
    if not isinstance(value, list):
        raise UpstreamFailed(f"{provider.name} sent something else than a list of models.")
    return [cast(dict[str, object], one) for one in cast(list[object], value) if isinstance(one, dict)]


def _offered(entry: Mapping[str, object]) -> Offered | None:
    """None for what has no usable name, is outdated, or makes nothing that a tool could give."""
    model = _text(entry, "model_name", "id", "name", longest=_LONGEST_NAME + 1)
    if not model or len(model) > _LONGEST_NAME or not _is_plain(model) or entry.get("deprecated"):
        return None
    told = _text(entry, "type", "reported_type", longest=100)
    kind = _TYPES.get(told, kind_of(model)) if told else _by_modality(entry) or kind_of(model)
    if kind is None:
        return None
    metadata = _object(entry, "metadata")
    pricing = _object(entry, "pricing") or _object(metadata, "pricing")
    price, output, unit = _price(kind, pricing)
    logo = _text(entry, "cover_img_url", "logo_url", "icon_url", longest=_LONGEST_URL + 1)
    return Offered(
        model,
        kind,
        description=_text(entry, "description", longest=_LONGEST_DESCRIPTION)
        or _text(metadata, "description", longest=_LONGEST_DESCRIPTION),
        price_micros=price,
        output_price_micros=output,
        price_unit=unit,
        logo_url=logo if logo.startswith("https://") and len(logo) <= _LONGEST_URL else None,
    )


def _by_modality(entry: Mapping[str, object]) -> Kind | None:
    """OpenRouter says what comes out."""
    out = _object(entry, "architecture").get("output_modalities")
    made = cast(list[object], out) if isinstance(out, list) else []
    kinds: tuple[tuple[str, Kind], ...] = (("video", "video"), ("image", "image"), ("audio", "speech"))
    return next((kind for name, kind in kinds if name in made), None)


def _price(kind: Kind, pricing: Mapping[str, object]) -> tuple[int | None, int | None, str]:
    """Of one call, or of a million tokens in and out, in micro-dollars; None where the list does not say."""
    if kind == "text":
        cents = _number(pricing, "cents_per_input_token"), _number(pricing, "cents_per_output_token")
        if cents[0] is not None:  # cents of a token are ten dollars of a thousand
            return _micros(cents[0], 0.01 * _MILLION), _micros(cents[1], 0.01 * _MILLION), "per_million_tokens"
        per_million = _number(pricing, "input_tokens", "input"), _number(pricing, "output_tokens", "output")
        if per_million[0] is not None:
            return _micros(per_million[0], 1), _micros(per_million[1], 1), "per_million_tokens"
        per_token = _number(pricing, "prompt"), _number(pricing, "completion")
        return _micros(per_token[0], _MILLION), _micros(per_token[1], _MILLION), "per_million_tokens"
    for names, dollars in (
        (("cents_per_image_unit", "cents_per_image", "cents_per_call", "cents_per_video"), 0.01),
        (("per_image_unit", "per_image", "per_call", "per_video", "request", "image"), 1.0),
    ):
        found = _number(pricing, *names)
        if found is not None:
            return _micros(found, dollars), None, "per_call"
    return None, None, "per_call"


def _micros(amount: float | None, dollars: float) -> int | None:
    return None if amount is None else round(amount * dollars * _MILLION)


def _number(pricing: Mapping[str, object], *names: str) -> float | None:
    """A price above 0 that is one; lists also hold texts, zeros for `not sold so`, and nonsense."""
    for name in names:
        try:
            found = float(str(pricing[name]))
        except (KeyError, ValueError):
            continue
        if 0 < found < 1e6:
            return found
    return None


def _text(entry: Mapping[str, object], *names: str, longest: int) -> str:
    for name in names:
        value = entry.get(name)
        if isinstance(value, str) and value.strip():
            return value.replace("\0", "").strip()[:longest]
    return ""


def _object(entry: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = entry.get(name)
    return cast(dict[str, object], value) if isinstance(value, dict) else {}


def _is_plain(model: str) -> bool:
    """A name goes into addresses, so it may not leave its place there."""
    parts = model.split("/")
    return all(
        part and part.strip(".") and all(c.isascii() and (c.isalnum() or c in "._-:+@") for c in part) for part in parts
    )
