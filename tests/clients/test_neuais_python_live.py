"""The Python client's live connection with a server that ends it in every way."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from websockets.sync.server import ServerConnection

import neuais
from neuais import Client, Token, _requests
from tests.clients.odd_socket import ASKED, TOLD, OddSocket, asked, breaking, odd_socket, say


@pytest.fixture
def odd(monkeypatch: pytest.MonkeyPatch) -> Iterator[OddSocket]:
    monkeypatch.setattr(_requests, "_FIRST_PAUSE_SECONDS", 0.01)
    with odd_socket() as found:
        yield found


def test_a_connection_that_breaks_is_made_again_with_its_subscriptions(odd: OddSocket):
    odd.talks = breaking(odd)
    with Client("secret", base_url=f"http://127.0.0.1:{odd.port}") as client, client.live() as live:
        one = live.subscribe("logs", "agt_1", tail=5, level="warn")
        other = live.subscribe("logs", "agt_2", after=3)
        events = list(live)

    told = [(event.type, event.subscription, getattr(event, "id", 0)) for event in events]
    assert (one, other) == ("1", "2")
    assert told == TOLD
    assert asked(odd) == ASKED


def test_a_token_that_ends_ends_the_connection_unless_it_can_be_renewed(
    odd: OddSocket, monkeypatch: pytest.MonkeyPatch
):
    def ends(connection: ServerConnection) -> None:
        odd.hear(connection, type="subscribed", subscription="sub_1")
        connection.close(4401, "The token has expired.")

    def goes_on(connection: ServerConnection) -> None:
        odd.hear(connection, type="subscribed", subscription="sub_1")
        say(connection, {"type": "heartbeat"})
        odd.hear(connection)
        say(connection, {"type": "ended", "subscription": "sub_1", "agent": "*", "reason": "enough"})

    odd.talks = [ends]
    with Client("secret", base_url=f"http://127.0.0.1:{odd.port}") as client, client.live() as live:
        live.subscribe("status")
        with pytest.raises(neuais.Unauthorized, match="expired"):
            list(live)
    odd.talks, odd.tokens, odd.heard = [401, ends, goes_on], [], []
    # The third and fourth are old at once, so that the next who asks gets another.
    tokens = [Token(access_token=str(n), expires_in=0 if n in (3, 4) else 3600) for n in range(1, 6)]
    monkeypatch.setattr("neuais._sync.transport.sign_in", lambda *_: tokens.pop(0))
    with Client(email="a@b.c", password="p", base_url=f"http://127.0.0.1:{odd.port}") as client, client.live() as live:
        live.subscribe("status")
        assert [event.type for event in live] == ["ended"]
    assert odd.tokens == ["1", "2", "4"]
    assert odd.heard[-1] == {"type": "auth", "token": "5"}


def test_who_may_not_listen_is_told(odd: OddSocket):
    with Client("secret", base_url=f"http://127.0.0.1:{odd.port}") as client:
        odd.talks = [401]
        with pytest.raises(neuais.Unauthorized, match="Not now"), client.live():
            pass
        odd.talks = [lambda connection: connection.close(4403, "You may not.")]
        with pytest.raises(neuais.Forbidden, match="You may not"), client.live() as live:
            live.subscribe("status")
