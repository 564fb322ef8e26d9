"""Usage and invoices, as NeuAIs shows them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from glia.identity.types import Credentials
from tests.surfaces.conftest import Client, Server
from tests.surfaces.neuais.conftest import Neuais, refusal


def metered(server: Server, agent: dict[str, Any], hour: datetime, core_hours: float, gb: float = 0) -> None:
    """As a node tells."""
    with server.admin() as admin:
        admin.execute(
            """
            insert into deployment_usage (workspace_id, project_id, deployment_id, hour, name, cpu_core_seconds,
              network_bytes)
            select workspace_id, project_id, id, %(hour)s, name, %(core)s, %(net)s from deployments
            where id = %(id)s""",
            {"hour": hour, "core": core_hours * 3600, "net": int(gb * 1e9), "id": agent["id"].removeprefix("agt_")},
        )
        # The server may have passed here already, and would put all this on the next month's invoice.
        admin.execute(
            """
            delete from billing_accounts a using deployments d where d.id = %s and a.workspace_id = d.workspace_id
              and not exists (select from invoices i where i.workspace_id = d.workspace_id)""",
            (agent["id"].removeprefix("agt_"),),
        )


def closed(server: Server, agent: dict[str, Any], moment: datetime) -> None:
    """As the server does by itself once the month is over."""
    with server.admin() as admin:
        (workspace,) = admin.execute(
            "select workspace_id from deployments where id = %s", (agent["id"].removeprefix("agt_"),)
        ).fetchone() or (None,)
    server.do(lambda house: house.bookkeeper.book(workspace, moment))


def last_month() -> datetime:
    this = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (this - timedelta(days=1)).replace(day=1)


def test_the_examples_of_the_reference(neuais: Neuais, server: Server):
    agent, hour = neuais.agent(), last_month()
    metered(server, agent, hour, core_hours=1000, gb=100)
    closed(server, agent, datetime.now(UTC))

    usage = neuais.get("/v1/billing/usage?period=last_month").json
    assert usage["period"] == f"{hour:%Y-%m}"
    assert usage["usage"] == {"compute_hours": 1000, "memory_gb_hours": 0, "storage_gb": 0, "network_gb": 100}
    assert usage["cost"] == {"compute": 50.0, "storage": 0.0, "network": 5.0, "total": 55.0}
    listed = neuais.get("/v1/billing/invoices").json
    (invoice,) = listed["invoices"]
    assert (invoice["period"], invoice["amount"], invoice["currency"]) == (usage["period"], 55.0, "USD")
    assert invoice["id"].startswith("inv_")
    assert re.fullmatch(r"\d{4}-\d{2}-01", invoice["due_date"])
    assert listed["total"] == 1
    whole = neuais.get(f"/v1/billing/invoices/{invoice['id']}").json
    assert [(line["kind"], line["agent_id"], line["amount"]) for line in whole["lines"]] == [
        ("compute", agent["id"], 50.0),
        ("network", agent["id"], 5.0),
    ]


def test_what_runs_now_is_shown_at_once(neuais: Neuais, server: Server):
    agent = neuais.agent()
    now = datetime.now(UTC)
    metered(server, agent, now.replace(minute=0, second=0, microsecond=0), core_hours=0.5)

    found = neuais.get("/v1/billing/usage").json

    assert found["period"] == f"{now:%Y-%m}"
    assert found["usage"]["compute_hours"] == 0.5
    assert found["cost"]["total"] == found["cost"]["compute"] == 0.025
    assert neuais.get(f"/v1/billing/usage?period={now:%Y-%m}").json["usage"] == found["usage"]
    assert neuais.get("/v1/billing/invoices").json["invoices"] == []


def test_an_invoice_is_paid_by_the_operator_and_shown_so(neuais: Neuais, server: Server, credentials: Credentials):
    agent = neuais.agent()
    metered(server, agent, last_month(), core_hours=1)
    closed(server, agent, datetime.now(UTC))
    (invoice,) = neuais.get("/v1/billing/invoices").json["invoices"]
    native = Client(neuais.port, neuais.key)
    path = f"/v1/billing/invoices/{invoice['id'].removeprefix('inv_')}/pay"
    assert native.post(path).status == 403  # not the workspace that the installation began with

    async def pay(house: Any) -> None:
        operator = await house.identity.operator(credentials.workspace)
        found = await house.billing.invoices(operator, _window())
        await house.billing.pay(operator, found.items[0].id)

    server.do(pay)

    assert neuais.get("/v1/billing/invoices?status=paid").json["total"] == 1
    assert neuais.get("/v1/billing/invoices?status=open").json["total"] == 0
    assert native.get(path.removesuffix("/pay")).json["status"] == "paid"


def _window() -> Any:
    from glia.kit.pages import Window

    return Window()


@pytest.mark.parametrize("period", ["tomorrow", "2999-01", "2024-1", ""])
def test_a_period_is_checked(neuais: Neuais, period: str):
    error = refusal(neuais.get(f"/v1/billing/usage?period={period}"), 400)

    assert error["details"]["field"] == "period"


def test_an_invoice_that_there_is_not_is_a_404(neuais: Neuais):
    refusal(neuais.get("/v1/billing/invoices/inv_1a2b3c"), 404)
