"""Builds what agents call: sandboxes, browsers, files, and the tools made of them."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from glia.browsers.service import Browsers
from glia.collaboration.service import Spaces
from glia.inference.service import InferenceTools
from glia.knowledge.tools import knowledge_search
from glia.memory.block_tools import memory_block_edit
from glia.memory.tools import conversation_search, memory_tools
from glia.sandboxes.backends import configured_backend
from glia.sandboxes.hosting import Hosting
from glia.sandboxes.service import Sandboxes
from glia.sandboxes.tools import run_code
from glia.sandboxes.types import SandboxBackend
from glia.tools.builtin import BUILT_IN
from glia.tools.mcp.operator import read_servers
from glia.tools.mcp.servers import McpServers
from glia.tools.recipes.service import Recipes
from glia.tools.service import Tools
from glia.tools.sql import read_databases, sql_tools
from glia.tools.toolsets import Toolsets
from glia.tools.types import Tool, ToolContext
from glia.tools.web_fetch import web_fetch
from glia.tools.web_search import searcher_of, web_search
from glia.virtual_files.service import VirtualFiles
from glia.wiring.agent_tools import Hands, agent_tools
from glia.wiring.ground import Ground
from glia.wiring.knowing import Knowing
from glia.wiring.making import inference_of
from glia.workflows.tools import WorkflowTools


@dataclass(frozen=True)
class Tooling:
    sandboxes: Sandboxes
    browsers: Browsers
    virtual_files: VirtualFiles
    spaces: Spaces
    edit_block: Tool
    mcp_servers: McpServers
    toolsets: Toolsets
    recipes: Recipes
    workflow_tools: WorkflowTools
    inference: InferenceTools
    tools: Tools


def tooling_of(ground: Ground, knowing: Knowing, sandbox_backend: SandboxBackend | None) -> Tooling:
    settings, db, outbound, secrets = ground.settings, ground.db, ground.outbound, ground.secrets
    sandboxes = _sandboxes(ground, sandbox_backend)
    browsers, virtual_files, spaces = (
        Browsers(ground.sandbox_outbound, settings.browser),
        VirtualFiles(db, ground.files),
        Spaces(db),
    )
    edit_block = memory_block_edit(knowing.memory.blocks, knowing.memory.memories)
    built_in = [
        *_own_tools(ground, knowing),
        edit_block,
        run_code(sandboxes),
        *sql_tools(read_databases(settings.sql_databases)),
        *agent_tools(Hands(settings, outbound, browsers, sandboxes, virtual_files, spaces)),
    ]
    mcp_servers = McpServers(db, outbound, secrets, read_servers(settings.mcp_file, ground.environment))
    toolsets, recipes = Toolsets(db, outbound, secrets), Recipes(db, outbound, secrets, built_in)
    workflow_tools = WorkflowTools(db)
    inference = inference_of(db, outbound, ground.providers, sandboxes, ground.spending)
    sources = (toolsets, recipes, mcp_servers.source, workflow_tools, inference)
    return Tooling(
        sandboxes=sandboxes,
        browsers=browsers,
        virtual_files=virtual_files,
        spaces=spaces,
        edit_block=edit_block,
        mcp_servers=mcp_servers,
        toolsets=toolsets,
        recipes=recipes,
        workflow_tools=workflow_tools,
        inference=inference,
        tools=Tools(db, built_in=built_in, outbound=outbound, secrets=secrets, sources=sources),
    )


def _own_tools(ground: Ground, knowing: Knowing) -> list[Tool]:
    """Those that read, search and remember."""
    conversations = knowing.memory.conversations

    def asked(context: ToolContext) -> Awaitable[Sequence[str]]:
        return conversations.asked(context.workspace_id, context.session_id)

    return [
        *BUILT_IN,
        web_fetch(ground.outbound),
        web_search(searcher_of(ground.settings.search, ground.outbound, ground.environment), ground.spending),
        knowledge_search(knowing.knowledge, asked),
        *memory_tools(knowing.memory.memories),
        conversation_search(conversations),
    ]


def _sandboxes(ground: Ground, backend: SandboxBackend | None) -> Sandboxes:
    settings, secrets, data_dir = ground.settings, ground.secrets, ground.data_dir
    return Sandboxes(
        Hosting(
            ground.db,
            backend or configured_backend(settings.sandbox, data_dir),
            outbound=ground.sandbox_outbound,
            secrets=secrets,
            config=settings.sandbox,
            folder=data_dir / "sandboxes",
        ),
        ground.files,
        spool=_spool(data_dir),
        preview_key=secrets.derive("sandbox preview"),
    )


def _spool(data_dir: Path) -> Path:
    spool = data_dir / "spool"
    spool.mkdir(mode=0o700, parents=True, exist_ok=True)
    _sweep(spool)
    return spool


def _sweep(spool: Path) -> None:
    """Removes uploads that a killed process left half-received. Others' uploads of the last hour are left alone."""
    oldest = time.time() - 3600
    for file in spool.iterdir():
        with suppress(FileNotFoundError):
            if file.is_file() and file.stat().st_mtime < oldest:
                file.unlink()
