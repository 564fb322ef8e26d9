"""Workflows that agents start as tools."""

from __future__ import annotations

from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.pages import Window
from glia.workflows.tools import WorkflowTools
from glia.workflows.types import WorkflowSpec
from tests.conftest import DatabaseUrls
from tests.runs.rig import Rig, Say, ScriptedModel, rig
from tests.workflows.stage import Ledger, note

SCHEMA = {"type": "object", "required": ["amount"], "properties": {"amount": {"type": "number"}}}


async def _told(house: Rig, who: Principal) -> str:
    """What the model is told about its call."""
    accepted = await house.send(who, await house.session(who, tools=("workflow__flow",)))
    await house.finish(who, accepted)
    return str(house.model.requests[-1].messages[-1])


async def _make(house: Rig, who: Principal) -> None:
    step = note("a", arguments={"got": "{{input.amount}}"})
    definition = {"steps": [step], "input_schema": SCHEMA, "output": {"paid": "{{input.amount}}"}}
    await house.workflows.create(who, WorkflowSpec("Flow", definition))


async def test_an_agent_starts_a_workflow_and_is_told_its_output(
    db: Database, database_urls: DatabaseUrls, principal: Principal
):
    ledger = Ledger()
    model = ScriptedModel(Say(calls=(("workflow__flow", {"amount": 3}),)), Say("Done."))
    async with rig(db, database_urls.app, model, [ledger.tool()]) as house:
        await _make(house, principal)

        told = await _told(house, principal)

        assert '{"paid":3}' in told
        assert ledger.calls == [{"got": 3}]
        runs = (await house.runs.list(principal, Window(limit=10))).items
        child, parent = sorted(runs, key=lambda run: run.kind, reverse=True)
        assert (child.kind, child.parent_run_id) == ("workflow", parent.id)
        (offered,) = model.requests[0].tools
        assert (offered.name, offered.schema["required"]) == ("workflow__flow", ["amount"])


async def test_arguments_that_do_not_fit_are_told_and_start_nothing(
    db: Database, database_urls: DatabaseUrls, principal: Principal
):
    model = ScriptedModel(Say(calls=(("workflow__flow", {"amount": "much"}),)), Say("Sorry."))
    async with rig(db, database_urls.app, model, [Ledger().tool()]) as house:
        await _make(house, principal)

        assert "amount" in await _told(house, principal)

        assert len((await house.runs.list(principal, Window(limit=10))).items) == 1


async def test_a_workflow_that_is_not_there_is_no_tool(db: Database, database_urls: DatabaseUrls, principal: Principal):
    async with rig(db, database_urls.app, ScriptedModel(), [Ledger().tool()]) as house:
        await _make(house, principal)
        source = WorkflowTools(db)
        async with db.transaction(principal.workspace_id) as tx:
            assert await source.known(principal, tx, ("workflow__flow", "workflow__flown", "flow")) == {
                "workflow__flow"
            }
            assert await source.suggestions(principal, tx) == ["workflow__flow"]
