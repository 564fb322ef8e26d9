"""Chat completions answered by an agent: the messages open a session, the answer is read from its run's log."""

from __future__ import annotations

from contextlib import ExitStack
from difflib import get_close_matches
from uuid import UUID

from glia.agents.errors import AgentNotFound
from glia.agents.types import Agent
from glia.gateway.service import completion
from glia.gateway.types import ChatCall
from glia.identity.service import IdempotentAnswers
from glia.identity.types import Principal
from glia.kit.errors import GliaError, InvalidRequest, NotFound
from glia.kit.pages import LARGEST_LIMIT, Window
from glia.runs.events import RunCompleted
from glia.runs.service import Question, RunOptions, Said, Watcher
from glia.runs.types import Accepted
from glia.surfaces.openai.agent_stream import Watched, answer_chunks
from glia.surfaces.openai.chat_history import model_of, read_history, stored
from glia.surfaces.openai.chat_options import ChatWishes, read_wishes
from glia.surfaces.openai.leaving import Patience, WhileClientWaits
from glia.surfaces.openai.outcomes import choice_of, outcome, usage_of
from glia.surfaces.openai.words import AGENT_PREFIX, openai_error
from glia.surfaces.shared import sse
from glia.surfaces.shared.accepting import all_accepted_once
from glia.surfaces.shared.asgi import Request, Send, ignored_header, send_bytes, send_json
from glia.surfaces.shared.idempotency import REPLAYED
from glia.surfaces.shared.tracing import join_trace
from glia.wiring import House

Headers = list[tuple[bytes, bytes]]


class AgentChat:
    """One request to an agent: `n` runs, each in a session of its own."""

    def __init__(self, house: House, patience: Patience, answers: IdempotentAnswers) -> None:
        self._house = house
        self._patience = patience
        self._answers = answers

    async def answer(self, request: Request, send: Send, call: ChatCall, content: bytes) -> None:
        """Under an `Idempotency-Key` a repeat is answered from the runs that the first try began."""
        ignored, watchers = list[str](), list[Watcher]()

        async def begin(dedupe_key: str | None) -> list[Accepted]:
            wishes, begun = await self._begin(request, call, stack, watchers, dedupe_key)
            ignored.extend(wishes.ignored)
            return begun

        with ExitStack() as stack:
            runs, is_replayed = await all_accepted_once(self._answers, request, content, begin)
            headers = [
                (b"x-glia-run-id", ",".join(str(run.run_id) for run in runs).encode()),
                (b"x-glia-session-id", ",".join(str(run.session_id) for run in runs).encode()),
                *ignored_header(ignored),
                *([REPLAYED] if is_replayed else []),
            ]
            watched = list(zip(runs, watchers if len(watchers) == len(runs) else [None] * len(runs), strict=True))
            if call.is_streamed:
                chunks = answer_chunks(self._house.runs, request.principal, call, watched, request.request_id)
                await sse.stream(request.receive, send, chunks, headers)
            else:
                await self._send_whole(request, send, call.model, watched, headers)

    async def _begin(
        self,
        request: Request,
        call: ChatCall,
        stack: ExitStack,
        watchers: list[Watcher],
        dedupe_key: str | None,
    ) -> tuple[ChatWishes, list[Accepted]]:
        """watchers: get those of the runs, entered before each was accepted."""
        house, principal = self._house, request.principal
        read = read_history(call)
        agent = await find_agent(house, principal, call.model)
        wishes = read_wishes(call, await model_of(house, agent.current))
        if wishes.ignored and house.settings.strict_fields:
            field = wishes.ignored[0]
            raise InvalidRequest(f"`{field}` has no effect on an agent; leave it out.", field=field)
        said = await stored(house, principal, agent, read, wishes.options)
        metadata: dict[str, object] = {"openai": wishes.notes} if wishes.notes else {}
        begun: list[Accepted] = []
        for index in range(wishes.count):
            key = dedupe_key and f"{dedupe_key}:{index}"
            if key and (known := await house.runs.known(principal, key)):
                begun.append(known)
                continue
            session = await house.sessions.create(principal, agent_id=agent.id, metadata=metadata)
            watchers.append(stack.enter_context(house.runs.watch(session.id, previews=call.is_streamed)))
            begun.append(await _accept(house, principal, agent, session.id, said, wishes.options, key))
            await join_trace(house.traces, request, begun[-1])
        return wishes, begun

    async def _send_whole(
        self, request: Request, send: Send, model: str, watched: list[Watched], headers: Headers
    ) -> None:
        runs, principal = self._house.runs, request.principal
        with WhileClientWaits(self._patience, request.receive):
            ended = [await outcome(runs, principal, accepted, watcher) for accepted, watcher in watched]
        for end in ended:
            if isinstance(end, GliaError):
                # Sent from here, so that the client learns which run it was, and does not begin another by itself.
                body = openai_error(end, request.request_id)
                await send_json(send, end.status, body, [*headers, (b"x-should-retry", b"false")])
                return
        completed = [end for end in ended if isinstance(end, RunCompleted)]
        body = completion(model, list(map(choice_of, completed)), usage_of(completed), watched[0][0].run_id)
        await send_bytes(send, 200, body, b"application/json", headers)


async def _accept(
    house: House,
    principal: Principal,
    agent: Agent,
    session_id: UUID,
    said: list[Said],
    options: RunOptions,
    dedupe_key: str | None,
) -> Accepted:
    """A run without wishes begins in this very process, which is quicker."""
    if options == RunOptions():
        return await house.runs.accept(principal, session_id, said, dedupe_key=dedupe_key)
    question = Question(options, agent.id, agent.version, agent.current.model, dedupe_key=dedupe_key)
    return await house.runs.ask(principal, session_id, said, question)


async def find_agent(house: House, principal: Principal, model: str) -> Agent:
    """The agent that a model name `agent:<id or slug>` means. Raises NotFound with names that are near."""
    reference = model.removeprefix(AGENT_PREFIX)
    try:
        return await house.agents.find(principal, reference)
    except AgentNotFound:
        pass
    page = await house.agents.list(principal, Window(LARGEST_LIMIT))
    near = get_close_matches(reference, [agent.slug for agent in page.items], n=3, cutoff=0.5)
    hint = f" Did you mean {', '.join(repr(AGENT_PREFIX + slug) for slug in near)}?" if near else ""
    raise NotFound(f"There is no agent {reference!r} in this workspace.{hint} GET /v1/models lists all.", field="model")
