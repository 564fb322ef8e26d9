"""How the outbound client keeps, streams over, secures and closes connections."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from glia.kit.outbound import (
    Outbound,
    OutboundFailed,
    OutboundPolicy,
    Timeouts,
)

from .outbound_servers import (
    CHUNKED_HEAD,
    OK,
    Conversation,
    Names,
    Server,
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


# Connections kept.


async def test_requests_one_after_another_share_a_connection(client: Outbound) -> None:
    async with serving() as server:
        for _ in range(5):
            await get(client, server.url)
        async with client.stream("GET", server.url, trusted=True) as answer:
            assert await answer.read(10) == b"ok"
        await get(client, server.url)

    assert server.connections == 1


async def test_two_hundred_requests_at_once_are_all_answered(client: Outbound) -> None:
    async def answer(conversation: Conversation) -> None:
        await asyncio.sleep(0.01)
        await conversation.say(f"HTTP/1.1 200 OK\r\nContent-Length: {len(conversation.path)}\r\n\r\n".encode())
        await conversation.say(conversation.path.encode())

    async with serving(answer) as server:
        for _ in range(2):
            answers = await asyncio.gather(*(get(client, f"{server.url}/{number}") for number in range(200)))
            assert [answer.body for answer in answers] == [f"/{number}".encode() for number in range(200)]


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        OK + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged",
        OK + b"garbage",
    ],
)
async def test_a_connection_that_cannot_be_trusted_again_is_not_reused(client: Outbound, data: bytes) -> None:
    async with serving(says(data)) as server:
        bodies = [(await get(client, server.url)).body for _ in range(2)]

    assert bodies == [b"ok", b"ok"]
    assert server.connections == 2


async def test_an_answer_sent_before_the_question_is_not_taken_for_it(client: Outbound) -> None:
    forged = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"

    async def answer(conversation: Conversation) -> None:
        await conversation.say(OK)
        if conversation.connection == 1:
            await asyncio.sleep(0.01)
            await conversation.say(forged)

    async with serving(answer) as server:
        await get(client, server.url)
        await asyncio.sleep(0.05)
        second = await get(client, server.url)

    assert second.body == b"ok"


@pytest.mark.parametrize(("method", "is_repeated"), [("GET", True), ("PUT", True), ("POST", False)])
async def test_a_stale_connection_repeats_only_what_may_be_repeated(
    client: Outbound, method: str, is_repeated: bool
) -> None:
    async def answer(conversation: Conversation) -> bool:
        if conversation.connection == 1 and len(server.seen) == 2:
            return True  # closes after the request has arrived, as a server whose idle time has run out does
        await conversation.say(OK)
        return False

    async with serving(answer) as server:
        await get(client, server.url)
        if is_repeated:
            assert (await client.request(method, server.url, trusted=True)).body == b"ok"
        else:
            error = await failure(client, server.url, method)
            assert (error.kind, error.is_sent) == ("disconnect", True)

    assert len(server.seen) == (3 if is_repeated else 2)


async def test_a_connection_the_server_has_closed_is_replaced_without_a_failure(client: Outbound) -> None:
    async with serving(says(OK, then_close=True)) as server:
        await get(client, server.url)
        await asyncio.wait_for(server.closed.wait(), 60)
        await asyncio.sleep(0.01)
        answer = await client.request("POST", server.url, body=b"x", trusted=True)

    assert answer.body == b"ok"


async def test_a_close_the_event_loop_has_not_seen_yet_is_noticed(client: Outbound) -> None:
    def serve() -> None:
        for _ in range(2):
            connection, _ = listener.accept()
            connection.recv(65536)
            connection.sendall(OK)
            connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        first = await client.request("POST", url, body=b"x", trusted=True)
        time.sleep(0.15)  # blocks the loop on purpose: the close arrives unseen
        second = await client.request("POST", url, body=b"x", trusted=True)
        await asyncio.to_thread(thread.join)

    assert (first.body, second.body) == (b"ok", b"ok")


async def test_a_connection_at_rest_closes_itself(client: Outbound, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glia.kit.outbound.pool.REST_SECONDS", 0.05)
    async with serving() as server:
        await get(client, server.url, timeouts=Timeouts(idle_seconds=2))
        await asyncio.wait_for(server.closed.wait(), 60)


async def test_closing_the_client_closes_its_connections(client: Outbound) -> None:
    async with serving() as server:
        await get(client, server.url)
        await client.close()
        await asyncio.wait_for(server.closed.wait(), 60)
        error = await failure(client, server.url)

    assert (error.kind, error.is_sent) == ("connect", False)


# Streams.


async def test_a_stream_brings_each_piece_as_it_is_sent(client: Outbound) -> None:
    turn = asyncio.Event()

    async def answer(conversation: Conversation) -> None:
        await conversation.say(CHUNKED_HEAD)
        for number in range(3):
            await conversation.say(b"1\r\n%d\r\n" % number)
            await turn.wait()
            turn.clear()
        await conversation.say(b"0\r\n\r\n")

    async with serving(answer) as server, client.stream("GET", server.url, trusted=True) as streamed:
        pieces = []
        async for piece in streamed.chunks():
            pieces.append(piece)
            turn.set()

    assert pieces == [b"0", b"1", b"2"]


async def ticks(conversation: Conversation) -> None:
    await conversation.say(CHUNKED_HEAD)
    with suppress(ConnectionError):
        while True:
            await conversation.say(b"1\r\nx\r\n")
            if conversation.reader.at_eof():
                break
            await asyncio.sleep(0.005)
    raise ConnectionError


async def is_asked(server: Server) -> None:
    async with asyncio.timeout(60):
        while not server.seen:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("how", ["leaves", "fails", "is cancelled", "is cancelled while it waits for the head"])
async def test_a_reader_that_leaves_closes_the_connection_at_once(client: Outbound, how: str) -> None:
    async def silent(conversation: Conversation) -> None:
        await conversation.reader.read()

    async def read() -> None:
        async with client.stream("GET", server.url, trusted=True) as streamed:
            async for _ in streamed.chunks():
                if how == "leaves":
                    return
                if how == "fails":
                    raise KeyError

    async with serving(silent if how.endswith("head") else ticks) as server:
        reading = asyncio.create_task(read())
        await is_asked(server)
        if how.startswith("is cancelled"):
            assert not server.closed.is_set()
            reading.cancel()
        await asyncio.wait_for(server.closed.wait(), 10)
        await asyncio.gather(reading, return_exceptions=True)


async def test_a_cancelled_request_closes_the_connection_at_once(client: Outbound) -> None:
    async def silent(conversation: Conversation) -> None:
        await conversation.reader.read()

    async with serving(silent) as server:
        waiting = asyncio.create_task(get(client, server.url))
        await is_asked(server)
        assert not server.closed.is_set()
        waiting.cancel()
        await asyncio.wait_for(server.closed.wait(), 10)
        with pytest.raises(asyncio.CancelledError):
            await waiting


async def test_a_reader_that_stops_makes_the_server_wait(client: Outbound) -> None:
    sent = 0

    async def answer(conversation: Conversation) -> None:
        nonlocal sent
        await conversation.say(b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n")
        for _ in range(500):
            await conversation.say(bytes(100_000))
            sent += 100_000

    patience = Timeouts(idle_seconds=1)
    async with (
        serving(answer) as server,
        client.stream("GET", server.url, timeouts=patience, trusted=True) as streamed,
    ):
        await asyncio.sleep(1.5)  # longer than the idle time, which is not the server's fault here
        while_waiting = sent
        size = len(await streamed.read(60_000_000))

    assert size == 50_000_000
    assert while_waiting < 20_000_000


async def test_a_stream_cut_short_hands_out_what_came_and_then_fails(client: Outbound) -> None:
    pieces = []
    async with serving(says(CHUNKED_HEAD + b"3\r\nabc\r\n", then_close=True)) as server:
        with pytest.raises(OutboundFailed) as caught:
            async with client.stream("GET", server.url, trusted=True) as streamed:
                async for piece in streamed.chunks():
                    pieces.append(piece)  # noqa: PERF401, a comprehension would lose what came before the failure

    assert (b"".join(pieces), caught.value.kind) == (b"abc", "disconnect")


async def test_reading_a_stream_has_a_limit(client: Outbound) -> None:
    hundred = says(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + bytes(100))
    async with serving(hundred) as server, client.stream("GET", server.url, trusted=True) as streamed:
        with pytest.raises(OutboundFailed) as caught:
            await streamed.read(99)

    assert caught.value.kind == "too_large"


# TLS.


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """A certificate for tls.example and 127.0.0.1, and a server context that shows it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Glia test")])
    names = x509.SubjectAlternativeName([x509.DNSName("tls.example"), x509.IPAddress(IPv4Address("127.0.0.1"))])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return path, context


async def test_tls_verifies_the_name_while_it_dials_the_judged_address(
    authority: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, context = authority
    shown: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: shown.append(name)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    async with serving(tls=context) as server:
        policy = OutboundPolicy(frozenset({server.name}))
        client = Outbound(policy, resolver=Names(["127.0.0.1"]))
        by_name = [await client.request("GET", f"https://tls.example:{server.port}/") for _ in range(2)]
        by_address = await client.request("GET", f"https://127.0.0.1:{server.port}/")
        with pytest.raises(OutboundFailed) as wrong_name:
            await client.request("GET", f"https://other.example:{server.port}/")
        await client.close()

    assert [answer.body for answer in (*by_name, by_address)] == [b"ok"] * 3
    assert shown[0] == "tls.example"
    assert server.seen[0].headers["host"] == f"tls.example:{server.port}"
    assert (wrong_name.value.kind, wrong_name.value.is_sent) == ("tls", False)


async def test_an_unknown_authority_is_refused_and_names_the_way_out(
    client: Outbound, authority: tuple[Path, ssl.SSLContext]
) -> None:
    async with serving(tls=authority[1]) as server:
        error = await failure(client, f"https://127.0.0.1:{server.port}/", "POST", body=b"secret")

    assert (error.kind, error.is_sent) == ("tls", False)
    assert "SSL_CERT_FILE" in error.message
    assert server.seen == []


async def test_tls_to_a_plain_server_fails_as_tls(client: Outbound) -> None:
    async def handle(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    listener = await asyncio.start_server(handle, "127.0.0.1", 0)
    error = await failure(client, f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}/")
    listener.close()

    assert error.kind == "tls"
    assert not error.is_sent


async def test_leaving_a_stream_over_tls_closes_it_at_once(
    authority: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority[0]))
    client = Outbound(OutboundPolicy())
    async with serving(ticks, tls=authority[1]) as server:
        async with client.stream("GET", f"https://127.0.0.1:{server.port}/", trusted=True) as streamed:
            async for _ in streamed.chunks():
                break
        await asyncio.wait_for(server.closed.wait(), 10)
