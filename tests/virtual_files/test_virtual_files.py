import base64
import json
from uuid import UUID

import pytest

from glia.agents.service import Agents
from glia.agents.types import AgentSpec
from glia.files.service import PART_BYTES, Files
from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.errors import NotFound
from glia.kit.ids import new_id
from glia.kit.pages import Window
from glia.sessions.service import open_session
from glia.tools.types import ToolContext
from glia.virtual_files.errors import FileTooLarge, InvalidPath, PathTaken, TreeFull, VirtualFileNotFound
from glia.virtual_files.service import VirtualFiles
from glia.virtual_files.tools import filesystem
from glia.virtual_files.types import Tree
from tests.conftest import make_principal


@pytest.fixture
def files(db: Database) -> VirtualFiles:
    return VirtualFiles(db, Files(db))


@pytest.fixture
async def tree(db: Database, principal: Principal) -> Tree:
    return Tree((await Agents(db).create(principal, AgentSpec(name="Keeper"))).id)


async def rows(db: Database, principal: Principal) -> int:
    async with db.transaction(principal.workspace_id) as tx:
        return await tx.value("select count(*) from files")


async def test_what_is_written_is_read_back_byte_for_byte(
    files: VirtualFiles, principal: Principal, tree: Tree
) -> None:
    content = bytes(range(256)) * (PART_BYTES // 128) + b"end"

    made = await files.write(principal, tree, "data//raw.bin", content)
    file, read = await files.read(principal, tree, "/data/raw.bin")

    assert made.path == file.path == "/data/raw.bin"
    assert file.size_bytes == len(content)
    assert read == content


async def test_writing_again_replaces_and_leaves_nothing_behind(
    db: Database, files: VirtualFiles, principal: Principal, tree: Tree
) -> None:
    await files.write(principal, tree, "/a.txt", b"one")

    second = await files.write(principal, tree, "/a.txt", b"two")

    assert second.version == 2
    assert (await files.read(principal, tree, "/a.txt"))[1] == b"two"
    assert await rows(db, principal) == 1


async def test_a_file_that_must_be_new_is_refused_where_one_is(
    files: VirtualFiles, principal: Principal, tree: Tree
) -> None:
    await files.write(principal, tree, "/a.txt", b"one", must_be_new=True)

    with pytest.raises(PathTaken):
        await files.write(principal, tree, "/a.txt", b"two", must_be_new=True)


@pytest.mark.parametrize("path", ["", "/", "../etc/passwd", "/a/../../b", "/nul\0", "/" + "x" * 300, "/a" * 600])
async def test_paths_that_lead_elsewhere_are_refused(
    files: VirtualFiles, principal: Principal, tree: Tree, path: str
) -> None:
    with pytest.raises(InvalidPath):
        await files.write(principal, tree, path, b"")


async def test_a_path_is_a_file_or_a_folder(files: VirtualFiles, principal: Principal, tree: Tree) -> None:
    await files.write(principal, tree, "/notes/a.txt", b"")

    with pytest.raises(PathTaken):
        await files.write(principal, tree, "/notes", b"")
    with pytest.raises(PathTaken):
        await files.write(principal, tree, "/notes/a.txt/b", b"")


async def test_copies_and_moves(db: Database, files: VirtualFiles, principal: Principal, tree: Tree) -> None:
    await files.write(principal, tree, "/a.txt", b"words", media_type="text/x-special")

    copied = await files.copy(principal, tree, "/a.txt", "/deep/b.txt")
    moved = await files.move(principal, tree, "/a.txt", "/c.txt")

    assert (copied.path, copied.media_type) == ("/deep/b.txt", "text/x-special")
    assert moved.path == "/c.txt"
    with pytest.raises(VirtualFileNotFound):
        await files.stat(principal, tree, "/a.txt")
    with pytest.raises(PathTaken):
        await files.move(principal, tree, "/c.txt", "/deep/b.txt")
    await files.delete(principal, tree, "/deep/b.txt")
    assert [file.path for file in await files.list(principal, tree)] == ["/c.txt"]
    assert await rows(db, principal) == 1


async def test_lists_and_searches_below_a_folder(files: VirtualFiles, principal: Principal, tree: Tree) -> None:
    await files.write(principal, tree, "/notes/tea.md", b"First line\nThe Kettle boils at noon\n")
    await files.write(principal, tree, "/notes/kettle.png", b"\x89PNG\0")
    await files.write(principal, tree, "/notes-old/kettle.md", b"kettle")

    listed = await files.list(principal, tree, "/notes/")
    hits = await files.search(principal, tree, "kettle", "/notes")

    assert [file.path for file in listed] == ["/notes/kettle.png", "/notes/tea.md"]
    assert [(hit.file.path, hit.line) for hit in hits] == [("/notes/kettle.png", None), ("/notes/tea.md", 2)]
    assert "Kettle boils" in hits[1].excerpt


async def test_a_sessions_files_are_apart_from_the_agents(
    db: Database, files: VirtualFiles, principal: Principal, tree: Tree
) -> None:
    async with db.transaction(principal.workspace_id) as tx:
        session = await open_session(tx, principal, agent_id=tree.agent_id, title="")
    own = Tree(tree.agent_id, session.id)

    await files.write(principal, own, "/a.txt", b"session")
    await files.write(principal, tree, "/a.txt", b"agent")

    assert (await files.read(principal, own, "/a.txt"))[1] == b"session"
    assert (await files.read(principal, tree, "/a.txt"))[1] == b"agent"
    with pytest.raises(NotFound):
        await files.list(principal, Tree(tree.agent_id, new_id()))


async def test_files_of_another_workspace_are_not_there(
    db: Database, files: VirtualFiles, principal: Principal, tree: Tree
) -> None:
    await files.write(principal, tree, "/a.txt", b"mine")
    other = await make_principal(db, name="Other")

    with pytest.raises(NotFound):
        await files.read(other, tree, "/a.txt")
    with pytest.raises(NotFound):
        await files.write(other, tree, "/b.txt", b"theirs")
    assert (await files.read(principal, tree, "/a.txt"))[1] == b"mine"


async def test_limits_are_named(
    files: VirtualFiles, principal: Principal, tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glia.virtual_files.service.LARGEST_FILE_BYTES", 10)
    monkeypatch.setattr("glia.virtual_files.service.LARGEST_TREE_BYTES", 15)
    await files.write(principal, tree, "/a.txt", b"x" * 10)

    with pytest.raises(FileTooLarge, match="11 bytes"):
        await files.write(principal, tree, "/b.txt", b"x" * 11)
    with pytest.raises(TreeFull, match="16 bytes"):
        await files.write(principal, tree, "/b.txt", b"x" * 6)
    await files.write(principal, tree, "/a.txt", b"x" * 9)
    await files.write(principal, tree, "/b.txt", b"x" * 6)


async def test_every_access_is_written_down(files: VirtualFiles, principal: Principal, tree: Tree) -> None:
    await files.write(principal, tree, "/a.txt", b"1")
    await files.read(principal, tree, "/a.txt")
    await files.move(principal, tree, "/a.txt", "/b.txt")
    await files.as_agent(tree.agent_id).delete(principal, tree, "/b.txt")

    log = (await files.accesses(principal, tree.agent_id, Window())).items

    assert [one.action for one in log] == ["delete", "move", "read", "create"]
    assert log[0].accessed_by == f"agent:{tree.agent_id}"
    assert log[3].accessed_by == principal.name
    of_b = (await files.accesses(principal, tree.agent_id, Window(), path="/b.txt")).items
    assert [one.action for one in of_b] == ["delete", "move"]


class Caller:
    """Calls the tool as a run of the agent would."""

    def __init__(self, files: VirtualFiles, principal: Principal, agent_id: UUID | None) -> None:
        self.tool = filesystem(files)
        self.context = ToolContext(
            principal.workspace_id, principal.project_id, agent_id, new_id(), new_id(), idempotency_key="k"
        )

    async def __call__(self, **arguments: object) -> tuple[str, bool]:
        result = await self.tool.call(self.context, json.dumps(arguments))
        return result.text, result.is_error


async def test_an_agent_keeps_files_with_its_tool(files: VirtualFiles, principal: Principal, tree: Tree) -> None:
    call = Caller(files, principal, tree.agent_id)

    assert await call(action="create", path="/n.md", content="tea at noon") == ("/n.md has 11 bytes now.", False)
    assert (await call(action="create", path="/n.md", content=""))[1]
    assert await call(action="read", path="/n.md", offset=4) == ("at noon", False)
    assert "/n.md (text/markdown, 11 bytes)" in (await call(action="list"))[0]
    assert '"line":1' in (await call(action="search", query="NOON"))[0]
    await call(action="write", path="/raw", content=base64.b64encode(b"\0\1").decode(), encoding="base64")
    assert (await files.read(principal, tree, "/raw"))[1] == b"\0\1"
    assert (await call(action="move", path="/raw", destination="/moved"))[0] == "/raw is /moved now."
    assert (await call(action="delete", path="/moved"))[0] == "/moved is deleted."
    assert (await call(action="read", path="/moved"))[1]


async def test_a_run_without_an_agent_has_no_files(files: VirtualFiles, principal: Principal) -> None:
    text, is_error = await Caller(files, principal, None)(action="list")

    assert is_error
    assert "no agent" in text
