"""Custom tools between the database and the engine."""

from __future__ import annotations

from dataclasses import asdict
from uuid import UUID

from glia.kit.outbound import Outbound
from glia.tools.counting import CUSTOM, counted
from glia.tools.http import Endpoint, Secrets, http_tool
from glia.tools.queries import ToolRow
from glia.tools.types import CustomToolSpec, Tool


def headers_context(workspace_id: UUID, id: UUID) -> str:
    """Where a tool's sealed headers belong."""
    return f"tools.headers:{workspace_id}:{id}"


def tool_of(row: ToolRow, outbound: Outbound, secrets: Secrets) -> Tool:
    endpoint = Endpoint(
        name=row.name,
        description=row.description,
        schema=row.schema,
        effect=row.effect,
        method=row.method,
        url=row.url,
        sealed_headers=row.sealed_headers,
        secret_context=headers_context(row.workspace_id, row.id),
        timeout_seconds=row.timeout_seconds,
        permission=row.permission,
        placements=row.placements,
    )
    return counted(http_tool(endpoint, outbound, secrets), CUSTOM)


def values_of(spec: CustomToolSpec, sealed_headers: bytes | None, header_names: tuple[str, ...]) -> dict[str, object]:
    """As the columns of `tools`."""
    return {
        "name": spec.name,
        "description": spec.description,
        "schema": dict(spec.schema),
        "effect": str(spec.effect),
        "method": spec.method,
        "url": spec.url,
        "timeout_seconds": spec.timeout_seconds,
        "permission": str(spec.permission),
        "placements": {name: asdict(placement) for name, placement in spec.placements.items()},
        "sealed_headers": sealed_headers,
        "header_names": list(header_names),
    }
