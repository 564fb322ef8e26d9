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


@dataclass(frozen=True)
class Home:
    settings: Settings
    data_dir: Path

    @property
    def credentials(self) -> Path:
        return self.data_dir / "credentials.json"

    def postgres(self, on_progress: Callable[[str], None] = lambda _text: None) -> EmbeddedPostgres:
        return EmbeddedPostgres(self.data_dir, service_user=self.settings.service_user, on_progress=on_progress)

    def app_url(self) -> str:
        """For commands beside a running `glia serve`: the given database, or the embedded one, which must be up."""
        return self.settings.database_url or self.postgres().attach(wait_seconds=5).app_url


def home(data_dir: str | None) -> Home:
    """Reads all settings. data_dir: from the command line; it wins over GLIA_DATA_DIR."""
    settings = load(Settings, os.environ)
    configure_logs(level=settings.log.level, format=settings.log.format)
    chosen = data_dir or settings.data_dir
    return Home(settings, Path(chosen).expanduser().absolute() if chosen else default_data_dir())
