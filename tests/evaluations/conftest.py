"""Evaluations with a real engine, a model whose answer depends on what it is asked, and a judge that is scripted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest

from glia.agents.types import AgentSpec
from glia.evaluations.checks import read_settings
from glia.evaluations.jobs import KIND, Evaluator
from glia.evaluations.judging import Judge
from glia.evaluations.service import Evaluations, EvaluationSets
from glia.evaluations.types import Evaluation, EvaluationSpec, Result
from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.errors import GliaError
from glia.kit.pages import Window
from glia.models.providers import Provider
from glia.models.resolving import EMBEDDED
from glia.models.types import FinishReason, ModelEvent, ModelRequest, ModelResponse, TokenUsage, UserMessage
from glia.runs.work import JobKind
from glia.tools.types import ToolContext, ToolResult
from glia.usage.service import Usage
from tests.conftest import DatabaseUrls, opened
from tests.runs.rig import Rig, Say, ScriptedModel, make_tool, rig

EXACT = {"kind": "exact"}


def asked(request: ModelRequest) -> str:
    """What the user said last."""
    return next(one.text for one in reversed(request.messages) if isinstance(one, UserMessage))


class Answering(ScriptedModel):
    """Says what a function of the request says."""

    def __init__(self, answer: Callable[[ModelRequest], Say]) -> None:
        super().__init__()
        self.answer = answer

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        self.script.insert(0, self.answer(request))
        async for event in super().stream(request):
            yield event


@dataclass
class Judging:
    """In place of the models that a judge is chosen from."""

    says: str | GliaError = '{"score": 0.8, "reason": "Most of it."}'
    is_embedded: bool = False
    id: str = "p/judge"
    price: None = None
    provider: Provider = EMBEDDED
    requests: list[ModelRequest] = field(default_factory=list)

    async def resolve(self, name: str | None) -> Judging:
        return self

    async def stream(self, name: object, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        self.requests.append(request)
        if isinstance(self.says, GliaError):
            raise self.says
        yield ModelResponse(self.says, "", (), TokenUsage(100, 20), FinishReason.STOP, "p/judge", 9, 1)


async def look(context: ToolContext, arguments: str) -> ToolResult:
    return ToolResult("found")


@dataclass
class Lab:
    rig: Rig
    principal: Principal
    agent: UUID
    sets: EvaluationSets
    evaluations: Evaluations
    evaluator: Evaluator
    judging: Judging

    async def make_set(self, *cases: dict[str, Any]) -> UUID:
        return (await self.sets.create(self.principal, name="Set", cases=list(cases))).id

    async def start(
        self, set_id: UUID, *scorers: dict[str, Any], version: int | None = None, **more: Any
    ) -> Evaluation:
        settings = read_settings({"scorers": list(scorers) or [EXACT], **more})
        spec = EvaluationSpec(set_id=set_id, agent_id=self.agent, settings=settings, agent_version=version)
        return await self.evaluations.start(self.principal, spec)

    async def ended(self, evaluation: Evaluation, seconds: float = 60) -> Evaluation:
        async with asyncio.timeout(seconds):
            while not (found := await self.evaluations.get(self.principal, evaluation.id)).status.is_final:
                await asyncio.sleep(0.03)
        return found

    async def done(self, set_id: UUID, *scorers: dict[str, Any], **more: Any) -> Evaluation:
        evaluation = await self.ended(await self.start(set_id, *scorers, **more))
        assert evaluation.status == "completed", evaluation
        return evaluation

    async def results(self, evaluation: Evaluation, **filters: Any) -> list[Result]:
        page = await self.evaluations.results(self.principal, evaluation.id, Window(limit=1000), **filters)
        return page.items

    async def value(self, sql: Any, **parameters: object) -> Any:
        async with self.rig.db.transaction(self.principal.workspace_id) as tx:
            return await tx.value(sql, **parameters)


@asynccontextmanager
async def lab(
    db: Database,
    url: str,
    principal: Principal,
    answer: Callable[[ModelRequest], Say],
    *,
    agent: UUID | None = None,
    **options: Any,
) -> AsyncIterator[Lab]:
    """agent: one that another process has made."""
    judging = Judging()
    usage = Usage(db)
    evaluator = Evaluator(db, Judge(judging), usage)  # type: ignore[arg-type]
    jobs = {KIND: JobKind(evaluator.work, evaluator.ended)}
    tools = [make_tool("look", look), make_tool("compute", look)]
    async with rig(db, url, Answering(answer), tools, jobs=jobs, **options) as built:
        evaluator.runs = built.runs
        if agent is None:
            agent = (await built.agents.create(principal, AgentSpec(name="Clerk"))).id
        evaluations = Evaluations(db, built.runs, built.runs.start_job, judging)  # type: ignore[arg-type]
        yield Lab(built, principal, agent, EvaluationSets(db), evaluations, evaluator, judging)


@pytest.fixture
async def db(database_urls: DatabaseUrls) -> AsyncIterator[Database]:
    """A database of the test's own: an engine takes the runs of all workspaces."""
    async with opened(database_urls) as database:
        yield database


@pytest.fixture
def answers() -> dict[str, Say]:
    """What the agent says to what it is asked; filled by the test. What is not in it is said back."""
    return {}


@pytest.fixture
async def place(
    db: Database, database_urls: DatabaseUrls, principal: Principal, answers: dict[str, Say]
) -> AsyncIterator[Lab]:
    def answer(request: ModelRequest) -> Say:
        if type(request.messages[-1]).__name__ == "ToolMessage":
            return Say("Done.")
        return answers.get(asked(request), Say(asked(request)))

    async with lab(db, database_urls.app, principal, answer) as built:
        yield built
