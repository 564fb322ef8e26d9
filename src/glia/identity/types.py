"""The person or program that asks, and what it may do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NewType
from uuid import UUID

from glia.kit.errors import Forbidden

WorkspaceId = NewType("WorkspaceId", UUID)
ProjectId = NewType("ProjectId", UUID)

EVERYTHING = "*"


@dataclass(frozen=True)
class Principal:
    """Who asks, where, with which rights. Every service takes it first.

    scopes: words such as `agents:read`; `agents:*` grants all verbs of a noun, `*` grants everything.
    """

    workspace_id: UUID
    project_id: UUID
    scopes: frozenset[str]
    user_id: UUID | None = None
    key_id: UUID | None = None

    @property
    def name(self) -> str:
        """Who it is, for records: `user:<id>`, `key:<id>` or `system`."""
        if self.key_id is not None:
            return f"key:{self.key_id}"
        return f"user:{self.user_id}" if self.user_id is not None else "system"

    def allows(self, scope: str) -> bool:
        noun = scope.partition(":")[0]
        return not self.scopes.isdisjoint((EVERYTHING, scope, f"{noun}:*"))

    def require(self, scope: str) -> None:
        """Raises Forbidden, naming the scope that is missing."""
        if not self.allows(scope):
            raise Forbidden(f"This key lacks the scope `{scope}`; use a key that has it.", scope=scope)


def system_principal(workspace_id: UUID, project_id: UUID) -> Principal:
    """The server itself, acting inside one workspace: the engine, jobs, the operator's command line."""
    return Principal(workspace_id, project_id, frozenset({EVERYTHING}))
