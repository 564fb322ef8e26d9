"""Whom the outbound client calls, and where it follows."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator

import pytest

from glia.kit.outbound import (
    Outbound,
    OutboundFailed,
    OutboundPolicy,
    OutboundRefused,
    UrlRefused,
)

from .outbound_servers import (
    Conversation,
    Names,
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


# Who may be called.


async def test_a_private_address_is_refused_unless_the_guard_is_off() -> None:
    async with serving() as server:
        guarded = Outbound(OutboundPolicy())
        with pytest.raises(OutboundRefused) as caught:
            await guarded.request("GET", server.url)
        assert server.connections == 0

        trusted = await guarded.request("GET", server.url, trusted=True)
        opened = await Outbound(OutboundPolicy.from_setting(server.name)).request("GET", server.url)

    assert f"GLIA_OUTBOUND_ALLOW={server.name}" in caught.value.message
    assert (trusted.body, opened.body) == (b"ok", b"ok")


async def test_a_trusted_call_opens_nothing_for_an_untrusted_one(client: Outbound) -> None:
    async with serving() as server:
        await get(client, server.url)

        with pytest.raises(OutboundRefused):
            await client.request("GET", server.url)


def can_dial_mapped_addresses() -> bool:
    try:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            socket.create_connection(("::ffff:127.0.0.1", listener.getsockname()[1]), 1).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1.",
        "１２７。0。0。1",
        "localhost",
        "LocalHost.",
        "[::ffff:127.0.0.1]",
        "[0:0:0:0:0:ffff:7f00:1]",
    ],
)
async def test_every_spelling_of_loopback_is_refused_and_would_get_through_unguarded(
    client: Outbound, host: str
) -> None:
    if host.startswith("[") and not can_dial_mapped_addresses():
        pytest.skip("this machine has no IPv6, so there is no control")
    async with serving() as server:
        with pytest.raises(OutboundRefused):
            await client.request("GET", f"http://{host}:{server.port}/")
        assert server.connections == 0

        control = await get(client, f"http://{host}:{server.port}/")

    assert control.body == b"ok"


@pytest.mark.parametrize(
    "addresses",
    [
        ["169.254.169.254"],
        ["64:ff9b::a9fe:a9fe"],
        ["2002:7f00:1::"],
        ["fd00:ec2::254"],
        ["8.8.8.8", "::1"],
        ["fe80::1%1"],
    ],
)
async def test_a_name_that_resolves_to_an_internal_address_is_refused(addresses: list[str]) -> None:
    client = Outbound(OutboundPolicy(), resolver=Names(addresses))

    with pytest.raises(OutboundRefused, match="resolves to"):
        await client.request("GET", "http://name.example/")


async def test_a_resolver_that_answers_nonsense_reaches_nobody() -> None:
    for nonsense in (["not an address"], []):
        client = Outbound(OutboundPolicy(), resolver=Names(nonsense))
        assert (await failure(client, "http://name.example/")).kind == "resolve"


async def test_a_name_that_changes_its_answer_is_dialled_where_it_was_judged() -> None:
    async with serving() as judged, serving(host="127.0.0.2") as other:
        names = Names(["127.0.0.1"], ["127.0.0.2"])
        client = Outbound(OutboundPolicy(frozenset({judged.name})), resolver=names)

        answer = await client.request("GET", f"http://rebind.example:{judged.port}/")
        with pytest.raises(OutboundRefused):
            await client.request("GET", f"http://rebind.example:{judged.port}/")

    assert answer.body == b"ok"
    assert judged.seen[0].headers["host"] == f"rebind.example:{judged.port}"
    assert (judged.connections, other.connections) == (1, 0)
    assert len(names.questions) == 2


async def test_a_trusted_name_is_looked_up_once_for_many_requests() -> None:
    names = Names(["127.0.0.1"])
    client = Outbound(OutboundPolicy(), resolver=names)
    async with serving() as server:
        for _ in range(3):
            await get(client, f"http://model.example:{server.port}/")

    assert len(names.questions) == 1


async def test_the_next_address_is_tried_when_the_first_does_not_answer() -> None:
    async with serving() as server:
        client = Outbound(OutboundPolicy(), resolver=Names(["127.0.0.9", "127.0.0.1"]))
        answer = await get(client, f"http://two.example:{server.port}/")

    assert answer.body == b"ok"


# Redirects.


def redirect(status: int, location: str) -> bytes:
    return f"HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()


async def test_a_redirect_is_returned_unless_following_is_asked_for(client: Outbound) -> None:
    async with serving(says(redirect(302, "/next"))) as server:
        answer = await get(client, server.url)

    assert (answer.status, answer.headers.get("location")) == (302, "/next")


async def test_a_redirect_chain_to_a_private_address_is_refused() -> None:
    async with serving() as private:

        async def answer(conversation: Conversation) -> None:
            again = redirect(302, f"http://public.example:{public.port}/2")
            await conversation.say(redirect(302, private.url) if conversation.path == "/2" else again)

        async with serving(answer) as public:
            names = Names(["127.0.0.1"])
            client = Outbound(OutboundPolicy(frozenset({f"public.example:{public.port}"})), resolver=names)
            with pytest.raises(OutboundRefused) as caught:
                await client.request("GET", f"http://public.example:{public.port}/1", redirects=5)
            assert private.connections == 0

            opened = OutboundPolicy(frozenset({f"public.example:{public.port}", private.name}))
            control = await Outbound(opened, resolver=names).request(
                "GET", f"http://public.example:{public.port}/1", redirects=5
            )

    assert private.name in caught.value.message
    assert (control.body, control.url) == (b"ok", f"{private.url}/")


async def test_trust_ends_where_the_origin_changes(client: Outbound) -> None:
    async with serving() as private, serving(says(redirect(307, private.url))) as server:
        with pytest.raises(OutboundRefused):
            await get(client, server.url, redirects=1)

    assert private.connections == 0


async def test_credentials_stay_with_the_origin_they_were_given_for() -> None:
    async with serving() as other:

        async def answer(conversation: Conversation) -> None:
            await conversation.say(redirect(307, "/2" if conversation.path == "/1" else other.url))

        async with serving(answer) as server:
            client = Outbound(OutboundPolicy(frozenset({server.name, other.name})))
            secrets = {"Authorization": "s", "Cookie": "s", "X-Api-Key": "s", "X-Own-Secret": "s"}
            await client.request(
                "POST", f"{server.url}/1", headers={"Accept": "text/plain", **secrets}, body=b"b", redirects=2
            )

    assert server.seen[1].headers["authorization"] == "s"
    assert (other.seen[0].body, other.seen[0].headers["accept"]) == (b"b", "text/plain")
    assert not {name.lower() for name in secrets} & set(other.seen[0].headers)


@pytest.mark.parametrize(
    ("status", "method", "becomes"),
    [
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (303, "POST", "GET"),
        (303, "PUT", "GET"),
        (303, "HEAD", "HEAD"),
        (302, "PUT", "PUT"),
        (307, "POST", "POST"),
        (308, "POST", "POST"),
    ],
)
async def test_a_redirect_keeps_or_drops_the_method_and_body(
    client: Outbound, status: int, method: str, becomes: str
) -> None:
    async def answer(conversation: Conversation) -> None:
        done = b"HTTP/1.1 204 No Content\r\n\r\n"
        await conversation.say(redirect(status, "/2") if conversation.path == "/1" else done)

    async with serving(answer) as server:
        await client.request(
            method, f"{server.url}/1", headers={"Content-Type": "a/b"}, body=b"b", redirects=1, trusted=True
        )

    second = server.seen[1]
    assert second.line.startswith(f"{becomes} /2 ")
    assert second.body == (b"" if becomes == "GET" else b"b")
    assert ("content-type" in second.headers) == (becomes != "GET")


async def test_a_redirect_without_end_fails(client: Outbound) -> None:
    async with serving(says(redirect(302, "/again"))) as server:
        error = await failure(client, server.url, redirects=3)

    assert (error.kind, len(server.seen)) == ("protocol", 4)


async def test_a_failure_after_a_redirect_counts_as_sent(client: Outbound) -> None:
    async with serving() as gone:
        pass
    async with serving(says(redirect(303, gone.url))) as server:
        opened = Outbound(OutboundPolicy(frozenset({server.name, gone.name})))
        with pytest.raises(OutboundFailed) as caught:
            await opened.request("POST", server.url, body=b"b", redirects=1)

    assert (caught.value.kind, caught.value.is_sent) == ("connect", True)


async def test_a_redirect_to_another_scheme_is_refused(client: Outbound) -> None:
    async with serving(says(redirect(302, "file:///etc/passwd"))) as server:
        with pytest.raises(UrlRefused):
            await get(client, server.url, redirects=1)
