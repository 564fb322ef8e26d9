"""Calls a provider's model: one dialect is OpenAI's, the other DeepInfra's."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Mapping
from typing import cast
from urllib.parse import urljoin

import msgspec
import orjson

from glia.inference.media import media_type_of
from glia.inference.types import InferenceProvider, InferenceTool, Kind, Made
from glia.kit.errors import UpstreamFailed
from glia.kit.outbound import Outbound, Response, Timeouts

LARGEST_FILE_BYTES = 64 * 1024 * 1024
MOST_FILES = 4
_LARGEST_ANSWER_BYTES = 96 * 1024 * 1024  # files come as base64, which takes a third more
_LONGEST_TEXT = 100_000
_LONGEST_REASON = 300
_POLL_SECONDS = 2.0
_KIND_OF_MEDIA: Mapping[Kind, str] = {"image": "image/", "speech": "audio/", "video": "video/"}
_NOTHING: Mapping[str, object] = {}
_DONE = frozenset({"completed", "succeeded", "success", "done"})
_FAILED = frozenset({"failed", "error", "cancelled", "canceled", "expired"})


class Caller:
    """Makes one call at one provider."""

    def __init__(self, outbound: Outbound, provider: InferenceProvider, *, poll_seconds: float = _POLL_SECONDS) -> None:
        self._outbound = outbound
        self._provider = provider
        self._poll_seconds = poll_seconds

    async def call(self, tool: InferenceTool, prompt: str, options: Mapping[str, object]) -> Made:
        """options: as the model's arguments give them, such as `size` or `voice`.

        Raises UpstreamFailed, OutboundFailed, OutboundRefused with a reason that names the provider.
        """
        if self._provider.style == "deepinfra":
            return await self._deepinfra(tool, prompt, options)
        match tool.kind:
            case "image":
                return await self._images(tool, prompt, options)
            case "speech":
                return await self._speech(tool, prompt, options)
            case "video":
                return await self._video(tool, prompt, options)
            case "text":
                return await self._text(tool, prompt)

    # --- OpenAI's dialect -------------------------------------------------------------------------------------------

    async def _images(self, tool: InferenceTool, prompt: str, options: Mapping[str, object]) -> Made:
        body: dict[str, object] = {"model": tool.model, "prompt": prompt, "n": options.get("count") or 1}
        if options.get("size"):
            body["size"] = options["size"]
        if not tool.model.startswith("gpt-image"):  # which always answers so, and refuses to be told
            body["response_format"] = "b64_json"
        answer = self._json(await self._post("/images/generations", body, tool.most_seconds))
        entries = _objects(answer.get("data"))
        files = [await self._file(_text(entry, "b64_json") or _text(entry, "url"), "image") for entry in entries]
        return self._made(files, answer)

    async def _speech(self, tool: InferenceTool, prompt: str, options: Mapping[str, object]) -> Made:
        body = {
            "model": tool.model,
            "input": prompt,
            "voice": options.get("voice") or "alloy",
            "response_format": "mp3",
        }
        response = await self._post("/audio/speech", body, tool.most_seconds)
        if b"json" in (response.headers.get("content-type") or "").encode():
            answer = self._json(response)
            return self._made([await self._file(_text(answer, "audio", "b64_json", "url"), "speech")], answer)
        return Made(files=(self._checked(response.body, "speech"),))

    async def _video(self, tool: InferenceTool, prompt: str, options: Mapping[str, object]) -> Made:
        """A video is a job at the provider; it is asked for every two seconds until it is there."""
        body: dict[str, object] = {"model": tool.model, "prompt": prompt}
        if options.get("size"):
            body["size"] = options["size"]
        if options.get("seconds"):
            body["seconds"] = str(options["seconds"])
        job = self._json(await self._post("/videos", body, tool.most_seconds))
        id = _text(job, "id")
        if not id or not id.replace("-", "").replace("_", "").isalnum():
            raise self._odd("it names no job")
        try:
            async with asyncio.timeout(tool.most_seconds):
                while (status := _text(job, "status").lower()) not in _DONE:
                    if status in _FAILED:
                        raise UpstreamFailed(f"{self._provider.name} could not make the video: {_reason(job)}")
                    await asyncio.sleep(self._poll_seconds)
                    job = self._json(await self._get(f"/videos/{id}"))
        except TimeoutError:
            raise UpstreamFailed(
                f"{self._provider.name} has not finished the video within {tool.most_seconds} s."
            ) from None
        address = _text(job, "url", "video_url")
        file = await self._file(address, "video") if address else None
        return self._made([file or self._checked((await self._get(f"/videos/{id}/content")).body, "video")], job)

    async def _text(self, tool: InferenceTool, prompt: str) -> Made:
        body = {"model": tool.model, "messages": [{"role": "user", "content": prompt}], "max_tokens": 2048}
        answer = self._json(await self._post("/chat/completions", body, tool.most_seconds))
        choice = next(iter(_objects(answer.get("choices"))), _NOTHING)
        return self._said(tool, _text(_object(choice.get("message")), "content"), answer)

    # --- DeepInfra's dialect ----------------------------------------------------------------------------------------

    async def _deepinfra(self, tool: InferenceTool, prompt: str, options: Mapping[str, object]) -> Made:
        body: dict[str, object] = {"prompt": prompt}
        match tool.kind:
            case "image":
                body |= _sized(options.get("size"))
                if options.get("count"):
                    body["num_images"] = options["count"]
            case "speech":
                body = {"text": prompt, "output_format": "mp3"}
                if options.get("voice"):
                    body["preset_voice"] = [options["voice"]]
            case "video":
                if options.get("seconds"):
                    body["duration"] = options["seconds"]
            case "text":
                body = {"input": prompt, "max_new_tokens": 2048}
        answer = self._json(await self._post(f"/v1/inference/{tool.model}", body, tool.most_seconds))
        if tool.kind == "text":
            result = next(iter(_objects(answer.get("results"))), _NOTHING)
            return self._said(tool, _text(result, "generated_text"), answer)
        return self._made([await self._file(address, tool.kind) for address in _addresses(answer)], answer)

    # --- both -------------------------------------------------------------------------------------------------------

    async def _post(self, path: str, body: Mapping[str, object], most_seconds: int) -> Response:
        response = await self._outbound.request(
            "POST",
            f"{self._provider.base_url}{path}",
            headers={**self._provider.headers(), "Content-Type": "application/json"},
            body=orjson.dumps(body),
            timeouts=Timeouts(connect_seconds=10, idle_seconds=most_seconds, total_seconds=most_seconds),
            largest_body_bytes=_LARGEST_ANSWER_BYTES,
            trusted=True,
            may_repeat=False,
        )
        return self._accepted(response)

    async def _get(self, path: str) -> Response:
        response = await self._outbound.request(
            "GET",
            f"{self._provider.base_url}{path}",
            headers=self._provider.headers(),
            timeouts=Timeouts(connect_seconds=10, idle_seconds=30, total_seconds=120),
            largest_body_bytes=LARGEST_FILE_BYTES,
            trusted=True,
        )
        return self._accepted(response)

    def _accepted(self, response: Response) -> Response:
        if response.status // 100 == 2:
            return response
        name = self._provider.name
        match response.status:
            case 401 | 403:
                raise UpstreamFailed(f"{name} refuses its key; the operator has to check it.")
            case 402:
                raise UpstreamFailed(f"{name} asks for payment: the account there has no balance.")
            case 429:
                raise UpstreamFailed(f"{name} says that too many calls were made; try again in a while.")
            case status:
                raise UpstreamFailed(f"{name} answered with status {status}: {_reason(_parsed(response.body))}")

    def _json(self, response: Response) -> Mapping[str, object]:
        found = _parsed(response.body)
        if not found:
            raise self._odd("it is no JSON object")
        return found

    async def _file(self, address: str, kind: Kind) -> tuple[bytes, str]:
        """What lies behind a `data:` address, plain base64 or a web address, which is called like any stranger's."""
        if not address:
            raise self._odd("it holds no file")
        web = urljoin(f"{self._provider.base_url}/", address) if address.startswith("/") else address
        if web.startswith(("https://", "http://")):
            response = await self._outbound.request(
                "GET",
                web,
                timeouts=Timeouts(connect_seconds=10, idle_seconds=30, total_seconds=120),
                largest_body_bytes=LARGEST_FILE_BYTES,
                redirects=3,
                # A path at the provider's own address is the provider; anywhere else is anybody.
                trusted=address.startswith("/") and not address.startswith("//"),
            )
            if response.status != 200:
                raise self._odd(f"the file it names is not there (status {response.status})")
            return self._checked(response.body, kind)
        encoded = address.partition(",")[2] if address.startswith("data:") else address
        try:
            content = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            raise self._odd("its file is no base64") from None
        return self._checked(content, kind)

    def _checked(self, content: bytes, kind: Kind) -> tuple[bytes, str]:
        media_type = media_type_of(content)
        if media_type is None or not media_type.startswith(_KIND_OF_MEDIA[kind]):
            raise self._odd(f"what it sent is no {kind} but {len(content)} bytes of something else")
        if len(content) > LARGEST_FILE_BYTES:
            raise self._odd(f"its file has {len(content)} bytes; the most is {LARGEST_FILE_BYTES}")
        return content, media_type

    def _made(self, files: list[tuple[bytes, str]], answer: Mapping[str, object]) -> Made:
        if not files:
            raise self._odd("it holds no file")
        return Made(files=tuple(files[:MOST_FILES]), cost_micros=_cost(answer))

    def _said(self, tool: InferenceTool, text: str, answer: Mapping[str, object]) -> Made:
        if not text:
            raise self._odd("it says nothing")
        cost = _cost(answer)
        if cost is None:
            cost = _cost_of_tokens(tool, answer)
        return Made(text=text.replace("\0", "")[:_LONGEST_TEXT], cost_micros=cost)

    def _odd(self, why: str) -> UpstreamFailed:
        return UpstreamFailed(f"The answer of {self._provider.name} cannot be used: {why}.")


def _addresses(answer: Mapping[str, object]) -> list[str]:
    """Wherever the models of this provider put what they made."""
    images = answer.get("images")
    if isinstance(images, list):
        return [one for one in cast(list[object], images)[:MOST_FILES] if isinstance(one, str)]
    found = _text(answer, "audio", "video_url", "video", "image", "image_url", "output")
    return [found] if found else []


def _sized(size: object) -> dict[str, object]:
    """`1024x768` as this provider wants it."""
    width, _, height = str(size or "").partition("x")
    return {"width": int(width), "height": int(height)} if width.isdigit() and height.isdigit() else {}


def _cost(answer: Mapping[str, object]) -> int | None:
    """What the provider says that the call cost, in dollars there."""
    said = _object(answer.get("inference_status")).get("cost") or _object(answer.get("usage")).get("cost")
    if isinstance(said, (int, float)) and not isinstance(said, bool) and 0 <= said < 1e6:
        return round(said * 1_000_000)
    return None


def _cost_of_tokens(tool: InferenceTool, answer: Mapping[str, object]) -> int | None:
    usage = _object(answer.get("usage"))
    status = _object(answer.get("inference_status"))
    read = usage.get("prompt_tokens", status.get("tokens_input"))
    written = usage.get("completion_tokens", status.get("tokens_generated"))
    if tool.price_micros is None or tool.output_price_micros is None or tool.price_unit != "per_million_tokens":
        return None
    if type(read) is not int or type(written) is not int or read < 0 or written < 0:
        return None
    return round((read * tool.price_micros + written * tool.output_price_micros) / 1_000_000)


def _reason(answer: Mapping[str, object]) -> str:
    """What the provider says is wrong, shortened."""
    error = answer.get("error", answer.get("detail", answer.get("message")))
    said = _text(_object(error), "message", "error") if _object(error) else str(error or "it says no reason")
    return " ".join(said.replace("\0", "").split())[:_LONGEST_REASON] or "it says no reason"


def _parsed(body: bytes) -> Mapping[str, object]:
    try:
        return _object(msgspec.json.decode(body))
    except (msgspec.DecodeError, RecursionError):
        return {}


def _object(value: object) -> Mapping[str, object]:
    return cast(dict[str, object], value) if isinstance(value, dict) else {}


def _objects(value: object) -> list[Mapping[str, object]]:
    found = cast(list[object], value) if isinstance(value, list) else []
    return [cast(dict[str, object], one) for one in found[:MOST_FILES] if isinstance(one, dict)]


def _text(entry: Mapping[str, object], *names: str) -> str:
    return next((value for name in names if isinstance(value := entry.get(name), str) and value), "")
