"""The system calls that a sandbox may make: the compiled filters, and the program that compiles them."""

from __future__ import annotations

import platform
from pathlib import Path

_MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}


def filter_path() -> Path | None:
    """The compiled filter for this machine; None where there is none."""
    machine = _MACHINES.get(platform.machine().lower())
    return None if machine is None else Path(__file__).with_name(f"{machine}.bpf")
