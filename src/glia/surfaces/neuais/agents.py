"""/v1/agents: programs that are kept running; the core calls them deployments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeGuard

from fastapi import APIRouter
from fastapi.requests import Request
from fastapi.responses import JSONResponse
from pydantic import ConfigDict, Field

from glia.deployments.errors import DeploymentNotFound
from glia.deployments.types import Deployment, DeploymentSpec, DeploymentStatus, Program
from glia.identity.types import Principal
from glia.kit.errors import InvalidRequest, NotFound
from glia.kit.pages import LARGEST_LIMIT, Window
from glia.surfaces.neuais.pages import FieldsText, TellingRoute, TheListing, fields_of, page_model, selected
from glia.surfaces.neuais.words import SURFACE, agent_id, id_of
from glia.surfaces.shared.bodies import Body, Changes, Out, TheHouse, ThePrincipal, Time, given
from glia.surfaces.shared.objects import origin_of
from glia.wiring import House

router = APIRouter(prefix="/v1/agents", tags=["agents"], route_class=TellingRoute)

_USUAL_HEALTH: Final = "/health"
_STATUSES: Final = tuple(status.value for status in DeploymentStatus)


class ConfigOut(Out):
    """cpu: cores. memory: with Ki, Mi or Gi. port: given to the program as PORT. health_path: null while the program
    need not answer anywhere. More: what the client sent along."""

    cpu: str
    memory: str
    replicas: int
    region: str
    command: list[str]
    port: int
    health_path: str | None

    model_config = ConfigDict(extra="allow")


class AgentOut(Out):
    """status: deploying, running, stopped or error. reason: why it is not as it was wanted; empty when all is well.

    ready_replicas: how many get requests. endpoints: where the program answers. digest: sha256 of what was downloaded.
    version: counts the changes of the program. environment_names: the values are never shown.
    """

    id: str
    name: str
    status: DeploymentStatus
    reason: str
    replicas: int
    ready_replicas: int
    region: str
    runtime: str
    binary_url: str
    sha256: str | None
    digest: str | None
    version: int
    config: ConfigOut
    environment_names: list[str]
    endpoints: list[str]
    created_at: Time
    updated_at: Time


class MessageOut(Out):
    message: str


class ConfigBody(Body):
    """cpu: cores as a decimal, `0.5`. memory: a number with Ki, Mi or Gi. replicas: 0 to 100. region: only nodes of
    this region run it. command: arguments; for an archive the first is its entry point. port: given to the program as
    PORT. health_path: asked whether the program is well; once given, the program must answer there.

    Other fields are kept and given back, and have no effect.
    """

    cpu: str = "1.0"
    memory: str = "512Mi"
    replicas: int = 1
    region: str = ""
    command: list[str] = Field(default_factory=list, max_length=100)
    port: int = 8080
    health_path: str | None = None


class AgentBody(Body):
    """runtime: `rust`, `go` or `native` for an executable; `python` or `node` for a script, or a zip or tar.gz.

    binary_url: http(s), or `storage://<pathname>` of the workspace. sha256: what the download must be.
    """

    name: str
    runtime: str
    binary_url: str
    sha256: str | None = None
    config: ConfigBody = Field(default_factory=ConfigBody)
    environment: dict[str, str] = Field(default_factory=dict)


class ConfigChanges(Changes):
    cpu: str = ""
    memory: str = ""
    replicas: int = 1
    region: str = ""
    command: list[str] = Field(default_factory=list, max_length=100)
    port: int = 8080
    health_path: str | None = None


class AgentChanges(Changes):
    """What is not given stays. environment: replaces all variables. name: cannot be another."""

    name: str = ""
    runtime: str = ""
    binary_url: str = ""
    sha256: str | None = None
    config: ConfigChanges = Field(default_factory=ConfigChanges)
    environment: dict[str, str] = Field(default_factory=dict)


class ScaleBody(Body):
    replicas: int


@dataclass(frozen=True)
class Show:
    """Agents as clients of one origin see them. root: the server's address, without this surface's prefix."""

    root: str

    def __call__(self, found: Deployment) -> AgentOut:
        shown: dict[str, Any] = {name: getattr(found, name) for name in AgentOut.model_fields if hasattr(found, name)}
        config: dict[str, Any] = {name: getattr(found, name) for name in ConfigOut.model_fields}
        config |= {"command": list(found.command), "health_path": found.health_path if found.must_listen else None}
        shown |= {
            "id": agent_id(found.id),
            "config": ConfigOut.model_validate(kept_config(found.metadata) | config),
            "environment_names": list(found.environment_names),
            "endpoints": [self.root + found.endpoint.rstrip("/")],
        }
        return AgentOut(**shown)


def kept_config(metadata: dict[str, object]) -> dict[str, object]:
    """Fields of `config` that only the client knows. Other surfaces may have written anything in their place."""
    found: object = metadata
    for name in (SURFACE, "config"):
        found = found.get(name) if _is_object(found) else None
    return {**found} if _is_object(found) else {}


def _is_object(found: object) -> TypeGuard[dict[str, object]]:
    return isinstance(found, dict)


def show_for(request: Request, house: House) -> Show:
    prefix: str = request.scope.get("state", {}).get("prefix", "")
    return Show(origin_of(request.scope, house.settings.public_url).removesuffix(prefix))


def reference_of(text: str) -> str:
    """The deployment that an id in a path means. Raises DeploymentNotFound."""
    try:
        return str(id_of(text, "agent", "agt_"))
    except NotFound as error:
        raise DeploymentNotFound(error.message) from None


@router.get("", response_model=page_model("agents", AgentOut))
async def list_agents(request: Request, house: TheHouse, principal: ThePrincipal, listing: TheListing) -> JSONResponse:
    """List agents, newest first."""
    found = await all_agents(house, principal)
    show = show_for(request, house)
    return listing.answer("agents", [show(one) for one in found], AgentOut, statuses=_STATUSES)


async def all_agents(house: House, principal: Principal) -> list[Deployment]:
    """A workspace has no more than a page of the largest size holds."""
    return (await house.deployments.list(principal, Window(limit=LARGEST_LIMIT))).items


@router.post("", status_code=201)
async def create(body: AgentBody, request: Request, house: TheHouse, principal: ThePrincipal) -> AgentOut:
    """Deploy a program. The answer does not wait for it to run."""
    config = body.config
    program = Program(
        runtime=body.runtime,
        binary_url=body.binary_url,
        sha256=body.sha256,
        cpu=config.cpu,
        memory=config.memory,
        command=tuple(config.command),
        port=config.port,
        health_path=_USUAL_HEALTH if config.health_path is None else config.health_path,
        must_listen=config.health_path is not None,
    )
    metadata = {SURFACE: {"config": config.model_extra}} if config.model_extra else {}
    spec = DeploymentSpec(body.name, program, config.replicas, config.region, body.environment, metadata)
    return show_for(request, house)(await house.deployments.create(principal, spec))


@router.get("/{id}", response_model=AgentOut)
async def get(
    id: str, request: Request, house: TheHouse, principal: ThePrincipal, fields: FieldsText = None
) -> JSONResponse:
    """One agent."""
    found = await house.deployments.get(principal, reference_of(id))
    return JSONResponse(selected(show_for(request, house)(found), fields_of(fields)))


@router.put("/{id}")
async def update(id: str, body: AgentChanges, request: Request, house: TheHouse, principal: ThePrincipal) -> AgentOut:
    """Change an agent; what is not given stays. A new program, limit or environment replaces replica by replica, and
    is undone when it never becomes healthy."""
    changes = given(body)
    if changes.pop("config", None) is not None:
        changes |= given(body.config)
    before = await house.deployments.get(principal, reference_of(id))
    if changes.pop("name", before.name) != before.name:
        raise InvalidRequest("`name` cannot be changed; make another agent.", field="name", reason="cannot be changed")
    if "command" in changes:
        changes["command"] = tuple(changes["command"])
    if "health_path" in changes:
        changes["must_listen"] = changes["health_path"] is not None
        changes["health_path"] = changes["health_path"] or _USUAL_HEALTH
    if extra := body.config.model_extra:
        changes["metadata"] = {**before.metadata, SURFACE: {"config": {**kept_config(before.metadata), **extra}}}
    return show_for(request, house)(await house.deployments.update(principal, str(before.id), changes))


@router.delete("/{id}")
async def delete(id: str, house: TheHouse, principal: ThePrincipal) -> MessageOut:
    """Delete an agent with its logs and figures. Its programs are ended."""
    await house.deployments.delete(principal, reference_of(id))
    return MessageOut(message="Agent deleted successfully")


@router.post("/{id}/start")
async def start(id: str, request: Request, house: TheHouse, principal: ThePrincipal) -> AgentOut:
    """Start a stopped agent."""
    return show_for(request, house)(await house.deployments.start(principal, reference_of(id)))


@router.post("/{id}/stop")
async def stop(id: str, request: Request, house: TheHouse, principal: ThePrincipal) -> AgentOut:
    """Stop an agent: SIGTERM, and SIGKILL after 10 s."""
    return show_for(request, house)(await house.deployments.stop(principal, reference_of(id)))


@router.post("/{id}/restart")
async def restart(id: str, request: Request, house: TheHouse, principal: ThePrincipal) -> AgentOut:
    """Replace every replica, one after the other; a stopped agent is started."""
    return show_for(request, house)(await house.deployments.restart(principal, reference_of(id)))


@router.post("/{id}/scale")
async def scale(id: str, body: ScaleBody, request: Request, house: TheHouse, principal: ThePrincipal) -> AgentOut:
    """Run more or fewer replicas."""
    return show_for(request, house)(await house.deployments.scale(principal, reference_of(id), body.replicas))
