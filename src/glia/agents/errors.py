"""What can go wrong with agents."""

from __future__ import annotations

from glia.kit.errors import Conflict, NotFound


class AgentNotFound(NotFound):
    code = "agent_not_found"


class SlugTaken(Conflict):
    code = "slug_taken"
