"""What an endpoint receives, and what becomes of deliveries that do not arrive."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from datetime import timedelta

import psycopg
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.hmac import HMAC

from glia.kit.clock import now
from glia.kit.errors import Conflict, InvalidRequest
from glia.kit.outbound import Outbound, OutboundPolicy, OutboundRefused
from glia.webhooks import sending_queries
from glia.webhooks.config import WebhookConfig
from glia.webhooks.dispatcher import Dispatcher
from glia.webhooks.errors import TooManyWebhooks
from glia.webhooks.sending import retry_wait
from glia.webhooks.service import MOST_WEBHOOKS
from glia.webhooks.types import DeliveryStatus, WebhookSpec
from tests.webhooks.conftest import QUICK, Post, post_office
from tests.webhooks.receiver import Got

ONE_TOOL_RUN = ["run.created", "run.started", "tool.called", "tool.returned", "run.completed"]


def is_signed(got: Got, secret: str) -> bool:
    """Standard Webhooks, written from its description and on another library than ours."""
    content = b".".join([got.headers["webhook-id"].encode(), got.headers["webhook-timestamp"].encode(), got.body])
    for entry in got.headers["webhook-signature"].split():
        version, _, signature = entry.partition(",")
        check = HMAC(base64.b64decode(secret.split("_", 1)[1]), hashes.SHA256())
        check.update(content)
        try:
            check.verify(base64.b64decode(signature))
        except InvalidSignature:
            continue
        return version == "v1"
    return False


async def test_an_endpoint_is_told_of_a_run_and_can_tell_who_did(post: Post) -> None:
    webhook = await post.register(headers={"X-Team": "blue"})

    session = await post.run()
    deliveries = await post.until_settled(webhook, len(ONE_TOOL_RUN))

    got = sorted(post.receiver.got, key=lambda got: got.json["data"]["seq"])
    assert [one.json["type"] for one in got] == ONE_TOOL_RUN
    assert {one.headers["x-team"] for one in got} == {"blue"}
    assert all(is_signed(one, post.secrets[webhook.id]) for one in got)
    assert not is_signed(got[0], "whsec_" + base64.b64encode(b"another").decode())
    assert not is_signed(Got(got[0].path, got[0].headers, got[0].body + b" "), post.secrets[webhook.id])
    assert all(abs(int(one.headers["webhook-timestamp"]) - time.time()) < 60 for one in got)
    assert [(d.type, d.status, d.attempts, d.last_status) for d in deliveries] == [
        (type, "delivered", 1, 204) for type in ONE_TOOL_RUN
    ]
    events = {event.seq: event for event in await post.rig.events(post.principal, session)}
    last = got[-1].json["data"]
    assert last["session_id"] == str(session)
    assert last["data"] == json.loads(events[last["seq"]].data)
    assert last["data"]["message"]["content"].startswith("It is blue.")


async def test_only_events_that_were_asked_for_are_sent(post: Post) -> None:
    tools = await post.register("/tools", "tool.*")
    ends = await post.register("/ends", "run.completed", "run.failed")
    nothing = await post.register("/nothing", "approval.*")
    off = await post.register("/off", is_active=False)

    await post.run()
    await post.until_settled(ends)
    await post.until_settled(tools, 2)

    assert sorted(d.type for d in await post.deliveries(tools)) == ["tool.called", "tool.returned"]
    assert [d.type for d in await post.deliveries(ends)] == ["run.completed"]
    assert await post.deliveries(nothing) == []
    assert await post.deliveries(off) == []


async def test_another_workspace_is_not_told(post: Post, stranger: object) -> None:
    theirs, _ = await post.webhooks.create(stranger, WebhookSpec(post.receiver.url("/theirs")))  # type: ignore[arg-type]
    ours = await post.register()

    await post.run()
    await post.until_settled(ours, len(ONE_TOOL_RUN))

    assert post.receiver.at("/theirs") == []
    assert (await post.webhooks.deliveries(stranger, theirs.id, _window())).items == []  # type: ignore[arg-type]


async def test_a_delivery_is_there_exactly_when_its_event_is(idle_post: Post) -> None:
    webhook = await idle_post.register()
    session = await idle_post.run()
    before = len(await idle_post.deliveries(webhook))
    insert = (
        "insert into events (session_id, seq, workspace_id, run_id, type, data) values"
        " (%(s)s, 900, current_workspace(), gen_random_uuid(), 'run.started', '{}')"
    )

    with pytest.raises(ZeroDivisionError):
        async with idle_post.db.transaction(idle_post.principal.workspace_id) as tx:
            await tx.execute(insert, s=session)
            raise ZeroDivisionError
    undone = len(await idle_post.deliveries(webhook))
    async with idle_post.db.transaction(idle_post.principal.workspace_id) as tx:
        await tx.execute(insert, s=session)
    async with idle_post.db.transaction(idle_post.principal.workspace_id) as tx:  # a copy of what was told before
        await tx.execute("set local glia.is_quiet = 'on'")
        await tx.execute(insert.replace("900", "901"), s=session)

    assert (before, undone) == (5, 5)
    assert len(await idle_post.deliveries(webhook)) == 6


async def test_a_failed_attempt_is_repeated_under_the_same_id(post: Post) -> None:
    post.receiver.answers(500, 503)
    webhook = await post.register("/hook", "run.completed")

    await post.run()
    [delivery] = await post.until_settled(webhook)
    _, attempts = await post.webhooks.delivery(post.principal, webhook.id, delivery.id)

    assert (delivery.status, delivery.attempts) == ("delivered", 3)
    assert [got.id for got in post.receiver.got] == [delivery.webhook_id] * 3
    assert [attempt.status for attempt in attempts] == [500, 503, 204]
    assert attempts[0].response == "as scripted"
    assert attempts[0].error is not None
    assert attempts[2].error is None
    assert (await post.webhooks.get(post.principal, webhook.id)).failing_since is None


async def test_a_redirect_is_a_failure_and_is_not_followed(post: Post) -> None:
    post.receiver.answers(302, headers=f"Location: {post.receiver.url('/elsewhere')}\r\n")
    webhook = await post.register("/hook", "run.completed")

    await post.run()
    [delivery] = await post.until_settled(webhook)
    _, attempts = await post.webhooks.delivery(post.principal, webhook.id, delivery.id)

    assert post.receiver.at("/elsewhere") == []
    assert "not followed" in str(attempts[0].error)
    assert delivery.status == "delivered"


async def test_retry_after_is_honoured(post: Post) -> None:
    post.receiver.answers(429, headers="Retry-After: 3000\r\n")
    webhook = await post.register("/hook", "run.completed")

    await post.run()
    await post.receiver.until(lambda: len(post.receiver.got) == 1)
    async with asyncio.timeout(60):
        while not (delivery := (await post.deliveries(webhook))[0]).last_status:
            await asyncio.sleep(0.02)

    assert delivery.status == "pending"
    assert 2900 < (delivery.next_at - now()).total_seconds() < 3100


def test_waits_grow_threefold_with_jitter_and_stay_within_a_day() -> None:
    config = WebhookConfig()
    waits = [retry_wait(tries, config) for tries in range(1, 13)]

    assert 4 <= waits[0] <= 6
    assert 12 <= waits[1] <= 18
    assert max(waits) <= config.longest_retry_seconds * 1.2
    assert len({retry_wait(3, config) for _ in range(20)}) > 10
    assert 12 * 3600 < sum(waits) < 36 * 3600


async def test_what_cannot_be_delivered_within_its_day_fails(post: Post) -> None:
    post.receiver.answers(*[500] * 50)
    webhook = await post.register("/hook", "run.completed")
    await post.run()
    await post.receiver.until(lambda: len(post.receiver.got) >= 2)

    await post.execute("update webhook_deliveries set retry_until = clock_timestamp()")
    [delivery] = await post.until_settled(webhook)

    assert delivery.status == "failed"
    assert delivery.last_status == 500


async def test_an_endpoint_that_is_gone_is_switched_off(post: Post) -> None:
    post.receiver.answers(410)
    webhook = await post.register("/hook", "run.completed")

    await post.run()
    [delivery] = await post.until_settled(webhook)
    webhook = await post.webhooks.get(post.principal, webhook.id)

    assert (delivery.status, delivery.attempts) == ("failed", 1)
    assert not webhook.is_active
    assert "410" in str(webhook.disabled_reason)


async def test_an_endpoint_that_fails_for_days_is_switched_off_and_says_why(post: Post) -> None:
    post.receiver.answers(*[500] * 100)
    webhook = await post.register("/hook", "run.completed")
    await post.run()
    await post.receiver.until(lambda: len(post.receiver.got) >= 2)
    still_on = (await post.webhooks.get(post.principal, webhook.id)).is_active

    await post.execute("update webhook_endpoints set failing_since = now() - interval '4 days'")
    async with asyncio.timeout(60):
        while (webhook := await post.webhooks.get(post.principal, webhook.id)).is_active:
            await asyncio.sleep(0.02)

    assert still_on
    assert "HTTP 500" in str(webhook.disabled_reason)

    post.receiver.script.clear()
    on = await post.webhooks.update(post.principal, webhook.id, {"is_active": True})
    [delivery] = await post.until_settled(webhook)

    assert (on.is_active, on.disabled_reason, on.failing_since) == (True, None, None)
    assert delivery.status == "delivered"


async def test_no_delivery_is_claimed_twice(idle_post: Post) -> None:
    config = WebhookConfig(most_per_endpoint=1000)
    await idle_post.register("/a")
    await idle_post.register("/b")
    for _ in range(4):
        await idle_post.run()

    async def claim() -> list[sending_queries.Claimed]:
        async with idle_post.db.across_workspaces() as tx:
            return await sending_queries.claim(tx, config, room=7, is_failing=False)

    rounds = [await asyncio.gather(*(claim() for _ in range(6))) for _ in range(6)]
    ids = [one.id for claims in rounds for claimed in claims for one in claimed]

    assert len(ids) == len(set(ids)) == 4 * 2 * len(ONE_TOOL_RUN)

    # The control: what holds them back is the lease, and once it is over they are there again.
    await idle_post.execute("update webhook_deliveries set next_at = now(), claimed_until = now()")
    assert {one.id for one in await claim()} <= set(ids)


async def test_two_dispatchers_deliver_everything_once(post: Post) -> None:
    other = Dispatcher(post.db, post.outbound, post.dispatcher._secrets, QUICK)
    other.start()
    webhook = await post.register()

    for _ in range(5):
        await post.run()
        other.wake()
    deliveries = await post.until_settled(webhook, 5 * len(ONE_TOOL_RUN))
    await other.stop()

    assert {d.attempts for d in deliveries} == {1}
    assert len(post.receiver.got) == len({got.id for got in post.receiver.got}) == 5 * len(ONE_TOOL_RUN)


async def test_an_endpoint_that_hangs_delays_no_other(post: Post) -> None:
    post.receiver.holds = asyncio.Event()
    await post.register("/hang")
    quick = await post.register("/quick", "run.completed")

    for _ in range(6):
        await post.run()
    started = time.monotonic()
    deliveries = await post.until_settled(quick, 6)
    waited = time.monotonic() - started
    post.receiver.holds.set()

    assert {d.status for d in deliveries} == {DeliveryStatus.DELIVERED}
    assert waited < 2 * QUICK.timeout_seconds
    assert 1 <= post.receiver.most_hanging <= QUICK.most_per_endpoint


async def test_what_a_vanished_process_had_claimed_is_sent_again(idle_post: Post) -> None:
    webhook = await idle_post.register("/hook", "run.completed")
    await idle_post.run()
    async with idle_post.db.across_workspaces() as tx:
        claimed = await sending_queries.claim(tx, QUICK, room=10, is_failing=False)

    idle_post.dispatcher.start()
    await asyncio.sleep(0.3)
    held_back = len(idle_post.receiver.got)
    await idle_post.execute("update webhook_deliveries set next_at = now(), claimed_until = now()")
    idle_post.dispatcher.wake()
    [delivery] = await idle_post.until_settled(webhook)

    assert len(claimed) == 1
    assert held_back == 0
    assert (delivery.status, delivery.attempts) == ("delivered", 2)


async def test_one_or_all_failed_deliveries_are_sent_again(post: Post) -> None:
    post.receiver.answers(*[500] * 2)
    webhook = await post.register("/hook", "run.completed")
    await post.run()
    await post.run()
    await post.execute("update webhook_deliveries set retry_until = clock_timestamp()")
    await post.dispatcher.tidy()
    failed = await post.until_settled(webhook, 2)
    post.receiver.script.clear()
    post.receiver.got.clear()

    again = await post.webhooks.redeliver(post.principal, webhook.id, failed[0].id)
    first = (await post.until_settled(webhook, 2))[0]
    count = await post.webhooks.redeliver_failed(post.principal, webhook.id, now() - timedelta(hours=1))
    both = await post.until_settled(webhook, 2)
    none = await post.webhooks.redeliver_failed(post.principal, webhook.id, now() - timedelta(hours=1))

    assert again.status == "pending"
    assert first.status == "delivered"
    assert count == sum(delivery.status == "failed" for delivery in failed) - 1 + (failed[0].status != "failed")
    assert [d.status for d in both] == ["delivered", "delivered"]
    assert none == 0
    assert post.receiver.got[0].id == failed[0].webhook_id
    async with post.db.transaction(post.principal.workspace_id) as tx:
        await tx.execute("update webhook_endpoints set is_active = false")
    with pytest.raises(Conflict):
        await post.webhooks.redeliver(post.principal, webhook.id, failed[0].id)


async def test_a_ping_says_at_once_what_came_of_it(idle_post: Post) -> None:
    webhook = await idle_post.register(is_active=False)
    idle_post.receiver.answers(500)

    failed, log = await idle_post.webhooks.ping(idle_post.principal, webhook.id)
    arrived, _ = await idle_post.webhooks.ping(idle_post.principal, webhook.id)

    assert (failed.status, failed.attempts, failed.last_status, log[0].status) == ("failed", 1, 500, 500)
    assert arrived.status == "delivered"
    assert idle_post.receiver.got[1].json["type"] == "webhook.ping"
    assert is_signed(idle_post.receiver.got[1], idle_post.secrets[webhook.id])


async def test_after_a_rotation_both_secrets_sign_for_a_while(idle_post: Post) -> None:
    webhook = await idle_post.register()
    old = idle_post.secrets[webhook.id]

    rotated, new = await idle_post.webhooks.rotate_secret(idle_post.principal, webhook.id, overlap_seconds=3600)
    await idle_post.webhooks.ping(idle_post.principal, webhook.id)
    await idle_post.execute("update webhook_endpoints set old_secret_until = now()")
    await idle_post.webhooks.ping(idle_post.principal, webhook.id)

    assert rotated.old_secret_until is not None
    first, second = idle_post.receiver.got
    assert is_signed(first, old)
    assert is_signed(first, new)
    assert not is_signed(second, old)
    assert is_signed(second, new)


async def test_secrets_and_headers_are_encrypted_and_not_shown(idle_post: Post) -> None:
    webhook = await idle_post.register(headers={"X-Token": "open-sesame"})

    with psycopg.connect(idle_post.urls.admin) as admin:
        stored = str(admin.execute("select * from glia.webhook_endpoints").fetchone())

    assert "open-sesame" not in stored
    assert idle_post.secrets[webhook.id] not in stored
    assert idle_post.receiver.url() in stored
    assert "open-sesame" not in repr(webhook)
    assert webhook.header_names == ("X-Token",)
    with pytest.raises(InvalidRequest) as refused:
        await idle_post.webhooks.update(idle_post.principal, webhook.id, {"url": "https://example.org/"})
    assert refused.value.field == "headers"


async def test_private_addresses_are_refused_when_registered_and_when_called(post: Post) -> None:
    """The control: the same endpoint receives once the operator has opened its address."""
    closed, opened = Outbound(OutboundPolicy(frozenset())), post.outbound
    post.webhooks._outbound = post.dispatcher._outbound = closed

    for url in (post.receiver.url(), "http://[::1]/", "http://10.1.2.3/", "http://169.254.169.254/latest"):
        with pytest.raises(OutboundRefused) as refused:
            await post.webhooks.create(post.principal, WebhookSpec(url))
        assert refused.value.field == "url"
    spec = WebhookSpec(f"http://localhost:{post.receiver.port}/hook", event_types=("run.completed",))
    webhook, _ = await post.webhooks.create(post.principal, spec)
    await post.run()
    async with asyncio.timeout(60):
        while not (refusal := (await post.deliveries(webhook))[0].last_error):
            await asyncio.sleep(0.02)
    received = len(post.receiver.got)
    post.dispatcher._outbound = opened
    [delivery] = await post.until_settled(webhook)
    await closed.close()

    assert "loopback" in refusal
    assert received == 0
    assert delivery.status == "delivered"
    assert len(post.receiver.got) == 1


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"url": "ftp://example.org"}, "url"),
        ({"url": "https://user:pw@example.org/"}, "url"),
        ({"event_types": ("run.complete",)}, "event_types[0]"),
        ({"event_types": ("text.delta",)}, "event_types[0]"),
        ({"event_types": ()}, "event_types"),
        ({"headers": {"webhook-signature": "v1,x"}}, "headers"),
        ({"headers": {"Host": "example.org"}}, "headers"),
        ({"headers": {"X-A": "a\r\nX-B: b"}}, "headers"),
        ({"description": "x" * 501}, "description"),
    ],
)
async def test_a_wrong_description_is_refused_by_name(idle_post: Post, spec: dict[str, object], field: str) -> None:
    with pytest.raises((InvalidRequest, OutboundRefused)) as refused:
        await idle_post.webhooks.create(
            idle_post.principal,
            WebhookSpec(**{"url": "https://example.org/", **spec}),  # type: ignore[arg-type]
        )

    assert refused.value.field == field


async def test_a_workspace_has_at_most_so_many(idle_post: Post) -> None:
    for _ in range(MOST_WEBHOOKS):
        await idle_post.register()

    with pytest.raises(TooManyWebhooks):
        await idle_post.register()


async def test_old_deliveries_are_forgotten(post: Post) -> None:
    webhook = await post.register()
    await post.run()
    await post.until_settled(webhook, len(ONE_TOOL_RUN))

    await post.dispatcher.tidy()
    kept = len(await post.deliveries(webhook))
    await post.execute(
        "update webhook_deliveries set created_at = now() - interval '31 days' where type <> 'run.completed'"
    )
    await post.dispatcher.tidy()

    assert kept == len(ONE_TOOL_RUN)
    assert [d.type for d in await post.deliveries(webhook)] == ["run.completed"]


async def test_deleting_an_endpoint_ends_its_deliveries_and_no_run(post: Post) -> None:
    post.receiver.answers(*[500] * 20)
    webhook = await post.register()
    await post.run()

    await post.webhooks.delete(post.principal, webhook.id)
    await post.run()

    async with post.db.transaction(post.principal.workspace_id) as tx:
        assert await tx.value("select count(*) from webhook_deliveries") == 0


async def test_an_idle_dispatcher_asks_twice_a_minute(database_urls, db, principal) -> None:  # type: ignore[no-untyped-def]
    async with post_office(database_urls, db, principal, is_sending=False) as office:
        assert await office.dispatcher.dispatch() >= 20


def _window() -> object:
    from glia.kit.pages import Window

    return Window()
