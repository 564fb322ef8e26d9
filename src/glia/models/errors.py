"""How a model can fail to answer, in the words of the operator who can repair it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Literal

from glia.kit.errors import NotFound, UpstreamFailed

FailureKind = Literal[
    "connect",
    "timeout",
    "rate_limited",
    "auth",
    "bad_request",
    "context_too_long",
    "refused",
    "server",
    "protocol",
    "not_found",
]

_RETRYABLE: frozenset[FailureKind] = frozenset({"connect", "timeout", "rate_limited", "server"})
_SAME_ANYWHERE: frozenset[FailureKind] = frozenset({"bad_request", "refused"})


class ModelFailed(UpstreamFailed):
    """A provider did not answer, or not usefully.

    `status` is ours (502); what the provider sent, if it did, is `provider_status`.
    """

    def __init__(
        self,
        message: str,
        *,
        kind: FailureKind,
        provider: str,
        provider_status: int | None = None,
        retry_after_seconds: float | None = None,
        is_retryable: bool | None = None,
    ) -> None:
        """is_retryable: None takes what is usual for the kind."""
        super().__init__(message, kind=kind, provider=provider, provider_status=provider_status)
        self.kind: FailureKind = kind
        if kind == "context_too_long":
            self.code = "context_too_long"
        self.provider = provider
        self.provider_status = provider_status
        self.retry_after_seconds = retry_after_seconds
        self.is_retryable = kind in _RETRYABLE if is_retryable is None else is_retryable

    @property
    def may_fall_back(self) -> bool:
        """Whether another model could do better. Not for a malformed request, nor for one refused on its content."""
        return self.kind not in _SAME_ANYWHERE


class ModelNotFound(NotFound):
    """No provider has a model of this name."""

    code = "model_not_found"

    def __init__(self, name: str, known: Iterable[str], silent: Sequence[str] = ()) -> None:
        """silent: providers that could not be asked for their models."""
        self.near = near_names(name, known)
        hint = f" Did you mean {', '.join(repr(near) for near in self.near)}?" if self.near else ""
        unheard = f" {' and '.join(silent)} did not answer when asked for models." if silent else ""
        super().__init__(
            f"There is no model {name!r} at any configured provider.{hint}{unheard} GET /v1/models lists all; write"
            " `provider/name` to choose the provider yourself.",
            field="model",
            near=self.near,
        )


class ModelAmbiguous(NotFound):
    """Several providers have a model of this name, so a bare name does not say which."""

    def __init__(self, name: str, choices: list[str]) -> None:
        self.choices = choices
        super().__init__(
            f"The model {name!r} is offered by several providers. Write one of {', '.join(map(repr, choices))}.",
            field="model",
            near=choices,
        )


def near_names(name: str, known: Iterable[str], limit: int = 3) -> list[str]:
    """The known `provider/name`s most like the wanted one, best first; a bare name is compared with bare names too."""
    by_spelling: dict[str, str] = {}
    for full in known:
        by_spelling[full.lower()] = full
        by_spelling.setdefault(full.rpartition("/")[2].lower(), full)
    found = get_close_matches(name.lower(), by_spelling, n=limit * 2, cutoff=0.5)
    return list(dict.fromkeys(by_spelling[spelling] for spelling in found))[:limit]
