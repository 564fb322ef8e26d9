"""What a tool's call of a paid service costs: in the run, in usage, against budgets."""

import pytest

from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.errors import UpstreamFailed
from glia.kit.pages import Window
from glia.runs.events import RunCompleted, ToolReturned
from glia.tools.searching.types import Found, Hit
from glia.tools.web_search import web_search
from glia.usage.service import Spending, Usage
from glia.usage.types import BudgetSpec, UsageRecord
from tests.conftest import DatabaseUrls
from tests.runs.rig import Rig, Say, ScriptedModel, rig


class Searcher:
    name = "paid/search"

    def __init__(self, price: int | None = 700, cost: int | None = 500) -> None:
        self._price, self._cost = price, cost
        self.depths: list[int] = []
        self.fails = False

    def price(self, depth: int) -> int | None:
        return self._price

    async def search(self, query: str, depth: int) -> Found:
        self.depths.append(depth)
        if self.fails:
            raise UpstreamFailed("The service is away.")
        return Found([Hit("Bees", "https://bees.example/a", "Bees make honey.")], self._cost)


def model() -> ScriptedModel:
    return ScriptedModel(Say("", (("web_search", {"query": "bees"}),)), Say("Honey [https://bees.example/a]."))


async def ask(house: Rig, principal: Principal, **spec: object) -> tuple[ToolReturned, RunCompleted, list[UsageRecord]]:
    session = await house.session(principal, tools=("web_search",), **spec)
    accepted = await house.send(principal, session)
    completed = (await house.finish(principal, accepted)).payload
    assert isinstance(completed, RunCompleted)
    events = await house.runs.run_events(principal, accepted.run_id, after=0, limit=100)
    (returned,) = [event.payload for event in events if isinstance(event.payload, ToolReturned)]
    records = (await Usage(house.db).list(principal, Window())).items
    return returned, completed, [record for record in records if record.operation == "search"]


async def test_a_search_is_part_of_what_the_run_cost_and_a_usage_record(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    searcher = Searcher()
    async with rig(db, database_urls.app, model(), [web_search(searcher, Spending(db))]) as house:
        returned, completed, (record,) = await ask(house, principal, search_depth=5)
        run = (await house.runs.list(principal, Window())).items[0]

    assert searcher.depths == [5]
    assert returned.charge is not None
    assert (returned.charge.operation, returned.charge.cost_micros) == ("search", 500)
    assert completed.cost_micros == run.cost_micros == 514
    assert (record.model, record.cost_micros, record.status, record.run_id) == ("paid/search", 500, "ok", run.id)
    assert (record.input_tokens, record.output_tokens) == (0, 0)
    assert (record.step, record.tool_call_id) == (returned.step, returned.tool_call_id)


async def test_a_cost_that_nobody_knows_is_recorded_as_unknown(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    async with rig(db, database_urls.app, model(), [web_search(Searcher(None, None), Spending(db))]) as house:
        _, completed, (record,) = await ask(house, principal)

    assert record.cost_micros is None
    assert completed.cost_micros == 14


@pytest.mark.parametrize(("limit", "is_made"), [(100_000, True), (600, False)])
async def test_a_budget_holds_before_a_search_is_made(
    db: Database, database_urls: DatabaseUrls, principal: Principal, limit: int, *, is_made: bool
) -> None:
    searcher, talker = Searcher(), model()
    async with rig(db, database_urls.app, talker, [web_search(searcher, Spending(db))]) as house:
        budget = await house.budgets.create(principal, BudgetSpec(scope="workspace", limit_micros=limit))
        returned, _, records = await ask(house, principal)
        state = (await house.budgets.get(principal, budget.id)).state

    assert bool(searcher.depths) is is_made
    assert returned.status == ("ok" if is_made else "error")
    assert [record.cost_micros for record in records] == ([500] if is_made else [])
    assert (state.spent_micros, state.reserved_micros) == (514 if is_made else 14, 0)


async def test_what_was_held_for_a_search_that_failed_is_given_back(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    searcher = Searcher()
    searcher.fails = True
    async with rig(db, database_urls.app, model(), [web_search(searcher, Spending(db))]) as house:
        budget = await house.budgets.create(principal, BudgetSpec(scope="workspace", limit_micros=100_000))
        returned, completed, records = await ask(house, principal)
        state = (await house.budgets.get(principal, budget.id)).state

    assert "The service is away." in returned.text
    assert (records, completed.cost_micros) == ([], 14)
    assert (state.spent_micros, state.reserved_micros) == (14, 0)
