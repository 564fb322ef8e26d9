"""A conversation's `sandboxState` and a sandbox session are one record: the session's console.

What is kept beside it, in the session's metadata, is only how the client wrote it: the object without its contents.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import orjson

from glia.kit.errors import InvalidRequest
from glia.sandboxes.records import Console
from glia.surfaces.neura.words import SURFACE

Json = dict[str, Any]

_FORM = "sandbox_state"
_PARTS = {
    "terminal": "terminal_lines",
    "terminalLines": "terminal_lines",
    "terminal_lines": "terminal_lines",
    "files": "files",
    "artifacts": "artifacts",
}
_SESSION = "session"
_USUAL: Json = {"terminal": [], "files": [], "artifacts": [], _SESSION: {}}
_DETAILS = {"totalCost": "total_cost", "runtimeMinutes": "runtime_minutes"}
_CAMEL = {ours: theirs for theirs, ours in _DETAILS.items()}
_LARGEST_BYTES = 4 * 1024 * 1024


def details_of(session: Mapping[str, Any]) -> Json:
    """`session`, as it is kept: status, template, totalCost, runtimeMinutes, and whatever else there is."""
    return {_DETAILS.get(name, name): value for name, value in session.items()}


def record_of(state: Json) -> Json:
    """All parts of the console that a `sandboxState` stands for. Raises InvalidRequest for one that is too large."""
    size = len(orjson.dumps(state))
    if size > _LARGEST_BYTES:
        raise InvalidRequest(f"`sandboxState` has {size} bytes; the most is {_LARGEST_BYTES}.", field="sandboxState")
    record: Json = {"terminal_lines": [], "files": [], "artifacts": [], "details": {}}
    for name, value in state.items():
        if name in _PARTS and isinstance(value, list):
            record[_PARTS[name]] = value
        elif name == _SESSION and isinstance(value, dict):
            record["details"] = details_of(value)  # pyright: ignore[reportUnknownArgumentType] - JSON
    return record


def with_form(metadata: Json, state: Json | None) -> Json:
    """A session's metadata, with how the client wrote its `sandboxState`."""
    form = None if state is None else {name: _emptied(name, value) for name, value in state.items()}
    return {**metadata, SURFACE: {**metadata.get(SURFACE, {}), _FORM: form}}


def state_of(metadata: Json, console: Console | None) -> Json | None:
    """`sandboxState` as it was written, with what has become of it since."""
    if console is None:
        return None
    kept = cast(Json, metadata.get(SURFACE) or {})
    form = cast(Json, kept.get(_FORM, _USUAL) or {})
    state = {name: _filled(name, value, console) for name, value in form.items()}
    shown = {_PARTS[name] for name in form if name in _PARTS}
    for name in ("terminal", "files", "artifacts"):
        if _PARTS[name] not in shown and (part := getattr(console, _PARTS[name])):
            state[name] = part
    if _SESSION not in form and console.details:
        state[_SESSION] = _session(console.details, {})
    return state


def _emptied(name: str, value: Any) -> Any:
    """value: any JSON."""
    if name in _PARTS and isinstance(value, list):
        return []
    if name == _SESSION and isinstance(value, dict):
        return dict.fromkeys(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType] - JSON
    return value


def _filled(name: str, form: Any, console: Console) -> Any:
    """form: any JSON."""
    if name in _PARTS:
        part = getattr(console, _PARTS[name])
        return part if part or isinstance(form, list) else form
    if name == _SESSION and isinstance(form, dict):
        return _session(console.details, form)  # pyright: ignore[reportUnknownArgumentType] - JSON
    return form


def _session(details: Json, form: Mapping[str, Any]) -> Json:
    """Under the names that the client has used, else as clients of this API write them."""
    used = {_DETAILS.get(name, name): name for name in form}
    return {used.get(name, _CAMEL.get(name, name)): value for name, value in details.items()}
