"""A provider of models on this machine: what it lists and answers is a table, and what it was asked is kept."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40
MP3 = b"ID3\x04" + b"\0" * 60
MP4 = b"\0\0\0\x18ftypmp42" + b"\0" * 50


def data_url(content: bytes, media_type: str = "image/png") -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


@dataclass
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class FakeProvider:
    """answers: by `METHOD path`, each a status with JSON or bytes; a list gives one after the other, then the last."""

    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    port: int = 0
    silence_seconds: float = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def paths(self) -> list[str]:
        return [f"{one.method} {one.path}" for one in self.asked]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                method, path, _ = head[0].split(" ")
                headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in head[1:] if line)}
                raw = await reader.readexactly(int(headers.get("content-length", "0")))
                self.asked.append(Asked(method, path, headers, json.loads(raw) if raw else None))
                if self.silence_seconds:
                    await asyncio.sleep(self.silence_seconds)
                status, content = self._answer(f"{method} {path}")
                kind = "application/octet-stream" if isinstance(content, bytes) else "application/json"
                body = content if isinstance(content, bytes) else json.dumps(content).encode()
                writer.write(
                    f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
                    + body
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _answer(self, key: str) -> tuple[int, Any]:
        found = self.answers.get(key, (404, {"error": {"message": f"no {key}"}}))
        if isinstance(found, list):
            found = found.pop(0) if len(found) > 1 else found[0]
        return found


@asynccontextmanager
async def fake_provider() -> AsyncIterator[FakeProvider]:
    fake = FakeProvider()
    listener = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    fake.port = listener.sockets[0].getsockname()[1]
    yield fake
    listener.close()


DEEPINFRA_MODELS = [
    {
        "model_name": "black-forest-labs/FLUX-1-schnell",
        "type": "text-to-image",
        "description": "Fast high-quality image generation",
        "pricing": {"type": "image_units", "cents_per_image_unit": 0.05},
        "cover_img_url": "https://images.example/flux.png",
    },
    {"model_name": "stabilityai/sdxl-turbo", "type": "text-to-image", "pricing": {"cents_per_image_unit": 0.02}},
    {"model_name": "hexgrad/Kokoro-82M", "type": "text-to-speech", "description": "Speaks."},
    {"model_name": "Wan-AI/Wan2.1-T2V-1.3B", "type": "text-to-video", "pricing": {"cents_per_video": 10}},
    {
        "model_name": "deepseek-ai/DeepSeek-V3.2",
        "type": "text-generation",
        "pricing": {"cents_per_input_token": 2.6e-5, "cents_per_output_token": 3.9e-5},
    },
    {"model_name": "meta-llama/Llama-3.3-70B-Instruct", "type": "text-generation"},
    {"model_name": "BAAI/bge-m3", "type": "embeddings"},
    {"model_name": "old/model", "type": "text-to-image", "deprecated": 1700000000},
    {"model_name": "../../evil", "type": "text-to-image"},
    {"model_name": 7, "type": []},
    "nonsense",
]
