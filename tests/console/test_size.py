"""How much a browser loads before a conversation is shown."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from glia.console import build

_MOST_BYTES = 240_000
_STATIC_IMPORT = re.compile(r"""(?:import|from)\s*["']\./([\w.$-]+\.js)["']""")
_ASSETS = build.STATIC / "assets"


def _with_imports(file: Path, found: set[Path]) -> set[Path]:
    if file not in found:
        found.add(file)
        for name in _STATIC_IMPORT.findall(file.read_text()):
            _with_imports(_ASSETS / name, found)
    return found


@pytest.mark.skipif(not build.is_built(), reason="the console is not built: ./glia console build")
def test_a_conversation_is_painted_from_less_than_240_kilobytes() -> None:
    page = build.STATIC / "index.html"
    named = re.findall(r'(?:src|href)="\./assets/([^"]+)"', page.read_text())
    first = [_ASSETS / name for name in named if name.endswith((".js", ".css"))]
    routes = [file for name in ("chat", "chat._session") for file in _ASSETS.glob(f"{name}-*.js")]
    files = {page, *(file for file in first if file.suffix == ".css")}
    for file in [*first, *routes]:
        if file.suffix == ".js":
            _with_imports(file, files)

    sizes = {file.name: len(gzip.compress(file.read_bytes(), 9)) for file in files}
    total = sum(sizes.values())

    assert len(routes) == 2
    assert len(files) > 8
    largest = sorted(sizes.items(), key=lambda entry: -entry[1])[:6]
    print(f"the first paint of a conversation: {total / 1000:.0f} kB in {len(files)} files; {largest}")
    assert total < _MOST_BYTES, f"{total} bytes; the largest are {largest}"
