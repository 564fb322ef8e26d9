"""Where a run stands, read from its log. Resuming is nothing but this: fold the log, go on with what is missing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from uuid import UUID

from glia.models.types import SystemMessage, UserMessage
from glia.runs.conversation import EVENTS, Conversation
from glia.runs.deliberation import advice
from glia.runs.events import (
    AnswerMessage,
    ApprovalDecided,
    ApprovalRequested,
    CalledTool,
    ChildStarted,
    ContextCompacted,
    ConversationMessage,
    Event,
    EventsSummarised,
    MessageDeleted,
    MessageEdited,
    MessageReceived,
    ModelRequested,
    ModelResponded,
    Payload,
    PlanMade,
    ReflectionMade,
    RunCancelled,
    RunCompleted,
    RunFailed,
    ToolCalled,
    ToolReturned,
    UnknownPayload,
)
from glia.runs.model_events import StepUsage
from glia.tools.types import Source


@dataclass
class Progress:
    """talk: the conversation as the model should see it; the rest is what this run has done so far.

    step: finished model calls. requested_step: the newest one that was announced. called: ids of tool calls that were
    committed for dispatch, and returned: those that came back; what is in the first only may or may not have happened.
    asked and decided: of the calls that a person must allow. children: calls that runs of other agents answer.
    """

    talk: Conversation = field(default_factory=Conversation)
    step: int = 0
    requested_step: int = 0
    response: ModelResponded | None = None
    called: dict[str, ToolCalled] = field(default_factory=dict[str, ToolCalled])
    returned: dict[str, ToolReturned] = field(default_factory=dict[str, ToolReturned])
    asked: dict[str, ApprovalRequested] = field(default_factory=dict[str, ApprovalRequested])
    decided: dict[str, ApprovalDecided] = field(default_factory=dict[str, ApprovalDecided])
    children: dict[str, ChildStarted] = field(default_factory=dict[str, ChildStarted])
    sources: list[Source] = field(default_factory=list[Source])
    input_tokens: int = 0
    output_tokens: int = 0
    tool_calls: int = 0
    cost_micros: int | None = None
    compactions: int = 0
    plan: PlanMade | None = None
    reflection: ReflectionMade | None = None

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
        return not self.talk.messages or not isinstance(self.talk.messages[-1], UserMessage)


def fold(events: Iterable[Event], run_id: UUID) -> Progress:
    """Reads a session's log from its beginning. Other runs give only their part of the conversation."""
    progress = Progress()
    for event in events:
        payload = event.payload
        hear(progress.talk, event, payload)
        if event.run_id == run_id:
            _note(progress, payload)
    progress.talk.release()
    return progress


def hear(talk: Conversation, event: Event, payload: Payload | UnknownPayload) -> None:
    """What the event adds to the conversation."""
    talk.at = event.seq
    match payload:
        case MessageReceived():
            talk.hear(event)
        case MessageEdited(seq=seq, content=content) if content is not None:
            talk.edit(seq, content)
        case MessageDeleted(seq=seq):
            talk.edit(seq, None)
        case ModelRequested():
            talk.request(event.run_id)
        case ModelResponded() as response:
            talk.respond(response)
        case ToolReturned() as returned:
            talk.take_back(returned)
        case ContextCompacted() as compacted:
            talk.compact(compacted)
        case EventsSummarised(summary=summary):
            talk.tell(SystemMessage(EVENTS + summary), event.seq)
        case ReflectionMade(is_revised=True) as reflection:
            talk.say(UserMessage(advice(reflection)))
        case RunCancelled(text=text) | RunFailed(text=text):
            talk.end(text)
        case RunCompleted(tool_calls=calls):
            talk.hand_over() if calls else talk.end()
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
        case ApprovalRequested() as asked:
            progress.asked[asked.tool_call_id] = asked
        case ApprovalDecided() as decided:
            progress.decided[decided.tool_call_id] = decided
        case ChildStarted() as child:
            progress.children[child.tool_call_id] = child
        case ContextCompacted() as compacted:
            note_aside(progress, compacted.usage, compacted.cost_micros)
            progress.compactions += 1
        case PlanMade() as plan:
            note_aside(progress, plan.usage, plan.cost_micros)
            progress.plan = plan
        case ReflectionMade() as reflection:
            note_aside(progress, reflection.usage, reflection.cost_micros)
            progress.reflection = reflection
        case _:
            pass


def note_response(progress: Progress, response: ModelResponded) -> None:
    progress.step = response.step
    progress.response = response
    progress.input_tokens += response.usage.input_tokens
    progress.output_tokens += response.usage.output_tokens
    if response.cost_micros is not None:
        progress.cost_micros = (progress.cost_micros or 0) + response.cost_micros


def note_aside(progress: Progress, usage: StepUsage, cost_micros: int | None) -> None:
    """A model call beside the conversation, such as one for a summary."""
    progress.input_tokens += usage.input_tokens
    progress.output_tokens += usage.output_tokens
    if cost_micros is not None:
        progress.cost_micros = (progress.cost_micros or 0) + cost_micros


def note_return(progress: Progress, returned: ToolReturned) -> None:
    progress.returned[returned.tool_call_id] = returned
    progress.tool_calls += 1
    progress.sources.extend(returned.sources)
    if returned.charge is not None and returned.charge.cost_micros is not None:
        progress.cost_micros = (progress.cost_micros or 0) + returned.charge.cost_micros


def messages_of(events: Iterable[Event]) -> list[ConversationMessage]:
    """The messages of a log: what was received, and each run's answer, cancelled ones with what was seen of them."""
    found: dict[int, ConversationMessage] = {}
    for event in events:
        match event.payload:
            case MessageReceived(message_id=id, role=role, content=content, metadata=metadata):
                found[event.seq] = ConversationMessage(id, role, content, event, metadata=metadata)
            case RunCompleted(message=AnswerMessage() as answer):
                found[event.seq] = ConversationMessage(answer.id, "assistant", answer.content, event, answer)
            case RunCancelled(text=text) | RunFailed(text=text) if text:
                found[event.seq] = ConversationMessage(f"{event.run_id}:partial", "assistant", text, event)
            case MessageEdited(seq=seq) as edited if seq in found:
                found[seq] = _edited(found[seq], edited)
            case MessageDeleted(seq=seq):
                found.pop(seq, None)
            case _:
                pass
    return list(found.values())


def _edited(message: ConversationMessage, edited: MessageEdited) -> ConversationMessage:
    return replace(
        message,
        content=message.content if edited.content is None else edited.content,
        metadata=message.metadata if edited.metadata is None else edited.metadata,
    )
