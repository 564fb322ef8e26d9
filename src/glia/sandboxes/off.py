"""The backend of an operator who wants no code to be run."""

from __future__ import annotations

from collections.abc import Collection

from glia.sandboxes.errors import SandboxUnavailable
from glia.sandboxes.types import Probe, Sandbox, SandboxId, SandboxSpec, Swept, TemplateState

_REASON = "Sandboxes are switched off on this server (GLIA_SANDBOX__BACKEND=off)."
_FIX = "The operator can set it to bubblewrap, or leave it away."


class NoBackend:
    name = "off"

    async def probe(self) -> Probe:
        return Probe(is_available=False, reason=_REASON, fix=_FIX)

    async def templates(self) -> tuple[TemplateState, ...]:
        return ()

    async def create(self, id: SandboxId, spec: SandboxSpec) -> Sandbox:
        raise SandboxUnavailable(f"{_REASON} {_FIX}", sandbox_id=id, template=spec.template)

    async def adopt(self, id: SandboxId) -> Sandbox | None:
        return None

    async def has_workspace(self, id: SandboxId) -> bool:
        return False

    async def remove_workspace(self, id: SandboxId) -> None:
        return None

    async def sweep(self, keep: Collection[SandboxId] | None = None) -> Swept:
        """Touches nothing: the files of sandboxes wait until sandboxes are switched on again."""
        return Swept()

    async def close(self) -> None:
        return None
