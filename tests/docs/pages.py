"""Reads the examples out of a page, and says what its prose promises they print."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^```(\w+)(?: (no-run))?\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Example:
    """One block that is run. printed: what the `text` block right behind it shows; `…` stands for anything."""

    language: str
    code: str
    line: int
    is_run: bool
    printed: str | None


def pages() -> list[Path]:
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def examples(page: Path) -> list[Example]:
    text = page.read_text()
    blocks = list(_FENCE.finditer(text))
    found: list[Example] = []
    for index, block in enumerate(blocks):
        language, mark, code = block.groups()
        if language not in ("sh", "python"):
            continue
        follower = blocks[index + 1] if index + 1 < len(blocks) else None
        between = text[block.end() : follower.start()] if follower else ""
        printed = follower[3] if follower and follower[1] == "text" and not between.strip() else None
        line = text.count("\n", 0, block.start()) + 1
        found.append(Example(language, code, line, mark != "no-run", printed))
    return found


def fits(printed: str, output: str) -> bool:
    pattern = ".*?".join(re.escape(part) for part in printed.strip().split("…"))
    return re.fullmatch(pattern, output.strip(), re.DOTALL) is not None
