"""What can go wrong with browsers."""

from __future__ import annotations

from glia.kit.errors import Conflict, GliaError, Unavailable


class BrowserUnavailable(Unavailable):
    """There is no Chromium on this machine, it did not start, or all places are taken."""

    code = "browser_unavailable"


class BrowserFailed(GliaError):
    """The page, or the browser, could not do it. The message is for the agent that asked."""

    code, status = "browser_failed", 422


class TooManyPages(Conflict):
    code = "too_many_pages"
