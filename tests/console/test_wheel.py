"""When a wheel is built with the console, and when it is not. Building one takes a minute, so that is for releases."""

from __future__ import annotations

import importlib.util
import sys
import tomllib
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from glia.console import build

_ROOT = build.SOURCE.parent
_INTERFACE = "hatchling.builders.hooks.plugin.interface"


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The build hook, in a folder of its own; its `built` counts how often it has built."""
    interface = ModuleType(_INTERFACE)
    interface.BuildHookInterface = object  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, _INTERFACE, interface)
    spec = importlib.util.spec_from_file_location("hatch_build", _ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = module.ConsoleHook()
    found.root, found.built = str(tmp_path), 0

    def count() -> None:
        found.built += 1

    fake = SimpleNamespace(build=count, is_built=lambda: True, find_npm=lambda: None, NODE=build.NODE)
    monkeypatch.setattr(found, "_build", lambda: fake)
    monkeypatch.delenv("GLIA_SKIP_CONSOLE", raising=False)
    return found


def test_a_wheel_is_built_with_the_console_and_brings_node_for_that(hook: Any) -> None:
    hook.initialize("standard", {})

    assert hook.built == 1
    assert hook.dependencies() == [build.NODE]


def test_an_editable_install_and_an_unpacked_distribution_build_nothing(hook: Any) -> None:
    hook.initialize("editable", {})
    (Path(hook.root) / "PKG-INFO").touch()
    hook.initialize("standard", {})

    assert hook.built == 0
    assert hook.dependencies() == []


def test_the_flag_leaves_the_console_out(hook: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLIA_SKIP_CONSOLE", "1")

    hook.initialize("standard", {})

    assert hook.built == 0
    assert hook.dependencies() == []


def test_the_folder_that_is_served_is_packed() -> None:
    settings = tomllib.loads((_ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]

    assert build.STATIC.relative_to(_ROOT).as_posix() in settings["artifacts"]
    assert "custom" in settings["hooks"]
