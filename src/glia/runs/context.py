"""Keeps what a run sends within what its model can read: near the limit the older part becomes a summary."""

from __future__ import annotations

from dataclasses import replace

from glia.agents.types import AgentVersion
from glia.models.errors import ModelAmbiguous, ModelFailed, ModelNotFound
from glia.models.service import Models, ResolvedModel, estimate_tokens
from glia.models.types import AssistantMessage, Message, SystemMessage, ToolMessage, UserMessage
from glia.runs.asides import Aside, Asides, free
from glia.runs.conversation import SUMMARY, Conversation
from glia.runs.events import ContextCompacted
from glia.runs.log import RunLog
from glia.runs.progress import Progress, note_aside

_WINDOWS = {"anthropic": 200_000, "google": 1_000_000, "openai": 128_000}
_WINDOW = 32_000
"""Tokens, for models of which nothing is known. One that can read less says so, and then the run compacts at once."""

_SUMMARY_TOKENS = 1_200
_BY_RULES = "glia/embedded"
"""Who wrote a summary that no model could write."""
_LONGEST_PASSAGE = 6_000
"""Characters of one message that a summary is made from."""

_TASK = (
    "You write the memory of a conversation for the assistant who will go on with it and sees nothing else of what you"
    " are shown. Keep what the user wants, facts, names, numbers, decisions, results of tools that still matter, and"
    " what is left to do. Leave out pleasantries. At most 600 words, no preamble."
)


class Context:
    """Of one attempt of one run. fixed_tokens: about how many the instructions and tools take."""

    def __init__(self, models: Models, asides: Asides, log: RunLog, agent: AgentVersion) -> None:
        self._models = models
        self._asides = asides
        self._log = log
        self._agent = agent

    def window(self, model: ResolvedModel) -> int:
        """How many tokens the run may send."""
        return self._agent.context.max_tokens or _WINDOWS.get(model.provider.name, _WINDOW)

    async def fit(self, progress: Progress, model: ResolvedModel, *, fixed_tokens: int) -> None:
        """Compacts when the request would come near the limit."""
        settings = self._agent.context
        if not settings.is_compacted:
            return
        limit = int(self.window(model) * settings.compact_at)
        if fixed_tokens + progress.talk.tokens > limit:
            await self.compact(progress, model, keep_tokens=int(self.window(model) * settings.keep))

    async def compact(self, progress: Progress, model: ResolvedModel, *, keep_tokens: int) -> bool:
        """Replaces all but the newest `keep_tokens` by a summary. False when there is nothing that could be parted."""
        talk = progress.talk
        cut = _cut(talk, keep_tokens)
        if cut is None:
            return False
        older = talk.messages[:cut]
        number = -(10 * (progress.step + 1) + progress.compactions % 10)
        aside = await self._summarise(number, model, older)
        compacted = ContextCompacted(
            step=progress.step + 1,
            after_seq=min(talk.seqs[cut:]) - 1,
            summary=_with_request(aside.text, talk.asked, talk.messages[cut:]),
            tokens_before=talk.tokens,
            tokens_after=0,
            model=aside.model,
            usage=aside.usage,
            cost_micros=aside.cost_micros,
        )
        talk.compact(compacted)
        compacted = _measured(compacted, talk)
        await self._log.append(compacted, spent=aside.spent, usage=aside.record)
        note_aside(progress, aside.usage, aside.cost_micros)
        progress.compactions += 1
        return True

    async def _summarise(self, number: int, model: ResolvedModel, older: list[Message]) -> Aside:
        """By the model that is to write it, or by rules when that fails or says nothing: the run has to go on."""
        name = self._agent.context.summary_model
        try:
            chosen = model if name is None else await self._models.resolve(name)
            if chosen.is_embedded:
                return free(_gist(older), chosen.id)
            room = int(self.window(chosen) * 0.7)
            messages: list[Message] = [SystemMessage(_TASK), UserMessage(_transcript(older, room))]
            aside = await self._asides.ask(number, chosen, messages, most_tokens=_SUMMARY_TOKENS)
        except (ModelFailed, ModelNotFound, ModelAmbiguous):
            return free(_gist(older), _BY_RULES)
        return aside if aside.text.strip() else replace(aside, text=_gist(older))


def _cut(talk: Conversation, keep_tokens: int) -> int | None:
    """Where to part the messages: as early as the newest ones still fit, but at least one is left away."""
    kept = 0
    fits = len(talk.messages)
    while fits > 0:
        kept += estimate_tokens(talk.messages[fits - 1].text)
        if kept > keep_tokens:
            break
        fits -= 1
    cuts = talk.cuts()
    return next((cut for cut in cuts if cut >= fits), cuts[-1] if cuts else None)


def _measured(compacted: ContextCompacted, talk: Conversation) -> ContextCompacted:
    return ContextCompacted(
        compacted.step,
        compacted.after_seq,
        compacted.summary,
        compacted.tokens_before,
        talk.tokens,
        compacted.model,
        compacted.usage,
        compacted.cost_micros,
    )


def _with_request(summary: str, asked: str, kept: list[Message]) -> str:
    """With the user's last words as they were, when no message that is kept is the user's."""
    if not asked or any(isinstance(message, UserMessage) for message in kept):
        return summary
    return f"{summary}\n\nThe user's last message was:\n{asked[:_LONGEST_PASSAGE]}"


def _transcript(messages: list[Message], most_tokens: int) -> str:
    """As text, the oldest left out first when it is too long."""
    lines: list[str] = []
    tokens = 0
    for message in reversed(messages):
        line = _line(message)
        tokens += estimate_tokens(line)
        if tokens > most_tokens:
            lines.append("[The beginning is left out.]")
            break
        lines.append(line)
    return "\n\n".join(reversed(lines))


def _line(message: Message) -> str:
    text = _shortened(message.text, _LONGEST_PASSAGE)
    match message:
        case UserMessage():
            return f"User: {text}"
        case AssistantMessage():
            calls = "".join(f"\n[calls {call.name} {call.arguments[:500]}]" for call in message.tool_calls)
            return f"Assistant: {text}{calls}"
        case ToolMessage():
            return f"Result of {message.name}: {text}"
        case SystemMessage() if message.text.startswith(SUMMARY):
            return message.text.removeprefix(SUMMARY)
        case SystemMessage():
            return f"Note: {text}"


def _gist(messages: list[Message]) -> str:
    """A summary without a model: how each message begins, the oldest left out first."""
    lines: list[str] = []
    tokens = 0
    said = [
        line
        for message in messages
        for line in (_line(message).split("\n") if message.text.startswith(SUMMARY) else [_line(message)])
    ]
    for passage in reversed(said):
        line = _shortened(passage.replace("\n", " "), 300)
        tokens += estimate_tokens(line)
        if tokens > _SUMMARY_TOKENS:
            break
        lines.append(line)
    return "\n".join(reversed(lines))


def _shortened(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    half = longest // 2
    return f"{text[:half]} [...] {text[-half:]}"
