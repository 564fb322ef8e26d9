"""A small company's handbook, a naive search over it, and a conversation that runs tools until the model answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from glia.models.embedded import EmbeddedModel
from glia.models.embedded.text import content_stems
from glia.models.types import (
    AssistantMessage,
    Message,
    ModelRequest,
    ModelResponse,
    ModelSettings,
    SystemMessage,
    ToolCall,
    ToolMessage,
    ToolSpec,
    UserMessage,
)

PAGES_OF_HANDBOOK = """
1|Welcome|Bramble & Finch was founded in 1998 by Martha Osei in a disused bakery in Leeds. Today 240 people work in
four offices: Leeds, Porto, Gdansk and Nairobi. Our head of people is Dr. Ines Carvalho.
---
1|Working hours|The working week has 38 hours. Core hours are 10:00 to 15:00, when everyone should be reachable. You may
work from home up to three days a week. New starters work in the office for their first month, because questions are
easier to ask across a desk.
---
2|Annual leave|Full-time employees receive 27 days of paid leave a year. Part-time employees receive leave in proportion
to their hours. Up to five unused days may be carried over until 31 March. Requests for more than ten days in a row need
the approval of a director.
---
2|Sick leave|If you are ill, tell your team lead before 9:30 on the first day. A doctor's note is needed from the fourth
day. Full pay continues for six weeks.
---
3|Expenses|Receipts must be handed in within 30 days. Travel by train is booked in second class; flights need
approval when they cost more than £400. Meals on business trips are refunded up to £35 a day.

To claim expenses:
1. Photograph each receipt.
2. Fill in form E-7 in the portal.
3. Send it to your team lead.

Money is paid back with the next salary.
---
4|Security|Laptops are encrypted and lock after five minutes. Passwords must have at least 14 characters. Report a lost
device to the security desk (ext. 4411) within one hour. Never send customer data by e-mail.
---
5|Parental leave|Both parents may take 20 weeks of paid parental leave. It can be split into two blocks within the first
two years. Please tell us twelve weeks before it begins.
---
6|Ending employment|The notice period is two months, or four months after ten years. The last working day includes the
return of laptop, phone and badge.
"""
HANDBOOK = [tuple(block.strip().split("|", 2)) for block in PAGES_OF_HANDBOOK.split("---")]


def _tool(name: str, description: str, required: tuple[str, ...] = (), **properties: object) -> ToolSpec:
    return ToolSpec(name, description, {"type": "object", "properties": properties, "required": list(required)})


PAGE = "This domain is for use in examples. You may use it freely."
TEXT = {"type": "string"}
KNOWLEDGE = _tool(
    "knowledge_search",
    "Searches the agent's knowledge bases and returns passages to cite.",
    ("query",),
    query=TEXT,
    limit={"type": "integer"},
)
CALCULATOR = _tool("calculator", "Evaluates an arithmetic expression.", ("expression",), expression=TEXT)
CLOCK = _tool("current_time", "Gives the current date and time in a time zone.", timezone=TEXT)
FETCH = _tool(
    "web_fetch", "Fetches a web page and returns its text.", ("url",), url={"type": "string", "format": "uri"}
)
MEMORY_SAVE = _tool("memory_save", "Saves a fact to remember in later conversations.", ("text",), text=TEXT)
MEMORY_SEARCH = _tool("memory_search", "Searches the facts remembered about the user.", ("query",), query=TEXT)
SEND_INVOICE = _tool(
    "send_invoice", "Send an invoice to a customer by email.", ("customer",), customer=TEXT, amount={"type": "number"}
)
WEATHER = _tool(
    "get_weather",
    "Get the current weather in a city.",
    ("city",),
    city=TEXT,
    unit={"type": "string", "enum": ["celsius", "fahrenheit"]},
)
PING = _tool("ping", "Pings a counter.", ("x",), x={"type": "integer"})
TICKET = _tool(
    "create_ticket",
    "Create a support ticket.",
    ("title", "priority"),
    title=TEXT,
    priority={"type": "string", "enum": ["low", "normal", "high"]},
)
BUILT_IN = (KNOWLEDGE, CALCULATOR, CLOCK, FETCH, MEMORY_SAVE, MEMORY_SEARCH)
ALL = (*BUILT_IN, SEND_INVOICE, WEATHER, PING, TICKET)


def search(query: str) -> str:
    """The passages sharing most words with the query, in the shape Glia's own search tool returns."""
    asked = set(content_stems(query))
    scored = [
        (len(asked & set(content_stems(f"{heading} {text}"))), -at) for at, (_, heading, text) in enumerate(HANDBOOK)
    ]
    best = sorted((pair for pair in scored if pair[0]), reverse=True)[:5]
    results = [
        {
            "uri": f"kb://kb1/doc1#{-at}",
            "document": "handbook.pdf",
            "page": int(HANDBOOK[-at][0]),
            "heading": HANDBOOK[-at][1],
            "text": HANDBOOK[-at][2],
        }
        for _, at in best
    ]
    return json.dumps({"results": results})


Answers = dict[str, Callable[[dict[str, object]], str]]


def answers() -> Answers:
    return {
        "knowledge_search": lambda given: search(str(given["query"])),
        "calculator": lambda given: json.dumps({"result": eval(str(given["expression"]), {"__builtins__": {}})}),
        "current_time": lambda given: json.dumps({"now": "2026-03-02T09:05:00+00:00", "timezone": "UTC"}),
        "web_fetch": lambda given: json.dumps({"url": given["url"], "title": "Example", "text": PAGE}),
        "memory_save": lambda given: json.dumps({"saved": True}),
        "memory_search": lambda given: json.dumps({"memories": [{"text": "My cat is called Tom."}]}),
        "send_invoice": lambda given: json.dumps({"status": "sent", "invoice": "INV-7", "total": 120.5}),
        "get_weather": lambda given: json.dumps({"city": given["city"], "temperature": 21, "sky": "clear"}),
        "ping": lambda given: "pong",
        "create_ticket": lambda given: json.dumps({"id": 12}),
    }


async def respond(*messages: Message, tools: tuple[ToolSpec, ...] = (), **settings: object) -> ModelResponse:
    request = ModelRequest("embedded", messages, tools, ModelSettings(**settings))  # type: ignore[arg-type]
    events = [event async for event in EmbeddedModel().stream(request)]
    last = events[-1]
    assert isinstance(last, ModelResponse)
    return last


@dataclass
class Conversation:
    """Says something and runs the wished tools until the model answers. `called` keeps what it called."""

    tools: tuple[ToolSpec, ...] = ALL
    instructions: str = "You are a helpful assistant."
    answers: Answers = field(default_factory=answers)
    messages: list[Message] = field(default_factory=list)
    called: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    rounds: int = 0

    async def say(self, text: str) -> str:
        self.called = []
        self.messages.append(UserMessage(text))
        for self.rounds in range(1, 6):
            response = await respond(SystemMessage(self.instructions), *self.messages, tools=self.tools)
            self.messages.append(AssistantMessage(response.text, response.tool_calls, response.thinking))
            if not response.tool_calls:
                return response.text
            self.messages.extend(self._run(call) for call in response.tool_calls)
        raise AssertionError("The model did not come to an answer.")

    def _run(self, call: ToolCall) -> ToolMessage:
        given = json.loads(call.arguments)
        self.called.append((call.name, given))
        return ToolMessage(call.provider_id, call.name, self.answers[call.name](given))


@dataclass(frozen=True)
class Kit:
    """What tests use, without importing from a neighbour."""

    respond: Callable[..., object] = respond
    conversation: type[Conversation] = Conversation
    tools: dict[str, ToolSpec] = field(default_factory=lambda: {tool.name: tool for tool in ALL})
    all_tools: tuple[ToolSpec, ...] = ALL
    search: Callable[[str], str] = search


@pytest.fixture
def kit() -> Kit:
    return Kit()
