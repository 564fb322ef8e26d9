"""Users and their roles, as clients of NeuAIs see them."""

from __future__ import annotations

import pytest

from glia.identity.types import Credentials
from tests.surfaces.conftest import Server
from tests.surfaces.neuais.conftest import Neuais, refusal

PASSWORD = "correct horse"


class People:
    def __init__(self, neuais: Neuais, credentials: Credentials) -> None:
        self.neuais = neuais
        self.domain = credentials.email.partition("@")[0] + ".example.org"
        self.owner = self.signed_in(credentials.email, credentials.password)

    def signed_in(self, email: str, password: str = PASSWORD) -> Neuais:
        answer = Neuais(self.neuais.port).post("/v1/auth/token", {"email": email, "password": password})
        assert answer.status == 200, answer.body
        return Neuais(self.neuais.port, answer.json["access_token"])

    def add(self, name: str, role: str) -> tuple[str, Neuais]:
        email = f"{name}@{self.domain}"
        made = self.owner.made("/v1/users", {"email": email, "password": PASSWORD, "role": role})
        assert made["role"] == role
        return made["id"], self.signed_in(email)


@pytest.fixture
def people(neuais: Neuais, credentials: Credentials) -> People:
    return People(neuais, credentials)


def test_the_example_of_the_reference(people: People):
    email = f"user@{people.domain}"

    made = people.owner.made("/v1/users", {"email": email, "password": "secure-password", "role": "developer"})

    assert made["id"].startswith("usr_")
    assert (made["email"], made["role"], made["status"]) == (email, "developer", "active")
    assert "password" not in str(made)
    assert people.owner.get(f"/v1/users/{made['id']}").json == made
    assert people.owner.get(f"/v1/users/{made['id'].removeprefix('usr_')}").json == made
    listed = people.owner.get("/v1/users?sort=email&fields=id,role").json
    assert {"id": made["id"], "role": "developer"} in listed["users"]
    assert (listed["total"], listed["limit"], listed["offset"], listed["has_more"]) == (2, 100, 0, False)


def test_only_admins_manage_users(people: People):
    viewer, as_viewer = people.add("viewer", "viewer")
    developer, as_developer = people.add("developer", "developer")
    admin, as_admin = people.add("admin", "admin")
    body = {"email": f"more@{people.domain}", "password": PASSWORD}

    for client, other in ((as_viewer, developer), (as_developer, viewer)):
        refusal(client.get("/v1/users"), 403)
        refusal(client.get(f"/v1/users/{other}"), 403)
        refusal(client.post("/v1/users", body), 403)
        refusal(client.put(f"/v1/users/{other}", {"name": "x"}), 403)
        refusal(client.delete(f"/v1/users/{other}"), 403)
    made = as_admin.made("/v1/users", body)
    assert made["role"] == "developer"
    assert as_admin.put(f"/v1/users/{made['id']}", {"role": "viewer"}).json["role"] == "viewer"
    assert as_admin.delete(f"/v1/users/{made['id']}").json == {"message": "User deleted successfully"}
    refusal(as_admin.put(f"/v1/users/{admin}", {"role": "owner"}), 403)


def test_a_viewer_reads_and_changes_nothing(people: People):
    _, viewer = people.add("viewer", "viewer")
    agent = people.owner.agent()

    assert viewer.get("/v1/agents").json["total"] == 1
    assert viewer.get("/v1/services").status == 200
    assert viewer.get("/v1/billing/usage").status == 200
    refusal(viewer.post(f"/v1/agents/{agent['id']}/stop"), 403)
    refusal(viewer.post("/v1/webhooks", {"url": "https://hooks.invalid/", "events": ["agent.created"]}), 403)


def test_people_read_and_change_themselves(people: People):
    id, client = people.add("ann", "developer")
    email = f"anna@{people.domain}"

    shown = client.get(f"/v1/users/{id}").json
    assert client.get("/v1/users/me").json == shown
    changed = client.put(f"/v1/users/{id}", {"name": "Anna", "email": email, "role": shown["role"]}).json
    assert (changed["name"], changed["email"], changed["role"]) == ("Anna", email, "developer")
    refusal(client.put(f"/v1/users/{id}", {"role": "admin"}), 403)
    refusal(client.put(f"/v1/users/{id}", {"password": "battery staple", "current_password": "wrong"}), 401)
    assert client.put(f"/v1/users/{id}", {"password": "battery staple"}).status == 200

    refusal(client.get(f"/v1/users/{id}"), 401)
    assert people.signed_in(email, "battery staple").get(f"/v1/users/{id}").status == 200


def test_a_deleted_users_tokens_die_at_once(people: People):
    id, client = people.add("ann", "developer")
    assert client.get("/v1/agents").status == 200

    assert people.owner.delete(f"/v1/users/{id}").status == 200

    refusal(client.get("/v1/agents"), 401)
    refusal(people.owner.get(f"/v1/users/{id}"), 404)
    refusal(people.owner.delete(f"/v1/users/{id}"), 404)
    people.add("ann", "viewer")


def test_the_last_owner_stays(people: People):
    (owner,) = [one for one in people.owner.get("/v1/users").json["users"] if one["role"] == "owner"]

    refusal(people.owner.delete(f"/v1/users/{owner['id']}"), 409)
    people.add("admin", "admin")
    refusal(people.owner.delete(f"/v1/users/{owner['id']}"), 409)
    refusal(people.owner.put(f"/v1/users/{owner['id']}", {"role": "admin"}), 409)
    people.add("second", "owner")
    assert people.owner.delete(f"/v1/users/{owner['id']}").status == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"password": PASSWORD}, "email"),
        ({"email": "no address", "password": PASSWORD}, "email"),
        ({"email": "a@example.org"}, "password"),
        ({"email": "a@example.org", "password": "short"}, "password"),
        ({"email": "a@example.org", "password": PASSWORD, "role": "king"}, "role"),
    ],
)
def test_a_bad_user_is_refused_by_field(people: People, body: dict[str, str], field: str):
    error = refusal(people.owner.post("/v1/users", body), 400)

    assert error["details"]["field"] == field


def test_an_email_belongs_to_one(people: People, server: Server):
    people.add("ann", "developer")
    elsewhere = server.workspace()

    for email in (f"ann@{people.domain}", f"ANN@{people.domain}", elsewhere.email):
        refusal(people.owner.post("/v1/users", {"email": email, "password": PASSWORD}), 409)
