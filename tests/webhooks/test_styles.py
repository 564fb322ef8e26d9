"""Endpoints that want their deliveries signed, named and retried as other systems do."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import socket
import threading

import pytest

from glia.agents.types import AgentSpec
from glia.kit.errors import InvalidRequest
from glia.kit.mail import Mail, MailConfig
from glia.webhooks.types import WebhookSpec
from tests.webhooks.conftest import Post

NAMES = {"agent.created": "agent.created", "message.received": "message.sent", "tool.returned": "tool.executed"}


async def test_deliveries_carry_their_names_and_a_plain_signature(post: Post) -> None:
    spec = WebhookSpec(post.receiver.url(), event_types=tuple(NAMES), style="sha256", event_names=NAMES)
    webhook, _ = await post.webhooks.create(post.principal, spec, secret="s3cret")

    session = await post.run()
    await post.until_settled(webhook, 3)

    got = {one.headers["x-webhook-event"]: one for one in post.receiver.at("/hook")}
    assert set(got) == {"agent.created", "message.sent", "tool.executed"}
    for one in got.values():
        digest = hmac.new(b"s3cret", one.body, hashlib.sha256).hexdigest()
        assert one.headers["x-webhook-signature"] == f"sha256={digest}"
        assert one.json["delivery_id"] == one.headers["x-webhook-delivery-id"]
        assert "webhook-signature" not in one.headers
    assert got["message.sent"].json["data"]["content"] == "Go."
    assert got["message.sent"].json["data"]["session_id"] == str(session)
    assert got["agent.created"].json["data"]["slug"] == "clerk"
    assert webhook.has_secret


async def test_an_endpoint_has_the_patience_it_asks_for(post: Post) -> None:
    post.receiver.answers(500, 500, 500)
    spec = WebhookSpec(
        post.receiver.url(), event_types=("agent.deleted",), style="sha256", max_attempts=2, retry_seconds=1
    )
    webhook, _ = await post.webhooks.create(post.principal, spec)

    agent = await post.rig.agents.create(post.principal, AgentSpec(name="Gone"))
    await post.rig.agents.update(post.principal, agent.id, {"description": "Nobody is told."})
    await post.rig.agents.delete(post.principal, agent.id)
    [delivery] = await post.until_settled(webhook)

    assert (delivery.status, delivery.attempts, delivery.last_status) == ("failed", 2, 500)
    assert "x-webhook-signature" not in post.receiver.got[0].headers
    again = await post.webhooks.redeliver(post.principal, webhook.id, delivery.id)
    assert again.status == "pending"


async def test_an_endpoint_of_one_agent_hears_of_no_other(post: Post) -> None:
    mine = await post.rig.agents.create(post.principal, AgentSpec(name="Mine"))
    other = await post.rig.agents.create(post.principal, AgentSpec(name="Other"))
    webhook = await post.register("/hook", "session.created", "agent.updated", agent_id=mine.id)

    for agent in (mine, other):
        await post.rig.sessions.create(post.principal, agent_id=agent.id)
        await post.rig.agents.update(post.principal, agent.id, {"description": "New"})
    found = await post.until_settled(webhook, 2)

    assert [one.type for one in found] == ["session.created", "agent.updated"]
    assert {one.data["agent_id"] for one in found} == {str(mine.id)}


async def test_what_an_endpoint_cannot_be_is_refused(post: Post) -> None:
    for spec in (
        WebhookSpec(post.receiver.url(), style="smoke"),  # type: ignore[arg-type]
        WebhookSpec(post.receiver.url(), timeout_seconds=0),
        WebhookSpec(post.receiver.url(), max_attempts=21),
        WebhookSpec(post.receiver.url(), event_names={"run.completed": "a\nb"}),
        WebhookSpec("mailto:nobody"),
        WebhookSpec("mailto:a@example.org\nBcc: b@example.org"),
    ):
        with pytest.raises(InvalidRequest):
            await post.webhooks.create(post.principal, spec)


class MailServer(threading.Thread):
    """Takes one mail."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.text = ""

    def run(self) -> None:
        connection, _ = self.listener.accept()
        file = connection.makefile("rb")
        connection.sendall(b"220 ready\r\n")
        is_text = False
        for line in file:
            if is_text and line != b".\r\n":
                self.text += line.decode()
                continue
            is_text = line.upper().startswith(b"DATA")
            is_over = line.upper().startswith(b"QUIT")
            connection.sendall(b"354 go\r\n" if is_text else b"221 bye\r\n" if is_over else b"250 ok\r\n")
            if is_over:
                break
        connection.close()


async def test_an_endpoint_can_be_a_person_with_a_mail_address(post: Post) -> None:
    server = MailServer()
    server.start()
    post.dispatcher._mail = Mail(MailConfig(f"smtp://127.0.0.1:{server.port}", "glia@example.org"))
    webhook, _ = await post.webhooks.create(
        post.principal, WebhookSpec("mailto:ada@example.org", event_types=("agent.created",), style="sha256")
    )

    await post.rig.agents.create(post.principal, AgentSpec(name="New"))
    [delivery] = await post.until_settled(webhook)

    assert delivery.status == "delivered"
    await asyncio.to_thread(server.join, 5)
    assert "To: ada@example.org" in server.text
    assert "agent.created" in server.text


async def test_without_a_mail_server_the_reason_is_in_the_log(post: Post) -> None:
    webhook, _ = await post.webhooks.create(
        post.principal, WebhookSpec("mailto:ada@example.org", event_types=("agent.created",), max_attempts=1)
    )

    await post.rig.agents.create(post.principal, AgentSpec(name="New"))
    [delivery] = await post.until_settled(webhook)

    assert delivery.status == "failed"
    assert "GLIA_MAIL__URL" in (delivery.last_error or "")


async def test_a_timestamped_endpoint_gets_its_own_headers_and_fields(post: Post) -> None:
    spec = WebhookSpec(
        post.receiver.url(),
        event_types=("agent.created", "agent.deleted"),
        style="timestamped",
        event_names={"agent.created": "thing.born"},
        header_prefix="X-Acme",
        fields={"thing_id": "thg_{agent_id}", "name": "{slug}", "version": "{version}", "none": "{nothing}"},
    )
    webhook, _ = await post.webhooks.create(post.principal, spec, secret="s3cret")

    agent = await post.rig.agents.create(post.principal, AgentSpec(name="Clerk"))
    [delivery] = await post.until_settled(webhook)

    [got] = post.receiver.at("/hook")
    timestamp = got.headers["x-acme-timestamp"]
    digest = hmac.new(b"s3cret", f"{timestamp}.".encode() + got.body, hashlib.sha256).hexdigest()
    assert got.headers["x-acme-signature"] == f"sha256={digest}"
    assert got.headers["x-acme-id"] == str(delivery.id)
    assert got.headers["x-acme-event"] == got.json["event"] == "thing.born"
    assert set(got.json) == {"event", "timestamp", "data"}
    assert got.json["data"] == {"thing_id": f"thg_{agent.id}", "name": "clerk", "version": 1, "none": None}
    assert await post.webhooks.body(post.principal, webhook.id, delivery.id) == got.body.decode()
    for refused in (
        WebhookSpec(post.receiver.url(), style="timestamped", header_prefix="Acme"),
        WebhookSpec(post.receiver.url(), style="timestamped", header_prefix="X-A\r\nB"),
        WebhookSpec(post.receiver.url(), header_prefix="X-Acme", headers={"x-acme-signature": "forged"}),
    ):
        with pytest.raises(InvalidRequest):
            await post.webhooks.create(post.principal, refused)
