"""What can go wrong between a client and a provider."""

from __future__ import annotations

from glia.gateway.types import Answer
from glia.kit.errors import UpstreamFailed
from glia.models.service import ResolvedModel


class ProviderRefused(Exception):
    """The provider answered with an error of its own, which the client gets as it is."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"The provider answered {answer.status}.")
        self.answer = answer


class KeyRefused(UpstreamFailed):
    """The provider does not take the key that Glia sends. Not the client's key, so not the client's 401."""

    code = "provider_key_refused"

    def __init__(self, resolved: ResolvedModel, status: int) -> None:
        provider = resolved.provider
        super().__init__(
            f"The model provider {provider.name} answered {status}: it does not accept the key this server sends."
            f" Whoever runs the server should check {provider.key_variable or 'the API key of the provider'}.",
            provider=provider.name,
            provider_status=status,
        )


class NotAnAnswer(UpstreamFailed):
    """The provider sent something that is no answer of this API, such as a web page."""

    code = "provider_answer_unreadable"

    def __init__(self, resolved: ResolvedModel, status: int) -> None:
        provider = resolved.provider
        super().__init__(
            f"The model provider {provider.name} at {provider.base_url} answered {status} with something that is no"
            f" answer of the chat-completions API. Check that {provider.url_variable or 'its base URL'} names the API"
            " and not a website.",
            provider=provider.name,
            provider_status=status,
        )


class CutShort(UpstreamFailed):
    """The provider's stream ended before the answer did. What came of it has gone to the client already."""

    code = "provider_answer_cut_short"

    def __init__(self, resolved: ResolvedModel) -> None:
        provider = resolved.provider
        super().__init__(
            f"The model provider {provider.name} ended its answer in the middle. Send the request again; if it stays"
            f" so, look at the log of the server at {provider.base_url}.",
            provider=provider.name,
        )
