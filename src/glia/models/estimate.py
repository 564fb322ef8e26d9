"""Guesses at token counts, for providers that send none and for reservations before a call."""

from __future__ import annotations

from glia.models.types import AssistantMessage, ModelRequest, TokenUsage, UserMessage

# English prose has about four bytes of UTF-8 to a token in today's tokenizers; each message adds a few of its own.
BYTES_PER_TOKEN = 4
TOKENS_PER_MESSAGE = 4
TOKENS_PER_IMAGE = 1000
"""About what a picture of ordinary size counts; providers differ."""


def tokens_of_bytes(size_bytes: int) -> int:
    return -(-size_bytes // BYTES_PER_TOKEN)


def estimate_tokens(text: str) -> int:
    """About how many tokens a text is; right to within a third for prose, worse for code and tables."""
    return tokens_of_bytes(len(text.encode("utf-8", "replace")))


def estimate_input_tokens(request: ModelRequest) -> int:
    """About how many tokens a request is: messages, tool calls and the tools' descriptions."""
    total = 0
    for message in request.messages:
        total += TOKENS_PER_MESSAGE + estimate_tokens(message.text)
        if isinstance(message, UserMessage):
            total += TOKENS_PER_IMAGE * len(message.images)
        if isinstance(message, AssistantMessage):
            total += sum(estimate_tokens(call.name + call.arguments) for call in message.tool_calls)
    return total + sum(estimate_tokens(f"{tool.name}{tool.description}{tool.schema}") for tool in request.tools)


def estimated_usage(request: ModelRequest, *, said: str, thought: str, called: str) -> TokenUsage:
    thinking = estimate_tokens(thought)
    return TokenUsage(
        input_tokens=estimate_input_tokens(request),
        output_tokens=estimate_tokens(said) + estimate_tokens(called) + thinking,
        thinking_tokens=thinking,
        is_estimated=True,
    )
