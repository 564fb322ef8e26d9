"""What can go wrong with sessions."""

from __future__ import annotations

from glia.kit.errors import NotFound


class SessionNotFound(NotFound):
    code = "session_not_found"
