"""/llms.txt and /v1/mcp/manifest: what programs can find here, as this server really offers it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header
from fastapi.requests import Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from glia.identity.types import Principal
from glia.surfaces.neuralhub.scopes import needs
from glia.surfaces.shared.bodies import Out, TheHouse, WatchedRoute
from glia.surfaces.shared.document import operations
from glia.surfaces.shared.objects import origin_of
from glia.surfaces.shared.offers.catalogue import Offers
from glia.surfaces.shared.offers.types import Offer
from glia.tools.types import Effect
from glia.wiring import House

router = APIRouter(tags=["discovery"], route_class=WatchedRoute)

PROTOCOLS = ("2026-07-28", "2025-11-25")
"""Revisions of the Model Context Protocol that `/mcp` speaks."""


class ToolOut(Out):
    """As in the answer to `tools/list` at the endpoint."""

    name: str
    title: str
    description: str
    inputSchema: dict[str, Any]  # noqa: N815 - the protocol's words
    outputSchema: dict[str, Any] | None  # noqa: N815
    annotations: dict[str, bool]


class EndpointOut(Out):
    url: str
    transport: str = "streamable-http"


class ManifestOut(Out):
    """endpoint: where the tools are called, with the same key."""

    name: str = "glia"
    protocolVersions: list[str]  # noqa: N815
    endpoint: EndpointOut
    tools: list[ToolOut]


@router.get("/v1/mcp/manifest")
async def manifest(
    request: Request, house: TheHouse, principal: Annotated[Principal, Depends(needs("tools:read"))]
) -> ManifestOut:
    """The tools that this key may call over MCP, with the schemas of their arguments."""
    offers = await Offers(house).all(principal)
    return ManifestOut(
        protocolVersions=list(PROTOCOLS),
        endpoint=EndpointOut(url=f"{_root(request, house)}/mcp"),
        tools=[_tool_out(offer) for offer in offers],
    )


def _tool_out(offer: Offer) -> ToolOut:
    return ToolOut(
        name=offer.name,
        title=offer.title,
        description=offer.description,
        inputSchema=dict(offer.schema),
        outputSchema=None if offer.output_schema is None else dict(offer.output_schema),
        annotations={
            "readOnlyHint": offer.effect is Effect.READ,
            "idempotentHint": offer.effect is not Effect.ONCE,
        },
    )


@router.get(
    "/llms.txt",
    response_class=Response,
    responses={
        200: {
            "content": {
                "text/markdown": {"schema": {"type": "string"}},
                "application/json": {
                    "schema": {
                        "type": "object",
                        "properties": {"content": {"type": "string"}},
                        "required": ["content"],
                    }
                },
            },
            "description": "Markdown; with `Accept: application/json` the same as `content`.",
        }
    },
)
async def llms_txt(request: Request, house: TheHouse, accept: Annotated[str, Header()] = "") -> Response:
    """What this server offers, for language models to read. Needs no key."""
    text = await _capabilities(request, house)
    if "application/json" in accept.lower():
        return JSONResponse({"content": text})
    return PlainTextResponse(text, media_type="text/markdown; charset=utf-8")


async def _capabilities(request: Request, house: House) -> str:
    """Nothing of any workspace: everybody may read it."""
    origin = origin_of(request.scope, house.settings.public_url)
    tools = [tool for tool in house.tools.built_in if tool.is_offered is None or tool.is_offered()]
    models = await house.models.list()
    parts = [
        "# NeuralHub Capabilities",
        "> Agents, tools and workflows that run durably; memory, storage, models and compute around them."
        f" Base URL: {origin}. Send a key as `Authorization: Bearer nh_...`.",
        _section("Tools", [f"- {tool.name}: {_first_sentence(tool.description)}" for tool in tools]),
        _section("Models", [f"- {model.id}" for model in models[:100]]),
        _section("Compute", await _templates(house)),
        _section("Routes", _routes(request)),
        _section(
            "More",
            [
                f"- [OpenAPI]({origin}/openapi.json)",
                f"- [Reference]({origin}/docs)",
                f"- [MCP, streamable HTTP]({_root(request, house)}/mcp): {', '.join(PROTOCOLS)}",
            ],
        ),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


async def _templates(house: House) -> list[str]:
    """Only where code can be run at all, and what is installed for it."""
    if not house.sandboxes.is_offered:
        return []
    return [f"- {each.name}: {each.description}" for each in await house.sandboxes.ready_templates()]


def _routes(request: Request) -> list[str]:
    document = request.app.openapi()
    return [
        f"- {method} {path}: {_first_sentence(operation.get('description', ''))}"
        for path, method, operation in operations(document)
    ]


def _section(title: str, lines: list[str]) -> str:
    return "\n".join([f"## {title}", *lines]) if lines else ""


def _first_sentence(text: str) -> str:
    return " ".join(text.split()).partition(". ")[0].rstrip(".")


def _root(request: Request, house: House) -> str:
    """The server's own address: MCP is spoken at its root, whatever this surface's prefix is."""
    prefix: str = request.scope.get("state", {}).get("prefix", "")
    return origin_of(request.scope, house.settings.public_url).removesuffix(prefix)
