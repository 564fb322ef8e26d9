"""Signing in."""

from __future__ import annotations

import base64
import json

import pytest

from glia.identity.types import Credentials
from tests.surfaces.conftest import Server
from tests.surfaces.neuais.conftest import Neuais, refusal


def test_a_token_lives_for_an_hour_and_opens_the_api(server: Server, credentials: Credentials):
    found = (
        Neuais(server.port).post("/v1/auth/token", {"email": credentials.email, "password": credentials.password}).json
    )

    claims = json.loads(base64.urlsafe_b64decode(found["access_token"].split(".")[1] + "=="))
    assert set(found) == {"access_token", "token_type", "expires_in"}
    assert (found["token_type"], found["expires_in"]) == ("Bearer", 3600)
    assert claims["exp"] - claims["iat"] == 3600
    assert Neuais(server.port, found["access_token"]).get("/v1/agents").status == 200


def test_a_wrong_password_is_unauthorized(server: Server, credentials: Credentials):
    refusal(Neuais(server.port).post("/v1/auth/token", {"email": credentials.email, "password": "wrong"}), 401)


@pytest.mark.parametrize(
    ("body", "field"),
    [({}, "email"), ({"email": "a@example.org"}, "password"), ({"email": 1, "password": "x"}, "email")],
)
def test_a_bad_sign_in_is_named(server: Server, body: dict[str, object], field: str):
    assert refusal(Neuais(server.port).post("/v1/auth/token", body), 400)["details"]["field"] == field
