"""What a chat request says, and what that means for the run that answers it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET

from glia.agents.types import Agent
from glia.kit.errors import InvalidRequest
from glia.kit.ids import parse_id
from glia.runs.service import Override, Said
from glia.surfaces.neura import specs
from glia.surfaces.neura.tool_config import ToolWishes
from glia.surfaces.shared.asgi import convert
from glia.surfaces.shared.json_body import read_object

LONGEST_CONTEXT = 200_000
"""Characters of `session_context`."""

MOST_HISTORY = 1_000
_ROLES = ("user", "assistant", "system")


class ChatBody(msgspec.Struct):
    """query: what the user says; `message` is the same. What is null or left away stays as the agent has it.

    conversation_id: goes on with that conversation; without it a new one begins, with conversation_history as it is
    given. session_context: a text for this answer alone, which is not kept.
    """

    query: str | None = None
    message: str | None = None
    model_id: str | None = None
    kb_ids: list[str] | None = None
    conversation_history: list[dict[str, Any]] | None = None
    conversation_id: str | None = None
    use_web_search: bool | None = None
    max_iterations: int | None = None
    search_depth: int | None = None
    enable_inference_tools: bool | None = None
    selected_inference_tools: list[str] | None = None
    enable_agent_tools: bool | None = None
    selected_agent_ids: list[str] | None = None
    auto_select_tools: bool | None = None
    session_context: str | None = None
    detailed_mode: bool | None = None


@dataclass(frozen=True)
class Asked:
    """A request that was read. ignored: fields without effect."""

    body: ChatBody
    raw: bytes
    said: list[Said]
    session_id: UUID | None
    ignored: list[str]

    @property
    def question(self) -> str:
        return self.said[-1].content

    @property
    def is_detailed(self) -> bool:
        return bool(self.body.detailed_mode)

    @property
    def document(self) -> str:
        return self.body.session_context or ""


def read_chat(raw: bytes) -> Asked:
    """Raises InvalidRequest, which names the field."""
    body, ignored = convert(read_object(raw), ChatBody)
    question = body.query if body.query is not None else body.message
    if question is None:
        raise InvalidRequest("`query` is missing; say something to the agent.", field="query")
    _check_question(question, "query")
    if len(body.session_context or "") > LONGEST_CONTEXT:
        raise InvalidRequest(
            f"`session_context` has more than {LONGEST_CONTEXT} characters; upload it to a knowledge base.",
            field="session_context",
        )
    _check_range("max_iterations", body.max_iterations, 1, 1000)
    _check_range("search_depth", body.search_depth, 1, 30)
    session_id = parse_id(body.conversation_id, "conversation") if body.conversation_id else None
    earlier = _history(body.conversation_history or [])
    if session_id is not None and earlier:
        ignored, earlier = [*ignored, "conversation_history"], []  # the stored conversation is what went before
    return Asked(body, raw, [*earlier, Said("user", question)], session_id, ignored)


def read_asked(question: str, field: str, history: list[dict[str, Any]], *, raw: bytes, ignored: list[str]) -> Asked:
    """A question with what went before, and nothing else said. Raises InvalidRequest."""
    _check_question(question, field)
    return Asked(ChatBody(query=question), raw, [*_history(history), Said("user", question)], None, ignored)


def _check_question(question: str, field: str) -> None:
    if not question.strip():
        raise InvalidRequest(f"`{field}` is empty; say something to the agent.", field=field)


def override_of(asked: Asked, agent: Agent) -> Override | None:
    """What the request wants otherwise than the agent has it; None when nothing is."""
    body, spec = asked.body, agent.current
    found = Override(
        model=UNSET if body.model_id in (None, "", spec.model) else str(body.model_id),
        knowledge_base_ids=UNSET if body.kb_ids is None else list(specs.bases_of(body.kb_ids)),
        max_iterations=UNSET
        if body.max_iterations in (None, spec.limits.max_iterations)
        else int(body.max_iterations or 1),
        search_depth=UNSET if body.search_depth in (None, spec.search_depth) else int(body.search_depth or 1),
    )
    if body.use_web_search is not None and body.use_web_search != specs.searches(spec):
        tools = specs.searching(spec.tools, is_wanted=body.use_web_search)
        found = msgspec.structs.replace(found, tools=None if tools is None else list(tools))
    found = _with_tools(found, body, agent)
    return None if found == Override() else found


def _with_tools(found: Override, body: ChatBody, agent: Agent) -> Override:
    """Which agents and inference tools this request wants to be offered."""
    wishes = ToolWishes(
        agents=body.enable_agent_tools,
        inference=body.enable_inference_tools,
        is_automatic=body.auto_select_tools,
        agent_ids=body.selected_agent_ids,
        inference_tools=body.selected_inference_tools,
    )
    if wishes.is_empty:
        return found
    spec = agent.current
    if found.tools is not UNSET:
        spec = replace(spec, tools=None if found.tools is None else tuple(found.tools))
    changes = wishes.fields(spec)
    if "tools" in changes:
        changes["tools"] = None if changes["tools"] is None else list(changes["tools"])
    if "subagents" in changes:
        changes["subagents"] = list(changes["subagents"])
    same = {name for name in ("tools", "subagents") if name in changes and _same(changes[name], getattr(spec, name))}
    return msgspec.structs.replace(found, **{name: value for name, value in changes.items() if name not in same})


def _same(one: list[Any] | None, other: tuple[Any, ...] | None) -> bool:
    return (None if one is None else tuple(one)) == other


def _check_range(name: str, value: int | None, smallest: int, largest: int) -> None:
    if value is not None and not smallest <= value <= largest:
        raise InvalidRequest(f"`{name}` is {value}; it must be between {smallest} and {largest}.", field=name)


def read_messages(given: list[dict[str, Any]], field: str) -> list[Said]:
    """Messages as clients of this API write them: `{role, content}`. Raises InvalidRequest."""
    if len(given) > MOST_HISTORY:
        raise InvalidRequest(f"`{field}` has {len(given)} entries; the most is {MOST_HISTORY}.", field=field)
    found: list[Said] = []
    for index, entry in enumerate(given):
        role, content = entry.get("role"), entry.get("content")
        if role not in _ROLES:
            raise InvalidRequest(
                f"`{field}[{index}].role` {str(role)[:50]!r} is none of {', '.join(_ROLES)}.",
                field=f"{field}[{index}].role",
            )
        if not isinstance(content, str):
            raise InvalidRequest(f"`{field}[{index}].content` must be a text.", field=f"{field}[{index}].content")
        found.append(Said(role, content))
    return found


def _history(given: list[dict[str, Any]]) -> list[Said]:
    return [said for said in read_messages(given, "conversation_history") if said.content]
