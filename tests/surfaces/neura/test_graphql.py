"""Neura's GraphQL: signing in, and what must not be possible there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from glia.identity.types import Credentials
from glia.kit.ids import new_id
from glia.settings import Settings
from tests.surfaces.conftest import Client, Server, start_server
from tests.surfaces.neura.conftest import Neura, refusal

LOGIN = """mutation($email: String!, $password: String!) {
  login(email: $email, password: $password) { accessToken refreshToken user { id email } } }"""


def ask(client: Neura, query: str, **variables: Any) -> dict[str, Any]:
    answer = client.post("/graphql", {"query": query, "variables": variables})
    assert answer.status == 200, answer.body
    return answer.json


def code(answer: dict[str, Any]) -> str:
    return answer["errors"][0]["extensions"]["code"]


@pytest.fixture
def nobody(server: Server) -> Neura:
    return Neura(server.port)


@pytest.fixture
def tokens(nobody: Neura, credentials: Credentials) -> dict[str, Any]:
    return ask(nobody, LOGIN, email=credentials.email, password=credentials.password)["data"]["login"]


def test_login_gives_tokens_that_open_the_rest(tokens: dict[str, Any], server: Server, credentials: Credentials):
    ada = Neura(server.port, tokens["accessToken"])

    me = ask(ada, "{ me { id email credits plan } }")["data"]["me"]

    assert me == {"id": tokens["user"]["id"], "email": credentials.email, "credits": None, "plan": "self-hosted"}
    assert ada.get("/api/agents").json == {"agents": [], "total": 0}


def test_the_documented_request_works(nobody: Neura, credentials: Credentials):
    query = (
        f'mutation {{ login(email: "{credentials.email}", password: "{credentials.password}")'
        " { accessToken refreshToken user { id email } } }"
    )

    assert set(ask(nobody, query)["data"]["login"]) == {"accessToken", "refreshToken", "user"}


def test_credits_are_in_dollars(tokens: dict[str, Any], server: Server, client: Client):
    client.request("PUT", "/v1/credits", {"is_enabled": True})
    client.made("/v1/credits/grants", {"amount_micros": 2_500_000})

    me = ask(Neura(server.port, tokens["accessToken"]), "{ me { credits } }")

    assert me["data"]["me"]["credits"] == 2.5


def test_a_wrong_password_is_an_error_with_status_200(nobody: Neura, credentials: Credentials):
    answer = ask(nobody, LOGIN, email=credentials.email, password="wrong")

    assert answer["data"] is None
    assert code(answer) == "UNAUTHENTICATED"
    assert "password" in answer["errors"][0]["message"]
    assert ask(nobody, "{ me { id } }")["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


def test_a_refresh_token_works_once(nobody: Neura, tokens: dict[str, Any]):
    renew = "mutation($t: String!) { refreshToken(refreshToken: $t) { accessToken refreshToken } }"

    first = ask(nobody, renew, t=tokens["refreshToken"])
    again = ask(nobody, renew, t=tokens["refreshToken"])

    assert first["data"]["refreshToken"]["refreshToken"] != tokens["refreshToken"]
    assert code(again) == "UNAUTHENTICATED"
    snake = "mutation($t: String!) { refresh_token(refresh_token: $t) { access_token } }"
    assert code(ask(nobody, snake, t="glr_nonsense")) == "UNAUTHENTICATED"


def test_logout_ends_the_sign_in(nobody: Neura, tokens: dict[str, Any], server: Server):
    assert ask(nobody, "mutation($t: String) { logout(refreshToken: $t) }", t=tokens["refreshToken"])["data"]["logout"]

    renew = "mutation($t: String!) { refreshToken(refreshToken: $t) { accessToken } }"
    assert code(ask(nobody, renew, t=tokens["refreshToken"])) == "UNAUTHENTICATED"


def test_logout_without_a_refresh_token_ends_all_sign_ins(tokens: dict[str, Any], server: Server, nobody: Neura):
    ada = Neura(server.port, tokens["accessToken"])

    assert ask(ada, "mutation { logout }")["data"]["logout"]

    assert ada.get("/api/agents").status == 401
    assert code(ask(nobody, "mutation { logout }")) == "UNAUTHENTICATED"


def test_registration_is_closed_unless_the_operator_opens_it(nobody: Neura, client: Client):
    query = 'mutation { register(email: "new@example.org", password: "correct horse") { accessToken } }'

    answer = ask(nobody, query)

    assert code(answer) == "FORBIDDEN"
    assert "GLIA_REGISTRATION" in answer["errors"][0]["message"]
    assert client.post("/v1/auth/register", {"email": "n@example.org", "password": "correct horse"}).status == 403


def test_aliases_do_not_make_one_request_many_tries(nobody: Neura, credentials: Credentials):
    tries = " ".join(
        f'a{number}: login(email: "{credentials.email}", password: "{number}") {{ accessToken }}'
        for number in range(50)
    )

    assert code(ask(nobody, f"mutation {{ {tries} }}")) == "BAD_USER_INPUT"
    spread = "mutation { ...f } fragment f on Mutation { " + tries + " }"
    assert code(ask(nobody, spread)) == "BAD_USER_INPUT"
    batch = nobody.post(
        "/graphql",
        raw=json.dumps([{"query": "{ me { id } }"}] * 50).encode(),
        headers={"Content-Type": "application/json"},
    )
    assert batch.status == 400
    refusal(batch)


def test_guessing_is_slowed_down(nobody: Neura, credentials: Credentials):
    codes = [code(ask(nobody, LOGIN, email=credentials.email, password=str(number))) for number in range(7)]

    assert codes[0] == "UNAUTHENTICATED"
    assert codes[-1] == "TOO_MANY_REQUESTS"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("mutation { login(email: 1, password: 2) { accessToken } }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ " + " ".join(f"a{number}: me {{ id }}" for number in range(150)) + " }", "BAD_USER_INPUT"),
        ("{ me { id } " + "x" * 2000 + " }", "GRAPHQL_VALIDATION_FAILED"),
        ("{" * 900, "GRAPHQL_PARSE_FAILED"),
        ("{ a { " * 200 + "} }" * 200, "GRAPHQL_PARSE_FAILED"),
        ("fragment f on Query { ...f } { ...f }", "GRAPHQL_VALIDATION_FAILED"),
        ("", "GRAPHQL_PARSE_FAILED"),
    ],
)
def test_what_cannot_be_answered_says_why(nobody: Neura, query: str, expected: str):
    assert code(ask(nobody, query)) == expected


def test_a_request_that_is_no_graphql_is_a_400(nobody: Neura):
    for body in ({}, {"query": 5}, {"query": "{ me { id } }", "variables": []}, {"query": "x" * 10_001}):
        answer = nobody.post("/graphql", body)

        assert answer.status == 400
        refusal(answer)
    assert nobody.get("/graphql").status == 405


def test_the_schema_can_be_asked_for(nobody: Neura):
    found = ask(nobody, "{ __schema { mutationType { fields { name args { name } } } } }")

    names = {field["name"] for field in found["data"]["__schema"]["mutationType"]["fields"]}
    assert names >= {"login", "register", "refreshToken", "logout"}


def test_an_open_server_in_production(tmp_path_factory: pytest.TempPathFactory):
    settings = Settings(registration="open", production=True)
    running = start_server(tmp_path_factory.mktemp("open"), settings)
    server = next(running)
    nobody = Neura(server.port)
    email = f"{new_id().hex}@example.org"
    register = """mutation($email: String!) { register(email: $email, password: "correct horse", name: "Ada") {
      accessToken user { id email name role } } }"""

    made = ask(nobody, register, email=email)["data"]["register"]
    again = ask(nobody, register, email=email)
    weak = ask(nobody, 'mutation { register(email: "b@example.org", password: "x") { accessToken } }')
    other = ask(nobody, register, email=f"{new_id().hex}@example.org")["data"]["register"]

    assert (made["user"]["email"], made["user"]["name"], made["user"]["role"]) == (email, "Ada", "admin")
    assert code(again) == code(weak) == "BAD_USER_INPUT"
    ada, bob = Neura(server.port, made["accessToken"]), Neura(server.port, other["accessToken"])
    agent = ada.made("/api/agents", {"name": "Mine"})["agent_id"]
    assert bob.get(f"/api/agents/{agent}").status == 404
    assert "errors" in ask(nobody, "{ __schema { types { name } } }")
    answers = [ask(nobody, register, email=f"{new_id().hex}@example.org") for _ in range(4)]
    assert code(answers[-1]) == "TOO_MANY_REQUESTS"
    next(running, None)
