"""What can be wrong with the settings of tracing."""

from __future__ import annotations

from glia.kit.errors import GliaError


class TracingMisconfigured(GliaError):
    code = "settings_invalid"
