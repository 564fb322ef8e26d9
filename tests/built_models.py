"""The embedding model is built once for all servers of all test runs. That takes seconds, and a lock guards it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def share_built_models(data_dir: Path) -> None:
    """A server that finds none in its folder begins to build, and goes on with that even when it is killed."""
    built = Path(tempfile.gettempdir()) / f"glia-test-models-{os.getuid()}"
    built.mkdir(mode=0o700, exist_ok=True)
    (data_dir / "models").symlink_to(built)
