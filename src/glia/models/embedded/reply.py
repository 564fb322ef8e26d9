"""From a request to one reply: tool calls, or text."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from glia.models.embedded import answer, code, digest, phrasing, results, talk
from glia.models.embedded.decide import Decision, decide
from glia.models.embedded.passages import Passage, parsed, passages
from glia.models.embedded.roles import Candidate, Role, candidates
from glia.models.embedded.schema import mapping
from glia.models.embedded.text import READ_CHARACTERS, clean, shorten, squeeze
from glia.models.embedded.wishes import Turn, Wish, rephrased, search_query
from glia.models.errors import ModelFailed
from glia.models.structured import format_problem
from glia.models.types import AssistantMessage, Message, ModelRequest, SystemMessage, ToolCall, ToolMessage, UserMessage

# More than one wish may be in the message; only then is it worth reading it again for what is still open.
_SEVERAL = re.compile(r"\b(?:and|then|also|plus)\b|[;.!?]\s{1,3}\S", re.IGNORECASE)
_SEARCHES = frozenset({Role.KNOWLEDGE, Role.WEB_SEARCH, Role.MEMORY_SEARCH})


@dataclass(frozen=True)
class Reply:
    """thought: why, in a sentence. calls: name and JSON arguments of the tools to call; text is empty then."""

    thought: str
    text: str = ""
    calls: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class _Returned:
    """A tool's result with what it was called with and what kind of tool it is."""

    message: ToolMessage
    arguments: Mapping[str, object]
    role: Role


def reply(request: ModelRequest) -> Reply:
    decided = _replied(request)
    return Reply(clean(decided.thought), clean(decided.text), decided.calls)


def in_format(request: ModelRequest, decided: Reply) -> Reply:
    """The reply in the format that the request demands: its text as `{"answer": ...}`.

    Raises ModelFailed for a schema that has other fields: filling them in would be making things up.
    """
    form = request.settings.response_format
    if form is None or form.get("type") not in ("json_object", "json_schema"):
        return decided
    problem = format_problem(form, _json({"answer": ""}))
    if problem:
        raise ModelFailed(
            f"The built-in model can only answer as an object with the text `answer`, and for that {problem}; choose"
            " another model for this `response_format`, as GET /v1/models lists them.",
            kind="bad_request",
            provider="glia",
        )
    return decided if decided.calls else Reply(decided.thought, _json({"answer": decided.text}))


def _replied(request: ModelRequest) -> Reply:
    messages = list(request.messages)
    at = next((at for at in range(len(messages) - 1, -1, -1) if isinstance(messages[at], UserMessage)), -1)
    turn = _turn(messages, at)
    returned = _returned(messages[at + 1 :], request)
    if returned:
        return _after_tools(turn, returned, request)
    return _first_step(turn, messages, request)


def _turn(messages: Sequence[Message], at: int) -> Turn:
    text = _text(messages[at]) if at >= 0 else ""
    earlier = messages[max(0, at - 60) : max(0, at)]
    waiting = talk.waiting_tool(earlier[-1].text) if earlier and isinstance(earlier[-1], AssistantMessage) else ""
    asked = [one.text[:4000] for one in earlier if isinstance(one, UserMessage)][-3:]
    before = asked[-1] if asked else ""
    if len(asked) > 1 and not waiting and phrasing.is_follow_up(before):
        before = search_query(before, asked[-2])
    return Turn(clean(text[: 10 * READ_CHARACTERS]), clean(before), waiting)


def _text(message: Message) -> str:
    return message.text


def _returned(messages: Sequence[Message], request: ModelRequest) -> list[_Returned]:
    roles = {one.tool.name: one.role for one in candidates(request.tools)}
    calls: dict[str, ToolCall] = {}
    for message in messages:
        if isinstance(message, AssistantMessage):
            calls |= {key: call for call in message.tool_calls for key in (call.id, call.provider_id)}
    found: list[_Returned] = []
    for message in messages:
        if isinstance(message, ToolMessage):
            call = calls.get(message.tool_call_id)
            arguments = parsed(call.arguments) if call else None
            found.append(_Returned(message, mapping(arguments), roles.get(message.name, Role.OTHER)))
    return found


def _first_step(turn: Turn, messages: Sequence[Message], request: ModelRequest) -> Reply:
    if talked := talk.small_talk(turn.text, request.tools):
        return Reply("A question about myself or a greeting: no tool is needed.", talked)
    if runs := code.runs(turn.text, request.tools):
        return _called(runs)
    if pasted := digest.pasted(turn.text):
        return Reply("The message brings its own text: answering from it.", digest.respond(pasted))
    decision = decide(turn, request.tools)
    said = talk.echoed(turn.text)
    if said and all(one.role in _SEARCHES for one in decision.calls):
        return Reply("Asked to say something back.", said)
    if decision.calls:
        return _called(decision.calls)
    return _spoken(decision) or _from_conversation(turn, messages, request)


def _from_conversation(turn: Turn, messages: Sequence[Message], request: ModelRequest) -> Reply:
    instructions = "\n".join(one.text[:READ_CHARACTERS] for one in messages if isinstance(one, SystemMessage))
    earlier = [one.text[:2000] for one in messages[-60:] if isinstance(one, UserMessage)][:-1]
    if quoted := talk.from_conversation(turn, instructions[:READ_CHARACTERS], earlier):
        return Reply("No tool fits: quoting what this conversation already holds.", quoted)
    if not turn.text.strip():
        return Reply(
            "There is no message to answer.", talk.paragraphs(talk.INTRODUCTION, talk.abilities(request.tools))
        )
    return Reply("No tool fits this message.", talk.cannot(turn, request.tools))


def _spoken(decision: Decision) -> Reply | None:
    if decision.asks:
        return Reply(
            f"{decision.asks[0].tool.name} fits, but arguments are missing: asking for them.",
            talk.ask_for(decision.asks),
        )
    if decision.declined:
        names = ", ".join(f"`{one.name}`" for one in decision.declined)
        return Reply("The user does not want that tool called.", f"All right, I have not called {names}.")
    if decision.described:
        return Reply("Question about a tool: quoting its description.", talk.described(decision.described))
    return None


def _called(wishes: Sequence[Wish]) -> Reply:
    calls = tuple((wish.tool.name, _json(wish.arguments)) for wish in wishes)
    return Reply(" ".join(wish.thought for wish in wishes), calls=calls)


def _json(arguments: Mapping[str, object]) -> str:
    try:
        return json.dumps(arguments, ensure_ascii=False, allow_nan=False)
    except (ValueError, RecursionError):
        return "{}"


def _after_tools(turn: Turn, returned: Sequence[_Returned], request: ModelRequest) -> Reply:
    retry = _second_search(returned, request)
    if retry:
        return retry
    searches = [one for one in returned if one.role is Role.KNOWLEDGE and not one.message.is_error]
    cited = _knowledge(turn, searches)
    names = Counter(one.message.name for one in returned)
    others = [_other(turn, one, is_repeated=names[one.message.name] > 1) for one in returned if one not in searches]
    parts = cited + others if returned[0] in searches else others + cited
    if _SEVERAL.search(turn.text[:4000]) and (missing := _still_missing(turn, request)):
        parts.append(missing)
    names = ", ".join(dict.fromkeys(one.message.name for one in returned))
    return Reply(
        f"{shorten(names, 200)} returned: answering from the results.", "\n\n".join(part for part in parts if part)
    )


def _still_missing(turn: Turn, request: ModelRequest) -> str:
    """What else the message asked for and could not be called for want of an argument."""
    decision = decide(turn, request.tools)
    return talk.ask_for(decision.asks) if decision.asks and decision.calls else ""


def _second_search(returned: Sequence[_Returned], request: ModelRequest) -> Reply | None:
    """One more search with other words, when the only search so far found nothing."""
    searches = [one for one in returned if one.role is Role.KNOWLEDGE]
    if len(searches) != 1 or len(returned) != 1 or searches[0].message.is_error:
        return None
    if passages(searches[0].message.text):
        return None
    known = {one.tool.name: one for one in candidates(request.tools)}
    tool: Candidate | None = known.get(searches[0].message.name)
    if not tool or not tool.query:
        return None
    asked = str(searches[0].arguments.get(tool.query.name, ""))
    query = rephrased(asked[:1000])
    if not query or query.lower() == asked.lower().strip(" ?!."):
        return None
    arguments = {**searches[0].arguments, tool.query.name: query}
    return Reply(
        f'Nothing found: searching once more for "{shorten(query, 120)}".', calls=((tool.tool.name, _json(arguments)),)
    )


def _knowledge(turn: Turn, searches: Sequence[_Returned]) -> list[str]:
    found = [(one, passages(one.message.text)) for one in searches]
    held = [(one, listed) for one, listed in found if listed]
    if searches and not held:
        texts = [one.message.text.strip() for one, listed in found if listed is None and one.message.text.strip()]
        return [shorten(clean(text), 1200) for text in texts] or [answer.nothing_found(turn.text)]
    if len(held) == 1:
        question, context = _asked(turn, held[0][0])
        return [answer.from_passages(question, held[0][1], context)]
    parts: list[str] = []
    for one, listed in found:
        question = _query(one) or turn.text
        parts.append(
            f"**{shorten(question, 200)}**\n"
            + (answer.from_passages(question, listed) if listed else answer.nothing_found(question))
        )
    return parts


def _asked(turn: Turn, one: _Returned) -> tuple[str, str]:
    """The question a search was for, and the earlier one it leans on."""
    query, own = _query(one), phrasing.subject(turn.text)
    if own and query != own and query.endswith(own):
        return own, query
    return query or turn.text, ""


def _query(one: _Returned) -> str:
    strings = [value for value in one.arguments.values() if isinstance(value, str)]
    return max(strings, key=len) if strings else ""


def _other(turn: Turn, one: _Returned, is_repeated: bool) -> str:
    message = one.message
    if one.role is Role.CODE and not results.is_doubtful(message.text):
        return code.ran(message.text, is_error=message.is_error)
    if message.is_error or results.is_doubtful(message.text):
        return results.failure(message.name, message.text)
    listed = passages(message.text) if one.role in _SEARCHES else None
    if listed is not None and one.role is Role.MEMORY_SEARCH:
        return _remembered(listed)
    if listed:
        return answer.from_passages(_query(one) or turn.text, listed)
    cites = passages(message.text) if "kb://" in message.text[:READ_CHARACTERS] else None
    if cites:
        return answer.from_passages(turn.text, cites)
    given = ", ".join(f"{name}: {value}" for name, value in one.arguments.items()) if is_repeated else ""
    name = f"{message.name}({shorten(squeeze(clean(given)), 120)})" if given else message.name
    return results.shown(name, one.role, message.text, one.arguments, turn.text)


def _remembered(listed: Sequence[Passage]) -> str:
    if not listed:
        return "I remember nothing about that yet. Tell me “remember that ...” to change it."
    return "I remember:\n" + "\n".join(f"- {shorten(one.text, 300)}" for one in listed[:10])
