"""The browser's way in: a cookie in place of a key, and a header that only our own pages can send along."""

from __future__ import annotations

import base64
import hashlib
import hmac
from http.cookies import CookieError, SimpleCookie
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.requests import Request
from fastapi.responses import JSONResponse, Response
from pydantic import Field

from glia.identity.errors import WrongCredentials
from glia.identity.types import Principal, Tokens
from glia.kit.errors import Forbidden
from glia.kit.ids import new_id
from glia.surfaces.neuralhub.scopes import held
from glia.surfaces.neuralhub.words import neuralhub_error
from glia.surfaces.shared.asgi import App, Receive, Scope, Send, send_json
from glia.surfaces.shared.bodies import Body, Out, TheHouse, WatchedRoute, principal_of

SESSION, REFRESH, CSRF = "neuralhub_session", "neuralhub_refresh", "neuralhub_csrf"
CSRF_HEADER = "X-CSRF-Token"
LOGIN, RENEW = "/v1/auth/login", "/v1/auth/refresh"
_KEPT_SECONDS = 30 * 86400
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

router = APIRouter(prefix="/v1/auth", tags=["auth"], route_class=WatchedRoute)


class CookieDoor:
    """In front of the gate: a request without a key is signed in by its cookie.

    One that changes something must carry the CSRF token, too: another site can make a browser send the cookie, and
    cannot read the token. Requests with a key are let through as they are.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = dict(scope["headers"])
            session = cookies_in(headers.get(b"cookie", b"")).get(SESSION, "")
            if session and b"authorization" not in headers and b"x-api-key" not in headers:
                if scope["method"] not in _SAFE and scope["path"] != LOGIN and not _is_ours(headers, session):
                    return await _refuse(send)
                bearer = (b"authorization", b"Bearer " + session.encode("latin-1", "replace"))
                scope = {**scope, "headers": [*scope["headers"], bearer]}
        await self._app(scope, receive, send)
        return None


async def _refuse(send: Send) -> None:
    error = Forbidden(
        f"A request that is signed in by a cookie and changes something needs the header `{CSRF_HEADER}`; its value is"
        f" in the cookie `{CSRF}`.",
    )
    headers = [(b"x-request-id", str(new_id()).encode())]
    await send_json(send, 403, neuralhub_error(error, ""), headers)


def cookies_in(header: bytes) -> dict[str, str]:
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(header.decode("latin-1")).items()}
    except CookieError:
        return {}


def csrf_of(session: str) -> str:
    """Follows from the session, which scripts cannot read, so that nobody else can make one up."""
    digest = hashlib.sha256(b"glia csrf\n" + session.encode("utf-8", "replace")).digest()
    return base64.urlsafe_b64encode(digest[:24]).decode()


def _is_ours(headers: dict[bytes, bytes], session: str) -> bool:
    return hmac.compare_digest(headers.get(CSRF_HEADER.lower().encode(), b""), csrf_of(session).encode())


class LoginBody(Body):
    email: str = Field(max_length=254)
    password: str = Field(max_length=1000)


class SessionOut(Out):
    """csrf_token: for the header `X-CSRF-Token` of every request that changes something. expires_in: seconds."""

    email: str
    csrf_token: str
    expires_in: int


class MeOut(Out):
    """Who asks. email: null for a key."""

    workspaceId: str  # noqa: N815 - NeuralHub's word
    email: str | None
    scopes: list[str]


@router.post("/login", response_model=SessionOut)
async def login(body: LoginBody, request: Request, house: TheHouse) -> Response:
    """Sign a browser in. Sets the session's cookies; the answer holds the CSRF token."""
    client = request.client.host if request.client else ""
    return _signed_in(request, await house.identity.sign_in(body.email, body.password, client=client))


@router.post("/refresh", response_model=SessionOut)
async def refresh(request: Request, house: TheHouse) -> Response:
    """Go on with a browser's session, whose token lives for 15 minutes."""
    token = request.cookies.get(REFRESH)
    if not token:
        raise WrongCredentials("There is no session to go on with; sign in.")
    return _signed_in(request, await house.identity.refresh(token))


@router.post("/logout", status_code=204, response_class=Response)
async def logout(request: Request, house: TheHouse) -> Response:
    """End a browser's session."""
    if token := request.cookies.get(REFRESH):
        await house.identity.sign_out(token)
    answer = Response(status_code=204)
    for name in (SESSION, REFRESH, CSRF):
        answer.delete_cookie(name, path=_path(request))
    return answer


@router.get("/me")
async def me(house: TheHouse, principal: Annotated[Principal, Depends(principal_of)]) -> MeOut:
    """Who the credential belongs to, and its scopes."""
    email = None
    if principal.key_id is None and principal.user_id is not None:
        email = (await house.identity.users.get(principal, principal.user_id)).email
    return MeOut(workspaceId=str(principal.workspace_id), email=email, scopes=held(principal))


def _signed_in(request: Request, tokens: Tokens) -> Response:
    csrf = csrf_of(tokens.access_token)
    answer = JSONResponse({"email": tokens.user.email, "csrf_token": csrf, "expires_in": tokens.expires_in_seconds})
    is_secure = request.url.scheme == "https"
    for name, value, is_hidden in (
        (SESSION, tokens.access_token, True),
        (REFRESH, tokens.refresh_token, True),
        (CSRF, csrf, False),
    ):
        answer.set_cookie(
            name,
            value,
            max_age=_KEPT_SECONDS,
            path=_path(request),
            secure=is_secure,
            httponly=is_hidden,
            samesite="lax",
        )
    return answer


def _path(request: Request) -> str:
    """Cookies stay below the surface's own address."""
    prefix: str = request.scope.get("state", {}).get("prefix", "")
    return prefix or "/"
