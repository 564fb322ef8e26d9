"""Code in a message is run when the message asks for it, by whatever tool takes code."""

from __future__ import annotations

import pytest

from glia.models.embedded.code import ran, runs
from glia.models.types import ToolSpec

RUN_CODE = ToolSpec(
    "run_code",
    "Runs Python, JavaScript or shell code in an isolated sandbox.",
    {
        "type": "object",
        "properties": {
            "code": {"type": "string"},
            "language": {"enum": ["javascript", "python", "shell"], "default": "python"},
        },
        "required": ["code"],
    },
)
OTHER = ToolSpec("redeem", "Redeems a code.", {"type": "object", "properties": {"code": {"type": "string"}}})


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("Run this python: ```python\nprint(1)\n```", {"code": "print(1)", "language": "python"}),
        (
            "What does this print?\n```py\nx = 1\nprint(x)\n```\nThanks",
            {"code": "x = 1\nprint(x)", "language": "python"},
        ),
        ("```js\nconsole.log(1)\n```", {"code": "console.log(1)", "language": "javascript"}),
        ("execute\n```\nprint(1)\n```", {"code": "print(1)"}),
        ("Please run: print(2 + 2)", {"code": "print(2 + 2)"}),
        ("run this shell command: `ls -l`", {"code": "ls -l", "language": "shell"}),
    ],
)
def test_code_that_should_run_is_taken_out_as_it_is(text, arguments):
    (wish,) = runs(text, [OTHER, RUN_CODE])

    assert (wish.tool.name, wish.arguments, wish.missing) == ("run_code", arguments, ())


@pytest.mark.parametrize(
    "text",
    [
        "Explain what this prints:\n```python\nprint(1)\n```",
        "Do not run this:\n```python\nprint(1)\n```",
        "run\n```rust\nfn main() {}\n```",
        "Summarise:\n```\nA long text.\n```",
        "How do I run a marathon?",
        "Run the report for May",
    ],
)
def test_code_that_is_only_shown_is_not_run(text):
    assert runs(text, [OTHER, RUN_CODE]) == []


def test_without_a_tool_nothing_runs():
    assert runs("run ```python\n1\n```", [OTHER]) == []


def test_what_it_gave_keeps_its_lines():
    assert ran("a\n  b\n", is_error=False) == "The code ran:\n\n```text\na\n  b\n```"
    assert ran("x ``` y", is_error=True) == "The code failed:\n\n~~~~text\nx ``` y\n~~~~"
