"""A server that is killed while it closes a month leaves it to another."""

from __future__ import annotations

import asyncio
import signal
import sys
from uuid import UUID

from glia.kit.pages import Window
from tests.billing.conftest import Office, day

DIES = """
import asyncio, sys
from datetime import datetime
from uuid import UUID
from glia.billing import booking_queries
from glia.billing.service import BillingConfig, Bookkeeper
from glia.kit.db import Database

async def hangs(*_, **__):
    print("in the middle", flush=True)
    await asyncio.sleep(600)

async def main():
    booking_queries.note_booked = hangs
    db = Database(sys.argv[1])
    await db.open()
    await Bookkeeper(db, BillingConfig()).book(UUID(sys.argv[2]), datetime.fromisoformat(sys.argv[3]))

asyncio.run(main())
"""


async def killed_in_the_middle(url: str, workspace: UUID, moment: str) -> None:
    """Everything is booked and the invoice is made; only the commit is missing."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", DIES, url, str(workspace), moment, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(60):
        while await process.stdout.readline() != b"in the middle\n":  # past its log
            assert process.returncode is None
        process.send_signal(signal.SIGKILL)
        await process.wait()


async def test_a_kill_while_a_month_is_closed_leaves_one_invoice(office: Office) -> None:
    workspace, moment = office.principal.workspace_id, day(32, 1)
    await office.meter(day(31, 22))

    await killed_in_the_middle(office.db.url, workspace, moment.isoformat())
    async with asyncio.timeout(60):  # until the database notices that the other is gone
        while not await office.bookkeeper.book(workspace, moment):
            await asyncio.sleep(0.05)
    await asyncio.gather(*(office.beside().book(workspace, moment) for _ in range(3)))

    (invoice,) = (await office.billing.invoices(office.principal, Window())).items
    assert await office.value("select count(*) from billing_bookings") == 1
    assert await office.owed_micros() == invoice.amount_micros > 0
