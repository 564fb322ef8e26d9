"""What Neura has and this server has not yet: every such route says so."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from glia.surfaces.neura.words import NotBuilt

router = APIRouter()

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_PARTS = {
    "datasets": "The Dataset Creation Lab",
    "training": "The Training Pipeline",
    "marketplace": "The Marketplace",
    "glassbox": "The GlassBox IDE",
    "connections": "Connections",
    "runtime": "The Neura Runtime",
}
_NAMED = (
    ("POST", "/api/datasets/pipeline/start"),
    ("GET", "/api/datasets/pipeline/{job_id}/status"),
    ("GET", "/api/datasets"),
    ("POST", "/api/datasets/{dataset_id}/enable-rag"),
    ("GET", "/api/datasets/{dataset_id}/rag-status"),
)
"""Operations that Neura's own reference lists; the document lists them too."""

WITH_IDS = frozenset((method, path) for method, path in _NAMED if "{" in path)


def _add(part: str, what: str) -> None:
    async def refuse() -> None:
        """Not built yet: this answers 501."""
        raise NotBuilt(f"{what} is not built yet on this server.", detail="The README lists what is not built.")

    said: dict[int | str, dict[str, Any]] = {501: {"description": "Not built yet."}}
    prefix = f"/api/{part}"
    for method, path in _NAMED:
        if path.startswith(prefix):
            router.add_api_route(path, refuse, methods=[method], tags=["not built"], responses=said, name=f"{part}")
    for path in (prefix, f"{prefix}/{{rest:path}}"):
        router.add_api_route(path, refuse, methods=list(_METHODS), include_in_schema=False)


for _part, _what in _PARTS.items():
    _add(_part, _what)
