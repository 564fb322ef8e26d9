"""Where a run stands, read from its log. Resuming is nothing but this: fold the log, go on with what is missing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from glia.models.types import AssistantMessage, Message, SystemMessage, ToolCall, ToolMessage, UserMessage
from glia.runs.events import (
    AnswerMessage,
    ApprovalDecided,
    ApprovalRequested,
    CalledTool,
    ChildStarted,
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
    asked and decided: of the calls that a person must allow. children: calls that runs of other agents answer.
    said: ids of the messages in the log.
    """

    messages: list[Message] = field(default_factory=list[Message])
    step: int = 0
    requested_step: int = 0
    response: ModelResponded | None = None
    called: dict[str, ToolCalled] = field(default_factory=dict[str, ToolCalled])
    returned: dict[str, ToolReturned] = field(default_factory=dict[str, ToolReturned])
    asked: dict[str, ApprovalRequested] = field(default_factory=dict[str, ApprovalRequested])
    decided: dict[str, ApprovalDecided] = field(default_factory=dict[str, ApprovalDecided])
    children: dict[str, ChildStarted] = field(default_factory=dict[str, ChildStarted])
    said: set[str] = field(default_factory=set[str])
    sources: list[Source] = field(default_factory=list[Source])
    input_tokens: int = 0
    output_tokens: int = 0
    tool_calls: int = 0
    cost_micros: int | None = None
    _open_calls: dict[str, ToolCall] = field(default_factory=dict[str, ToolCall])
    _at_work: UUID | None = None
    """The run that has begun to ask its model: what is said to it now, it hears later."""
    _held: list[tuple[int, Message]] = field(default_factory=list[tuple[int, Message]])
    """Messages that came while a run was at work, with their sequence numbers, until its model hears them."""

    @property
    def pending(self) -> list[CalledTool]:
        """Tool calls the model asked for last that have not come back."""
        if self.response is None:
            return []
        return [call for call in self.response.tool_calls if call.id not in self.returned]

    @property
    def is_answered(self) -> bool:
        if self.response is None or self.response.tool_calls:
            return False
        return not self.messages or not isinstance(self.messages[-1], UserMessage)

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

    def hear(self, event: Event) -> None:
        """A message of the log. What is said to a run at work waits until no tool call is open."""
        payload = event.payload
        if not isinstance(payload, MessageReceived) or payload.message_id in self.said:
            return
        self.said.add(payload.message_id)
        if event.run_id is not None and event.run_id == self._at_work:
            self._held.append((event.seq, _message(payload)))
        else:
            self.say(_message(payload))

    def receive(self, message: MessageReceived) -> None:
        """A message that this run brings into the log itself, before it asks its model."""
        self.said.add(message.message_id)
        self.say(_message(message))

    def release(self, heard: int | None = None) -> None:
        """Says what was held, up to a sequence number if one is given; nothing while a tool call is open."""
        if self._open_calls:
            return
        due = [entry for entry in self._held if heard is None or entry[0] <= heard]
        self._held = [entry for entry in self._held if entry not in due]
        for _seq, message in due:
            self.say(message)

    def request(self, run_id: UUID | None) -> None:
        """A model is about to be asked."""
        self._at_work = run_id

    def end(self) -> None:
        """A run of the session has ended."""
        self.close_calls()
        self.release()
        self._at_work = None

    def respond(self, response: ModelResponded) -> None:
        self.release(response.heard or None)
        calls = tuple(ToolCall(c.id, c.provider_id, c.name, c.arguments) for c in response.tool_calls)
        self.say(AssistantMessage(response.text, calls, response.thinking, response.provider_state))
        self._open_calls = {call.id: call for call in calls}
        self.release()

    def take_back(self, returned: ToolReturned) -> None:
        call = self._open_calls.pop(returned.tool_call_id, None)
        if call is not None:
            self.messages.append(ToolMessage(call.provider_id, call.name, returned.text, returned.status != "ok"))
            self.release()


def fold(events: Iterable[Event], run_id: UUID) -> Progress:
    """Reads a session's log from its beginning. Other runs give only their part of the conversation."""
    progress = Progress()
    for event in events:
        payload = event.payload
        _hear(progress, event, payload)
        if event.run_id == run_id:
            _note(progress, payload)
    progress.release()
    return progress


def _hear(progress: Progress, event: Event, payload: Payload | UnknownPayload) -> None:
    """What the event adds to the conversation."""
    match payload:
        case MessageReceived():
            progress.hear(event)
        case ModelRequested():
            progress.request(event.run_id)
        case ModelResponded() as response:
            progress.respond(response)
        case ToolReturned() as returned:
            progress.take_back(returned)
        case RunCancelled(text=text) | RunFailed(text=text):
            progress.close_calls()
            if text:
                progress.say(AssistantMessage(text))
            progress.end()
        case RunCompleted():
            progress.end()
        case _:
            pass


def _message(received: MessageReceived) -> Message:
    match received.role:
        case "user":
            return UserMessage(received.content)
        case "system":
            return SystemMessage(received.content)
        case "assistant":
            return AssistantMessage(received.content)


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
        case ApprovalRequested() as asked:
            progress.asked[asked.tool_call_id] = asked
        case ApprovalDecided() as decided:
            progress.decided[decided.tool_call_id] = decided
        case ChildStarted() as child:
            progress.children[child.tool_call_id] = child
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
