"""What a session's log says to a model: its messages in order, with what was compacted replaced by its summary."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field, replace
from uuid import UUID

from glia.models.service import estimate_tokens
from glia.models.types import AssistantMessage, Image, Message, SystemMessage, ToolCall, ToolMessage, UserMessage
from glia.runs.events import ContextCompacted, Event, MessageReceived, ModelResponded, ToolReturned

_TOKENS_PER_MESSAGE = 4
_TOKENS_PER_IMAGE = 1000
SUMMARY = "This is a summary of the conversation before this point, which is no longer shown in full:\n\n"
EVENTS = "This is a summary of what has happened in this session so far:\n\n"
_DELETED = "This result was deleted."
_INTERRUPTED = "This call was interrupted; its outcome is unknown."


@dataclass
class Conversation:
    """messages: as the model should see them. seqs: for each the event it comes from, or a number below that and above
    every event before it. tokens: about how many the messages are. said: ids of the messages in the log.
    asked: the user's last message. at: the number of the event that is being heard, or of the next that is written.
    """

    messages: list[Message] = field(default_factory=list[Message])
    seqs: list[int] = field(default_factory=list[int])
    tokens: int = 0
    said: set[str] = field(default_factory=set[str])
    asked: str = ""
    at: int = 0
    _open_calls: dict[str, ToolCall] = field(default_factory=dict[str, ToolCall])
    _at_work: UUID | None = None
    """The run that has begun to ask its model: what is said to it now, it hears later."""
    _held: list[tuple[int, Message]] = field(default_factory=list[tuple[int, Message]])
    """Messages that came while a run was at work, with their sequence numbers, until its model hears them."""

    def say(self, message: Message, seq: int | None = None) -> None:
        """Adds a message. Calls left open by a run that ended early are closed first, as providers demand."""
        self.close_calls()
        self._add(message, seq)

    def _add(self, message: Message, seq: int | None = None) -> None:
        if isinstance(message, UserMessage):
            self.asked = message.text
        self.messages.append(message)
        self.seqs.append(self.at if seq is None else seq)
        self.tokens += tokens_of(message)

    def close_calls(self) -> None:
        for call in self._open_calls.values():
            self._add(ToolMessage(call.provider_id, call.name, _INTERRUPTED, True))
        self._open_calls.clear()

    def hear(self, event: Event) -> None:
        """A message of the log. What is said to a run at work waits until no tool call is open."""
        payload = event.payload
        if not isinstance(payload, MessageReceived) or payload.message_id in self.said:
            return
        if payload.role == "tool":
            self.said.add(payload.message_id)
            self.answer(payload.tool_call_id, payload.content)
            return
        self.said.add(payload.message_id)
        if event.run_id is not None and event.run_id == self._at_work:
            self._held.append((event.seq, _message(payload)))
        else:
            self._bring(payload, event.seq)

    def tell(self, message: Message, seq: int) -> None:
        """What was put into the session beside the conversation: at once, or when a run at work is heard again."""
        if self._at_work is not None or self._open_calls:
            self._held.append((seq, message))
        else:
            self.say(message, seq)

    def _bring(self, received: MessageReceived, seq: int | None) -> None:
        message = _message(received)
        self.say(message, seq)
        if isinstance(message, AssistantMessage) and message.tool_calls:
            self._open_calls = {call.id: call for call in message.tool_calls}

    def answer(self, tool_call_id: str, text: str) -> None:
        """The caller's result of a call that it answers itself. One for a call that is not open is left out."""
        ids = (id for id, call in self._open_calls.items() if tool_call_id in (id, call.provider_id))
        call = self._open_calls.pop(next(ids, ""), None)
        if call is not None:
            self._add(ToolMessage(call.provider_id, call.name, text))
            self.release()

    @property
    def open_calls(self) -> list[ToolCall]:
        """Calls without a result: of a run that ended with them, for its caller to answer."""
        return list(self._open_calls.values())

    def hand_over(self) -> None:
        """A run of the session has ended with calls that its caller answers, which therefore stay open."""
        self._at_work = None

    def receive(self, message: MessageReceived) -> None:
        """A message that this run brings into the log itself, before it asks its model."""
        self.said.add(message.message_id)
        if message.role == "tool":
            self.answer(message.tool_call_id, message.content)
            return
        self._bring(message, None)

    def release(self, heard: int | None = None) -> None:
        """Says what was held, up to a sequence number if one is given; nothing while a tool call is open."""
        if self._open_calls:
            return
        due = [entry for entry in self._held if heard is None or entry[0] <= heard]
        self._held = [entry for entry in self._held if entry not in due]
        for seq, message in due:
            self.say(message, seq)

    def request(self, run_id: UUID | None) -> None:
        """A model is about to be asked."""
        self._at_work = run_id

    def end(self, text: str = "") -> None:
        """A run of the session has ended. text: what was seen of an answer that was cut off."""
        self.close_calls()
        if text:
            self.say(AssistantMessage(text))
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
            self._add(ToolMessage(call.provider_id, call.name, returned.text, returned.status != "ok"))
            self.release()

    def edit(self, seq: int, text: str | None) -> None:
        """Gives the message of an event another text, or takes it away when text is None.

        An answer may be named by the event that ended its run as well. What a tool returned keeps its place, because
        providers want to see a result for every call, and goes only with the message that holds the call.
        """
        index = self._place_of(seq)
        if index is None:
            return
        before = self.messages[index]
        self.tokens -= tokens_of(before)
        if text is None and not isinstance(before, ToolMessage):
            del self.messages[index], self.seqs[index]
            if isinstance(before, AssistantMessage) and before.tool_calls:
                self._forget_results(before.tool_calls, index)
            return
        changed = {"provider_state": ""} if isinstance(before, AssistantMessage) else {}  # it repeats the old text
        self.messages[index] = replace(before, text=_DELETED if text is None else text, **changed)
        self.tokens += tokens_of(self.messages[index])

    def _forget_results(self, calls: tuple[ToolCall, ...], start: int) -> None:
        """Takes the results of calls away that nobody made any more. start: of the messages after the calls."""
        names = {call.provider_id for call in calls}
        for call in calls:
            self._open_calls.pop(call.id, None)
        for index in range(len(self.messages) - 1, start - 1, -1):
            message = self.messages[index]
            if isinstance(message, ToolMessage) and message.tool_call_id in names:
                self.tokens -= tokens_of(message)
                del self.messages[index], self.seqs[index]

    def _place_of(self, seq: int) -> int | None:
        if seq in self.seqs:
            return self.seqs.index(seq)
        answers = [
            index
            for index, message in enumerate(self.messages)
            if self.seqs[index] < seq and isinstance(message, AssistantMessage) and not message.tool_calls
        ]
        return max(answers, key=lambda index: self.seqs[index], default=None)

    def compact(self, compacted: ContextCompacted) -> None:
        """Replaces what lies up to a sequence number by its summary."""
        first = bisect_right(self.seqs, compacted.after_seq)
        kept, seqs = self.messages[first:], self.seqs[first:]
        self.messages = [SystemMessage(SUMMARY + compacted.summary), *kept]
        self.seqs = [compacted.after_seq, *seqs]
        self.tokens = sum(map(tokens_of, self.messages))

    def cuts(self) -> list[int]:
        """Where the messages may be parted: before a user's message or a model's answer, and where the order of the
        messages is that of the log."""
        found: list[int] = []
        lowest = self.at + 1 if not self.seqs else self.seqs[-1] + 1
        highest_before: list[int] = []
        highest = -1
        for seq in self.seqs:
            highest_before.append(highest)
            highest = max(highest, seq)
        for index in range(len(self.messages) - 1, 0, -1):
            lowest = min(lowest, self.seqs[index])
            if lowest > highest_before[index] and isinstance(self.messages[index], UserMessage | AssistantMessage):
                found.append(index)
        return found[::-1]


def tokens_of(message: Message) -> int:
    tokens = _TOKENS_PER_MESSAGE + estimate_tokens(message.text)
    if isinstance(message, AssistantMessage):
        tokens += sum(estimate_tokens(call.name + call.arguments) for call in message.tool_calls)
    if isinstance(message, UserMessage):
        tokens += _TOKENS_PER_IMAGE * len(message.images)
    return tokens


def _message(received: MessageReceived) -> Message:
    match received.role:
        case "user":
            images = (Image(each.media_type, file_id=each.file_id, detail=each.detail) for each in received.images)
            return UserMessage(received.content, tuple(images))
        case "system":
            return SystemMessage(received.content)
        case "assistant":
            calls = (ToolCall(c.id, c.provider_id, c.name, c.arguments) for c in received.tool_calls)
            return AssistantMessage(received.content, tuple(calls), received.thinking, received.provider_state)
        case "tool":
            return ToolMessage(received.tool_call_id, "", received.content)
