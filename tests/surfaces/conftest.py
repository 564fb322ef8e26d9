"""A real server on a real port, one for each test process; each test has workspaces of its own in it."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import pytest
import structlog
import uvicorn

from glia.front import Front
from glia.identity import service
from glia.identity.passwords import Cost, Passwords
from glia.identity.types import Credentials
from glia.kit.ids import new_id
from glia.server import raise_file_limit
from glia.settings import LeaseSettings, LimitSettings, Settings
from glia.wiring import House, build
from tests.built_models import share_built_models
from tests.sandboxes.lives.bare import BareBackend

T = TypeVar("T")

UPLOAD_BYTES = 3 * 1024 * 1024


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The error, after a look at its shape."""
        error = self.json["error"]
        assert set(self.json) == {"error"}
        assert set(error) <= {"code", "message", "field", "request_id", "details"}
        assert error["code"]
        assert error["message"]
        assert error["request_id"]
        return error


class Client:
    """Plain HTTP with one credential."""

    def __init__(self, port: int, key: str | None = None) -> None:
        self.port = port
        self.key = key

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        raw: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            sent = {"Authorization": f"Bearer {self.key}"} if self.key else {}
            if body is not None:
                raw, sent["Content-Type"] = json.dumps(body).encode(), "application/json"
            connection.request(method, path, raw, {**sent, **(headers or {})})
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        finally:
            connection.close()

    def get(self, path: str, **options: Any) -> Answer:
        return self.request("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> Answer:
        return self.request("POST", path, body, **options)

    def patch(self, path: str, body: Any = None, **options: Any) -> Answer:
        return self.request("PATCH", path, body, **options)

    def delete(self, path: str, **options: Any) -> Answer:
        return self.request("DELETE", path, **options)

    def made(self, path: str, body: Any) -> dict[str, Any]:
        answer = self.post(path, body)
        assert answer.status == 201, answer.body
        return answer.json

    def upload(
        self, path: str, content: bytes, name: str = "notes.txt", headers: dict[str, str] | None = None
    ) -> Answer:
        return self.request(
            "POST",
            path,
            raw=form(part(content, name)),
            headers={"Content-Type": "multipart/form-data; boundary=XyZ", **(headers or {})},
        )

    def until(self, path: str, is_done: Callable[[Any], bool], seconds: float = 60) -> Any:
        """Asks again until the answer is as wanted."""
        deadline = time.monotonic() + seconds
        while True:
            found = self.get(path).json
            if is_done(found):
                return found
            assert time.monotonic() < deadline, found
            time.sleep(0.03)

    def stream(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Stream:
        return Stream(self, method, path, body, headers or {})


def part(content: bytes, name: str | None, field: str = "file", media_type: str = "text/plain") -> bytes:
    file = "" if name is None else f'; filename="{name}"'
    head = f'--XyZ\r\nContent-Disposition: form-data; name="{field}"{file}\r\nContent-Type: {media_type}\r\n\r\n'
    return head.encode() + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--XyZ--\r\n"


class Stream:
    """Server-sent events as they come: dicts with `id`, `event` and `data`; comments have only `comment`."""

    def __init__(self, client: Client, method: str, path: str, body: Any, headers: dict[str, str]) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=30)
        sent = {"Authorization": f"Bearer {client.key}", "Content-Type": "application/json", **headers}
        self._connection.request(method, path, None if body is None else json.dumps(body).encode(), sent)
        self._response = self._connection.getresponse()
        self.status = self._response.status
        self.headers = {name.lower(): value for name, value in self._response.getheaders()}

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection.sock is not None:
            self._connection.sock.close()
        self._response.close()
        self._connection.close()

    def everything(self) -> bytes:
        return self._response.read()

    def items(self) -> Iterator[dict[str, Any]]:
        found: dict[str, Any] = {}
        for line in self._response:
            text = line.decode().rstrip("\n")
            if not text:
                if found:
                    yield found
                found = {}
            elif text.startswith(":"):
                found["comment"] = text[1:].strip()
            else:
                name, _, value = text.partition(": ")
                found[name] = json.loads(value) if name == "data" else int(value) if name == "id" else value

    def events(self) -> Iterator[dict[str, Any]]:
        """Stored events only."""
        return (item for item in self.items() if "id" in item)


def _words(asked: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """What the model says, piece by piece, and the pause after each."""
    if asked["model"] == "echo":
        said = str([message for message in asked["messages"] if message["role"] == "user"][-1]["content"])
        yield from ((piece, 0.003) for piece in re.findall(r"\S*\s*", said) if piece)
        return
    for number in range(asked.get("max_tokens") or asked.get("max_completion_tokens") or 3):
        yield f"word{number} ", 0.05


class SlowModel:
    """Speaks as many words as the request's `max_tokens`, one each 50 ms; a model whose run lasts. By the name of
    `echo` it says what it was told, 200 words a second."""

    def __init__(self) -> None:
        self.server: asyncio.Server | None = None

    async def start(self) -> str:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}/v1"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")), 0
            )
            asked = json.loads(await reader.readexactly(length)) if length else {}
            writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: ")
            if not asked:
                return writer.write(b'application/json\r\n\r\n{"data":[{"id":"slow"}]}')
            writer.write(b"text/event-stream\r\n\r\n")
            for word, seconds in _words(asked):
                await self._say(writer, {"delta": {"content": word}, "finish_reason": None})
                await asyncio.sleep(seconds)
            await self._say(writer, {"delta": {}, "finish_reason": "stop"})
            writer.write(b"data: [DONE]\n\n")
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _say(self, writer: asyncio.StreamWriter, choice: dict[str, Any]) -> None:
        chunk = {"id": "1", "object": "chat.completion.chunk", "model": "slow", "choices": [{"index": 0, **choice}]}
        writer.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        await writer.drain()


@dataclass
class Server:
    """The server, from outside (`client`) and from inside (`house`, `do`)."""

    database: str
    folder: Path
    settings: Settings
    port: int = 0
    house: House = field(init=False)
    loop: asyncio.AbstractEventLoop = field(init=False)

    def do(self, work: Callable[[House], Awaitable[T]]) -> T:
        """Runs something on the server's event loop."""

        async def run() -> T:
            return await work(self.house)

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(60)

    def client(self, key: str | None = None) -> Client:
        return Client(self.port, key)

    def admin(self) -> psycopg.Connection[Any]:
        """A connection that row-level security does not hold."""
        connection = psycopg.connect(_url("GLIA_TEST_ADMIN_URL", self.database), autocommit=True)
        connection.execute("set search_path = glia, public")
        return connection

    def workspace(self) -> Credentials:
        name = new_id().hex
        return self.do(lambda house: house.identity.create_workspace(name, f"{name}@example.org"))

    def serve(self, started: threading.Event, failed: list[BaseException]) -> None:
        try:
            asyncio.run(self._serve(started))
        except BaseException as error:  # noqa: BLE001 - told to the test that waits for the server
            failed.append(error)
            started.set()

    async def _serve(self, started: threading.Event) -> None:
        self.loop = asyncio.get_running_loop()
        self.stop = asyncio.Event()
        slow = SlowModel()
        environment = {
            "OPENAI_API_KEY": "sk-test",
            "OPENAI_BASE_URL": await slow.start(),
            "GLIA_DEFAULT_MODEL": "glia/embedded",
            "GLIA_MODEL_DISCOVERY": "off",
        }
        # Hashing as slowly as in earnest would be most of what these tests do.
        service.Passwords = partial(Passwords, Cost(rounds=1, memory_kib=64, lanes=1))
        # Plain processes: what these tests look at is the same on every machine, and none of it is untrusted.
        url, boxes = _url("GLIA_TEST_APP_URL", self.database), BareBackend(self.folder / "boxes")
        self.house = await build(self.settings, url, self.folder, environment, sandbox_backend=boxes)
        service.Passwords = Passwords
        await self.house.open()
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(512)
        self.port = listener.getsockname()[1]
        config = uvicorn.Config(
            Front(self.house),
            lifespan="off",
            log_config=None,
            access_log=False,
            ws="websockets-sansio",
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        server.capture_signals = _no_signals  # type: ignore[method-assign]
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:
            await asyncio.sleep(0.01)
        started.set()
        await self.stop.wait()
        server.should_exit = True
        await serving
        await self.house.close()


def native_document(client: Client) -> dict[str, Any]:
    """The native surface's OpenAPI document without the routes that OpenAI's surface has at the same address."""
    document = client.get("/openapi.json").json
    kept = {path: methods for path, methods in document["paths"].items() if not _is_openai(methods)}
    return {**document, "paths": kept}


def _is_openai(methods: dict[str, Any]) -> bool:
    return any("openai" in operation["tags"] for operation in methods.values())


def _no_signals() -> Any:
    from contextlib import nullcontext

    return nullcontext()


def _url(variable: str, database: str) -> str:
    return psycopg.conninfo.make_conninfo(os.environ[variable], dbname=database)


def patient(settings: Settings) -> Settings:
    """So that no run changes hands because the machine is busy."""
    return replace(settings, lease=LeaseSettings(lease_seconds=60))


def start_server(folder: Path, settings: Settings) -> Iterator[Server]:
    """A server on a database of its own, stopped and dropped in the end."""
    raise_file_limit()
    # The default renders tracebacks with every local variable, which takes seconds.
    structlog.configure(processors=[structlog.processors.format_exc_info, structlog.processors.JSONRenderer()])
    share_built_models(folder)
    name = f"test_{new_id().hex}"
    template = os.environ.get("GLIA_TEST_TEMPLATE", "glia_template")
    with psycopg.connect(os.environ["GLIA_TEST_ADMIN_URL"], autocommit=True) as admin:
        admin.execute(f"create database {name} template {template} strategy file_copy".encode())
        server = Server(name, folder, patient(settings))
        started, failed = threading.Event(), []
        thread = threading.Thread(target=server.serve, args=(started, failed), daemon=True)
        thread.start()
        assert started.wait(180)
        if failed:
            raise failed[0]
        yield server
        server.loop.call_soon_threadsafe(server.stop.set)
        thread.join(20)
        admin.execute(f"drop database if exists {name} with (force)".encode())


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = Settings(limits=LimitSettings(upload_bytes=UPLOAD_BYTES))
    yield from start_server(tmp_path_factory.mktemp("glia"), settings)


@pytest.fixture(scope="session")
def strict_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from start_server(tmp_path_factory.mktemp("strict"), Settings(strict_fields=True))


@pytest.fixture
def credentials(server: Server) -> Credentials:
    return server.workspace()


@pytest.fixture
def client(server: Server, credentials: Credentials) -> Client:
    """Someone who may do everything in a workspace that nobody else uses."""
    return server.client(credentials.api_key)


@pytest.fixture
def stranger(server: Server) -> Client:
    """The same in another workspace of the same server."""
    return server.client(server.workspace().api_key)


@pytest.fixture
def agent(client: Client) -> dict[str, Any]:
    return client.made("/v1/agents", {"name": "Helper", "instructions": "Help."})


@pytest.fixture
def slow_agent(client: Client) -> dict[str, Any]:
    """Its answer takes two seconds."""
    body = {"name": "Slow", "model": "openai/slow", "settings": {"max_output_tokens": 40}}
    return client.made("/v1/agents", body)


@pytest.fixture
def endless_agent(client: Client) -> dict[str, Any]:
    """It speaks for minutes, unless it is cancelled."""
    body = {"name": "Slow", "model": "openai/slow", "settings": {"max_output_tokens": 4000}}
    return client.made("/v1/agents", body)


@pytest.fixture
def open_session(client: Client) -> Callable[[dict[str, Any]], str]:
    """Opens a session with an agent and gives its path."""
    return lambda agent: f"/v1/sessions/{client.made('/v1/sessions', {'agent_id': agent['id']})['id']}"


@pytest.fixture
def make_form() -> Callable[..., bytes]:
    return form


@pytest.fixture
def make_part() -> Callable[..., bytes]:
    return part
