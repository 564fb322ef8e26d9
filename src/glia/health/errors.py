"""What can go wrong with asking how services are."""

from __future__ import annotations

from glia.kit.errors import NotFound


class ServiceNotFound(NotFound):
    code = "service_not_found"
