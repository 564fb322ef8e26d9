"""Writes `neuais/_sync` from `neuais/_async`: the same code without `await`. Run it after each change there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).parent / "src" / "neuais" / "_async"
TARGET = SOURCE.with_name("_sync")

_REWRITES = (
    (r"neuais\._async", "neuais._sync"),
    (r"from contextlib import asynccontextmanager", "from contextlib import contextmanager"),
    (r"@asynccontextmanager", "@contextmanager"),
    (r"websockets\.asyncio\.client", "websockets.sync.client"),
    (r"asyncio\.sleep", "time.sleep"),
    (r"asyncio\.Lock", "threading.Lock"),
    (r"^import asyncio$", "import threading\nimport time"),
    (r"httpx2\.AsyncClient", "httpx2.Client"),
    (r"\bAsyncIterator\b", "Iterator"),
    (r"\bAsync([A-Z]\w+)", r"\1"),
    (r"__a(enter|exit|iter)__", r"__\1__"),
    (r"enter_async_context", "enter_context"),
    (r"__anext__", "__next__"),
    (r"StopAsyncIteration", "StopIteration"),
    (r"\b(aread|aclose)\b", lambda found: found[1][1:]),
    (r"\b(?:async|await) ", ""),
)


def without_await(text: str) -> str:
    for pattern, replacement in _REWRITES:
        text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
    # Two of the replacements may import the same module.
    return re.sub(r"^import time\n((?:import \w+\n)*)import time\n", r"\1import time\n", text, flags=re.MULTILINE)


def made() -> dict[str, str]:
    """The files that there should be, formatted, by their names."""
    return {source.name: _tidy(without_await(source.read_text()), source.name) for source in SOURCE.glob("*.py")}


def _tidy(text: str, name: str) -> str:
    ruff = (sys.executable, "-m", "ruff")
    stdin = ("--stdin-filename", str(TARGET / name), "-")
    checked = [*ruff, "check", "--quiet", "--fix-only", "--exit-zero", "--select", "I,F401,F811,RUF100", *stdin]
    for command in (checked, [*ruff, "format", "--quiet", *stdin]):
        text = subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout
    return text


if __name__ == "__main__":
    for name, text in made().items():
        (TARGET / name).write_text(text)
