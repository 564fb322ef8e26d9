"""The locks say what is installed: they name all that pyproject.toml asks for, each with a hash and no address."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ROOT / "requirements"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)((?:[^\n]*\\\n)*[^\n]*)", re.MULTILINE)


def name_of(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]).lower()


def pins(lock: str) -> dict[str, str]:
    return {name_of(name): rest for name, _, rest in _PIN.findall((LOCKS / lock).read_text())}


def versions(lock: str) -> set[tuple[str, str]]:
    return {(name_of(name), version) for name, version, _ in _PIN.findall((LOCKS / lock).read_text())}


def test_every_dependency_is_locked() -> None:
    wanted = {name_of(requirement) for requirement in PROJECT["project"]["dependencies"]}

    assert wanted <= pins("glia.txt").keys()


def test_every_development_tool_is_locked() -> None:
    wanted = {name_of(requirement) for requirement in PROJECT["dependency-groups"]["dev"]}

    assert wanted <= pins("dev.txt").keys() | pins("glia.txt").keys()


def test_the_weights_are_locked() -> None:
    wanted = re.findall(r"^([a-z0-9-]+)==(\S+)", (LOCKS / "weights.in").read_text(), re.MULTILINE)

    assert set(wanted) == versions("weights.txt")


def test_the_development_lock_repeats_nothing() -> None:
    assert not pins("dev.txt").keys() & pins("glia.txt").keys()


def test_a_requirement_with_an_exact_version_is_locked_at_it() -> None:
    exact = [requirement.split("==") for requirement in PROJECT["project"]["dependencies"] if "==" in requirement]

    assert exact
    assert {(name_of(name), version) for name, version in exact} <= versions("glia.txt")


@pytest.mark.parametrize("lock", ["glia.txt", "dev.txt", "weights.txt", "sandbox-python-data.txt"])
def test_every_pin_has_a_hash_and_nothing_else_is_installed(lock: str) -> None:
    text = (LOCKS / lock).read_text()

    assert all("--hash=sha256:" in rest for rest in pins(lock).values())
    for line in text.splitlines():
        is_pin, is_hash = bool(_PIN.match(line)), re.fullmatch(r" {4}--hash=sha256:[0-9a-f]{64}( \\)?", line)
        assert is_pin or is_hash, line
    assert "://" not in text
