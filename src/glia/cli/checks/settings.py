"""The GLIA_ variables: which there are, what they are set to, which are wrong."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator

from glia.cli.checks.finding import Finding, ok, problem, warning
from glia.cli.home import NOT_SETTINGS, settings_environment
from glia.kit.config import PREFIX, SettingsInvalid, load, variables
from glia.settings import Settings

_SECRET = re.compile(r"KEY|PASSWORD|TOKEN|SECRET")
_URL_PASSWORD = re.compile(r"(//[^/@:]*):[^@]*@")


def check_settings() -> Iterator[Finding]:
    known = [*variables(Settings), *sorted(NOT_SETTINGS)]
    is_test = f"{PREFIX}TEST_"
    unknown = [name for name in os.environ if name.startswith(PREFIX) and not name.startswith(is_test)]
    for name in sorted(set(unknown) - set(known)):
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
        how = f"Did you mean {near[0]}? " if near else ""
        yield problem(f"There is no setting {name}.", "`glia serve` refuses to start with it.", f"{how}Unset it.")
    try:
        right = {name: value for name, value in settings_environment().items() if name in known}
        load(Settings, right)
    except SettingsInvalid as error:
        yield problem(error.message, "`glia serve` refuses to start with it.", "Correct the value, or unset it.")
    else:
        yield ok("Every setting that is set can be read.")
    if os.environ.get("DATABASE_URL") and not os.environ.get("GLIA_DATABASE_URL"):
        yield warning(
            "DATABASE_URL is set, and GLIA_DATABASE_URL is not.",
            "Glia reads only the latter, so it uses its embedded database.",
            "Set GLIA_DATABASE_URL if Glia should use that database.",
        )


def settings_list() -> list[str]:
    """One line for each variable: what it is set to, or its default."""
    return [_setting(name) for name in [*variables(Settings), *sorted(NOT_SETTINGS)]]


def _setting(name: str) -> str:
    value = os.environ.get(name)
    if value is not None:
        return f"{name} = {_hidden(name, value)}"
    default: object = None if name in NOT_SETTINGS else Settings()
    for part in name.removeprefix(PREFIX).lower().split("__") if default is not None else ():
        default = getattr(default, part)
    return f"{name} (not set)" if default in (None, "") else f"{name} = {default} (default)"


def _hidden(name: str, value: str) -> str:
    return "***" if value and _SECRET.search(name) else _URL_PASSWORD.sub(r"\1:***@", value)
