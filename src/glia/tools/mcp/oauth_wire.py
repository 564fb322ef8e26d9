"""The messages of OAuth 2.1 as MCP uses it: discovery, registration, the authorization address, tokens.

Pure: reads and builds, sends nothing. Sources: RFC 9728 (protected resources), RFC 8414 (authorization servers),
RFC 7591 (registration), RFC 7636 (PKCE), RFC 8707 (resource indicators), RFC 9207 (issuer in the answer).
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import urlencode, urlsplit

import msgspec

from glia.kit.errors import Unauthorized, UpstreamFailed
from glia.kit.outbound import UrlRefused
from glia.kit.outbound.target import parse

T = TypeVar("T")


class SignInFailed(UpstreamFailed):
    """The authorization server, or what the MCP server says about it, cannot be used; the message says why."""

    code = "sign_in_failed"


class SignInNeeded(Unauthorized):
    """Nobody has signed in to the MCP server, or the sign-in has lapsed."""

    code, status = "sign_in_needed", 409


class Resource(msgspec.Struct):
    """What the MCP server says about who guards it."""

    resource: str | None = None
    authorization_servers: list[str] = msgspec.field(default_factory=list[str])
    scopes_supported: list[str] | None = None


class Metadata(msgspec.Struct):
    """What the authorization server says about itself."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    registration_endpoint: str | None = None
    code_challenge_methods_supported: list[str] = msgspec.field(default_factory=list[str])
    token_endpoint_auth_methods_supported: list[str] | None = None
    scopes_supported: list[str] | None = None
    authorization_response_iss_parameter_supported: bool = False


class Registered(msgspec.Struct):
    client_id: str
    client_secret: str | None = None
    token_endpoint_auth_method: str | None = None


class TokenAnswer(msgspec.Struct):
    access_token: str = ""
    token_type: str = "Bearer"  # noqa: S105 - a kind, no secret
    expires_in: float | None = None
    refresh_token: str | None = None
    scope: str | None = None
    error: str | None = None
    error_description: str | None = None


class SignIn(msgspec.Struct, frozen=True):
    """What is kept, sealed: the client at its authorization server, and its tokens once there are any."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    client_id: str
    redirect_uri: str
    resource: str
    client_secret: str | None = None
    auth_method: str = "none"
    scope: str | None = None
    names_issuer: bool = False
    access_token: str | None = None
    refresh_token: str | None = None


class Pending(msgspec.Struct, frozen=True):
    """A sign-in between the way out and the way back. nonce: what the state must hold. verifier: of PKCE."""

    sign_in: SignIn
    nonce: str
    verifier: str


@dataclass(frozen=True)
class Challenge:
    """The parameters of a `WWW-Authenticate: Bearer` header."""

    parameters: Mapping[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def read(cls, header: str | None) -> Challenge:
        found = re.findall(r'([A-Za-z_]+)\s*=\s*(?:"([^"]*)"|([^\s,"]+))', header or "")
        return cls({name.lower(): quoted or bare for name, quoted, bare in found})


def resource_urls(server_url: str, challenge: Challenge) -> list[str]:
    """Where the MCP server may describe its guard, best first."""
    origin, path = _split(server_url)
    named = challenge.parameters.get("resource_metadata")
    urls = [named] if named else []
    if path not in {"", "/"}:
        urls.append(f"{origin}/.well-known/oauth-protected-resource{path}")
    return [*urls, f"{origin}/.well-known/oauth-protected-resource"]


def metadata_urls(issuer: str) -> list[str]:
    """Where an authorization server may describe itself, best first."""
    origin, path = _split(issuer)
    path = path.rstrip("/")
    if not path:
        return [f"{origin}/.well-known/{word}" for word in ("oauth-authorization-server", "openid-configuration")]
    return [
        f"{origin}/.well-known/oauth-authorization-server{path}",
        f"{origin}/.well-known/openid-configuration{path}",
        f"{origin}{path}/.well-known/openid-configuration",
    ]


def checked(metadata: Metadata, issuer: str) -> Metadata:
    """Raises SignInFailed unless it is about that issuer, has web addresses only, and knows PKCE."""
    if metadata.issuer.rstrip("/") != issuer.rstrip("/"):
        raise SignInFailed(f"The authorization server {issuer} says that it is {metadata.issuer[:200]!r}.")
    for name in ("authorization_endpoint", "token_endpoint", "registration_endpoint"):
        url: str | None = getattr(metadata, name)
        if url is None:
            continue
        try:
            parse(url)
        except UrlRefused as error:
            raise SignInFailed(f"The `{name}` of the authorization server cannot be used. {error.message}") from None
    if "S256" not in metadata.code_challenge_methods_supported:
        raise SignInFailed(f"The authorization server {issuer} does not support PKCE with S256, which is required.")
    return metadata


def covers(resource: str, server_url: str) -> bool:
    """Whether what the metadata speaks for includes the server: same origin, and its path or one above."""
    try:
        guard, server = parse(resource), parse(server_url)
    except UrlRefused:
        return False
    above = guard.path.rstrip("/")
    path = server.path.partition("?")[0].rstrip("/")
    return guard.has_origin_of(server) and (path == above or path.startswith(f"{above}/"))


def registration(redirect_uri: str, scope: str | None) -> dict[str, object]:
    body: dict[str, object] = {
        "client_name": "Glia",
        "redirect_uris": [redirect_uri],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    }
    return body | ({"scope": scope} if scope else {})


def wanted_scope(asked: str | None, challenge: Challenge, resource: Resource, metadata: Metadata) -> str | None:
    """What was asked for, else what the server demands, else all that it knows."""
    chosen = asked or challenge.parameters.get("scope")
    if chosen is None and resource.scopes_supported:
        chosen = " ".join(resource.scopes_supported)
    if chosen and "offline_access" in (metadata.scopes_supported or []) and "offline_access" not in chosen.split():
        chosen += " offline_access"
    return chosen


def begun(sign_in: SignIn) -> Pending:
    return Pending(sign_in, secrets.token_urlsafe(32), secrets.token_urlsafe(64))


def authorization_url(pending: Pending, state: str) -> str:
    sign_in = pending.sign_in
    digest = hashlib.sha256(pending.verifier.encode()).digest()
    query = {
        "response_type": "code",
        "client_id": sign_in.client_id,
        "redirect_uri": sign_in.redirect_uri,
        "state": state,
        "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
        "code_challenge_method": "S256",
        "resource": sign_in.resource,
    } | ({"scope": sign_in.scope} if sign_in.scope else {})
    joint = "&" if urlsplit(sign_in.authorization_endpoint).query else "?"
    return f"{sign_in.authorization_endpoint}{joint}{urlencode(query)}"


def code_form(pending: Pending, code: str) -> dict[str, str]:
    sign_in = pending.sign_in
    return {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": sign_in.redirect_uri,
        "code_verifier": pending.verifier,
        "resource": sign_in.resource,
        "client_id": sign_in.client_id,
    }


def refresh_form(sign_in: SignIn) -> dict[str, str]:
    return {
        "grant_type": "refresh_token",
        "refresh_token": sign_in.refresh_token or "",
        "resource": sign_in.resource,
        "client_id": sign_in.client_id,
    }


def token_request(sign_in: SignIn, form: dict[str, str]) -> tuple[dict[str, str], bytes]:
    """Headers and body, with the client's own proof where it has one."""
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    if sign_in.client_secret and sign_in.auth_method == "client_secret_basic":
        pair = urlencode({"": sign_in.client_id})[1:] + ":" + urlencode({"": sign_in.client_secret})[1:]
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    elif sign_in.client_secret:
        form = form | {"client_secret": sign_in.client_secret}
    return headers, urlencode(form).encode()


def with_tokens(sign_in: SignIn, answer: TokenAnswer) -> SignIn:
    """Raises SignInFailed when there is no usable token in the answer."""
    if answer.error or not answer.access_token:
        said = answer.error_description or answer.error or "there is no access token in its answer"
        raise SignInFailed(f"The authorization server {sign_in.issuer} refuses: {said[:300]}")
    if answer.token_type.lower() != "bearer" or re.search(r"[^\x21-\x7e]", answer.access_token):
        raise SignInFailed(f"The authorization server {sign_in.issuer} gave a token that cannot be sent as Bearer.")
    kept = answer.refresh_token or sign_in.refresh_token
    return msgspec.structs.replace(sign_in, access_token=answer.access_token, refresh_token=kept)


def read(body: bytes, type: type[T], what: str) -> T:
    """Raises SignInFailed, which names what could not be read."""
    try:
        return msgspec.json.decode(body, type=type)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise SignInFailed(f"{what} cannot be read: {str(error)[:200]}") from None


def _split(url: str) -> tuple[str, str]:
    try:
        target = parse(url)
    except UrlRefused as error:
        raise SignInFailed(
            f"The MCP server names an authorization server that cannot be used. {error.message}"
        ) from None
    return f"{target.scheme}://{target.authority}", target.path.partition("?")[0].rstrip("/")
