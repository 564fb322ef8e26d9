"""Attack 18: a sandbox's way out, with a positive control for each refusal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from glia.kit.outbound import Outbound, OutboundPolicy
from glia.sandboxes.egress.proxy import MOST_CONNECTIONS, EgressProxy
from glia.sandboxes.egress.rules import read_allow_list
from glia.sandboxes.egress.types import Attachment, Decision
from tests.kit.outbound_servers import Conversation, Names, Server, says, serving

PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


@dataclass
class Way:
    """A proxy, and what a program inside would do with it."""

    proxy: EgressProxy
    socket: Path
    decisions: dict[str, Decision]
    names: Names

    async def say(self, raw: bytes) -> bytes:
        reader, writer = await asyncio.open_unix_connection(self.socket)
        try:
            writer.write(raw)
            async with asyncio.timeout(60):
                return await reader.read()
        except ConnectionError:
            return b""  # it was turned away before it was read
        finally:
            writer.close()

    async def get(self, url: str, headers: str = "") -> bytes:
        return await self.say(f"GET {url} HTTP/1.1\r\nHost: ignored.example\r\n{headers}\r\n".encode())

    async def through(self, authority: str, raw: bytes) -> bytes:
        """What a CONNECT tunnel brings; the proxy's refusal when there is none."""
        reader, writer = await asyncio.open_unix_connection(self.socket)
        try:
            writer.write(f"CONNECT {authority} HTTP/1.1\r\n\r\n".encode())
            async with asyncio.timeout(60):
                head = await reader.readuntil(b"\r\n\r\n")
                if b" 200 " not in head:
                    return head + await reader.read()
                writer.write(raw)
                return await reader.read()
        finally:
            writer.close()

    @property
    def last(self) -> Decision:
        return list(self.decisions.values())[-1]


@asynccontextmanager
async def way(
    folder: Path,
    allow: Sequence[str],
    *answers: list[str],
    open_to: str = "",
    attachments: tuple[Attachment, ...] = (),
) -> AsyncIterator[Way]:
    """answers: what names resolve to, one after the other. open_to: what the operator has opened."""
    names = Names(*answers or (["127.0.0.1"],))
    policy = OutboundPolicy(OutboundPolicy.from_setting(open_to).allow, refuses_own=True)
    outbound = Outbound(policy, resolver=names)
    decisions: dict[str, Decision] = {}

    def note(decision: Decision) -> None:
        decisions[str(decision.id)] = decision

    proxy = EgressProxy(outbound, read_allow_list(allow), attachments=attachments, note=note)
    await proxy.start(folder / "egress.sock")
    try:
        yield Way(proxy, folder / "egress.sock", decisions, names)
    finally:
        await proxy.close()
        await outbound.close()


@pytest.fixture
async def page() -> AsyncIterator[Server]:
    async with serving(says(PAGE, then_close=True)) as server:
        yield server


async def test_a_listed_host_is_reached_and_every_byte_counted(tmp_path: Path, page: Server) -> None:
    place = f"good.example:{page.port}"
    async with way(tmp_path, [place], open_to=place) as out:
        plain = await out.get(f"http://{place}/x?y=1")
        first = out.last
        tunnelled = await out.through(place.upper(), b"GET /t HTTP/1.1\r\nHost: good.example\r\n\r\n")
        await out.proxy.close()  # everything is counted by then

    assert plain.startswith(b"HTTP/1.1 200 OK")
    assert plain.endswith(b"hello")
    assert tunnelled == PAGE
    assert [seen.line for seen in page.seen] == ["GET /x?y=1 HTTP/1.1", "GET /t HTTP/1.1"]
    assert page.seen[0].headers["host"] == place
    assert (first.method, first.host, first.port, first.verdict) == ("GET", "good.example", page.port, "allowed")
    assert (out.last.method, out.last.verdict) == ("CONNECT", "allowed")
    assert out.last.received_bytes == len(PAGE)
    assert out.last.sent_bytes > 0
    assert out.proxy.received_bytes == len(PAGE) + 5


@pytest.mark.parametrize(
    "authority",
    [
        "127.0.0.1:{port}",
        "[::1]:{port}",
        "2130706433:{port}",
        "0x7f.1:{port}",
        "good.example.evil.net:{port}",
        "evilgood.example:{port}",
        "good.example:22",
        "good.example\x00.evil.net:{port}",
        "evil.net\x00good.example:{port}",
        "user@good.example:{port}",
        "good.example%00:{port}",
        "169.254.169.254:80",
        "good.example",
    ],
)
async def test_what_only_looks_like_the_listed_host_is_refused(tmp_path: Path, page: Server, authority: str) -> None:
    place = f"good.example:{page.port}"
    asked = authority.format(port=page.port)
    async with way(tmp_path, [place], open_to=f"{place},127.0.0.1:{page.port}") as out:
        tunnel = await out.through(asked, b"GET / HTTP/1.1\r\n\r\n")
        plain = await out.get(f"http://{asked}/")
        reached_by_guile = len(page.seen)
        reached_by_name = await out.get(f"http://{place}/")  # the control: everything but the name is the same

    assert b"hello" not in tunnel + plain
    assert tunnel.split(b" ")[1] in {b"400", b"403"}
    assert plain.split(b" ")[1] in {b"400", b"403"}
    assert reached_by_guile == 0
    assert reached_by_name.endswith(b"hello")
    assert [each.verdict for each in out.decisions.values()] == ["denied", "denied", "allowed"]
    assert all("\0" not in each.host for each in out.decisions.values())


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
    ],
)
async def test_a_listed_name_that_leads_inside_is_refused(tmp_path: Path, page: Server, address: str) -> None:
    place = f"good.example:{page.port}"
    async with way(tmp_path, [place], [address]) as out:
        tunnel = await out.through(place, b"GET / HTTP/1.1\r\n\r\n")
        plain = await out.get(f"http://{place}/")

    assert b"403" in tunnel.split(b"\r\n")[0]
    assert b"403" in plain.split(b"\r\n")[0]
    assert page.seen == []
    assert {each.verdict for each in out.decisions.values()} == {"denied"}


async def test_one_bad_address_among_good_ones_refuses_the_name(tmp_path: Path, page: Server) -> None:
    async with way(tmp_path, ["good.example"], ["93.184.216.34", "127.0.0.1"]) as out:
        answer = await out.through("good.example:443", b"x")

    assert b"403" in answer.split(b"\r\n")[0]


async def test_what_was_judged_is_what_is_dialled(tmp_path: Path, page: Server) -> None:
    """Rebinding: a name that changes its answer after the first look gets no second look."""
    place = f"good.example:{page.port}"
    async with way(tmp_path, [place], ["127.0.0.1"], ["10.0.0.1"], open_to=f"127.0.0.1:{page.port}") as out:
        answer = await out.through(place, b"GET / HTTP/1.1\r\n\r\n")
        asked = len(out.names.questions)
        rebound = await out.through(place, b"GET / HTTP/1.1\r\n\r\n")

    assert answer == PAGE
    assert asked == 1
    assert b"403" in rebound.split(b"\r\n")[0]


async def test_a_redirect_is_passed_back_and_judged_anew(tmp_path: Path) -> None:
    async def elsewhere(conversation: Conversation) -> bool:
        await conversation.say(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")
        return True

    async with serving(elsewhere) as server:
        place = f"good.example:{server.port}"
        async with way(tmp_path, [place], open_to=place) as out:
            answer = await out.get(f"http://{place}/")
            followed = await out.get("http://127.0.0.1:1/")

    assert answer.startswith(b"HTTP/1.1 302")
    assert b"location: http://127.0.0.1:1/" in answer.lower()
    assert len(server.seen) == 1
    assert followed.split(b" ")[1] in {b"400", b"403"}


async def test_a_second_request_does_not_hide_behind_the_first(tmp_path: Path, page: Server) -> None:
    place = f"good.example:{page.port}"
    async with way(tmp_path, [place], open_to=place) as out:
        one = f"GET http://{place}/1 HTTP/1.1\r\n\r\n".encode()
        both = await out.say(one + b"GET http://evil.net/2 HTTP/1.1\r\nHost: evil.net\r\n\r\n")

    assert both.count(b"HTTP/1.1") == 1
    assert b"connection: close" in both.lower()
    assert [seen.line for seen in page.seen] == ["GET /1 HTTP/1.1"]


async def test_an_empty_list_refuses_everything(tmp_path: Path, page: Server) -> None:
    place = f"good.example:{page.port}"
    async with way(tmp_path, [], open_to=place) as out:
        assert b"403" in (await out.get(f"http://{place}/")).split(b"\r\n")[0]
        assert b"403" in (await out.through(place, b"")).split(b"\r\n")[0]
        assert page.seen == []
        assert out.names.questions == []


async def test_a_body_arrives_whole_in_either_framing(tmp_path: Path) -> None:
    async def echo(conversation: Conversation) -> bool:
        body = conversation.body
        await conversation.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        return True

    async with serving(echo) as server:
        place = f"good.example:{server.port}"
        async with way(tmp_path, [place], open_to=place) as out:
            head = f"POST http://{place}/ HTTP/1.1\r\n".encode()
            counted = await out.say(head + b"Content-Length: 3\r\n\r\nabc")
            chunked = await out.say(head + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n")
            doubtful = await out.say(head + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc")
            endless = await out.say(head + b"Content-Length: 99999999999\r\n\r\n")

    assert counted.endswith(b"abc")
    assert chunked.endswith(b"\r\n\r\nabc")
    assert doubtful.startswith(b"HTTP/1.1 400")
    assert endless.startswith(b"HTTP/1.1 413")
    assert len(server.seen) == 2


async def test_a_secret_is_attached_outside_and_only_for_its_host(tmp_path: Path, page: Server) -> None:
    place, other = f"good.example:{page.port}", f"other.example:{page.port}"
    rules = read_allow_list([place]).rules
    secret = Attachment(rules, "Authorization", "Bearer real-secret", scheme="http")
    async with way(tmp_path, [place, other], open_to=f"{place},{other}", attachments=(secret,)) as out:
        await out.get(f"http://{place}/", "Authorization: Bearer placeholder\r\n")
        await out.get(f"http://{other}/", "Authorization: Bearer placeholder\r\n")

    assert [seen.headers["authorization"] for seen in page.seen] == ["Bearer real-secret", "Bearer placeholder"]
    assert "real-secret" not in repr(secret)


async def test_a_request_with_a_secret_leaves_by_https(tmp_path: Path) -> None:
    """Without TLS at the other end the secret is not sent at all."""
    seen: list[bytes] = []

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.read(100))
        writer.write(PAGE)
        writer.close()

    async with await asyncio.start_server(plain, "127.0.0.1", 0) as server:
        place = f"good.example:{server.sockets[0].getsockname()[1]}"
        secret = Attachment(read_allow_list([place]).rules, "X-Key", "real-secret")
        async with way(tmp_path, [place], open_to=place, attachments=(secret,)) as out:
            answer = await out.get(f"http://{place}/")

    assert answer.startswith(b"HTTP/1.1 502")
    assert [each[:3] for each in seen] == [b"\x16\x03\x01"]  # the beginning of a TLS handshake, and no more
    assert out.last.verdict == "failed"


async def test_a_silent_or_broken_client_costs_no_more_than_its_place(tmp_path: Path, page: Server) -> None:
    place = f"good.example:{page.port}"
    async with way(tmp_path, [place], open_to=place) as out:
        idle = [await asyncio.open_unix_connection(out.socket) for _ in range(MOST_CONNECTIONS)]
        await asyncio.sleep(0)
        while (full := await out.get(f"http://{place}/")).endswith(b"hello"):
            await asyncio.sleep(0.01)
        idle[0][1].close()
        while not (again := await out.get(f"http://{place}/")).endswith(b"hello"):
            await asyncio.sleep(0.01)
        huge = await out.say(b"GET http://x/ HTTP/1.1\r\nA: " + b"a" * 70_000 + b"\r\n\r\n")
        for _, writer in idle:
            writer.close()

    assert full.startswith(b"HTTP/1.1 503") or full == b""
    assert again.endswith(b"hello")
    assert huge.startswith(b"HTTP/1.1 400") or huge == b""


def test_a_machines_own_public_address_is_refused_where_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    from glia.kit.outbound import OutboundRefused, policy
    from glia.kit.outbound.target import parse

    target = parse("http://good.example/")
    monkeypatch.setattr(policy, "why_refused", lambda _address: None)  # as if 127.0.0.1 were public

    OutboundPolicy().judge(target, ["127.0.0.1"])
    OutboundPolicy(refuses_own=True).judge(target, ["203.0.113.77"])
    with pytest.raises(OutboundRefused, match="an address of this machine"):
        OutboundPolicy(refuses_own=True).judge(target, ["127.0.0.1"])
