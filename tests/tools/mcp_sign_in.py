"""An MCP server's guard for the tests: protected resource, authorization server, registration, tokens that lapse."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit


@dataclass
class Guard:
    """changes: to the authorization server's description of itself. lifetime: of access tokens, in seconds."""

    port: int = 0
    lifetime: float = 3600
    changes: dict[str, Any] = field(default_factory=dict[str, Any])
    resource: str | None = None
    tokens: set[str] = field(default_factory=set[str])
    refresh_tokens: set[str] = field(default_factory=set[str])
    forms: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    registered: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    asked: list[str] = field(default_factory=list[str])
    challenge: str = ""

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.origin}/mcp"

    def agree(self, authorization_url: str) -> dict[str, str]:
        """What a person's browser brings back."""
        query = dict(parse_qsl(urlsplit(authorization_url).query))
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        assert query["resource"] == self.url
        self.challenge = query["code_challenge"]
        return {"state": query["state"], "code": "the-code", "iss": self.origin}

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any, dict[str, str]]:
        self.asked.append(f"{method} {path}")
        if path == "/.well-known/oauth-protected-resource/mcp":
            resource = {"resource": self.resource or self.url, "authorization_servers": [self.origin]}
            return 200, resource | {"scopes_supported": ["read"]}, {}
        if path == "/.well-known/oauth-authorization-server":
            return 200, self._description(), {}
        if path == "/register":
            self.registered.append(json.loads(body))
            return 201, {"client_id": "glia-1", "token_endpoint_auth_method": "none"}, {}
        if path == "/token":
            return self._token({name: values[0] for name, values in parse_qs(body.decode()).items()})
        if path == "/mcp":
            return self._mcp(method, headers, body)
        return 404, {}, {}

    def _description(self) -> dict[str, Any]:
        return {
            "issuer": self.origin,
            "authorization_endpoint": f"{self.origin}/authorize",
            "token_endpoint": f"{self.origin}/token",
            "registration_endpoint": f"{self.origin}/register",
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        } | self.changes

    def _token(self, form: dict[str, str]) -> tuple[int, Any, dict[str, str]]:
        self.forms.append(form)
        if form["grant_type"] == "authorization_code":
            digest = hashlib.sha256(form["code_verifier"].encode()).digest()
            if base64.urlsafe_b64encode(digest).decode().rstrip("=") != self.challenge or form["code"] != "the-code":
                return 400, {"error": "invalid_grant"}, {}
        elif form["refresh_token"] not in self.refresh_tokens:
            return 400, {"error": "invalid_grant"}, {}
        self.refresh_tokens = {f"refresh-{len(self.forms)}"}  # each works once
        token = f"token-{len(self.forms)}"
        self.tokens.add(token)
        (refresh,) = self.refresh_tokens
        answer = {"access_token": token, "token_type": "Bearer", "expires_in": self.lifetime, "refresh_token": refresh}
        return 200, answer, {}

    def _mcp(self, method: str, headers: dict[str, str], body: bytes) -> tuple[int, Any, dict[str, str]]:
        if headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            place = f"{self.origin}/.well-known/oauth-protected-resource/mcp"
            return 401, {}, {"WWW-Authenticate": f'Bearer resource_metadata="{place}"'}
        if method != "POST":
            return 405, {}, {}
        asked = json.loads(body)
        return 200, {"jsonrpc": "2.0", "id": asked.get("id"), "result": self._result(asked)}, {}

    def _result(self, asked: dict[str, Any]) -> dict[str, Any]:
        fresh = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
        match asked["method"]:
            case "server/discover":
                return {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}, **fresh}
            case "tools/list":
                schema = {"type": "object", "properties": {}}
                return {"tools": [{"name": "whoami", "inputSchema": schema}], **fresh}
            case _:
                return {"content": [{"type": "text", "text": "you"}], "resultType": "complete"}


@asynccontextmanager
async def guarded() -> AsyncIterator[Guard]:
    guard = Guard()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, path, _ = head[0].split(" ")
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head[1:] if line)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            status, answer, more = guard.answer(method, path, headers, body)
            text = json.dumps(answer).encode()
            lines = [f"HTTP/1.1 {status} X", "Content-Type: application/json", f"Content-Length: {len(text)}"]
            lines += ["Connection: close", *(f"{name}: {value}" for name, value in more.items())]
            writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + text)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    guard.port = listener.sockets[0].getsockname()[1]
    yield guard
    listener.close()
