"""/v1/inference-tools: models that make images, speech, video and text, as tools of agents."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import WithJsonSchema

from glia.inference.service import tool_name
from glia.inference.types import KINDS, InferenceTool
from glia.kit.errors import InvalidRequest
from glia.kit.ids import parse_id
from glia.surfaces.native.words import ListOf, TheWindow, page_of
from glia.surfaces.shared.bodies import Out, TheHouse, ThePrincipal, Time, WatchedRoute

router = APIRouter(prefix="/v1/inference-tools", tags=["inference tools"], route_class=WatchedRoute)

KindText = Annotated[
    str | None, WithJsonSchema({"type": "string", "enum": list(KINDS)}), Query(description="What the tool makes.")
]


class InferenceToolOut(Out):
    """name: what an agent's `tools` call it; `inference__*` there stands for one tool for each kind.

    price_micros: of one call, or of a million tokens in (output_price_micros: out); null when the provider lists none.
    """

    id: UUID
    name: str
    provider: str
    model: str
    kind: Literal["image", "speech", "video", "text"]
    family: str
    title: str
    description: str
    owner: str
    price_micros: int | None
    output_price_micros: int | None
    price_unit: str
    most_seconds: int
    logo_url: str | None
    synced_at: Time


class SyncOut(Out):
    """failures: why a provider could not be asked, by its name; what was known of its tools stays."""

    added: int
    updated: int
    removed: int
    failures: dict[str, str]


@router.get("")
async def list_tools(
    house: TheHouse, principal: ThePrincipal, window: TheWindow, kind: KindText = None, family: str | None = None
) -> ListOf[InferenceToolOut]:
    """What the last sync found, newest first."""
    if kind is not None and kind not in KINDS:
        raise InvalidRequest(f"`kind` {kind[:50]!r} is none of {', '.join(KINDS)}.", field="kind")
    return page_of(await house.inference_tools.list(principal, window, kind=kind, family=family), tool_out)


@router.post("/sync")
async def sync(house: TheHouse, principal: ThePrincipal) -> SyncOut:
    """Ask every configured provider which models it offers, and keep them for this workspace."""
    return SyncOut.of(await house.inference_tools.sync(principal))


@router.get("/{inference_tool}")
async def get(inference_tool: str, house: TheHouse, principal: ThePrincipal) -> InferenceToolOut:
    """One inference tool."""
    return tool_out(await house.inference_tools.get(principal, parse_id(inference_tool, "inference tool")))


def tool_out(tool: InferenceTool) -> InferenceToolOut:
    values = {name: getattr(tool, name) for name in InferenceToolOut.model_fields if name != "name"}
    return InferenceToolOut(name=tool_name(tool), **values)
