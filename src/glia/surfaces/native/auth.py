"""/v1/auth and /v1/me: signing in with a password, and who one is."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from fastapi.requests import Request
from fastapi.responses import Response
from pydantic import Field

from glia.identity.types import Tokens
from glia.surfaces.native.users import UserOut
from glia.surfaces.shared.bodies import Body, Out, TheHouse, ThePrincipal, WatchedRoute

router = APIRouter(prefix="/v1", tags=["auth"], route_class=WatchedRoute)


class LoginBody(Body):
    email: str = Field(max_length=254)
    password: str = Field(max_length=1000)


class RegisterBody(Body):
    email: str = Field(max_length=254)
    password: str = Field(max_length=1000)
    name: str = Field("", max_length=200)


class RefreshBody(Body):
    refresh_token: str = Field(max_length=1000)


class TokensOut(Out):
    """expires_in: seconds until the access token ends. The refresh token works once."""

    access_token: str
    refresh_token: str
    expires_in: int
    token_type: str = "Bearer"  # noqa: S105 - the name of a scheme
    user: UserOut


class MeOut(Out):
    """Who asks. user is null for a key that belongs to no user; key_id is null for someone who signed in."""

    workspace_id: UUID
    project_id: UUID
    scopes: list[str]
    key_id: UUID | None
    user: UserOut | None


@router.post("/auth/login")
async def login(body: LoginBody, request: Request, house: TheHouse) -> TokensOut:
    """Sign in with email and password."""
    client = request.client.host if request.client else ""
    return _tokens_out(await house.identity.sign_in(body.email, body.password, client=client))


@router.post("/auth/register", status_code=201)
async def register(body: RegisterBody, request: Request, house: TheHouse) -> TokensOut:
    """Make a workspace of one's own and sign in to it. Refused unless the operator has opened registration."""
    client = request.client.host if request.client else ""
    return _tokens_out(await house.identity.register(body.email, body.password, name=body.name, client=client))


@router.post("/auth/refresh")
async def refresh(body: RefreshBody, house: TheHouse) -> TokensOut:
    """New tokens for a refresh token. A token that comes twice ends the sign-in for whoever holds it."""
    return _tokens_out(await house.identity.refresh(body.refresh_token))


@router.post("/auth/logout", status_code=204, response_class=Response)
async def logout(body: RefreshBody, house: TheHouse) -> Response:
    """End a sign-in: no refresh token of it works any more."""
    await house.identity.sign_out(body.refresh_token)
    return Response(status_code=204)


@router.get("/me")
async def me(house: TheHouse, principal: ThePrincipal) -> MeOut:
    """Who the credential belongs to, and what it may do."""
    user = None if principal.user_id is None else await house.identity.users.get(principal, principal.user_id)
    return MeOut(
        workspace_id=principal.workspace_id,
        project_id=principal.project_id,
        scopes=sorted(principal.scopes),
        key_id=principal.key_id,
        user=None if user is None else UserOut.of(user),
    )


def _tokens_out(tokens: Tokens) -> TokensOut:
    return TokensOut(
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token,
        expires_in=tokens.expires_in_seconds,
        user=UserOut.of(tokens.user),
    )
