"""What a cluster is to run of one deployment, and under which names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from glia.deployments.node_queries import Wish

DEPLOYMENT = "glia.dev/deployment"
VERSION = "glia.dev/version"
GENERATION = "glia.dev/generation"
INSTALLATION = "glia.dev/installation"
TARGET = "glia.dev/target"
GATE = "glia.dev/well"
CONTAINER = "program"
PROGRAM_AT = "/app"
DOWNLOAD_CONTAINER = "download"


@dataclass(frozen=True)
class Version:
    """A version of a deployment as the database has it."""

    id: UUID
    workspace_id: UUID
    project_id: UUID
    deployment_id: UUID
    runtime: str
    binary_url: str
    sha256: str | None
    digest: str | None
    cpu: str
    memory: str
    command: tuple[str, ...]
    port: int
    health_path: str
    must_listen: bool
    network: str
    sealed_environment: bytes


@dataclass(frozen=True)
class Prepared:
    """A version whose program was downloaded and looked at. sha256: of what pods download. architecture: which it
    needs, as Kubernetes says it; empty for any. environment: with the values."""

    version: Version
    argv: tuple[str, ...]
    sha256: str
    architecture: str
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Place:
    """What is the same for all deployments of a cluster. installation: tells ours from others' in one namespace.
    has_region: all of the cluster lies in the region that it was started for, so none is asked of its machines."""

    installation: str
    namespace: str
    has_region: bool = False


def object_name(deployment_id: UUID) -> str:
    """Of the Deployment, its Service and its NetworkPolicy: names of deployments are those of many workspaces."""
    return f"glia-{deployment_id.hex}"


def secret_name(deployment_id: UUID, version_id: UUID) -> str:
    return f"{object_name(deployment_id)}-{version_id.hex[-12:]}"


def target_of(wish: Wish, settings_mark: str) -> str:
    """Changes whenever the Deployment must be written anew. settings_mark: of our own settings."""
    return f"{wish.version_id}/{wish.generation}/{wish.replicas if wish.is_wanted else 0}/{wish.region}/{settings_mark}"


def labels_of(place: Place, deployment_id: UUID) -> dict[str, str]:
    return {"app.kubernetes.io/managed-by": "glia", INSTALLATION: place.installation, DEPLOYMENT: str(deployment_id)}
