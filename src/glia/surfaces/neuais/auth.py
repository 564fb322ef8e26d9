"""POST /v1/auth/token: an access token for an email and a password. Any key of the workspace does as well."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from fastapi.requests import Request
from pydantic import Field

from glia.surfaces.neuais.pages import TellingRoute
from glia.surfaces.shared.bodies import Body, Out, TheHouse

TOKEN: Final = "/v1/auth/token"  # noqa: S105 - a path
LIFETIME_SECONDS: Final = 3600

router = APIRouter(tags=["auth"], route_class=TellingRoute)


class TokenBody(Body):
    email: str = Field(max_length=254)
    password: str = Field(max_length=1000)


class TokenOut(Out):
    """expires_in: seconds until the token ends. Send it as `Authorization: Bearer <access_token>`."""

    access_token: str
    token_type: str = "Bearer"  # noqa: S105 - the name of a scheme
    expires_in: int


@router.post(TOKEN)
async def token(body: TokenBody, request: Request, house: TheHouse) -> TokenOut:
    """Sign in with email and password."""
    client = request.client.host if request.client else ""
    tokens = await house.identity.sign_in(body.email, body.password, client=client, lifetime_seconds=LIFETIME_SECONDS)
    return TokenOut(access_token=tokens.access_token, expires_in=tokens.expires_in_seconds)
