"""Opens the backend that a setting names."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from glia.sandboxes.types import SandboxBackend

_MACHINE = Path("/var/lib/glia-sandboxes")


def open_backend(data_dir: Path, *, name: str = "bubblewrap", state_dir: Path | None = None) -> SandboxBackend:
    """name: `bubblewrap`. state_dir: where the sandboxes' files lie; by default below the data directory, or,
    for root, in a place of its own, because the sandboxes' users may not pass through the data directory."""
    from glia.sandboxes.bubblewrap.backend import BubblewrapBackend

    del name
    return BubblewrapBackend(bubblewrap_places(data_dir, state_dir))


def bubblewrap_places(data_dir: Path, state_dir: Path | None = None):
    from glia.sandboxes.bubblewrap.backend import Places

    if os.geteuid() != 0:
        state = state_dir or data_dir / "sandboxes"
        return Places(state, templates=state / "templates", uids=state / "uids")
    name = hashlib.sha256(str(data_dir.resolve()).encode()).hexdigest()[:12]
    state = state_dir or _MACHINE / name
    return Places(state, templates=_MACHINE / "templates", uids=_MACHINE / "uids")
