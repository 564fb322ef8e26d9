"""Signs Glia in to MCP servers with OAuth 2.1, keeps the tokens sealed, and renews them before they lapse."""

from __future__ import annotations

import asyncio
import base64
import hmac
from collections.abc import Mapping
from datetime import timedelta
from typing import cast
from uuid import UUID

import msgspec
import orjson
import structlog

from glia.identity.types import Principal
from glia.kit import clock
from glia.kit.db import Database
from glia.kit.errors import Forbidden, GliaError, InvalidRequest
from glia.kit.outbound import Outbound, OutboundFailed, OutboundRefused, Response, Timeouts
from glia.tools.http import Secrets
from glia.tools.mcp import oauth_wire as wire
from glia.tools.mcp import queries
from glia.tools.mcp.oauth_wire import Challenge, Metadata, Pending, Registered, Resource, SignIn, SignInFailed
from glia.tools.mcp.queries import ServerRow
from glia.tools.types import McpSignIn

log = structlog.get_logger(__name__)

SIGN_IN_SECONDS = 600
_REFRESH_SECONDS = 30
_RENEW_BEFORE = timedelta(seconds=60)
_POLL_SECONDS = 0.2
_TIMEOUTS = Timeouts(connect_seconds=5, idle_seconds=15, total_seconds=20)
_LARGEST_ANSWER_BYTES = 256 * 1024
_REDIRECTS = 2
_PROBE = orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {}})
_PROBE_HEADERS = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}


class SignIns:
    def __init__(self, db: Database, outbound: Outbound, secrets: Secrets) -> None:
        self._db = db
        self._outbound = outbound
        self._secrets = secrets

    async def begin(
        self,
        row: ServerRow,
        *,
        redirect_uri: str,
        client_id: str | None,
        client_secret: str | None,
        scope: str | None,
    ) -> McpSignIn:
        """Where to send the person. Registers Glia with the authorization server unless it has a client id there."""
        challenge = await self._challenge(row.url)
        resource = await self._resource(row.url, challenge)
        issuer = resource.authorization_servers[0]
        metadata = await self._metadata(issuer)
        scope = wire.wanted_scope(scope, challenge, resource, metadata)
        client = await self._client(row, metadata, redirect_uri, client_id, client_secret, scope)
        sign_in = SignIn(
            issuer=metadata.issuer,
            authorization_endpoint=metadata.authorization_endpoint,
            token_endpoint=metadata.token_endpoint,
            client_id=client.client_id,
            client_secret=client.client_secret,
            auth_method=client.token_endpoint_auth_method or "none",
            redirect_uri=redirect_uri,
            resource=resource.resource or row.url,
            scope=scope,
            names_issuer=metadata.authorization_response_iss_parameter_supported,
        )
        pending = wire.begun(sign_in)
        sealed = self._secrets.seal(msgspec.json.encode(pending), _context(row.workspace_id, row.id, "pending"))
        async with self._db.transaction(row.workspace_id) as tx:
            until = await queries.begin_sign_in(
                tx, row.id, sealed, workspace_id=row.workspace_id, seconds=SIGN_IN_SECONDS
            )
        return McpSignIn(wire.authorization_url(pending, self._state(row, pending.nonce)), until)

    async def finish(
        self,
        state: str,
        *,
        code: str | None,
        issuer: str | None,
        error: str | None,
        only: tuple[UUID, UUID] | None = None,
    ) -> tuple[UUID, UUID]:
        """Trades the code in for tokens. Returns the workspace and the server. Each state works once.

        only: the workspace and server that the state must be about.
        """
        workspace_id, server_id, nonce = self._read_state(state)
        if only is not None and only != (workspace_id, server_id):
            raise InvalidRequest("This sign-in was begun for another MCP server.", field="state")
        async with self._db.transaction(workspace_id) as tx:
            sealed = await queries.take_pending(tx, server_id)
        if sealed is None:
            raise InvalidRequest("This sign-in was finished already, or took too long; begin it again.", field="state")
        opened = self._secrets.open(sealed, _context(workspace_id, server_id, "pending"))
        pending = msgspec.json.decode(opened, type=Pending)
        if not hmac.compare_digest(pending.nonce, nonce):
            raise InvalidRequest("A newer sign-in was begun meanwhile; finish that one.", field="state")
        if (issuer is not None or pending.sign_in.names_issuer) and issuer != pending.sign_in.issuer:
            raise SignInFailed("The answer comes from another authorization server than the one that was asked.")
        if error == "access_denied":
            raise Forbidden("The use was not allowed there (access_denied). Begin again to be asked once more.")
        if error or not code:
            raise SignInFailed(f"The authorization server says no: {(error or 'it sent no code')[:200]}.")
        await self._trade(workspace_id, server_id, pending.sign_in, wire.code_form(pending, code))
        return workspace_id, server_id

    async def forget(self, principal: Principal, server_id: UUID) -> None:
        async with self._db.transaction(principal.workspace_id) as tx:
            await tx.execute("delete from mcp_authorizations where server_id = %(id)s", id=server_id)

    async def bearer(self, workspace_id: UUID, server_id: UUID, *, is_refused: bool) -> Mapping[str, str]:
        """The header to send; none while nobody has signed in. is_refused: the one before was not taken."""
        sign_in, is_fresh = await self._kept(workspace_id, server_id)
        if sign_in is None or sign_in.access_token is None:
            return {}
        if (not is_fresh or is_refused) and sign_in.refresh_token is not None:
            sign_in = await self._renewed(workspace_id, server_id, sign_in)
        return {"Authorization": f"Bearer {sign_in.access_token}"}

    async def _renewed(self, workspace_id: UUID, server_id: UUID, old: SignIn) -> SignIn:
        """One process renews, the others wait for what it got. What was there when the renewal is refused."""
        deadline = asyncio.get_running_loop().time() + _REFRESH_SECONDS
        while asyncio.get_running_loop().time() < deadline:
            async with self._db.transaction(workspace_id) as tx:
                is_ours = await queries.claim_refresh(tx, server_id, _REFRESH_SECONDS)
            kept, _ = await self._kept(workspace_id, server_id)
            if kept is None:
                break
            if kept.access_token != old.access_token:  # someone else was faster
                if is_ours:
                    await self._end_refresh(workspace_id, server_id)
                return kept
            if is_ours:
                return await self._trade_refresh(workspace_id, server_id, kept)
            await asyncio.sleep(_POLL_SECONDS)
        return old

    async def _trade_refresh(self, workspace_id: UUID, server_id: UUID, kept: SignIn) -> SignIn:
        try:
            return await self._trade(workspace_id, server_id, kept, wire.refresh_form(kept))
        except SignInFailed as error:  # the MCP server will refuse the old token, which asks for a new sign-in
            log.warning("could not renew the sign-in to an MCP server", server=str(server_id), error=error.message)
            await self._end_refresh(workspace_id, server_id)
            return kept

    async def _end_refresh(self, workspace_id: UUID, server_id: UUID) -> None:
        async with self._db.transaction(workspace_id) as tx:
            await queries.end_refresh(tx, server_id)

    async def _trade(self, workspace_id: UUID, server_id: UUID, sign_in: SignIn, form: dict[str, str]) -> SignIn:
        headers, body = wire.token_request(sign_in, form)
        answer = await self._ask("POST", sign_in.token_endpoint, headers, body)
        tokens = wire.read(answer.body, wire.TokenAnswer, "The answer of the authorization server")
        signed_in = wire.with_tokens(sign_in, tokens)
        sealed = self._secrets.seal(msgspec.json.encode(signed_in), _context(workspace_id, server_id, "tokens"))
        async with self._db.transaction(workspace_id) as tx:
            await queries.store_tokens(
                tx, server_id, sealed, workspace_id=workspace_id, lifetime_seconds=tokens.expires_in
            )
        return signed_in

    async def _kept(self, workspace_id: UUID, server_id: UUID) -> tuple[SignIn | None, bool]:
        """What is kept, and whether its token still lives."""
        async with self._db.transaction(workspace_id) as tx:
            row = await queries.sign_in(tx, server_id)
        if row is None or row.sealed is None:
            return None, False
        opened = self._secrets.open(row.sealed, _context(workspace_id, server_id, "tokens"))
        is_fresh = row.expires_at is not None and row.expires_at - clock.now() > _RENEW_BEFORE
        return msgspec.json.decode(opened, type=SignIn), is_fresh

    async def _challenge(self, url: str) -> Challenge:
        """What the MCP server says to someone it does not know."""
        answer = await self._ask("POST", url, _PROBE_HEADERS, _PROBE)
        return Challenge.read(answer.headers.get("www-authenticate"))

    async def _resource(self, url: str, challenge: Challenge) -> Resource:
        for place in wire.resource_urls(url, challenge):
            answer = await self._ask("GET", place, {"Accept": "application/json"}, None)
            if answer.status != 200:
                continue
            found = wire.read(answer.body, Resource, f"What {place} says about the MCP server's guard")
            if found.resource is not None and not wire.covers(found.resource, url):
                raise SignInFailed(f"{place} speaks for {found.resource[:200]!r}, not for this MCP server.")
            if found.authorization_servers:
                return found
        target = url.split("/", 3)
        return Resource(authorization_servers=["/".join(target[:3])])  # as servers before 2025-06-18 have it

    async def _metadata(self, issuer: str) -> Metadata:
        for place in wire.metadata_urls(issuer):
            answer = await self._ask("GET", place, {"Accept": "application/json"}, None)
            if answer.status == 200:
                found = wire.read(answer.body, Metadata, f"What {place} says about the authorization server")
                return wire.checked(found, issuer)
        raise SignInFailed(f"The authorization server {issuer} does not describe itself; OAuth cannot be used with it.")

    async def _client(
        self,
        row: ServerRow,
        metadata: Metadata,
        redirect_uri: str,
        client_id: str | None,
        client_secret: str | None,
        scope: str | None,
    ) -> Registered:
        """The given client, the one registered before, or a new registration."""
        methods = metadata.token_endpoint_auth_methods_supported or ["client_secret_basic"]
        if client_id is not None:
            secret_way = "client_secret_post" if "client_secret_basic" not in methods else "client_secret_basic"
            return Registered(client_id, client_secret, secret_way if client_secret else "none")
        kept, _ = await self._kept(row.workspace_id, row.id)
        if kept is not None and (kept.issuer, kept.redirect_uri) == (metadata.issuer, redirect_uri):
            return Registered(kept.client_id, kept.client_secret, kept.auth_method)
        if metadata.registration_endpoint is None:
            raise InvalidRequest(
                f"The authorization server {metadata.issuer} registers nobody by itself; register Glia there with the"
                f" redirect address {redirect_uri} and give its `client_id`.",
                field="client_id",
            )
        body = orjson.dumps(wire.registration(redirect_uri, scope))
        answer = await self._ask("POST", metadata.registration_endpoint, {"Content-Type": "application/json"}, body)
        if answer.status not in {200, 201}:
            raise SignInFailed(f"The authorization server refuses to register Glia (HTTP {answer.status}).")
        return wire.read(answer.body, Registered, "The registration")

    async def _ask(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Response:
        try:
            return await self._outbound.request(
                method,
                url,
                headers=headers,
                body=body,
                timeouts=_TIMEOUTS,
                largest_body_bytes=_LARGEST_ANSWER_BYTES,
                redirects=_REDIRECTS if method == "GET" else 0,
                may_repeat=method == "GET",
            )
        except (OutboundFailed, OutboundRefused) as error:
            raise SignInFailed(error.message) from error

    def _state(self, row: ServerRow, nonce: str) -> str:
        """Sealed, so that the way back needs nothing but it to find the workspace, and nobody can make one."""
        inside = orjson.dumps([str(row.workspace_id), str(row.id), nonce])
        return base64.urlsafe_b64encode(self._secrets.seal(inside, _STATE)).decode().rstrip("=")

    def _read_state(self, state: str) -> tuple[UUID, UUID, str]:
        try:
            sealed = base64.urlsafe_b64decode(state + "=" * (-len(state) % 4))
            inside = cast(list[str], orjson.loads(self._secrets.open(sealed, _STATE)))
        except (ValueError, GliaError):
            raise InvalidRequest("This is not a sign-in that was begun here.", field="state") from None
        return UUID(inside[0]), UUID(inside[1]), inside[2]


_STATE = "mcp.sign_in.state"


def _context(workspace_id: UUID, server_id: UUID, part: str) -> str:
    return f"mcp_authorizations.{part}:{workspace_id}:{server_id}"
