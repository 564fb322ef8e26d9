"""What can go wrong with agents."""

from __future__ import annotations

from glia.kit.errors import Conflict, NotFound


class AgentNotFound(NotFound):
    code = "agent_not_found"


class SlugTaken(Conflict):
    code = "slug_taken"


class DraftNotFound(NotFound):
    code = "draft_not_found"


class NumberTaken(Conflict):
    code = "number_taken"


class RelationshipNotFound(NotFound):
    code = "relationship_not_found"


class SpecializationNotFound(NotFound):
    code = "specialization_not_found"


class VersionNotFound(NotFound):
    code = "version_not_found"


class AgentInactive(Conflict):
    code = "agent_inactive"


class ToolsetAttached(Conflict):
    code = "toolset_attached"


class ToolsetNotAttached(NotFound):
    code = "toolset_not_attached"
