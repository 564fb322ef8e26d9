"""What can go wrong with instructions."""

from __future__ import annotations

from glia.kit.errors import NotFound


class InstructionNotFound(NotFound):
    code = "instruction_not_found"
