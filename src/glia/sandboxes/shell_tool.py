"""A shell for agents, one command at a time, of those that the operator allows; in the session's sandbox."""

from __future__ import annotations

import re
import shlex
from typing import Annotated

import orjson
from msgspec import Meta, Struct

from glia.kit.config import SettingsInvalid
from glia.kit.errors import GliaError
from glia.sandboxes.service import Sandboxes
from glia.tools.errors import InvalidArguments
from glia.tools.service import tool
from glia.tools.types import Effect, Tool, ToolContext, ToolResult

STANDARD = ("ls", "pwd", "cat", "grep", "find", "head", "tail", "wc", "sort", "uniq", "echo", "date", "whoami")
_SECONDS = 10.0
_LONGEST_OUTPUT = 20_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
_METACHARACTERS = frozenset(";|&$<>`\n\r\0(){}")
_RUNS_OTHERS = frozenset({"-exec", "-execdir", "-ok", "-okdir", "-delete", "-fprint", "-fprint0", "-fprintf", "-fls"})
"""Arguments of `find` that do more than find."""


class ShellArguments(Struct, forbid_unknown_fields=True):
    command: Annotated[str, Meta(description="One command with its arguments, as ls -l /workspace.", max_length=2000)]


def read_commands(setting: str) -> frozenset[str]:
    """GLIA_SHELL_COMMANDS: empty for none, `standard`, or names with commas between. Raises SettingsInvalid."""
    names = [name.strip() for name in setting.split(",") if name.strip()]
    found = {each for name in names for each in (STANDARD if name == "standard" else (name,))}
    for name in found:
        if not _NAME.fullmatch(name):
            raise SettingsInvalid(
                f"GLIA_SHELL_COMMANDS names {name[:40]!r}, which is no command; write them as standard,git,jq."
            )
    return frozenset(found)


def run_shell(sandboxes: Sandboxes, allowed: frozenset[str]) -> Tool:
    """allowed: names of commands; none at all switches the tool off."""

    @tool(name="run_shell", effect=Effect.ONCE, timeout_seconds=90, is_default=False)
    async def run_shell(context: ToolContext, arguments: ShellArguments) -> ToolResult:
        """Runs one allowed command in the conversation's sandbox and returns the command, its output and exit code.
        Pipes, redirections and variables are not possible; use run_code for those."""
        if not allowed:
            said = "The shell is switched off on this server; its operator can allow commands in GLIA_SHELL_COMMANDS."
            return ToolResult(said, is_error=True)
        command = shlex.join(checked(arguments.command, allowed))
        session = (context.workspace_id, context.project_id, context.session_id)
        try:
            done = await sandboxes.code.run_for_session(session, context.run_id, "shell", command, _SECONDS)
        except GliaError as error:
            return ToolResult(error.message, is_error=True)
        run = done.run
        output = (run.stdout + run.stderr).replace("\0", "\N{REPLACEMENT CHARACTER}")
        if run.status == "timeout":
            output += f"\n[It was stopped after {_SECONDS:g} s.]"
        shown = output if len(output) <= _LONGEST_OUTPUT else output[:_LONGEST_OUTPUT] + "\n[Cut here.]"
        answer = {"command": command, "output": shown, "exit_code": run.exit_code}
        return ToolResult(orjson.dumps(answer).decode(), is_error=run.status not in ("ok", "error"))

    return run_shell


def checked(command: str, allowed: frozenset[str]) -> list[str]:
    """The command's words. Raises InvalidArguments, which says what is not possible."""
    if not command.isascii():
        raise InvalidArguments("`command` may hold ASCII characters only.", field="command")
    if used := sorted(_METACHARACTERS & set(command)):
        raise InvalidArguments(
            f"`command` holds {used[0]!r}; pipes, redirections and the like are not possible.", field="command"
        )
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise InvalidArguments(f"`command` cannot be read: {error}.", field="command") from None
    if not words or words[0] not in allowed:
        known = ", ".join(sorted(allowed))
        raise InvalidArguments(f"`command` must begin with one of {known}.", field="command")
    if words[0] == "find" and (used := sorted(_RUNS_OTHERS & set(words))):
        raise InvalidArguments(f"`find` may not be used with {used[0]}.", field="command")
    return words
