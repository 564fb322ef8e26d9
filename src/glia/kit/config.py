"""Settings from the environment: `GLIA_RUNS__LEASE_SECONDS=3` becomes `settings.runs.lease_seconds`."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any, TypeVar, get_type_hints

import msgspec

from glia.kit.errors import GliaError

T = TypeVar("T")

PREFIX = "GLIA_"


class SettingsInvalid(GliaError):
    code = "settings_invalid"


def load(settings: type[T], environment: Mapping[str, str]) -> T:
    """Reads a dataclass of settings; dataclasses inside it are reached with a double underscore.

    Raises SettingsInvalid for a GLIA_ variable that does not exist, with the nearest one that does, and for a value
    that does not fit.
    """
    known = _variables(settings)
    tree: dict[str, Any] = {}
    for variable, value in environment.items():
        if not variable.startswith(PREFIX) or variable.startswith(f"{PREFIX}TEST_"):
            continue
        path = known.get(variable)
        if path is None:
            raise SettingsInvalid(f"There is no setting {variable}.{_suggestion(variable, known)}", setting=variable)
        _place(tree, path, value)
    try:
        return msgspec.convert(tree, settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsInvalid(f"A setting does not fit: {error}. `glia doctor` lists all settings.") from None


def variables(settings: type[Any]) -> list[str]:
    return sorted(_variables(settings))


def _variables(settings: type[Any], path: tuple[str, ...] = ()) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    hints = get_type_hints(settings)
    for field in dataclasses.fields(settings):
        here = (*path, field.name)
        hint = hints[field.name]
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            found.update(_variables(hint, here))
        else:
            found[PREFIX + "__".join(here).upper()] = here
    return found


def _place(tree: dict[str, Any], path: tuple[str, ...], value: str) -> None:
    for name in path[:-1]:
        tree = tree.setdefault(name, {})
    tree[path[-1]] = value


def _suggestion(variable: str, known: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(variable, known, n=1, cutoff=0.6)
    return f" Did you mean {near[0]}?" if near else " `glia doctor` lists all settings."
