"""kill -9 in the middle of a delivery: it arrives, under the id it had."""

from __future__ import annotations

import asyncio

import psycopg

from tests.conftest import DatabaseUrls
from tests.failures.conftest import Installation
from tests.webhooks.receiver import Receiver


async def test_killed_while_delivering_it_delivers_after_all(place: Installation, database_urls: DatabaseUrls) -> None:
    """The control: the claims of the killed process were really held."""
    async with Receiver().open() as receiver:
        allow = f"127.0.0.1:{place.outside.port},{receiver.host}"
        settings = {"GLIA_OUTBOUND_ALLOW": allow, "GLIA_WEBHOOKS__TIMEOUT_SECONDS": "60"}
        receiver.holds = asyncio.Event()
        server = await place.serve(**settings)
        status, webhook = await server.post(
            "/v1/webhooks", {"url": receiver.url("/hang"), "event_types": ["run.completed"]}
        )
        assert status == 201
        sessions = await place.sessions(3)
        runs = [await place.send(server, session, "call post_read") for session in sessions]
        await place.all_ended(runs, 60)
        await receiver.until(lambda: len(receiver.got) == 3)

        server.kill()
        receiver.holds.set()
        before = len(receiver.got)
        held = "select count(*) from webhook_deliveries where claimed_until > clock_timestamp()"
        with psycopg.connect(database_urls.admin, autocommit=True, options="-csearch_path=glia") as admin:
            claims = admin.execute(held.encode()).fetchone()
            admin.execute("update webhook_deliveries set claimed_until = now(), next_at = now()")  # it is over
        server = await place.serve(**settings)
        async with asyncio.timeout(180):  # if the database does not hear of one, its claim has to lapse
            while True:
                _, page = await server.get(f"/v1/webhooks/{webhook['id']}/deliveries")
                if all(delivery["status"] == "delivered" for delivery in page["data"]):
                    break
                await asyncio.sleep(0.1)

        assert (before, claims) == (3, (3,))
        assert len(page["data"]) == 3
        assert {delivery["run_id"] for delivery in page["data"]} == set(runs)
        assert all(delivery["attempts"] >= 2 for delivery in page["data"])
        ids = [got.id for got in receiver.got]
        assert set(ids[:3]) == set(ids[3:]) == {delivery["webhook_id"] for delivery in page["data"]}
