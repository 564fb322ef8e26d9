"""Opens the backend that a setting names, and builds what its sandboxes are made of."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from glia.kit.errors import InvalidRequest
from glia.sandboxes.config import SandboxConfig
from glia.sandboxes.off import NoBackend
from glia.sandboxes.types import SandboxBackend

if TYPE_CHECKING:
    from glia.sandboxes.bubblewrap.backend import Places

BACKENDS = ("bubblewrap", "oci")
DOCKER_SOCKET = Path("/var/run/docker.sock")
_MACHINE = Path("/var/lib/glia-sandboxes")


def open_backend(
    data_dir: Path,
    *,
    name: str = "bubblewrap",
    state_dir: Path | None = None,
    oci_socket: Path = DOCKER_SOCKET,
    oci_runtime: str | None = None,
) -> SandboxBackend:
    """name: one of BACKENDS. state_dir: where the sandboxes' files lie; by default below the data directory, or, for
    root, in a place of its own, because the sandboxes' users may not pass through the data directory. oci_socket: of
    the container engine. oci_runtime: one that the engine knows, such as `runsc`; its default without.
    Raises InvalidRequest."""
    places = bubblewrap_places(data_dir, state_dir)
    if name == "bubblewrap":
        from glia.sandboxes.bubblewrap.backend import BubblewrapBackend

        return BubblewrapBackend(places)
    if name == "oci":
        from glia.sandboxes.oci.backend import OciBackend

        return OciBackend(oci_socket, places.state / "oci", runtime=oci_runtime)
    raise InvalidRequest(f"There is no sandbox backend {name!r}; there are {', '.join(BACKENDS)}.", field="backend")


def bubblewrap_places(data_dir: Path, state_dir: Path | None = None) -> Places:
    """For root, the templates and the given-out user ids are one for the machine, whatever the data directory."""
    from glia.sandboxes.bubblewrap.backend import Places

    if os.geteuid() != 0:
        state = state_dir or data_dir / "sandboxes"
        return Places(state, templates=state / "templates", uids=state / "uids")
    name = hashlib.sha256(str(data_dir.resolve()).encode()).hexdigest()[:12]
    return Places(state_dir or _MACHINE / name, templates=_MACHINE / "templates", uids=_MACHINE / "uids")


def build_templates(data_dir: Path, names: Sequence[str] = (), say: Callable[[str], None] = lambda _line: None) -> None:
    """Makes what is missing; all templates without names. Blocking. Raises UnknownTemplate, SandboxStartFailed,
    SandboxUnavailable."""
    from glia.sandboxes.bubblewrap.templates import TEMPLATES, Templates
    from glia.sandboxes.errors import UnknownTemplate

    if unknown := [name for name in names if name not in TEMPLATES]:
        raise UnknownTemplate(f"There is no template {unknown[0]!r}; there are {', '.join(TEMPLATES)}.")
    templates = Templates(bubblewrap_places(data_dir).templates)
    for name in names or TEMPLATES:
        was_built = templates.build(TEMPLATES[name], say)
        missing = next(state.missing for state in templates.states() if state.name == name)
        say(f"{name}: {missing or ('built' if was_built else 'ready')}")


def configured_backend(config: SandboxConfig, data_dir: Path) -> SandboxBackend:
    """The backend that the settings name."""
    if config.backend == "off":
        return NoBackend()
    return open_backend(
        data_dir,
        name=config.backend,
        state_dir=Path(config.state_dir) if config.state_dir else None,
        oci_socket=Path(config.oci_socket),
        oci_runtime=config.oci_runtime or None,
    )
