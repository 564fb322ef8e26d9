import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from glia.kit.config import SettingsInvalid
from glia.kit.ids import new_id
from glia.sandboxes.code import SessionRun
from glia.sandboxes.records import CodeRun
from glia.sandboxes.service import Sandboxes
from glia.sandboxes.shell_tool import checked, read_commands, run_shell
from glia.tools.errors import InvalidArguments
from glia.tools.types import ToolContext, ToolResult

STANDARD = read_commands("standard")


class Code:
    """Notes what would be run in the sandbox, which tests of `code` cover."""

    def __init__(self) -> None:
        self.ran: list[tuple[str, str]] = []

    async def run_for_session(self, session: Any, run_id: Any, language: str, code: str, seconds: float) -> Any:
        self.ran.append((language, code))
        ran = CodeRun(language="shell", status="error", stdout="some\n", stderr="wrong", exit_code=2, seconds=0.1)
        return cast(SessionRun, SimpleNamespace(run=ran))


async def call(code: Code, command: str, allowed: frozenset[str]) -> ToolResult:
    sandboxes = cast(Sandboxes, SimpleNamespace(code=code))
    context = ToolContext(new_id(), new_id(), None, new_id(), new_id(), idempotency_key="k")
    return await run_shell(sandboxes, allowed).call(context, json.dumps({"command": command}))


async def test_an_allowed_command_runs_in_the_sandbox() -> None:
    code = Code()

    result = await call(code, "grep -n 'two words' notes.txt", STANDARD)

    assert code.ran == [("shell", "grep -n 'two words' notes.txt")]
    assert json.loads(result.text) == {
        "command": "grep -n 'two words' notes.txt",
        "output": "some\nwrong",
        "exit_code": 2,
    }
    assert not result.is_error


async def test_the_shell_is_off_until_commands_are_allowed() -> None:
    code = Code()

    result = await call(code, "ls", read_commands(""))

    assert result.is_error
    assert "GLIA_SHELL_COMMANDS" in result.text
    assert code.ran == []


@pytest.mark.parametrize(
    "command",
    [
        "rm -rf /",
        "ls; id",
        "ls | sh",
        "cat $HOME",
        "echo `id`",
        "ls > /etc/x",
        "ls\nid",
        "l\u0455",
        "'unfinished",
        "",
        "/bin/ls",
        "find . -exec id +",
        "find . -delete",
    ],
)
def test_anything_else_is_refused(command: str) -> None:
    with pytest.raises(InvalidArguments):
        checked(command, STANDARD)


def test_the_operator_may_add_commands() -> None:
    assert {"git", "ls"} <= read_commands("standard, git")
    with pytest.raises(SettingsInvalid):
        read_commands("ls;id")
