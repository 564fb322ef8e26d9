"""What a model's name says: its family, who made it, what it makes. Pure rules."""

from __future__ import annotations

import re

from glia.inference.types import Kind

_FAMILIES = (
    "deepseek", "llama", "qwen", "flux", "stability", "gemma", "mistral", "gpt", "claude", "gemini", "kimi", "glm",
    "whisper", "kokoro", "bark", "wan", "veo", "sora", "kling", "seedream", "ideogram", "recraft", "imagen", "phi",
    "nemotron", "grok", "dall-e", "minimax", "orpheus", "sesame", "zonos", "ltx", "hunyuan",
)  # fmt: skip
_ALSO: tuple[tuple[str, str], ...] = (
    (r"stable-?diffusion|sdxl|\bsd-?[123]", "stability"),
    (r"qwq|\bqvq", "qwen"),
    (r"mixtral|codestral|devstral|magistral|ministral|pixtral|voxtral", "mistral"),
    (r"moonshot", "kimi"),
    (r"\btts-1|\bo[134](-|$)|chatgpt", "gpt"),
    (r"chatterbox", "chatterbox"),
    (r"pixverse", "pixverse"),
)
_KINDS: tuple[tuple[str, Kind], ...] = (
    (r"sora|\bveo|video|\bwan2|kling|pixverse|\bt2v\b|\bi2v\b|ltx", "video"),
    (r"\btts\b|tts-|-tts|speech|kokoro|orpheus|bark\b|chatterbox|zonos|voice", "speech"),
    (
        r"flux|stable-?diffusion|sdxl|\bsd-?3|dall-e|image|imagen|seedream|ideogram|recraft|photon|playground-v|bria",
        "image",
    ),
)
_NOT_A_TOOL = re.compile(
    r"(?i)embed|\bbge\b|\be5\b|minilm|rerank|whisper|transcri|moderation|guard|realtime|ocr|clip-|\bstt\b|babbage|davinci"
)
_CAPITALS = frozenset({"tts", "gpt", "sdxl", "sd", "xl", "hd", "ai", "r1", "v3"})


def family_of(model: str) -> str:
    """The family that the model is grouped by; `other` when its name says none."""
    name = model.lower()
    own = name.rpartition("/")[2]
    for pattern, family in _ALSO:
        if re.search(pattern, own):
            return family
    for text in (own, name):
        # The earliest word counts: `DeepSeek-R1-Distill-Llama-70B` is a DeepSeek model.
        found = sorted((text.find(family), family) for family in _FAMILIES if family in text)
        if found:
            return found[0][1]
    return "other"


def owner_of(model: str, provider: str) -> str:
    return model.partition("/")[0] if "/" in model else provider


def title_of(model: str) -> str:
    """`black-forest-labs/FLUX.1-schnell` as `FLUX.1 Schnell`."""
    words = re.split(r"[-_\s]+", model.rpartition("/")[2])
    return " ".join(_word(word) for word in words if word)[:200] or model[:200]


def kind_of(model: str) -> Kind | None:
    """What a model makes, from its name alone; None for what is no tool, such as an embedding model."""
    if _NOT_A_TOOL.search(model):
        return None
    for pattern, kind in _KINDS:
        if re.search(pattern, model.lower()):
            return kind
    return "text"


def _word(word: str) -> str:
    if word.lower() in _CAPITALS:
        return word.upper()
    return word if any(c.isupper() for c in word) else word[:1].upper() + word[1:]
