"""What is asked of a browser and what it shows."""

from __future__ import annotations

from dataclasses import dataclass

MOST_PAGES = 10
"""Open in one browser."""

MOST_BROWSERS = 4
"""At once on one server; each takes some 150 MB."""

IDLE_SECONDS = 300.0
"""A browser that nobody has used for so long is closed, and what it was signed in to is gone."""

USUAL_SECONDS = 30.0
LONGEST_SECONDS = 120.0


@dataclass(frozen=True)
class BrowserConfig:
    """GLIA_BROWSER__…. path: of Chromium or Chrome; found by itself when empty.

    unsafe_no_sandbox: start it without its own sandbox, for containers that do not let it make one. A page that breaks
    out of the browser then is a process of this machine.
    """

    path: str = ""
    unsafe_no_sandbox: bool = False


@dataclass(frozen=True)
class PageView:
    """An open page. number: from 1; what later calls name it by. status: None when it is not known."""

    number: int
    url: str
    title: str
    status: int | None = None
