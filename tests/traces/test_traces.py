"""Runs as traces at a collector: their tree, their attributes, and what a crash or an outage does to them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg
import pytest

from glia.agents.types import AgentSpec
from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.outbound import Outbound, OutboundPolicy
from glia.runs.events import ContextCompacted, Event, PlanMade, encode
from glia.runs.model_events import StepUsage
from glia.runs.types import Accepted
from glia.tools.types import ToolContext, ToolResult
from glia.traces.config import TraceConfig, read_config
from glia.traces.errors import TracingMisconfigured
from glia.traces.queries import TracedRun
from glia.traces.service import Traces
from glia.traces.spans import Naming, spans_of
from glia.traces.types import read_traceparent
from tests.conftest import DatabaseUrls
from tests.runs.rig import Rig, Say, ScriptedModel, make_tool, rig
from tests.traces.collector import Collector, Got

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@dataclass
class Place:
    urls: DatabaseUrls
    db: Database
    principal: Principal
    collector: Collector
    rig: Rig
    traces: Traces

    async def run(self, *, text: str = "How is the sky over the secret valley?") -> Accepted:
        """A run that calls two tools at once, one of which fails."""
        self.rig.model.script += [
            Say("Looking", calls=(("look", {"at": "secret sky"}), ("fail", {}))),
            Say("It is blue."),
        ]
        session = await self.rig.session(self.principal, tools=("look", "fail"))
        accepted = await self.rig.send(self.principal, session, text)
        await self.rig.finish(self.principal, accepted)
        return accepted

    async def spans(self, count: int) -> list[Got]:
        await self.collector.until(lambda: len(self.collector.spans) >= count)
        return self.collector.spans

    async def execute(self, sql: str) -> None:
        """In a thread: it may wait for what this very event loop holds."""
        await asyncio.to_thread(self._execute, sql)

    def _execute(self, sql: str) -> None:
        with psycopg.connect(self.urls.admin, autocommit=True) as admin:
            admin.execute("set search_path = glia, public")
            admin.execute(sql.encode())

    def count(self, sql: str) -> int:
        with psycopg.connect(self.urls.admin) as admin:
            row = admin.execute(f"select count(*) from glia.{sql}".encode()).fetchone()
            return row[0] if row else 0


async def _look(_context: ToolContext, _arguments: str) -> ToolResult:
    return ToolResult("Secretly blue.")


async def _fail(_context: ToolContext, _arguments: str) -> ToolResult:
    return ToolResult("No.", is_error=True)


@asynccontextmanager
async def place_of(
    urls: DatabaseUrls, db: Database, principal: Principal, *, is_sending: bool = True, **environment: str
) -> AsyncIterator[Place]:
    tools = [make_tool("look", _look), make_tool("fail", _fail)]
    async with Collector().open() as collector, rig(db, urls.app, ScriptedModel(), tools) as house:
        outbound = Outbound(OutboundPolicy(frozenset()))
        config = read_config({"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, **environment})
        assert config is not None
        traces = Traces(db, outbound, config)
        if is_sending:
            await traces.start()
        try:
            yield Place(urls, db, principal, collector, house, traces)
        finally:
            await traces.stop()
            await outbound.close()


@pytest.fixture
async def place(database_urls: DatabaseUrls, db: Database, principal: Principal) -> AsyncIterator[Place]:
    async with place_of(database_urls, db, principal, OTEL_SERVICE_NAME="clerks") as place:
        yield place


async def test_a_run_of_two_tools_is_one_tree_of_spans(place: Place) -> None:
    accepted = await place.run()

    spans = await place.spans(5)

    by_name = {span.name: span for span in spans}
    assert sorted(span.name for span in spans) == [
        "chat embedded",
        "chat embedded",
        "execute_tool fail",
        "execute_tool look",
        "invoke_agent Clerk",
    ]
    whole = by_name["invoke_agent Clerk"]
    assert whole.parent == ""
    assert {span.parent for span in spans} == {"", whole.span_id}
    assert {span.trace_id for span in spans} == {whole.trace_id}
    assert len({span.span_id for span in spans}) == 5
    assert all(whole.start <= span.start <= span.end <= whole.end for span in spans)
    assert whole.attributes["gen_ai.operation.name"] == "invoke_agent"
    assert whole.attributes["gen_ai.agent.name"] == "Clerk"
    assert whole.attributes["gen_ai.conversation.id"] == str(accepted.session_id)
    assert whole.attributes["gen_ai.usage.input_tokens"] == 20
    assert whole.attributes["gen_ai.provider.name"] == whole.attributes["gen_ai.system"] == "glia"
    assert whole.attributes["glia.run.id"] == str(accepted.run_id)
    assert whole.events == ["run.created", "run.started"]
    assert whole.resource["service.name"] == "clerks"
    chat = by_name["chat embedded"]
    assert chat.kind == 3
    assert chat.attributes["gen_ai.operation.name"] == "chat"
    assert chat.attributes["gen_ai.response.model"] == "embedded"
    assert chat.attributes["gen_ai.usage.output_tokens"] == 5
    assert chat.attributes["gen_ai.response.finish_reasons"] in (["stop"], ["tool_calls"])
    look, fail = by_name["execute_tool look"], by_name["execute_tool fail"]
    assert look.attributes["gen_ai.tool.name"] == "look"
    assert (look.status, fail.status, fail.attributes["error.type"]) == (0, 2, "tool_error")


async def test_content_is_left_out_unless_it_is_asked_for(
    place: Place, database_urls: DatabaseUrls, db: Database, principal: Principal
) -> None:
    await place.run()
    await place.spans(5)
    without = b"".join(body for _, body in place.collector.requests)
    await place.traces.stop()
    on = {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "true"}

    async with place_of(database_urls, db, principal, **on) as other:
        await other.run()
        spans = await other.spans(5)

    assert b"secret" not in without.lower()
    assert b"blue" not in without
    whole = next(span for span in spans if span.name.startswith("invoke_agent"))
    look = next(span for span in spans if span.name == "execute_tool look")
    assert "secret valley" in whole.attributes["gen_ai.input.messages"]
    assert "It is blue." in whole.attributes["gen_ai.output.messages"]
    assert look.attributes["gen_ai.tool.call.arguments"] == '{"at":"secret sky"}'
    assert look.attributes["gen_ai.tool.call.result"] == "Secretly blue."


async def test_json_says_the_same_as_protobuf(
    place: Place, database_urls: DatabaseUrls, db: Database, principal: Principal
) -> None:
    await place.run()
    binary = await place.spans(5)
    await place.traces.stop()
    await place.execute(
        "insert into trace_outbox select id, workspace_id, 0, now(), now() from runs"
        " on conflict (run_id) do update set next_at = now()"
    )
    json = {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json", "OTEL_SERVICE_NAME": "clerks"}

    async with place_of(database_urls, db, principal, **json) as other:
        spoken = await other.spans(5)
        assert other.collector.requests[0][0]["content-type"] == "application/json"

    assert spoken == binary


async def test_a_caller_keeps_its_trace(place: Place) -> None:
    place.rig.model.script += [Say("Yes.")]
    session = await place.rig.session(place.principal)
    accepted = await place.rig.send(place.principal, session)
    await place.traces.adopt(place.principal, accepted.run_id, CALLER)
    await place.rig.finish(place.principal, accepted)

    spans = await place.spans(2)

    assert {span.trace_id for span in spans} == {CALLER.split("-")[1]}
    assert spans[0].parent == CALLER.split("-")[2]


async def test_a_trace_that_its_caller_does_not_record_is_not_sent(place: Place) -> None:
    place.rig.model.script += [Say("Yes.")]
    session = await place.rig.session(place.principal)
    accepted = await place.rig.send(place.principal, session)
    await place.traces.adopt(place.principal, accepted.run_id, CALLER[:-2] + "00")
    await place.rig.finish(place.principal, accepted)

    async with asyncio.timeout(60):
        while place.count("trace_outbox"):
            await asyncio.sleep(0.05)

    assert place.collector.requests == []


async def test_a_child_run_lies_in_its_parents_trace(place: Place) -> None:
    place.rig.model.script += [Say(calls=(("delegate_helper", {"task": "Help"}),)), Say("Helped."), Say("Done.")]
    helper = await place.rig.agents.create(place.principal, AgentSpec(name="Helper", tools=()))
    boss = await place.rig.agents.create(place.principal, AgentSpec(name="Boss", tools=(), subagents=(helper.id,)))
    accepted = await place.rig.start(place.principal, boss.id, "Go")
    await place.rig.finish(place.principal, accepted)

    spans = await place.spans(6)

    by_name = {span.name: span for span in spans}
    parent, child, call = (
        by_name[n] for n in ("invoke_agent Boss", "invoke_agent Helper", "execute_tool delegate_helper")
    )
    assert len({span.trace_id for span in spans}) == 1
    assert child.parent == call.span_id
    assert call.parent == parent.span_id
    assert call.start <= child.start <= child.end <= call.end


def test_plans_and_summaries_are_model_calls_of_their_own() -> None:
    at = datetime(2031, 5, 1, tzinfo=UTC)
    usage = StepUsage(100, 10)
    payloads = [
        PlanMade("Task", [], "Because", "openai/gpt", usage, 7),
        ContextCompacted(1, 5, "What was said", 900, 90, "openai/small", usage, 3),
    ]
    run_id = uuid4()
    events = [
        Event(number, payload.type, at + timedelta(seconds=number), run_id, 1, encode(payload))
        for number, payload in enumerate(payloads, 1)
    ]
    run = replace(
        TracedRun(**dict.fromkeys(TracedRun.__dataclass_fields__)),  # type: ignore[arg-type]
        id=run_id,
        root_run_id=run_id,
        workspace_id=run_id,
        session_id=run_id,
        kind="agent",
        agent_name="Clerk",
        status="completed",
        attempt=1,
        input_tokens=200,
        output_tokens=20,
        created_at=at,
        finished_at=at + timedelta(seconds=3),
    )

    whole, plan, summary = spans_of(run, events, Naming())

    assert (plan.name, summary.name) == ("plan Clerk", "chat small")
    assert plan.parent_span_id == summary.parent_span_id == whole.span_id
    assert (plan.start, summary.start, summary.end) == (at, events[0].at, events[1].at)
    assert summary.attributes["gen_ai.usage.input_tokens"] == 100
    assert summary.attributes["glia.event"] == "context.compacted"
    assert "What was said" not in repr(summary)


async def test_a_failed_run_says_which_call_failed(place: Place) -> None:
    session = await place.rig.session(place.principal)  # the script is empty: a bug in the model
    accepted = await place.rig.send(place.principal, session)
    await place.rig.finish(place.principal, accepted)

    spans = await place.spans(2)

    whole, chat = spans[0], spans[1]
    assert whole.status == chat.status == 2
    assert whole.attributes["error.type"] == chat.attributes["error.type"] == "internal_error"
    assert whole.attributes["glia.run.status"] == "failed"


async def test_a_run_that_ended_while_nobody_could_send_it_is_sent_later(place: Place) -> None:
    """As after a crash between a run's end and its export. The control: the outbox holds it, and only it."""
    await place.traces.stop()
    await place.run()
    waiting = place.count("trace_outbox")

    await place.traces.start()
    spans = await place.spans(5)
    async with asyncio.timeout(60):
        while place.count("trace_outbox"):
            await asyncio.sleep(0.05)

    assert waiting == 1
    assert len(spans) == 5


async def test_an_outage_of_the_collector_delays_and_loses_nothing(place: Place) -> None:
    place.collector.statuses = [503, 503]

    await place.run()
    spans = await place.spans(5)

    assert place.collector.statuses == []
    assert len(spans) == 5


async def test_what_the_collector_refuses_for_good_is_dropped_alone(place: Place) -> None:
    await place.traces.stop()
    for _ in range(3):
        await place.run()
    place.collector.statuses = [400, 200, 400, 200]  # the three together, then each alone

    await place.traces.start()
    await place.spans(10)
    async with asyncio.timeout(60):
        while place.count("trace_outbox"):
            await asyncio.sleep(0.05)

    assert len({span.trace_id for span in place.collector.spans}) == 2


async def test_two_servers_send_a_trace_once(place: Place) -> None:
    other = Traces(place.db, place.traces._outbound, place.traces._config)
    await other.start()

    for _ in range(4):
        await place.run()
    await place.spans(20)
    await asyncio.sleep(0.2)
    await other.stop()

    assert len(place.collector.spans) == 20


async def test_nothing_piles_up_when_nobody_traces(
    database_urls: DatabaseUrls, db: Database, principal: Principal
) -> None:
    async with place_of(database_urls, db, principal, is_sending=False) as place:
        await place.run()
        before = place.count("trace_outbox")
        await place.traces.start()
        await place.traces.stop()
        await place.run()

        assert (before, place.count("trace_outbox")) == (0, 1)

        await place.execute("update trace_outbox set created_at = now() - interval '2 hours'")
        await place.traces.start()

        assert place.count("trace_outbox") == 0


def test_settings_are_opentelemetrys_own() -> None:
    config = read_config(
        {
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318/",
            "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Basic%20abc%3D,x-team=blue",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "2500",
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test,service.name=from-attributes",
            "OTEL_SEMCONV_STABILITY_OPT_IN": "http,gen_ai_latest_experimental",
        }
    )

    assert config == TraceConfig(
        url="http://collector:4318/v1/traces",
        headers={"authorization": "Basic abc=", "x-team": "blue"},
        timeout_seconds=2.5,
        resource={"service.name": "from-attributes", "deployment.environment.name": "test"},
        is_latest=True,
    )
    assert "abc" not in repr(config)
    exact = read_config({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://api.example.org/otel/v1/traces"})
    assert exact is not None
    assert exact.url == "https://api.example.org/otel/v1/traces"


def test_without_an_endpoint_nothing_happens() -> None:
    assert read_config({}) is None
    assert read_config({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}) is None
    assert read_config({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x:1", "OTEL_SDK_DISABLED": "true"}) is None
    assert read_config({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x:1", "OTEL_TRACES_EXPORTER": "none"}) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "ten"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "top-secret"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_and_not_repeated(name: str, value: str) -> None:
    with pytest.raises(TracingMisconfigured, match=name) as refused:
        read_config({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x:1", name: value})

    assert "top-secret" not in refused.value.message


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
    ],
)
def test_a_broken_traceparent_is_none(text: str | None) -> None:
    assert read_traceparent(text) is None
    assert read_traceparent("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-comes") is not None
