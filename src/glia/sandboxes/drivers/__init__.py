"""Programs that run inside sandboxes. They are read as text and never imported here."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def driver(name: str) -> str:
    """name: `python.txt` or `node.js`."""
    return files(__name__).joinpath(name).read_text()
