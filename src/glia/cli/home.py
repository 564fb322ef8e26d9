"""Where this installation lives: its data directory and its database."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from glia.kit.config import load
from glia.kit.postgres import EmbeddedPostgres
from glia.kit.telemetry import configure_logs
from glia.settings import Settings, default_data_dir

NOT_SETTINGS = frozenset({"GLIA_URL", "GLIA_API_KEY", "GLIA_VENV", "GLIA_PYTHON", "GLIA_SKIP_CONSOLE"})
"""Begin with GLIA_ as well, but are for the commands that talk to a server and for the script that starts us."""


@dataclass(frozen=True)
class Home:
    settings: Settings
    data_dir: Path

    @property
    def credentials(self) -> Path:
        return self.data_dir / "credentials.json"

    def postgres(self, on_progress: Callable[[str], None] = lambda _text: None) -> EmbeddedPostgres:
        return EmbeddedPostgres(self.data_dir, service_user=self.settings.service_user, on_progress=on_progress)

    def app_url(self, wait_seconds: float = 5) -> str:
        """For commands beside a running `glia serve`: the given database, or the embedded one, which must be up."""
        return self.settings.database_url or self.postgres().attach(wait_seconds=wait_seconds).app_url

    def owner_url(self, wait_seconds: float = 5) -> str:
        """As `app_url`, as the role that owns the schema."""
        return self.settings.database_url or self.postgres().attach(wait_seconds=wait_seconds).owner_url


def home(data_dir: str | None) -> Home:
    """Reads all settings. data_dir: from the command line; it wins over GLIA_DATA_DIR."""
    settings = load(Settings, settings_environment())
    configure_logs(level=settings.log.level, format=settings.log.format)
    return Home(settings, data_directory(data_dir))


def settings_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in NOT_SETTINGS}


def data_directory(given: str | None) -> Path:
    """given: from the command line; it wins over GLIA_DATA_DIR, and that over the usual place."""
    chosen = given or os.environ.get("GLIA_DATA_DIR")
    return Path(chosen).expanduser().absolute() if chosen else default_data_dir()
