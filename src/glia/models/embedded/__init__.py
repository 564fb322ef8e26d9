"""The model that answers when none is configured: it chooses tools by rule and quotes what they return."""

from __future__ import annotations

from glia.models.embedded.model import EmbeddedModel

__all__ = ["EmbeddedModel"]
