import pytest

from glia.inference.families import family_of, kind_of, owner_of, title_of


@pytest.mark.parametrize(
    ("model", "family", "kind"),
    [
        ("black-forest-labs/FLUX.1-schnell", "flux", "image"),
        ("stabilityai/stable-diffusion-3.5", "stability", "image"),
        ("stabilityai/sdxl-turbo", "stability", "image"),
        ("deepseek-ai/DeepSeek-V3.2", "deepseek", "text"),
        ("deepseek-ai/DeepSeek-R1-Distill-Llama-70B", "deepseek", "text"),
        ("meta-llama/Llama-3.3-70B-Instruct", "llama", "text"),
        ("Qwen/QwQ-32B", "qwen", "text"),
        ("dall-e-3", "dall-e", "image"),
        ("gpt-image-1", "gpt", "image"),
        ("gpt-4o-mini-tts", "gpt", "speech"),
        ("tts-1", "gpt", "speech"),
        ("hexgrad/Kokoro-82M", "kokoro", "speech"),
        ("Wan-AI/Wan2.1-T2V-1.3B", "wan", "video"),
        ("sora-2", "sora", "video"),
        ("acme/thing", "other", "text"),
        ("text-embedding-3-small", "other", None),
        ("openai/whisper-large", "whisper", None),
    ],
)
def test_a_name_tells_family_and_kind(model: str, family: str, kind: str | None) -> None:
    assert (family_of(model), kind_of(model)) == (family, kind)


def test_a_name_for_people() -> None:
    assert title_of("black-forest-labs/FLUX.1-schnell") == "FLUX.1 Schnell"
    assert title_of("meta-llama/Llama-3.3-70B-Instruct") == "Llama 3.3 70B Instruct"
    assert owner_of("black-forest-labs/FLUX.1-schnell", "deepinfra") == "black-forest-labs"
    assert owner_of("dall-e-3", "openai") == "openai"
