"""Sandboxes: does one start, how well does it hold, and what can it be made of."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

from glia.cli.checks.finding import Finding, ok, warning
from glia.cli.home import settings_environment
from glia.kit.config import load
from glia.sandboxes.backends import configured_backend
from glia.sandboxes.types import Probe, TemplateState
from glia.settings import Settings


def look(data_dir: Path) -> tuple[Probe, tuple[TemplateState, ...]]:
    """Really starts a sandbox."""

    async def work() -> tuple[Probe, tuple[TemplateState, ...]]:
        backend = configured_backend(load(Settings, settings_environment()).sandbox, data_dir)
        try:
            return await backend.probe(), await backend.templates()
        finally:
            await backend.close()

    return asyncio.run(work())


def check_sandbox(data_dir: Path) -> Iterator[Finding]:
    found, templates = look(data_dir)
    if not found.is_available:
        why = "Agents cannot run code, and requests for sandboxes are refused; nothing else is affected."
        yield warning(f"Sandboxes do not work here. {found.reason}", why, found.fix)
        return
    weak = [f"{limit} ({hold})" for limit, hold in found.limits.items() if hold != "enforced"]
    if weak:
        yield warning(f"A sandbox starts, with weaker limits: {', '.join(weak)}.", found.reason, found.fix)
    else:
        yield ok(f"A sandbox starts, with every limit enforced. {' '.join(found.details)}")
    for template in templates:
        if template.is_ready:
            yield ok(f"The sandbox template {template.name} is ready.")
        else:
            what = f"The sandbox template {template.name} is not ready. {template.missing}"
            yield Finding("ok", what)
