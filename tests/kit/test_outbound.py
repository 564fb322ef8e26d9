"""What the outbound client sends, what it reads, and which servers it gives up on."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator

import pytest

from glia.kit.errors import InvalidRequest
from glia.kit.outbound import (
    Outbound,
    OutboundFailed,
    OutboundPolicy,
    Timeouts,
)

from .outbound_servers import (
    CHUNKED_HEAD,
    OK,
    Answer,
    Conversation,
    failure,
    get,
    says,
    serving,
)


@pytest.fixture
async def client() -> AsyncIterator[Outbound]:
    outbound = Outbound(OutboundPolicy())
    yield outbound
    await outbound.close()


# What is sent and what comes back.


async def test_a_request_is_sent_as_asked(client: Outbound) -> None:
    async with serving() as server:
        answer = await client.request(
            "POST", f"{server.url}/a?b=c#d", headers={"X-Key": "v"}, body=b"hello", trusted=True
        )

    seen = server.seen[0]
    assert (answer.status, answer.body, answer.url) == (200, b"ok", f"{server.url}/a?b=c")
    assert (seen.line, seen.body) == ("POST /a?b=c HTTP/1.1", b"hello")
    assert seen.headers["host"] == server.name
    assert seen.headers["x-key"] == "v"
    assert seen.headers["accept-encoding"] == "identity"
    assert seen.headers["user-agent"].startswith("glia/")


async def test_headers_are_found_in_any_case_and_may_repeat(client: Outbound) -> None:
    answer = b"HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nset-cookie: b\r\nContent-Length: 0\r\nEmpty:\r\n\r\n"
    async with serving(says(answer)) as server:
        headers = (await get(client, server.url)).headers

    assert headers.get("SET-COOKIE") == "a"
    assert headers.get_all("Set-Cookie") == ["a", "b"]
    assert headers["empty"] == ""
    assert headers.get("missing") is None
    assert "Content-Length" in headers


@pytest.mark.parametrize(
    "headers",
    [
        {"X": "a\r\nY: b"},
        {"X": "a\nb"},
        {"X": "\x00"},
        {"X": "\u2713"},
        {"X\r\nY": "a"},
        {"X Y": "a"},
        {"": "a"},
        {"Host": "other"},
        {"content-length": "5"},
        {"Transfer-Encoding": "chunked"},
        {"Connection": "close"},
    ],
)
async def test_a_header_that_could_forge_a_message_is_refused(client: Outbound, headers: dict[str, str]) -> None:
    async with serving() as server:
        with pytest.raises(InvalidRequest):
            await get(client, server.url, headers=headers)

    assert server.connections == 0


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "get", "GET / HTTP/1.1\r\nX: y\r\n\r\nGET", ""])
async def test_an_unknown_method_is_refused(client: Outbound, method: str) -> None:
    with pytest.raises(InvalidRequest):
        await client.request(method, "http://127.0.0.1:1/", trusted=True)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: t\r\n\r\n"


@pytest.mark.parametrize(
    ("data", "closes", "status", "body"),
    [
        (CHUNKED, False, 200, b"abcde"),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", True, 200, b"until the end"),
        (b"HTTP/1.0 200 OK\r\n\r\n", True, 200, b""),
        (b"HTTP/1.1 204 No Content\r\n\r\n", False, 204, b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n", False, 304, b""),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK, False, 200, b"ok"),
        (b"HTTP/1.1 500 \r\nContent-Length: 1\r\n\r\nx", False, 500, b"x"),
    ],
)
@pytest.mark.parametrize("piece", [1, 7, 65536])
async def test_each_framing_is_read_however_it_is_cut(
    client: Outbound, data: bytes, closes: bool, status: int, body: bytes, piece: int
) -> None:
    async def answer(conversation: Conversation) -> bool:
        for start in range(0, len(data), piece):
            await conversation.say(data[start : start + piece])
            await asyncio.sleep(0)
        return closes

    async with serving(answer) as server:
        answer_ = await get(client, server.url)

    assert (answer_.status, answer_.body) == (status, body)
    assert answer_.headers.get("link") is None


async def test_an_answer_to_head_has_no_body_and_keeps_the_connection(client: Outbound) -> None:
    async def answer(conversation: Conversation) -> None:
        await conversation.say(OK.removesuffix(b"ok") if conversation.line.startswith("HEAD") else OK)

    async with serving(answer) as server:
        head = await client.request("HEAD", server.url, trusted=True)
        body = await get(client, server.url)

    assert (head.headers["content-length"], head.body, body.body) == ("2", b"", b"ok")
    assert server.connections == 1


async def test_a_large_body_reaches_a_slow_server_whole(client: Outbound) -> None:
    body = bytes(range(256)) * 16_384
    async with serving() as server:
        answer = await client.request("POST", server.url, body=body, trusted=True)

    assert answer.body == b"ok"
    assert server.seen[0].body == body


async def test_an_answer_before_the_body_is_taken_ends_the_upload(client: Outbound) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        await done.wait()

    done = asyncio.Event()
    listener = await asyncio.start_server(handle, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    answer = await asyncio.wait_for(client.request("POST", url, body=b"x" * 50_000_000, trusted=True), 60)
    done.set()
    listener.close()

    assert (answer.status, answer.body) == (413, b"no")


# Compression nobody asked for.


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("gzip", gzip.compress(b"hello" * 50_000)),
        ("GZIP", gzip.compress(b"hello" * 25_000) + gzip.compress(b"hello" * 25_000) + b"\0" * 8),
        ("deflate", zlib.compress(b"hello" * 50_000)),
        ("deflate", zlib.compress(b"hello" * 50_000)[2:-4]),
        ("identity", b"hello" * 50_000),
    ],
    ids=["gzip", "joined gzip", "zlib", "raw deflate", "identity"],  # the bytes of gzip hold the time of day
)
async def test_compression_nobody_asked_for_is_undone(client: Outbound, encoding: str, data: bytes) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(data)}\r\n\r\n".encode()
    async with serving(says(head + data)) as server:
        plain = await get(client, server.url)
        async with client.stream("GET", server.url, trusted=True) as streamed:
            body = await streamed.read(1_000_000)

    assert plain.body == body == b"hello" * 50_000


@pytest.mark.parametrize(
    ("encoding", "data", "kind"),
    [
        ("gzip", gzip.compress(bytes(20_000_000), 9), "too_large"),
        ("gzip", gzip.compress(b"hello" * 1000)[:-9], "protocol"),
        ("gzip", b"not gzip at all", "protocol"),
        ("br", b"x", "protocol"),
        ("gzip, gzip", b"x", "protocol"),
    ],
    ids=["bomb", "truncated", "corrupt", "unknown", "twice"],
)
async def test_a_bomb_or_a_broken_coding_fails(client: Outbound, encoding: str, data: bytes, kind: str) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(data)}\r\n\r\n".encode()
    async with serving(says(head + data)) as server:
        plain = await failure(client, server.url)
        with pytest.raises(OutboundFailed) as streamed:
            async with client.stream("GET", server.url, trusted=True) as answer:
                await answer.read(1_000_000)

    assert (plain.kind, streamed.value.kind) == (kind, kind)


# Servers that misbehave.


def endless(prefix: bytes, piece: bytes) -> Answer:
    async def answer(conversation: Conversation) -> bool:
        await conversation.say(prefix)
        for _ in range(20_000_000 // len(piece)):
            await conversation.say(piece)
        return True

    return answer


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (endless(b"HTTP/1.1 200 OK\r\n", b"X: " + b"y" * 1000 + b"\r\n"), "protocol"),
        (endless(b"HTTP/1.1 200 OK\r\nX: ", b"y" * 1000), "protocol"),
        (endless(b"HTTP/1.1 200 ", b"y" * 1000), "protocol"),
        (endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 50), "protocol"),
        (endless(CHUNKED_HEAD + b"1;", b"y" * 1000), "protocol"),
        (endless(CHUNKED_HEAD + b"1\r\na\r\n0\r\n", b"X: " + b"y" * 1000 + b"\r\n"), "protocol"),
        (endless(CHUNKED_HEAD, b"3e8\r\n" + b"y" * 1000 + b"\r\n"), "too_large"),
        (endless(b"HTTP/1.1 200 OK\r\n\r\n", b"y" * 1000), "too_large"),
        (says(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n"), "protocol"),
        (says(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx"), "protocol"),
        (says(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"), "protocol"),
        (says(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), "protocol"),
        (says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nxx", then_close=True), "protocol"),
        (says(CHUNKED_HEAD + b"zz\r\n"), "protocol"),
        (says(b"SSH-2.0-OpenSSH_9.6\r\n"), "protocol"),
        (says(b"\x16\x03\x01\x02\x00garbage"), "protocol"),
        (says(b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"), "protocol"),
        (says(b"HTTP/9.9 200 OK\r\n\r\n"), "protocol"),
        (says(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", then_close=True), "disconnect"),
        (says(CHUNKED_HEAD + b"5\r\nhal", then_close=True), "disconnect"),
        (says(b"HTTP/1.1 200 OK\r\nX: y", then_close=True), "disconnect"),
        (says(b"", then_close=True), "disconnect"),
    ],
)
async def test_a_server_that_does_not_speak_proper_http_fails_soon(client: Outbound, answer: Answer, kind: str) -> None:
    async with serving(answer) as server:
        error = await asyncio.wait_for(failure(client, server.url, largest_body_bytes=100_000), 60)

    assert error.kind == kind
    assert error.is_sent
    assert server.name in error.message


async def test_a_silent_server_is_given_up_after_the_idle_time(client: Outbound) -> None:
    async def answer(conversation: Conversation) -> None:
        await conversation.say(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")

    async with serving(answer) as server:
        error = await failure(client, server.url, timeouts=Timeouts(idle_seconds=0.05))
        await asyncio.wait_for(server.closed.wait(), 60)

    assert (error.kind, error.is_sent) == ("timeout", True)
    assert "0.05 seconds" in error.message


async def test_a_slow_server_that_keeps_sending_is_not_idle_but_meets_the_total_time(client: Outbound) -> None:
    async def answer(conversation: Conversation) -> None:
        await conversation.say(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n")
        for _ in range(20):
            await asyncio.sleep(0.02)
            await conversation.say(b"x")

    async with serving(answer) as server:
        whole = await get(client, server.url, timeouts=Timeouts(idle_seconds=5))
        error = await failure(client, server.url, timeouts=Timeouts(idle_seconds=5, total_seconds=0.1))

    assert len(whole.body) == 20
    assert error.kind == "timeout"


async def test_an_address_nobody_listens_on_was_not_sent_to(client: Outbound) -> None:
    async with serving() as server:
        pass
    error = await failure(client, server.url, "POST", body=b"x")

    assert (error.kind, error.is_sent) == ("connect", False)
    assert server.name in error.message


async def test_a_name_that_does_not_resolve_says_so() -> None:
    class Nothing:
        async def resolve(self, host: str, port: int) -> list[str]:
            raise OSError("no such name")

    class Slow:
        async def resolve(self, host: str, port: int) -> list[str]:
            await asyncio.sleep(30)
            return []

    missing = await failure(Outbound(OutboundPolicy(), resolver=Nothing()), "http://nowhere.example/")
    slow = await failure(
        Outbound(OutboundPolicy(), resolver=Slow()), "http://slow.example/", timeouts=Timeouts(connect_seconds=0.05)
    )

    assert (missing.kind, missing.is_sent) == ("resolve", False)
    assert (slow.kind, slow.is_sent) == ("timeout", False)
