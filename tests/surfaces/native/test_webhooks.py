"""/v1/webhooks over the wire."""

from __future__ import annotations

from tests.surfaces.conftest import Client


def test_an_endpoint_is_made_changed_rotated_and_deleted(client: Client) -> None:
    made = client.made(
        "/v1/webhooks", {"url": "https://hooks.invalid/a", "event_types": ["run.*"], "headers": {"X-T": "hidden"}}
    )
    path = f"/v1/webhooks/{made['id']}"
    shown = client.get(path).json
    changed = client.patch(path, {"description": "Ours", "is_active": False}).json
    rotated = client.post(f"{path}/rotate-secret", {"overlap_seconds": 60}).json
    listed = client.get("/v1/webhooks").json["data"]
    gone = client.delete(path).status

    assert made["secret"].startswith("whsec_")
    assert "secret" not in shown
    assert shown["header_names"] == ["X-T"]
    assert "hidden" not in str(shown)
    assert (changed["description"], changed["is_active"], changed["event_types"]) == ("Ours", False, ["run.*"])
    assert rotated["secret"] != made["secret"]
    assert rotated["old_secret_until"]
    assert [one["id"] for one in listed] == [made["id"]]
    assert gone == 204
    assert client.get(path).status == 404


def test_a_ping_and_its_log(client: Client) -> None:
    path = f"/v1/webhooks/{client.made('/v1/webhooks', {'url': 'https://hooks.invalid/'})['id']}"

    ping = client.post(f"{path}/ping")
    delivery = client.get(f"{path}/deliveries/{ping.json['id']}").json
    failed = client.get(f"{path}/deliveries?status=failed").json["data"]

    assert ping.status == 200
    assert (ping.json["status"], ping.json["type"], ping.json["last_status"]) == ("failed", "webhook.ping", None)
    assert "hooks.invalid" in ping.json["log"][0]["error"]
    assert delivery == ping.json
    assert [one["id"] for one in failed] == [delivery["id"]]
    assert client.post(f"{path}/deliveries/{delivery['id']}/redeliver").status == 409


def test_what_is_wrong_is_named(client: Client) -> None:
    made = client.made("/v1/webhooks", {"url": "https://hooks.invalid/"})
    path = f"/v1/webhooks/{made['id']}"

    answers = [
        client.post("/v1/webhooks", {"url": "http://127.0.0.1:1/"}),
        client.post("/v1/webhooks", {"url": "https://hooks.invalid/", "event_types": ["run.ended"]}),
        client.patch(path, {"event_types": []}),
        client.post(f"{path}/rotate-secret", {"overlap_seconds": -1}),
        client.post(f"{path}/redeliver", {"since": "yesterday"}),
        client.get(f"{path}/deliveries?status=lost"),
        client.post("/v1/webhooks", {"url": "https://hooks.invalid/", "colour": "red"}),
    ]

    assert [(one.status, one.json.get("error", {}).get("field")) for one in answers] == [
        (403, "url"),
        (400, "event_types[0]"),
        (400, "event_types"),
        (400, "overlap_seconds"),
        (400, "since"),
        (400, "status"),
        (201, None),
    ]
    assert answers[-1].headers["x-ignored-fields"] == "colour"


def test_reading_webhooks_does_not_allow_changing_them(client: Client, server: object) -> None:
    key = client.made("/v1/keys", {"name": "Reader", "scopes": ["webhooks:read"]})["key"]
    reader = Client(client.port, key)

    assert reader.get("/v1/webhooks").status == 200
    assert reader.get("/v1/webhooks/event-types").json["data"][0] == "run.created"
    assert reader.post("/v1/webhooks", {"url": "https://hooks.invalid/"}).status == 403
