"""What can go wrong with feedback."""

from __future__ import annotations

from glia.kit.errors import NotFound


class FeedbackNotFound(NotFound):
    code = "feedback_not_found"
