"""What can go wrong with published things."""

from __future__ import annotations

from glia.kit.errors import Conflict, NotFound


class ItemNotFound(NotFound):
    code = "market_item_not_found"


class VersionTaken(Conflict):
    code = "market_version_taken"
