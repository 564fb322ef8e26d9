"""A request for a response, read, checked and begun."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from glia.agents.types import Agent
from glia.gateway.service import SCOPE
from glia.identity.types import Principal
from glia.kit.errors import Conflict, InvalidRequest
from glia.models.service import ResolvedModel
from glia.runs.errors import SessionBusy
from glia.runs.service import Question, RunOptions, Said
from glia.runs.types import Accepted
from glia.surfaces.openai.agent_chat import find_agent
from glia.surfaces.openai.chat_history import model_of, stored
from glia.surfaces.openai.chat_options import without_use
from glia.surfaces.openai.ids import CONVERSATION, read_id
from glia.surfaces.openai.response_body import ResponseBody
from glia.surfaces.openai.response_input import InputItems
from glia.surfaces.openai.response_reading import NOTE, StoredResponses
from glia.surfaces.openai.response_tools import read_choice, read_tools
from glia.surfaces.openai.words import AGENT_PREFIX
from glia.wiring import House

Json = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """A request, read and checked. agent: None when a model is asked without one. session_id: None for a new one."""

    body: ResponseBody
    agent: Agent | None
    options: RunOptions
    said: list[Said]
    notes: Json
    ignored: list[str]
    session_id: UUID | None
    before: list[Said]


class ResponseRequests:
    def __init__(self, house: House, responses: StoredResponses) -> None:
        self._house = house
        self._runs = house.runs
        self._responses = responses

    async def read(self, principal: Principal, body: ResponseBody, unknown: list[str]) -> Asked:
        body.check()
        agent, resolved = await self.target(principal, body.model)
        tools = await read_tools(self._house, principal, body.tools or [])
        ignored = [*unknown, *body.ignored(resolved)]
        ignored += [name for name in without_use(resolved) if getattr(body, name, None) is not None]
        if ignored and self._house.settings.strict_fields:
            raise InvalidRequest(f"`{ignored[0]}` has no effect here; leave it out.", field=ignored[0])
        options = RunOptions(
            model=None if agent else body.model,
            instructions=body.instructions or "",
            temperature=body.temperature,
            top_p=body.top_p,
            max_output_tokens=body.max_output_tokens,
            max_tool_calls=body.max_tool_calls,
            thinking_effort=body.effort,
            response_format=body.form,
            tool_choice=read_choice(body.tool_choice, tools),
            parallel_tool_calls=body.parallel_tool_calls,
            client_tools=tools.functions,
            tools=tools.names,
            knowledge_base_ids=tools.bases,
            extra=body.passed_on(resolved),
            truncation=_truncation(body, agent),
        )
        session_id, before, open_calls = await self.history(principal, body, agent)
        told = await self.items(principal, open_calls).read(body.input)
        try:
            said = await stored(self._house, principal, agent, told, options)
        except InvalidRequest as error:
            error.field = {"response_format": "text.format", "messages": "input"}.get(error.field or "", error.field)
            raise
        return Asked(
            body, agent, options, said, body.echo(tools.shown, options.truncation), ignored, session_id, before
        )

    async def target(self, principal: Principal, model: str) -> tuple[Agent | None, ResolvedModel]:
        if model.startswith(AGENT_PREFIX):
            agent = await find_agent(self._house, principal, model)
            return agent, await model_of(self._house, agent.current)
        principal.require(SCOPE)
        return None, await self._house.models.resolve(model)

    async def history(
        self, principal: Principal, body: ResponseBody, agent: Agent | None
    ) -> tuple[UUID | None, list[Said], list[str]]:
        """The session to go on in, or what is to be said again in a new one; and the calls that wait for results."""
        if (conversation := body.conversation_id) is not None:
            id = read_id(CONVERSATION, conversation, "conversation", "conversation")
            heard = await self._runs.conversation(principal, id)
            return id, [], sorted(heard.open_calls)
        if body.previous_response_id is None:
            return None, [], []
        run = await self._responses.run(principal, body.previous_response_id, "previous_response_id")
        last = await self._runs.last_of(principal, run)
        if last is None:
            raise Conflict(
                f"The response {body.previous_response_id!r} is not finished; wait for it, or cancel it.",
                field="previous_response_id",
            )
        heard = await self._runs.conversation(principal, run.session_id, upto=last)
        session = await self._house.sessions.get(principal, run.session_id)
        fits = body.is_stored and session.agent_id == (agent.id if agent else None)
        if fits and await self._runs.is_newest(principal, run):
            return run.session_id, heard.said, sorted(heard.open_calls)
        return None, heard.said, sorted(heard.open_calls)

    async def open(self, principal: Principal, asked: Asked) -> UUID:
        agent_id = asked.agent.id if asked.agent else None
        metadata: dict[str, object] = {NOTE: {"is_response": True}}
        session = await self._house.sessions.create(principal, agent_id=agent_id, metadata=metadata)
        return session.id

    def items(self, principal: Principal, open_calls: list[str]) -> InputItems:
        return InputItems(self._house.files, principal, open_calls, self._responses.output_items)

    async def ask(
        self, principal: Principal, asked: Asked, session_id: UUID, dedupe_key: str | None = None
    ) -> Accepted:
        """Begins the run. When others go on from the same response at this moment, in a session of its own."""
        agent = asked.agent
        notes = {**asked.notes, "conversation": asked.body.conversation_id}
        question = Question(
            asked.options,
            agent.id if agent else None,
            agent.version if agent else None,
            agent.current.model if agent else None,
            {NOTE: notes},
            is_background=bool(asked.body.background),
            dedupe_key=dedupe_key,
        )
        is_new = asked.session_id is None
        said = [*asked.before, *asked.said] if is_new else asked.said
        try:
            return await self._runs.ask(principal, session_id, said, question)
        except SessionBusy:
            if is_new or asked.body.conversation_id is not None:
                raise
        session_id = await self.open(principal, asked)
        return await self._runs.ask(principal, session_id, [*asked.before, *asked.said], question)


def _truncation(body: ResponseBody, agent: Agent | None) -> Literal["auto", "disabled"]:
    """As asked; else as the agent has it, or, as this API has it, none."""
    if body.truncation is not None:
        return body.truncation
    return "auto" if agent is not None and agent.current.context.is_compacted else "disabled"
