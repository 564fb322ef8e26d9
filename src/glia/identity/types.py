"""The person or program that asks, what it may do, and what proves it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import NewType
from uuid import UUID

from glia.kit.errors import Forbidden

WorkspaceId = NewType("WorkspaceId", UUID)
ProjectId = NewType("ProjectId", UUID)

EVERYTHING = "*"


@dataclass(frozen=True)
class Principal:
    """Who asks, where, with which rights. Every service takes it first.

    scopes: words such as `agents:read`; `agents:*` grants all verbs of a noun, `*:read` one verb of every noun,
    `*` grants everything. `-identity` takes a noun away whatever else is granted, `-budgets:write` one verb of it.
    """

    workspace_id: UUID
    project_id: UUID
    scopes: frozenset[str]
    user_id: UUID | None = None
    key_id: UUID | None = None
    is_operator: bool = False
    """Acts from the command line of the machine, not over the wire."""
    agent_id: UUID | None = None
    """The only agent that whoever asks may talk to. Nothing else is allowed, whatever the scopes say."""

    @property
    def name(self) -> str:
        """Who it is, for records: `user:<id>`, `key:<id>`, `operator` or `system`."""
        if self.key_id is not None:
            return f"key:{self.key_id}"
        if self.user_id is not None:
            return f"user:{self.user_id}"
        return "operator" if self.is_operator else "system"

    def allows(self, scope: str) -> bool:
        if self.agent_id is not None:
            return False
        noun, _, verb = scope.partition(":")
        if f"-{noun}" in self.scopes or f"-{scope}" in self.scopes:
            return False
        return not self.scopes.isdisjoint((EVERYTHING, scope, f"{noun}:*", f"*:{verb}"))

    def require(self, scope: str) -> None:
        """Raises Forbidden, naming the scope that is missing."""
        if self.agent_id is not None:
            raise Forbidden(
                f"This key talks to the agent '{self.agent_id}' and does nothing else; use another key for this.",
                scope=scope,
            )
        if not self.allows(scope):
            raise Forbidden(f"This key lacks the scope `{scope}`; use a key that has it.", scope=scope)

    def talking_to(self, agent_id: UUID) -> Principal:
        """Who may talk to this agent: the same, or, for a key that is bound to an agent, one that is not bound.

        For code that touches nothing but that agent and what it makes there. Raises Forbidden for another agent's key.
        """
        if self.agent_id is None:
            return self
        if self.agent_id != agent_id:
            raise Forbidden("This key is bound to another agent; use a key of this one.", scope="runs:write")
        return replace(self, agent_id=None)


def system_principal(workspace_id: UUID, project_id: UUID) -> Principal:
    """The server itself, acting inside one workspace: the engine and its jobs."""
    return Principal(workspace_id, project_id, frozenset({EVERYTHING}))


class Role(StrEnum):
    ADMIN = "admin"
    USER = "user"
    READ_ONLY = "read-only"


class Plan(StrEnum):
    FREE = "free"
    PRO = "pro"
    ENTERPRISE = "enterprise"


@dataclass(frozen=True)
class Workspace:
    """plan: None for the server's own. plan_requests_per_minute: what was agreed on for this workspace alone."""

    id: UUID
    name: str
    slug: str
    created_at: datetime
    plan: Plan | None = None
    plan_requests_per_minute: int | None = None


@dataclass(frozen=True)
class Allowance:
    """What all requests of a workspace together may be, on surfaces that count by plan. is_own: it has a plan of its
    own, rather than the server's."""

    plan: Plan
    requests_per_minute: int
    is_own: bool = False


@dataclass(frozen=True)
class Project:
    id: UUID
    name: str
    slug: str
    created_at: datetime


@dataclass(frozen=True)
class User:
    """is_owner: an admin whom only owners may change; a workspace keeps at least one."""

    id: UUID
    email: str
    name: str
    role: Role
    is_active: bool
    created_at: datetime
    is_owner: bool = False
    updated_at: datetime | None = None


@dataclass(frozen=True)
class UserChanges:
    """What is to change of a user; None stays as it is. is_active: true lets a deactivated one in again.

    current_password: to prove who one is; checked when given.
    """

    email: str | None = None
    name: str | None = None
    role: Role | None = None
    is_owner: bool | None = None
    is_active: bool | None = None
    password: str | None = field(default=None, repr=False)
    current_password: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class ApiKey:
    """What may be known about a key after it was made.

    prefix: its first characters, to tell keys apart. rate_per_minute: None for the server's default.
    agent_id: the only agent that it may talk to; None for a key that its scopes alone limit.
    number: its id for clients that know keys by whole numbers.
    """

    id: UUID
    project_id: UUID
    user_id: UUID | None
    name: str
    surface: str
    prefix: str
    scopes: frozenset[str]
    role: Role
    rate_per_minute: int | None
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    created_by: str
    created_at: datetime
    agent_id: UUID | None = None
    number: int = 0


@dataclass(frozen=True)
class Authenticated:
    """Who a credential belongs to, and how fast it may ask. key_id is None for someone who signed in.

    plan, plan_requests_per_minute: of its workspace, as there.
    """

    principal: Principal
    rate_per_minute: int | None = None
    key_id: UUID | None = None
    plan: Plan | None = None
    plan_requests_per_minute: int | None = None

    @property
    def limited_as(self) -> UUID:
        """The id whose requests are counted together: the key, or the user who signed in."""
        principal = self.principal
        return self.key_id or principal.user_id or principal.workspace_id


@dataclass(frozen=True)
class Tokens:
    """What a sign-in gives. The access token lives for expires_in_seconds; the refresh token works once."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in_seconds: int
    user: User


@dataclass(frozen=True)
class Credentials:
    """The way into a new workspace, shown once. workspace is its slug."""

    workspace: str
    email: str
    password: str = field(repr=False)
    api_key: str = field(repr=False)


@dataclass(frozen=True)
class AuditEntry:
    """One change. actor_kind: user, key, operator or system. subject: what was changed, as `user:<id>`.

    actor_name: of the user or key, as it is called now. address: from where it was asked; empty when not over the wire.
    """

    id: UUID
    at: datetime
    actor_kind: str
    actor_id: UUID | None
    action: str
    subject: str
    data: dict[str, object]
    actor_name: str | None = None
    address: str = ""


@dataclass(frozen=True)
class AuditFilter:
    """What must hold of an entry. action: whole, or a family as `key.*`. since: included; until: excluded."""

    actor_id: UUID | None = None
    actor_kind: str | None = None
    action: str | None = None
    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_family(self) -> bool:
        return self.action is not None and self.action.endswith(".*")


@dataclass(frozen=True)
class SignedIn:
    """A sign-in that still counts. address: from where its tokens were last renewed."""

    id: UUID
    began_at: datetime
    last_used_at: datetime
    address: str
    expires_at: datetime


@dataclass(frozen=True)
class Decision:
    """limit: requests a minute, None when there is none. remaining: requests that are free at once.

    reset_seconds: until the whole limit is free again. retry_after_seconds: until one request is; 0 when allowed.
    requests: how many were made within the minute, this one included.
    """

    is_allowed: bool
    limit: int | None = None
    remaining: int = 0
    reset_seconds: int = 0
    retry_after_seconds: int = 0
    requests: int = 0

    def headers(self) -> dict[str, str]:
        """`X-RateLimit-*`, and `Retry-After` on a refusal; all in seconds from now. Nothing when there is no limit."""
        if self.limit is None:
            return {}
        found = {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(self.reset_seconds),
        }
        if not self.is_allowed:
            found["Retry-After"] = str(self.retry_after_seconds)
        return found
