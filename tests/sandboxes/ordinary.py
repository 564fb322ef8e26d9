"""Runs the facts as the ordinary user that starts it, and prints what came of each as JSON. Needs no test framework."""

from __future__ import annotations

import asyncio
import json
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from glia.sandboxes.bubblewrap.backend import BubblewrapBackend, Places
from tests.sandboxes import attacks, attacks_in_use, conformance
from tests.sandboxes.rig import Fact, Rig

_LONGEST_SECONDS = 150


async def main(base: Path, facts: Sequence[Fact]) -> dict[str, str]:
    """The traceback of each fact that does not hold; empty for one that does. `probe` when nothing works here."""
    folder = base / "host"
    folder.mkdir()
    places = (base / "state", base / "templates", base / "uids")
    backend = BubblewrapBackend(Places(*places))
    probe = await backend.probe()
    if not probe.is_available:
        return {"probe": f"{probe.reason} {probe.fix}"}
    rig = Rig(backend, folder, places, is_hard=not probe.is_degraded)
    results: dict[str, str] = {}
    for fact in facts:
        try:
            async with asyncio.timeout(_LONGEST_SECONDS):
                await fact(rig)
            results[fact.__name__] = ""
        except Exception:  # noqa: BLE001  # a fact that does not hold may fail in any way; it is told, not hidden
            results[fact.__name__] = traceback.format_exc()
    await backend.close()
    return results


if __name__ == "__main__":
    told = {"conformance": conformance.FACTS, "attacks": [*attacks.FACTS, *attacks_in_use.FACTS]}[sys.argv[2]]
    print(json.dumps(asyncio.run(main(Path(sys.argv[1]), told))))
