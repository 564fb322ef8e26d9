import base64
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from glia.identity.types import Principal
from glia.inference import calling
from glia.inference.errors import InferenceToolNotFound
from glia.inference.service import InferenceTools
from glia.inference.types import InferenceProvider
from glia.kit.db import Database
from glia.kit.ids import new_id
from glia.kit.outbound import Outbound, OutboundPolicy
from glia.kit.pages import Window
from glia.tools.types import Charge, MadeArtifact, ToolContext, ToolResult
from tests.inference.provider import DEEPINFRA_MODELS, MP3, MP4, PNG, FakeProvider, data_url, fake_provider

FLUX = "inference__black_forest_labs_FLUX_1_schnell"
OPENAI_MODELS = {"object": "list", "data": [{"id": id} for id in ("dall-e-3", "tts-1", "sora-2", "gpt-5", "whisper-1")]}


class Kept:
    """Stands in for a session's artifacts."""

    def __init__(self) -> None:
        self.files: list[tuple[str, str, bytes]] = []

    async def __call__(self, context: ToolContext, name: str, media_type: str, content: bytes) -> MadeArtifact:
        self.files.append((name, media_type, content))
        return MadeArtifact(str(new_id()), name, media_type, len(content))


class Shop:
    def __init__(self, db: Database, outbound: Outbound, fake: FakeProvider) -> None:
        self.fake = fake
        self.kept = Kept()
        self.providers = [
            InferenceProvider("deepinfra", "deepinfra", fake.url, "di-key"),
            InferenceProvider("openai", "openai", f"{fake.url}/v1", "oa-key"),
        ]
        self.service = InferenceTools(db, outbound, self.providers, keep=self.kept)

    async def call(self, principal: Principal, name: str, **arguments: Any) -> ToolResult:
        tools = await self.service.resolve(principal, [name])
        (tool,) = tools[name]
        context = ToolContext(principal.workspace_id, principal.project_id, None, new_id(), new_id(), "run:call-1")
        return await tool.call(context, json.dumps(arguments))


@pytest.fixture
async def shop(db: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shop]:
    monkeypatch.setattr(calling.Caller.__init__, "__kwdefaults__", {"poll_seconds": 0.01})
    async with fake_provider() as fake:
        fake.answers = {"GET /models/list": (200, DEEPINFRA_MODELS), "GET /v1/models": (200, OPENAI_MODELS)}
        outbound = Outbound(OutboundPolicy())
        yield Shop(db, outbound, fake)
        await outbound.close()


@pytest.fixture
async def synced(shop: Shop, principal: Principal) -> Shop:
    await shop.service.sync(principal)
    return shop


async def test_a_sync_keeps_what_providers_offer_as_tools(shop: Shop, principal: Principal) -> None:
    sync = await shop.service.sync(principal)
    tools = {tool.model: tool for tool in await shop.service.everything(principal)}

    assert (sync.added, sync.updated, sync.removed, sync.failures) == (10, 0, 0, {})
    flux = tools["black-forest-labs/FLUX-1-schnell"]
    assert (flux.provider, flux.kind, flux.family, flux.owner) == ("deepinfra", "image", "flux", "black-forest-labs")
    assert (flux.title, flux.description) == ("FLUX 1 Schnell", "Fast high-quality image generation")
    assert (flux.price_micros, flux.price_unit) == (500, "per_call")
    assert flux.logo_url == "https://images.example/flux.png"
    deepseek = tools["deepseek-ai/DeepSeek-V3.2"]
    assert (deepseek.price_micros, deepseek.output_price_micros) == (260_000, 390_000)
    assert tools["dall-e-3"].price_micros is None
    assert not {"BAAI/bge-m3", "old/model", "../../evil", "whisper-1"} & set(tools)
    assert [one.headers["authorization"] for one in shop.fake.asked if one.path == "/models/list"] == ["Bearer di-key"]


async def test_a_later_sync_keeps_ids_and_drops_what_is_gone(synced: Shop, principal: Principal) -> None:
    before = {tool.model: tool.id for tool in await synced.service.everything(principal)}
    synced.fake.answers["GET /models/list"] = (
        200,
        [*DEEPINFRA_MODELS[:1], {"model_name": "new/flux", "type": "text-to-image"}],
    )

    sync = await synced.service.sync(principal)
    after = {tool.model: tool.id for tool in await synced.service.everything(principal)}

    assert (sync.added, sync.removed) == (1, 5)
    assert after["black-forest-labs/FLUX-1-schnell"] == before["black-forest-labs/FLUX-1-schnell"]
    assert "stabilityai/sdxl-turbo" not in after


@pytest.mark.parametrize("answer", [(500, {}), (200, b"<html>"), (200, {"data": 7}), (401, {"error": "no"})])
async def test_a_provider_that_fails_is_named_and_keeps_its_tools(
    synced: Shop, principal: Principal, answer: tuple[int, Any]
) -> None:
    synced.fake.answers["GET /models/list"] = answer

    sync = await synced.service.sync(principal)

    assert set(sync.failures) == {"deepinfra"}
    assert len(await synced.service.everything(principal)) == 10


async def test_the_first_look_asks_the_providers_and_another_workspace_has_its_own(
    shop: Shop, principal: Principal, stranger: Principal
) -> None:
    found = await shop.service.everything(principal)
    page = await shop.service.list(principal, Window(3), kind="image", family="flux")

    assert len(found) == 10
    assert [tool.model for tool in page.items] == ["black-forest-labs/FLUX-1-schnell"]
    with pytest.raises(InferenceToolNotFound):
        await shop.service.get(stranger, found[0].id)


async def test_tools_are_found_by_id_model_and_name(synced: Shop, principal: Principal) -> None:
    flux, dalle = await synced.service.find(principal, ["black-forest-labs/FLUX-1-schnell", "openai/dall-e-3"])

    assert [flux, flux] == await synced.service.find(principal, [str(flux.id), FLUX])
    assert dalle.model == "dall-e-3"
    with pytest.raises(InferenceToolNotFound, match="no-such"):
        await synced.service.find(principal, ["no-such"])


# --- calls: DeepInfra -------------------------------------------------------------------------------------------------


async def test_an_image_of_deepinfra_becomes_an_artifact_with_its_cost(synced: Shop, principal: Principal) -> None:
    path = "POST /v1/inference/black-forest-labs/FLUX-1-schnell"
    answer = {"images": [data_url(PNG), data_url(PNG)], "inference_status": {"cost": 0.0011}}
    synced.fake.answers[path] = (200, answer)

    result = await synced.call(principal, FLUX, prompt="a fox", size="512x256", count=2)

    assert synced.fake.asked[-1].body == {"prompt": "a fox", "width": 512, "height": 256, "num_images": 2}
    assert [(kind, content) for _, kind, content in synced.kept.files] == [("image/png", PNG)] * 2
    assert len({name for name, _, _ in synced.kept.files}) == 2
    assert [artifact.media_type for artifact in result.artifacts] == ["image/png"] * 2
    assert result.charge == Charge("image", "deepinfra/black-forest-labs/FLUX-1-schnell", 1100)


async def test_a_listed_price_counts_where_the_answer_says_none(synced: Shop, principal: Principal) -> None:
    synced.fake.answers["POST /v1/inference/black-forest-labs/FLUX-1-schnell"] = (200, {"images": [data_url(PNG)]})
    synced.fake.answers["POST /v1/inference/hexgrad/Kokoro-82M"] = (200, {"audio": data_url(MP3, "audio/mp3")})

    image = await synced.call(principal, FLUX, prompt="a fox")
    speech = await synced.call(principal, "inference__hexgrad_Kokoro_82M", text="Hello", voice="af_bella")

    assert image.charge is not None
    assert image.charge.cost_micros == 500
    assert speech.charge == Charge("speech", "deepinfra/hexgrad/Kokoro-82M", None)
    assert synced.fake.asked[-1].body == {"text": "Hello", "output_format": "mp3", "preset_voice": ["af_bella"]}
    assert synced.kept.files[-1][1] == "audio/mpeg"


async def test_a_video_behind_a_path_of_the_provider_is_fetched(synced: Shop, principal: Principal) -> None:
    synced.fake.answers["POST /v1/inference/Wan-AI/Wan2.1-T2V-1.3B"] = (200, {"video_url": "/files/1.mp4"})
    synced.fake.answers["GET /files/1.mp4"] = (200, MP4)

    result = await synced.call(principal, "inference__Wan_AI_Wan2_1_T2V_1_3B", prompt="a fox runs", seconds=3)

    assert not result.is_error, result.text
    assert synced.kept.files[0][1:] == ("video/mp4", MP4)
    assert result.charge == Charge("video", "deepinfra/Wan-AI/Wan2.1-T2V-1.3B", 100_000)


async def test_another_language_model_answers_and_its_tokens_cost(synced: Shop, principal: Principal) -> None:
    answer = {
        "results": [{"generated_text": "Paris"}],
        "inference_status": {"tokens_input": 1_000_000, "tokens_generated": 100_000},
    }
    synced.fake.answers["POST /v1/inference/deepseek-ai/DeepSeek-V3.2"] = (200, answer)

    result = await synced.call(principal, "inference__deepseek_ai_DeepSeek_V3_2", prompt="Capital of France?")

    assert result.text == "Paris"
    assert result.charge == Charge("inference", "deepinfra/deepseek-ai/DeepSeek-V3.2", 260_000 + 39_000)


# --- calls: OpenAI ----------------------------------------------------------------------------------------------------


async def test_openais_dialect_for_images_and_speech(synced: Shop, principal: Principal) -> None:
    b64 = base64.b64encode(PNG).decode()
    synced.fake.answers["POST /v1/images/generations"] = (200, {"data": [{"b64_json": b64}]})
    synced.fake.answers["POST /v1/audio/speech"] = (200, MP3)

    image = await synced.call(principal, "inference__dall_e_3", prompt="a fox", size="1024x1024")
    asked = synced.fake.asked[-1]
    speech = await synced.call(principal, "inference__tts_1", text="Hello")

    assert asked.headers["authorization"] == "Bearer oa-key"
    assert asked.body == {
        "model": "dall-e-3", "prompt": "a fox", "n": 1, "size": "1024x1024", "response_format": "b64_json",
    }  # fmt: skip
    assert image.charge == Charge("image", "openai/dall-e-3", None)
    assert synced.fake.asked[-1].body["voice"] == "alloy"
    assert [kind for _, kind, _ in synced.kept.files] == ["image/png", "audio/mpeg"]
    assert not speech.is_error


async def test_a_video_job_is_followed_to_its_end(synced: Shop, principal: Principal) -> None:
    synced.fake.answers |= {
        "POST /v1/videos": (200, {"id": "video_1", "status": "queued"}),
        "GET /v1/videos/video_1": [
            (200, {"id": "video_1", "status": "in_progress"}),
            (200, {"id": "video_1", "status": "completed"}),
        ],
        "GET /v1/videos/video_1/content": (200, MP4),
    }

    result = await synced.call(principal, "inference__sora_2", prompt="a fox", seconds=4, size="720x1280")

    assert not result.is_error, result.text
    assert synced.kept.files[0][1] == "video/mp4"
    asked = next(one for one in synced.fake.asked if one.path == "/v1/videos")
    assert asked.body == {"model": "sora-2", "prompt": "a fox", "seconds": "4", "size": "720x1280"}


async def test_a_video_job_that_fails_says_why(synced: Shop, principal: Principal) -> None:
    synced.fake.answers["POST /v1/videos"] = (
        200, {"id": "v1", "status": "failed", "error": {"message": "too foxy"}},
    )  # fmt: skip

    result = await synced.call(principal, "inference__sora_2", prompt="a fox")

    assert result.is_error
    assert "too foxy" in result.text


# --- faults -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((401, {"error": {"message": "bad key"}}), "refuses its key"),
        ((402, {}), "asks for payment"),
        ((429, {}), "too many calls"),
        ((500, {"detail": {"error": "out of cards"}}), "out of cards"),
        ((200, b"not json"), "no JSON"),
        ((200, {"images": []}), "no file"),
        ((200, {"images": [7]}), "no file"),
        ((200, {"images": ["data:image/png;base64,%%%"]}), "no base64"),
        ((200, {"images": [data_url(b"<svg onload=alert(1)>")]}), "no image"),
        ((200, {"images": [data_url(MP4)]}), "no image"),
        ((200, {"images": ["http://127.0.0.1:1/private"]}), "may not be called"),
        ((200, {"images": ["//127.0.0.1:1/private"]}), "may not be called"),
        ((200, {"images": ["http://169.254.169.254/latest/meta-data"]}), "may not be called"),
    ],
)
async def test_failures_and_hostile_answers_are_said_and_cost_nothing(
    synced: Shop, principal: Principal, answer: tuple[int, Any], says: str
) -> None:
    synced.fake.answers["POST /v1/inference/black-forest-labs/FLUX-1-schnell"] = answer

    result = await synced.call(principal, FLUX, prompt="a fox")

    assert result.is_error
    assert says in result.text
    assert result.charge is None
    assert synced.kept.files == []
    assert "di-key" not in result.text


async def test_a_silent_provider_is_given_up(synced: Shop, principal: Principal) -> None:
    synced.fake.silence_seconds = 30
    flux = (await synced.service.find(principal, [FLUX]))[0]
    caller = calling.Caller(synced.service._outbound, synced.providers[0])

    with pytest.raises(Exception, match=r"127\.0\.0\.1"):
        await caller.call(replace(flux, most_seconds=1), "a fox", {})


# --- what agents are offered ------------------------------------------------------------------------------------------


async def test_one_name_offers_a_tool_for_each_kind_that_chooses_a_model(synced: Shop, principal: Principal) -> None:
    tools = (await synced.service.resolve(principal, ["inference__*"]))["inference__*"]
    image = next(tool for tool in tools if tool.name == "inference__image")
    synced.fake.answers["POST /v1/inference/stabilityai/sdxl-turbo"] = (200, {"images": [data_url(PNG)]})
    synced.fake.answers["POST /v1/inference/black-forest-labs/FLUX-1-schnell"] = (200, {"images": [data_url(PNG)]})

    cheapest = await synced.call(principal, "inference__image", prompt="a fox")
    named = await synced.call(principal, "inference__image", prompt="a fox", model="flux")

    assert [tool.name for tool in tools] == ["inference__image", "inference__speech", "inference__video"]
    assert "black-forest-labs/FLUX-1-schnell" in image.description
    assert cheapest.charge is not None
    assert cheapest.charge.service == "deepinfra/stabilityai/sdxl-turbo"
    assert named.charge is not None
    assert named.charge.service == "deepinfra/black-forest-labs/FLUX-1-schnell"


async def test_agents_may_name_only_what_is_there(synced: Shop, principal: Principal, db: Database) -> None:
    async with db.transaction(principal.workspace_id) as tx:
        known = await synced.service.known(principal, tx, ["inference__*", FLUX, "inference__nothing", "calculator"])

    assert known == {"inference__*", FLUX}
