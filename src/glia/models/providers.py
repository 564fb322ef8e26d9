"""A provider as data: where it is, how it is spoken to, which key it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

ProviderKind = Literal["openai", "anthropic"]

ANTHROPIC_VERSION = "2023-06-01"


@dataclass(frozen=True)
class Provider:
    """One place that serves models.

    base_url: without a slash at the end; the paths `/chat/completions` or `/messages` are put after it.
    models: names known beforehand; what the provider lists itself is added. default_model: used when none is named.
    key_variable, url_variable: environment variables an error can point at.
    has_list_prices: the built-in price table is about this very server, not about a stand-in at another address.
    output_limit_field: how this server calls the cap on output tokens.
    takes_stream_options: whether it accepts `stream_options`; one that does not sends usage unasked or not at all.
    """

    name: str
    base_url: str
    api_key: str | None = field(default=None, repr=False)
    kind: ProviderKind = "openai"
    models: tuple[str, ...] = ()
    default_model: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    is_local: bool = False
    key_variable: str = ""
    url_variable: str = ""
    has_list_prices: bool = False
    output_limit_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    takes_stream_options: bool = True

    def auth_headers(self) -> dict[str, str]:
        """The headers every request carries. Holds the key: never log it."""
        match self.kind:
            case "openai":
                auth = {"authorization": f"Bearer {self.api_key}"} if self.api_key else {}
            case "anthropic":
                auth = {"anthropic-version": ANTHROPIC_VERSION}
                if self.api_key:
                    auth["x-api-key"] = self.api_key
        return {**auth, **self.headers}
