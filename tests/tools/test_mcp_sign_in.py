"""Signing in to MCP servers with OAuth 2.1, against a guard that checks what it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from tests.tools.mcp_sign_in import Guard, guarded
from tests.tools.test_mcp import House

from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.errors import Forbidden, InvalidRequest
from glia.kit.outbound import Outbound, OutboundPolicy
from glia.tools.mcp.oauth_wire import SignInFailed
from glia.tools.service import Secrets
from glia.tools.types import McpAuth, McpServer, McpServerSpec, McpStatus

CALLBACK = "https://glia.example/v1/mcp-servers/callback"


@pytest.fixture
async def guard() -> AsyncIterator[Guard]:
    async with guarded() as guard:
        yield guard


@pytest.fixture
async def house(db: Database, secrets: Secrets, guard: Guard) -> AsyncIterator[House]:
    outbound = Outbound(OutboundPolicy(frozenset({f"127.0.0.1:{guard.port}"})))
    house = House(db, outbound, secrets)
    yield house
    await house.servers.close()
    await outbound.close()


async def registered(house: House, principal: Principal, guard: Guard) -> McpServer:
    return await house.register(principal, McpServerSpec("mail", guard.url, auth=McpAuth.OAUTH))


async def begun(house: House, principal: Principal, guard: Guard, **options: Any) -> dict[str, str]:
    server = await registered(house, principal, guard)
    sign_in = await house.servers.begin_sign_in(principal, server.id, redirect_uri=CALLBACK, **options)
    return guard.agree(sign_in.authorization_url)


async def finished(house: House, principal: Principal, back: dict[str, str]) -> McpServer:
    server = await house.servers.finish_sign_in(
        back["state"], code=back.get("code"), issuer=back.get("iss"), error=None
    )
    assert server.id is not None
    return await house.servers.refresh(principal, server.id)


async def test_a_person_signs_in_and_agents_use_the_server(
    house: House, principal: Principal, guard: Guard, db: Database
) -> None:
    server = await registered(house, principal, guard)
    sign_in = await house.servers.begin_sign_in(principal, server.id, redirect_uri=CALLBACK)
    back = guard.agree(sign_in.authorization_url)
    after = await finished(house, principal, back)
    answer = await house.call(principal, "mail__whoami")

    assert server.status is McpStatus.NEEDS_AUTHORIZATION
    assert (after.status, after.is_authorized, after.tool_count) == (McpStatus.READY, True, 1)
    assert answer.text == "you"
    assert guard.registered[0]["redirect_uris"] == [CALLBACK]
    assert dict(parse_qsl(urlsplit(sign_in.authorization_url).query))["scope"] == "read"
    assert (guard.forms[0]["resource"], guard.forms[0]["redirect_uri"]) == (guard.url, CALLBACK)
    async with db.transaction(principal.workspace_id) as tx:
        stored = await tx.value("select sealed || coalesce(pending, '') from mcp_authorizations")
    assert b"token-1" not in bytes(stored)


async def test_tokens_are_renewed_before_they_lapse_and_by_one_at_a_time(
    house: House, principal: Principal, guard: Guard
) -> None:
    guard.lifetime = 30  # renewed when less than a minute is left
    await finished(house, principal, await begun(house, principal, guard))
    guard.lifetime = 3600
    before = len(guard.forms)

    answers = await asyncio.gather(*(house.call(principal, "mail__whoami", key=f"k{n}") for n in range(5)))

    assert [answer.text for answer in answers] == ["you"] * 5
    assert len(guard.forms) - before <= 1
    assert guard.forms[-1]["grant_type"] == "refresh_token"


async def test_a_token_that_was_taken_away_is_renewed_once_and_the_call_repeated(
    house: House, principal: Principal, guard: Guard
) -> None:
    await finished(house, principal, await begun(house, principal, guard))
    guard.tokens.clear()

    renewed = await house.call(principal, "mail__whoami")
    guard.tokens.clear()
    guard.refresh_tokens.clear()
    refused = await house.call(principal, "mail__whoami")
    server = await house.servers.refresh(principal, (await house.servers.list(principal, _window())).items[0].id)

    assert renewed.text == "you"
    assert refused.is_error
    assert not refused.is_unknown
    assert server.status is McpStatus.NEEDS_AUTHORIZATION


async def test_a_sign_in_works_once_and_only_as_it_was_begun(
    house: House, principal: Principal, stranger: Principal, guard: Guard
) -> None:
    back = await begun(house, principal, guard)
    (server,) = (await house.servers.list(principal, _window())).items

    with pytest.raises(InvalidRequest, match="begun here"):
        await finished(house, principal, back | {"state": back["state"][:-6] + "AAAAAA"})
    with pytest.raises(InvalidRequest, match="another MCP server"):
        await house.servers.finish_sign_in(
            back["state"], code="the-code", issuer=None, error=None, only=(stranger.workspace_id, server.id)
        )
    await finished(house, principal, back)
    with pytest.raises(InvalidRequest, match="finished already"):
        await finished(house, principal, back)


async def test_who_says_no_is_told_so_and_may_begin_again(house: House, principal: Principal, guard: Guard) -> None:
    refused = await begun(house, principal, guard)
    with pytest.raises(Forbidden, match="was not allowed there"):
        await house.servers.finish_sign_in(refused["state"], code=None, issuer=guard.origin, error="access_denied")
    (server,) = (await house.servers.list(principal, _window())).items

    again = guard.agree(
        (await house.servers.begin_sign_in(principal, server.id, redirect_uri=CALLBACK)).authorization_url
    )
    await finished(house, principal, again)

    (server,) = (await house.servers.list(principal, _window())).items
    assert server.is_authorized


@pytest.mark.parametrize("issuer", ["https://attacker.example", None])
async def test_an_answer_of_another_issuer_is_refused(
    house: House, principal: Principal, guard: Guard, issuer: str | None
) -> None:
    back = await begun(house, principal, guard)

    with pytest.raises(SignInFailed, match="another authorization server"):
        await house.servers.finish_sign_in(back["state"], code="the-code", issuer=issuer, error=None)
    assert guard.forms == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"authorization_endpoint": "javascript:alert(document.cookie)"}, "authorization_endpoint"),
        ({"authorization_endpoint": "file:///etc/passwd"}, "authorization_endpoint"),
        ({"token_endpoint": "gopher://127.0.0.1/x"}, "token_endpoint"),
        ({"issuer": "https://attacker.example"}, "attacker"),
        ({"code_challenge_methods_supported": []}, "PKCE"),
        ({"registration_endpoint": "http://169.254.169.254/register"}, "link-local"),
    ],
)
async def test_a_hostile_authorization_server_is_refused(
    house: House, principal: Principal, guard: Guard, changes: dict[str, Any], says: str
) -> None:
    guard.changes = changes
    server = await registered(house, principal, guard)

    with pytest.raises(SignInFailed, match=says):
        await house.servers.begin_sign_in(principal, server.id, redirect_uri=CALLBACK)


async def test_a_guard_of_another_server_is_refused(house: House, principal: Principal, guard: Guard) -> None:
    guard.resource = "https://other.example/mcp"
    server = await registered(house, principal, guard)

    with pytest.raises(SignInFailed, match="not for this MCP server"):
        await house.servers.begin_sign_in(principal, server.id, redirect_uri=CALLBACK)


async def test_where_nobody_is_registered_a_client_id_is_asked_for(
    house: House, principal: Principal, guard: Guard
) -> None:
    guard.changes = {"registration_endpoint": None}
    server = await registered(house, principal, guard)

    with pytest.raises(InvalidRequest) as refused:
        await house.servers.begin_sign_in(principal, server.id, redirect_uri=CALLBACK)
    sign_in = await house.servers.begin_sign_in(principal, server.id, redirect_uri=CALLBACK, client_id="mine")

    assert refused.value.field == "client_id"
    assert "client_id=mine" in sign_in.authorization_url


async def test_a_sign_in_ends_when_the_server_moves_or_a_person_says_so(
    house: House, principal: Principal, guard: Guard
) -> None:
    server = await finished(house, principal, await begun(house, principal, guard))
    assert server.id is not None
    await house.servers.sign_out(principal, server.id)
    signed_out = await house.servers.refresh(principal, server.id)
    await finished(house, principal, await _again(house, principal, guard, server))
    moved = await house.servers.update(principal, server.id, {"url": "https://elsewhere.example/mcp"})

    assert (signed_out.status, signed_out.is_authorized) == (McpStatus.NEEDS_AUTHORIZATION, False)
    assert (moved.is_authorized, moved.tool_count) == (False, 0)


async def _again(house: House, principal: Principal, guard: Guard, server: McpServer) -> dict[str, str]:
    assert server.id is not None
    sign_in = await house.servers.begin_sign_in(principal, server.id, redirect_uri=CALLBACK)
    return guard.agree(sign_in.authorization_url)


def _window() -> Any:
    from glia.kit.pages import Window

    return Window()
