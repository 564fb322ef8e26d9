"""Where a run stands, read from its log. Resuming is nothing but this: fold the log, go on with what is missing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from glia.models.types import AssistantMessage, Message, SystemMessage, ToolCall, ToolMessage, UserMessage
from glia.runs.events import (
    AnswerMessage,
    CalledTool,
    ConversationMessage,
    Event,
    MessageReceived,
    ModelRequested,
    ModelResponded,
    Payload,
    RunCancelled,
    RunCompleted,
    RunFailed,
    ToolCalled,
    ToolReturned,
    UnknownPayload,
)
from glia.tools.types import Source


@dataclass
class Progress:
    """The conversation as the model should see it, and what this run has done so far.

    step: finished model calls. requested_step: the newest one that was announced. called: ids of tool calls that were
    committed for dispatch, and returned: those that came back; what is in the first only may or may not have happened.
    """

    messages: list[Message] = field(default_factory=list[Message])
    step: int = 0
    requested_step: int = 0
    response: ModelResponded | None = None
    called: dict[str, ToolCalled] = field(default_factory=dict[str, ToolCalled])
    returned: dict[str, ToolReturned] = field(default_factory=dict[str, ToolReturned])
    sources: list[Source] = field(default_factory=list[Source])
    input_tokens: int = 0
    output_tokens: int = 0
    tool_calls: int = 0
    cost_micros: int | None = None
    _open_calls: dict[str, ToolCall] = field(default_factory=dict[str, ToolCall])

    @property
    def pending(self) -> list[CalledTool]:
        """Tool calls the model asked for last that have not come back."""
        if self.response is None:
            return []
        return [call for call in self.response.tool_calls if call.id not in self.returned]

    @property
    def is_answered(self) -> bool:
        return self.response is not None and not self.response.tool_calls

    def say(self, message: Message) -> None:
        """Adds a message. Calls left open by a run that ended early are closed first, as providers demand."""
        self.close_calls()
        self.messages.append(message)

    def close_calls(self) -> None:
        for call in self._open_calls.values():
            self.messages.append(
                ToolMessage(call.provider_id, call.name, "This call was interrupted; its outcome is unknown.", True)
            )
        self._open_calls.clear()

    def respond(self, response: ModelResponded) -> None:
        calls = tuple(ToolCall(c.id, c.provider_id, c.name, c.arguments) for c in response.tool_calls)
        self.say(AssistantMessage(response.text, calls, response.thinking, response.provider_state))
        self._open_calls = {call.id: call for call in calls}

    def take_back(self, returned: ToolReturned) -> None:
        call = self._open_calls.pop(returned.tool_call_id, None)
        if call is not None:
            self.messages.append(ToolMessage(call.provider_id, call.name, returned.text, returned.status != "ok"))


def fold(events: Iterable[Event], run_id: UUID) -> Progress:
    """Reads a session's log from its beginning. Other runs give only their part of the conversation."""
    progress = Progress()
    for event in events:
        payload = event.payload
        _hear(progress, payload)
        if event.run_id == run_id:
            _note(progress, payload)
    return progress


def _hear(progress: Progress, payload: Payload | UnknownPayload) -> None:
    """What the event adds to the conversation."""
    match payload:
        case MessageReceived(role="user", content=content):
            progress.say(UserMessage(content))
        case MessageReceived(role="system", content=content):
            progress.say(SystemMessage(content))
        case MessageReceived(content=content):
            progress.say(AssistantMessage(content))
        case ModelResponded() as response:
            progress.respond(response)
        case ToolReturned() as returned:
            progress.take_back(returned)
        case RunCancelled(text=text) | RunFailed(text=text):
            progress.close_calls()
            if text:
                progress.say(AssistantMessage(text))
        case RunCompleted():
            progress.close_calls()
        case _:
            pass


def _note(progress: Progress, payload: Payload | UnknownPayload) -> None:
    """What the event says of this run's own steps."""
    match payload:
        case ModelRequested(step=step):
            progress.requested_step = max(progress.requested_step, step)
        case ModelResponded() as response:
            note_response(progress, response)
        case ToolCalled() as called:
            progress.called[called.tool_call_id] = called
        case ToolReturned() as returned:
            note_return(progress, returned)
        case _:
            pass


def note_response(progress: Progress, response: ModelResponded) -> None:
    progress.step = response.step
    progress.response = response
    progress.input_tokens += response.usage.input_tokens
    progress.output_tokens += response.usage.output_tokens
    if response.cost_micros is not None:
        progress.cost_micros = (progress.cost_micros or 0) + response.cost_micros


def note_return(progress: Progress, returned: ToolReturned) -> None:
    progress.returned[returned.tool_call_id] = returned
    progress.tool_calls += 1
    progress.sources.extend(returned.sources)


def messages_of(events: Iterable[Event]) -> list[ConversationMessage]:
    """The messages of a log: what was received, and each run's answer, cancelled ones with what was seen of them."""
    found: list[ConversationMessage] = []
    for event in events:
        match event.payload:
            case MessageReceived(message_id=id, role=role, content=content):
                found.append(ConversationMessage(id, role, content, event))
            case RunCompleted(message=AnswerMessage() as answer):
                found.append(ConversationMessage(answer.id, "assistant", answer.content, event, answer))
            case RunCancelled(text=text) | RunFailed(text=text) if text:
                found.append(ConversationMessage(f"{event.run_id}:partial", "assistant", text, event))
            case _:
                pass
    return found
