"""MCP servers as a source of tools, against a real server made with the official package, of both revisions."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.conftest import make_principal
from tests.failures.process import free_port
from tests.tools.mcp_process import SCRIPT, McpProcess, mcp_process

from glia.identity.types import Principal
from glia.kit.config import SettingsInvalid
from glia.kit.db import Database
from glia.kit.errors import Forbidden, InvalidRequest
from glia.kit.ids import new_id
from glia.kit.outbound import Outbound, OutboundPolicy
from glia.kit.pages import Window
from glia.tools.errors import McpServerNameTaken, McpServerNotFound, ToolNotFound
from glia.tools.mcp.names import is_server_name, shown_names
from glia.tools.mcp.operator import read_servers
from glia.tools.mcp.servers import McpServers
from glia.tools.service import BUILT_IN, Secrets, Tools
from glia.tools.types import McpServer, McpServerSpec, McpStatus, Permission, Tool, ToolContext, ToolResult


@pytest.fixture(scope="module")
def modern() -> Iterator[McpProcess]:
    with mcp_process() as process:
        yield process


@pytest.fixture(scope="module")
def legacy() -> Iterator[McpProcess]:
    with mcp_process("--legacy") as process:
        yield process


@pytest.fixture(params=["modern", "legacy"])
def process(request: pytest.FixtureRequest) -> McpProcess:
    return request.getfixturevalue(request.param)


class House:
    """What an agent's run sees of MCP servers."""

    def __init__(self, db: Database, outbound: Outbound, secrets: Secrets, path: str | None = None) -> None:
        self.servers = McpServers(db, outbound, secrets, read_servers(path, os.environ))
        self.tools = Tools(db, built_in=BUILT_IN, outbound=outbound, secrets=secrets, sources=(self.servers.source,))

    async def register(self, principal: Principal, spec: McpServerSpec) -> McpServer:
        """Waits for the server's answer for longer than a person would have to, because test machines can be slow."""
        created = await self.servers.create(principal, spec)
        if created.status is McpStatus.PENDING and spec.is_enabled:
            created = await self.servers.refresh(principal, created.id)
        return created

    async def tool(self, principal: Principal, name: str) -> Tool:
        (tool,) = await self.tools.resolve(principal, (name,), has_knowledge=False)
        return tool

    async def call(self, principal: Principal, name: str, key: str = "run:1", **arguments: object) -> ToolResult:
        tool = await self.tool(principal, name)
        context = ToolContext(principal.workspace_id, principal.project_id, None, new_id(), new_id(), key)
        return await tool.call(context, json.dumps(arguments))


Opens = Callable[..., "asynccontextmanager[House]"]


@pytest.fixture
def opens(db: Database, secrets: Secrets) -> Opens:
    @asynccontextmanager
    async def opened(*ports: int, path: str | None = None) -> AsyncIterator[House]:
        outbound = Outbound(OutboundPolicy(frozenset(f"127.0.0.1:{port}" for port in ports)))
        house = House(db, outbound, secrets, path)
        yield house
        await house.servers.close()
        await outbound.close()

    return opened


def spec(process: McpProcess, **changes: object) -> McpServerSpec:
    return replace(McpServerSpec("test", process.url, timeout_seconds=30), **changes)


async def test_an_agent_lists_and_calls_the_tools_of_a_server(
    opens: Opens, principal: Principal, process: McpProcess, request: pytest.FixtureRequest
) -> None:
    async with opens(process.port) as house:
        created = await house.register(principal, spec(process))
        every = await house.tools.resolve(principal, ("test__*", "calculator"), has_knowledge=False)
        answer = await house.call(principal, "test__echo", text="hello")

    is_modern = "modern" in request.node.name
    assert (created.status, created.last_error) == (McpStatus.READY, None)
    assert created.protocol_version == ("2026-07-28" if is_modern else "2025-11-25")
    assert created.title == "The test server"
    by_name = {tool.name: tool for tool in every}
    assert {"test__echo", "test__fail", "calculator"} <= set(by_name)
    assert [str(by_name[f"test__{name}"].effect) for name in ("echo", "put", "fail")] == ["read", "idempotent", "once"]
    assert answer == ToolResult("echo: hello")


async def test_the_server_gets_the_calls_idempotency_key(
    opens: Opens, principal: Principal, process: McpProcess
) -> None:
    async with opens(process.port) as house:
        await house.register(principal, spec(process))
        answer = await house.call(principal, "test__key", key="run-7:call-3")

    assert json.loads(answer.text) == {"meta": "run-7:call-3", "header": "run-7:call-3"}


async def test_results_of_every_kind_become_text(opens: Opens, principal: Principal, modern: McpProcess) -> None:
    async with opens(modern.port) as house:
        await house.register(principal, spec(modern))
        many = await house.call(principal, "test__many")
        table = await house.call(principal, "test__table", rows=3)
        failed = await house.call(principal, "test__fail")
        wrong = await house.call(principal, "test__echo", txt="?")
        big = await house.call(principal, "test__big", size=200_000)

    assert many.text == "words\n\n[Image, image/png, 3 bytes, not shown.]\n\nfile:///a.txt\ninside"
    assert json.loads(table.text) == {"rows": 3}
    assert (failed.is_error, wrong.is_error, failed.is_unknown) == (True, True, False)
    assert "text" in wrong.text
    assert len(big.text) < 51_000
    assert "the first 50000 of 200000" in big.text


async def test_an_oversized_answer_is_told_and_unknown_for_a_single_effect(
    opens: Opens, principal: Principal, process: McpProcess
) -> None:
    async with opens(process.port) as house:
        await house.register(principal, spec(process))
        answer = await house.call(principal, "test__big", size=6_000_000)
        after = await house.call(principal, "test__echo", text="still there")

    assert answer.is_unknown
    assert "4194304" in answer.text
    assert after.text == "echo: still there"


async def test_a_slow_tool_is_given_up_and_its_outcome_unknown(
    opens: Opens, principal: Principal, process: McpProcess
) -> None:
    async with opens(process.port) as house:
        await house.register(principal, spec(process, timeout_seconds=5))
        began = time.monotonic()
        answer = await house.call(principal, "test__slow", seconds=60)
        took = time.monotonic() - began
        in_time = await house.call(principal, "test__slow", seconds=0)

    assert answer.is_unknown
    assert "5 s" in answer.text
    assert took < 50  # the tool takes a minute
    assert in_time.text == "at last"


async def test_a_server_that_dies_in_the_middle_leaves_an_unknown_outcome_and_is_called_once(
    opens: Opens, principal: Principal, tmp_path: Path
) -> None:
    effects = tmp_path / "effects"
    with mcp_process(effects=effects) as first:
        async with opens(first.port) as house:
            created = await house.register(principal, spec(first))
            answer = await house.call(principal, "test__die")
            gone = await house.call(principal, "test__echo", text="anyone?")
            offered = await house.tools.resolve(principal, ("test__*",), has_knowledge=False)
            after = await house.servers.refresh(principal, created.id)
            with mcp_process(port=first.port):
                back = await house.call(principal, "test__echo", text="again")

    assert answer.is_unknown
    assert effects.read_text() == "died\n"
    assert gone.is_error
    assert not gone.is_unknown
    assert len(offered) > 5
    assert after.status is McpStatus.FAILED
    assert after.last_error
    assert back.text == "echo: again"


async def test_a_dead_server_holds_up_neither_its_registration_nor_a_run(opens: Opens, principal: Principal) -> None:
    port = free_port()
    async with opens(port) as house:
        created = await house.register(principal, McpServerSpec("dead", f"http://127.0.0.1:{port}/mcp"))
        began = time.monotonic()
        offered = await house.tools.resolve(principal, ("dead__*", "dead__search"), has_knowledge=False)

    assert created.status is McpStatus.FAILED
    assert offered == []
    assert time.monotonic() - began < 20


async def test_loopback_is_refused_unless_the_operator_opened_it(
    opens: Opens, principal: Principal, modern: McpProcess
) -> None:
    async with opens() as house:
        closed = await house.register(principal, spec(modern))
    async with opens(modern.port) as house:
        opened = await house.servers.refresh(principal, closed.id)

    assert closed.status is McpStatus.FAILED
    assert "loopback" in (closed.last_error or "")
    assert opened.status is McpStatus.READY


async def test_a_server_that_wants_a_token_gets_the_sealed_header(
    opens: Opens, principal: Principal, db: Database
) -> None:
    with mcp_process("--token", "s3cret") as process:
        async with opens(process.port) as house:
            without = await house.register(principal, spec(process))
            changes = {"headers": {"Authorization": "Bearer s3cret"}}
            created = await house.servers.update(principal, without.id, changes)
            answer = await house.call(principal, "test__echo", text="in")

    assert without.status is McpStatus.NEEDS_AUTHORIZATION
    assert created.status is McpStatus.READY
    assert created.header_names == ("Authorization",)
    assert answer.text == "echo: in"
    async with db.transaction(principal.workspace_id) as tx:
        stored = await tx.value("select sealed_headers from mcp_servers")
    assert b"s3cret" not in bytes(stored)


async def test_headers_do_not_follow_a_server_to_another_host(opens: Opens, principal: Principal) -> None:
    async with opens() as house:
        server = McpServerSpec("moving", "https://one.example/mcp", headers={"X-Key": "k"}, is_enabled=False)
        created = await house.register(principal, server)

        with pytest.raises(InvalidRequest, match="headers"):
            await house.servers.update(principal, created.id, {"url": "https://two.example/mcp"})
        moved = await house.servers.update(principal, created.id, {"url": "https://two.example/mcp", "headers": {}})

    assert moved.header_names == ()


async def test_permissions_and_the_allowed_list_reach_the_agents_tools(
    opens: Opens, principal: Principal, modern: McpProcess
) -> None:
    permissions = {"echo": Permission.ALWAYS, "fail": Permission.NEVER}
    async with opens(modern.port) as house:
        created = await house.register(
            principal,
            spec(
                modern,
                permission=Permission.ASK,
                permissions=permissions,
                allowed_tools=("echo", "fail", "put", "gone"),
            ),
        )
        offered = await house.tools.resolve(principal, ("test__*",), has_knowledge=False)
        shown = await house.servers.tools(principal, created.id)

    assert {tool.name: str(tool.permission) for tool in offered} == {
        "test__echo": "always",
        "test__fail": "never",
        "test__put": "ask",
    }
    assert {tool.own_name for tool in shown if tool.is_allowed} == {"echo", "fail", "put"}
    assert len(shown) > 5


async def test_names_that_providers_refuse_are_made_fit(opens: Opens, principal: Principal, modern: McpProcess) -> None:
    async with opens(modern.port) as house:
        created = await house.register(principal, spec(modern))
        (odd,) = [
            tool for tool in await house.servers.tools(principal, created.id) if tool.own_name == "files/read.txt"
        ]
        answer = await house.call(principal, odd.name)

    assert odd.name.startswith("test__files_read_txt_")
    assert answer.text == "odd"


@pytest.mark.parametrize("options", [(), ("--legacy",)])
async def test_a_changed_tool_list_is_noticed(opens: Opens, principal: Principal, options: tuple[str, ...]) -> None:
    with mcp_process(*options) as process:
        async with opens(process.port) as house:
            created = await house.register(principal, spec(process))
            names: set[str] = set()
            deadline = time.monotonic() + 60
            while "grown" not in names and time.monotonic() < deadline:
                # A change is heard as soon as a connection listens, which is soon after it opens.
                await house.call(principal, "test__grow")
                await asyncio.sleep(0.2)
                names = {tool.own_name for tool in await house.servers.tools(principal, created.id)}

    assert "grown" in names


async def test_agents_may_only_name_tools_that_are_there(
    opens: Opens, principal: Principal, modern: McpProcess, db: Database
) -> None:
    async with opens(modern.port) as house:
        await house.register(principal, spec(modern))
        async with db.transaction(principal.workspace_id) as tx:
            await house.tools.check_names(principal, tx, ("test__echo", "test__*", "calculator"))
            with pytest.raises(InvalidRequest, match="test__echo"):
                await house.tools.check_names(principal, tx, ("test__ecko",))
            with pytest.raises(InvalidRequest, match="other__"):
                await house.tools.check_names(principal, tx, ("other__*",))
        with pytest.raises(ToolNotFound, match="other__"):
            await house.tools.resolve(principal, ("other__echo",), has_knowledge=False)


async def test_another_workspace_sees_and_uses_nothing_of_it(
    opens: Opens, principal: Principal, stranger: Principal, modern: McpProcess
) -> None:
    async with opens(modern.port) as house:
        created = await house.register(principal, spec(modern))

        for asking in (
            house.servers.get(stranger, created.id),
            house.servers.tools(stranger, created.id),
            house.servers.refresh(stranger, created.id),
            house.servers.delete(stranger, created.id),
            house.servers.update(stranger, created.id, {"is_enabled": False}),
        ):
            with pytest.raises(McpServerNotFound):
                await asking
        with pytest.raises(ToolNotFound):
            await house.tools.resolve(stranger, ("test__echo",), has_knowledge=False)
        assert (await house.servers.list(stranger, Window())).items == []
        assert len((await house.servers.list(principal, Window())).items) == 1


async def test_what_cannot_be_registered_is_refused(opens: Opens, principal: Principal, db: Database) -> None:
    good = McpServerSpec("good", "https://one.example/mcp", is_enabled=False)
    async with opens() as house:
        await house.register(principal, good)
        for field, bad in {
            "name": replace(good, name="a__b"),
            "url": replace(good, url="javascript:alert(1)"),
            "headers": replace(good, headers={"Host": "x"}),
            "timeout_seconds": replace(good, timeout_seconds=0),
        }.items():
            with pytest.raises(InvalidRequest) as refused:
                await house.register(principal, bad)
            assert refused.value.field == field
        with pytest.raises(McpServerNameTaken):
            await house.register(principal, good)
        with pytest.raises(Forbidden):
            await house.servers.create(await make_principal(db, "tools:read"), good)


async def test_a_program_of_the_operators_file_runs_with_a_clean_environment(
    opens: Opens, principal: Principal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLIA_SECRET_KEY", "must not be seen")
    monkeypatch.setenv("FILES_TOKEN", "from outside")
    file = tmp_path / "mcp.json"
    entry = {"command": sys.executable, "args": [str(SCRIPT), "--stdio"], "env": {"TOKEN": "${FILES_TOKEN}"}}
    file.write_text(json.dumps({"mcpServers": {"files": entry | {"permissions": {"put": "ask"}}}}))

    async with opens(path=str(file)) as house:
        house.servers.start()
        deadline = time.monotonic() + 60
        while not await house.tools.resolve(principal, ("files__*",), has_knowledge=False):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        seen = await house.call(principal, "files__environment")
        put = await house.tool(principal, "files__put")
        died = await house.call(principal, "files__die")
        back = await house.call(principal, "files__echo", text="again")
        (shown,) = house.servers.operator_servers(principal)
        listed = {tool.name: tool for tool in house.servers.operator_tools(principal)}

    assert (listed["files__put"].own_name, listed["files__put"].permission) == ("put", Permission.ASK)
    assert "TOKEN" in seen.text.split()
    assert not {"GLIA_SECRET_KEY", "FILES_TOKEN"} & set(seen.text.split())
    assert put.permission is Permission.ASK
    assert died.is_unknown
    assert back.text == "echo: again"
    assert (shown.name, shown.url, shown.status) == ("files", None, McpStatus.READY)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "not a list"),
        ('{"mcpServers": {"x": {}}}', "either `command` or `url`"),
        ('{"mcpServers": {"x": {"url": "file:///etc/passwd"}}}', "http"),
        ('{"mcpServers": {"X Y": {"url": "https://a.example"}}}', "name"),
        ('{"mcpServers": {"x": {"url": "https://a.example", "headers": {"K": "${NOT_THERE}"}}}}', "NOT_THERE"),
        ('{"mcpServers": {"x": {"url": "https://a.example", "permission": "maybe"}}}', "maybe"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path: Path, content: str, says: str) -> None:
    file = tmp_path / "mcp.json"
    file.write_text(content)

    with pytest.raises(SettingsInvalid, match=says):
        read_servers(str(file), {})


def test_names_stay_apart_and_short() -> None:
    shown = shown_names("srv", ["a.b", "a/b", "a_b", "x" * 100, "x" * 100 + "y"])

    assert sorted(shown.values()) == sorted(["a.b", "a/b", "a_b", "x" * 100, "x" * 100 + "y"])
    assert all(len(name) <= 64 for name in shown)
    assert shown["srv__a_b"] == "a_b"
    assert [is_server_name(name) for name in ("a", "git-hub_2", "a__b", "2a", "A", "a_", "x" * 33)] == [
        True,
        True,
        False,
        False,
        False,
        False,
        False,
    ]
