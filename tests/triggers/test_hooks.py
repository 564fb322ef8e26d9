"""Requests from outside: who is let in, and what comes of it."""

from __future__ import annotations

import time
from dataclasses import dataclass

import orjson
import pytest

from glia.identity.limits import RateLimits
from glia.kit.errors import Conflict, RateLimited
from glia.triggers import hooks as hooks_module
from glia.triggers import signatures
from glia.triggers.errors import AlreadyDelivered, HookNotFound, SignatureRefused, TriggerKindFixed, TriggerPaused
from glia.triggers.hooks import Hooks
from glia.triggers.types import Comparison, Cron, Firing, NewTrigger, OnWebhook, Overlap, TriggerSpec
from tests.runs.rig import NoSecrets
from tests.triggers.conftest import Place

BODY = orjson.dumps({"action": "opened", "issue": {"title": "It burns", "n": 7}})


@dataclass
class Sender:
    place: Place
    made: NewTrigger

    async def send(
        self,
        body: bytes = BODY,
        *,
        id: str = "msg_1",
        at: float | None = None,
        signed: bytes | None = None,
        **headers: str,
    ) -> Firing:
        timestamp = int(time.time() if at is None else at)
        assert self.made.secret is not None
        signature = signatures.sign(self.made.secret, id, timestamp, body if signed is None else signed)
        sent = {"webhook-id": id, "webhook-timestamp": str(timestamp), "webhook-signature": signature}
        renamed = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.place.hooks.receive(str(self.made.trigger.id), sent | renamed, body)


@pytest.fixture
async def sender(place: Place) -> Sender:
    spec = TriggerSpec(
        "Issues", place.agent, "{{ payload.issue.title }} ({{ payload.issue.n }})", OnWebhook(), overlap=Overlap.QUEUE
    )
    return Sender(place, await place.triggers.create(place.principal, spec))


async def test_a_signed_request_starts_a_run_with_its_payload(place: Place, sender: Sender):
    firing = await sender.send()

    assert (firing.cause, firing.outcome) == ("webhook", "started")
    (run,) = await place.runs()
    assert run.id == firing.run_id
    assert await place.said(run) == "It burns (7)"


def test_signatures_are_those_of_the_standard():
    """An example that its libraries are tested with."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'

    signature = signatures.sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)

    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_what_is_not_signed_right_is_refused(place: Place, sender: Sender):
    now = time.time()
    for attempt in (
        sender.send(signed=b"another body"),
        sender.send(webhook_id="msg_2"),
        sender.send(webhook_timestamp=str(int(now) - 5)),
        sender.send(webhook_signature=""),
        sender.send(webhook_signature="v1,bm90IGl0"),
        sender.send(webhook_signature="v1,%%%"),
        sender.send(webhook_signature="v2," + "A" * 44),
        sender.send(webhook_timestamp="soon"),
        sender.send(webhook_timestamp="٣"),
        sender.send(at=now - 400),
        sender.send(at=now + 400),
    ):
        with pytest.raises(SignatureRefused):
            await attempt

    assert await place.runs() == []
    assert (await sender.send(at=now - 200)).outcome == "started"


async def test_one_of_several_signatures_is_enough(sender: Sender):
    secret = sender.made.secret
    assert secret is not None
    right = signatures.sign(secret, "msg_1", int(time.time()), BODY)

    assert (await sender.send(at=time.time(), webhook_signature=f"v1,bm8= v1a,x {right}")).outcome == "started"


async def test_a_replay_is_refused(place: Place, sender: Sender):
    await sender.send()

    with pytest.raises(AlreadyDelivered):
        await sender.send()
    await place.execute("delete from trigger_firings")
    with pytest.raises(AlreadyDelivered):
        await sender.send()

    assert len(await place.runs()) == 1
    assert (await sender.send(id="msg_2")).outcome == "waiting" or len(await place.runs()) == 2


async def test_without_the_list_of_ids_a_replay_would_pass(
    place: Place, sender: Sender, monkeypatch: pytest.MonkeyPatch
):
    await sender.send()
    await place.execute("delete from trigger_deliveries")
    await place.execute("delete from trigger_firings")

    await sender.send()

    assert len(await place.runs()) == 2


async def test_a_token_in_the_address_is_enough_where_that_was_chosen(place: Place):
    spec = TriggerSpec("Bell", place.agent, "{{ body }}", OnWebhook("url_token"), overlap=Overlap.QUEUE)
    made = await place.triggers.create(place.principal, spec)
    assert made.secret is None
    assert made.token is not None
    assert len(made.token) > 30

    firing = await place.hooks.receive(made.token, {}, b"ding \xff")

    assert firing.outcome == "started"
    assert await place.said((await place.runs())[0]) == "ding \ufffd"
    for address in (str(made.trigger.id), made.token + "x", "hook_", "", "x" * 3000):
        with pytest.raises(HookNotFound):
            await place.hooks.receive(address, {}, b"ding")


async def test_a_new_secret_replaces_the_old(place: Place, sender: Sender):
    renewed = await place.triggers.renew_secret(place.principal, sender.made.trigger.id)

    with pytest.raises(SignatureRefused):
        await sender.send()
    assert (await Sender(place, renewed).send()).outcome == "started"
    with pytest.raises(Conflict):
        await place.triggers.renew_secret(place.principal, (await place.make()).id)


async def test_payloads_that_do_not_fit_the_filter_are_only_noted(place: Place, sender: Sender):
    when = OnWebhook(filter=[Comparison("action", "in", ["opened", "reopened"])])
    await place.triggers.update(place.principal, sender.made.trigger.id, {"when": when})

    closed = await sender.send(orjson.dumps({"action": "closed"}))
    text = await sender.send(b"opened", id="msg_2")
    opened = await sender.send(id="msg_3")

    assert [closed.outcome, text.outcome, opened.outcome] == ["skipped", "skipped", "started"]


async def test_a_paused_hook_says_so_and_takes_the_request_later(place: Place, sender: Sender):
    await place.triggers.pause(place.principal, sender.made.trigger.id)
    with pytest.raises(TriggerPaused):
        await sender.send()

    await place.triggers.resume(place.principal, sender.made.trigger.id)

    assert (await sender.send()).outcome == "started"


async def test_a_hook_takes_so_many_requests_a_minute(place: Place, sender: Sender, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(hooks_module, "MOST_PER_MINUTE", 2)
    place.hooks = Hooks(place.db, place.firings, NoSecrets(), RateLimits())
    for n in range(2):
        await sender.send(id=str(n))

    with pytest.raises(RateLimited):
        await sender.send(id="2")


async def test_a_webhook_stays_one(place: Place, sender: Sender):
    with pytest.raises(TriggerKindFixed):
        await place.triggers.update(place.principal, sender.made.trigger.id, {"when": Cron("0 0 * * *")})
    with pytest.raises(TriggerKindFixed):
        await place.triggers.update(place.principal, sender.made.trigger.id, {"when": OnWebhook("url_token")})
