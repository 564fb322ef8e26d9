"""Tools that agents get when they name them, beside those that every agent has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from glia.browsers.service import Browsers
from glia.browsers.tools import browser
from glia.collaboration.service import Spaces
from glia.collaboration.tools import collaboration
from glia.kit.outbound import Outbound
from glia.sandboxes.service import Sandboxes
from glia.sandboxes.shell_tool import read_commands, run_shell
from glia.settings import Settings
from glia.tools.http_request import http_request
from glia.tools.types import MadeArtifact, Tool, ToolContext
from glia.virtual_files.service import VirtualFiles
from glia.virtual_files.tools import filesystem
from glia.visualizations.tools import visualization
from glia.wiring.making import keep_artifact


@dataclass(frozen=True)
class Hands:
    """What these tools work with."""

    settings: Settings
    outbound: Outbound
    browsers: Browsers
    sandboxes: Sandboxes
    virtual_files: VirtualFiles
    spaces: Spaces

    async def keep(self, context: ToolContext, name: str, content: bytes, media_type: str) -> MadeArtifact:
        """Shows the user of a session a file."""
        return await keep_artifact(self.sandboxes, context, name, content, media_type)

    async def print_pdf(self, context: ToolContext, html: str) -> bytes:
        """A PDF of an HTML page, printed by the session's browser."""
        async with self.browsers.use(context.session_id) as found:
            page = await found.page(None, is_new=True)
            try:
                await page.fill(html)
                return await page.pdf()
            finally:
                await found.close_page(page)


def agent_tools(hands: Hands) -> Sequence[Tool]:
    return [
        http_request(hands.outbound),
        browser(hands.browsers, hands.keep),
        run_shell(hands.sandboxes, read_commands(hands.settings.shell_commands)),
        visualization(hands.keep, hands.print_pdf),
        filesystem(hands.virtual_files),
        collaboration(hands.spaces),
    ]
