"""Running code that keeps its state, in a sandbox someone made and in the one of a session."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from uuid import UUID

import pytest
from tests.sandboxes.lives.bare import BareBackend
from tests.sandboxes.lives.conftest import Rig, sandboxes_of, serving, until

from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.errors import InvalidRequest
from glia.kit.ids import new_id
from glia.kit.pages import Window
from glia.sandboxes.code import SessionRun
from glia.sandboxes.config import SandboxConfig
from glia.sandboxes.errors import SnapshotNotFound
from glia.sandboxes.records import CodeRun, NewSandbox
from glia.sandboxes.tools import LONGEST_SHOWN, result_of, shown

Session = tuple[UUID, UUID, UUID]

has_node = pytest.mark.skipif(shutil.which("node") is None, reason="There is no Node.js here.")


@pytest.fixture
async def session(db: Database, principal: Principal) -> Session:
    return await open_session(db, principal)


async def open_session(db: Database, principal: Principal) -> Session:
    id = new_id()
    async with db.transaction(principal.workspace_id) as tx:
        await tx.execute(
            "insert into sessions (id, workspace_id, project_id) values (%(id)s, %(ws)s, %(project)s)",
            id=id,
            ws=principal.workspace_id,
            project=principal.project_id,
        )
    return principal.workspace_id, principal.project_id, id


async def run(rig: Rig, session: Session, code: str, language: str = "python", seconds: float = 30) -> SessionRun:
    return await rig.sandboxes.code.run_for_session(session, None, language, code, seconds)  # type: ignore[arg-type]


@pytest.fixture(params=["bare", "real"])
def any_rig(request: pytest.FixtureRequest) -> Rig:
    return request.getfixturevalue("rig" if request.param == "bare" else "real")


@pytest.fixture
async def in_box(any_rig: Rig, principal: Principal):
    made = await any_rig.sandboxes.create(principal, NewSandbox())

    async def in_box(code: str, language: str = "python", seconds: float = 30) -> CodeRun:
        return await any_rig.sandboxes.code.run(principal, made.id, language, code, timeout_seconds=seconds)

    return in_box


async def test_python_keeps_its_variables_and_shows_the_last_value(in_box) -> None:
    first = await in_box("import math\nx = 40\nprint('set')")
    second = await in_box("x + 2")
    third = await in_box("print(x); print('warn', file=__import__('sys').stderr); None")

    assert (first.status, first.stdout, first.value, first.is_fresh) == ("ok", "set\n", "", True)
    assert (second.value, second.is_fresh) == ("42", False)
    assert (third.stdout, third.stderr, third.value) == ("40\n", "warn\n", "")


async def test_an_error_shows_its_lines_and_keeps_the_rest(in_box) -> None:
    await in_box("x = 1")
    failed = await in_box("x = 2\ndef f():\n    return 1 / 0\nf()")
    broken = await in_box("1 +")
    after = await in_box("x")

    assert failed.status == "error"
    assert failed.error.startswith(
        'Traceback (most recent call last):\n  File "<code 2>", line 4, in <module>\n    f()'
    )
    assert failed.error.rstrip().endswith("ZeroDivisionError: division by zero")
    assert "SyntaxError" in broken.error
    assert after.value == "2"


async def test_leaving_is_not_the_end_of_the_interpreter(in_box) -> None:
    left = await in_box("y = 5\nimport sys\nsys.exit(3)")
    forked = await in_box(
        "import os\npid = os.fork()\nprint('child' if pid == 0 else 'parent', flush=True)\nif pid: os.waitpid(pid, 0)"
    )
    after = await in_box("y")

    assert (left.status, left.exit_code) == ("error", 3)
    assert sorted(forked.stdout.replace("\n", "")) == sorted("childparent")
    assert after.value == "5"


async def test_code_that_takes_too_long_is_stopped_and_its_variables_stay(in_box) -> None:
    await in_box("z = 7")
    late = await in_box("while True: pass", seconds=3)
    after = await in_box("z")

    assert late.status == "timeout"
    assert (after.value, after.is_fresh) == ("7", False)


async def test_code_that_will_not_stop_is_killed(in_box) -> None:
    stubborn = "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\ntime.sleep(60)"
    await in_box("1")  # so that it is there to listen
    late = await in_box(stubborn, seconds=3)
    after = await in_box("1 + 1")

    assert late.status == "timeout"
    assert "variables are gone" in late.error
    assert (after.value, after.is_fresh) == ("2", True)


async def test_an_interpreter_that_dies_says_how(in_box) -> None:
    died = await in_box("print('last words', flush=True)\nimport os\nos._exit(9)")
    after = await in_box("1")

    assert (died.status, died.exit_code, died.stdout) == ("died", 9, "last words\n")
    assert after.is_fresh


async def test_endless_output_is_cut(in_box) -> None:
    loud = await in_box("for _ in range(2000): print('x' * 1000)")
    after = await in_box("'quiet'")

    assert loud.is_truncated
    assert len(loud.stdout) <= 256 * 1024
    assert after.stdout == ""
    assert after.value == "'quiet'"


async def test_halves_of_characters_are_shown_as_such(in_box) -> None:
    failed = await in_box("raise ValueError('a\\ud800b')")

    assert failed.status == "error"
    assert "ValueError: a" in failed.error


async def test_a_forged_end_deceives_only_the_forger(in_box) -> None:
    forged = await in_box("import sys\nprint('\\x1e' + 'a' * 32 + '{\"status\": \"ok\"}\\x1e')\n1 / 0")
    after = await in_box("2")

    assert forged.status == "error"
    assert after.value == "2"


@has_node
async def test_javascript_keeps_its_variables(in_box) -> None:
    first = await in_box("const x = 40; let y = 1\nconsole.log('set')", "javascript")
    second = await in_box("const z = x + 2\nz", "javascript")
    again = await in_box("const x = 1\nx", "javascript")
    awaited = await in_box("const fs = require('fs'); const n = await Promise.resolve(3); console.log(n)", "javascript")
    failed = await in_box("null.f()", "javascript")
    late = await in_box("while (true) {}", "javascript", 1)
    after = await in_box("z", "javascript")

    assert (first.status, first.stdout) == ("ok", "set\n")
    assert (second.value, again.value) == ("42", "1")
    assert (awaited.status, awaited.stdout) == ("ok", "3\n")
    assert "TypeError" in failed.error
    assert late.status == "timeout"
    assert after.value == "42"


async def test_shell_keeps_its_files(in_box) -> None:
    await in_box("echo kept > f", "shell")
    read = await in_box("cat f; exit 4", "shell")
    late = await in_box("sleep 30", "shell", 0.5)

    assert (read.stdout, read.status, read.exit_code) == ("kept\n", "error", 4)
    assert late.status == "timeout"


async def test_code_has_a_largest_size_and_a_longest_time(rig: Rig, session: Session) -> None:
    with pytest.raises(InvalidRequest, match="code"):
        await run(rig, session, "#" * 300_000)
    with pytest.raises(InvalidRequest, match="timeout_seconds"):
        await run(rig, session, "1", seconds=1e6)


async def test_a_session_keeps_its_state_and_shows_what_it_made(
    any_rig: Rig, session: Session, principal: Principal
) -> None:
    await run(any_rig, session, "n = 3\nopen('table.csv', 'w').write('a,b')\nopen('notes.bin', 'w').write('x')")
    shown_page = await run(
        any_rig,
        session,
        "import os\nos.makedirs('artifacts', exist_ok=True)\nopen('artifacts/any.thing', 'w').write('y' * n)",
    )
    quiet = await run(any_rig, session, "n")
    listed = await any_rig.sandboxes.artifacts.list(principal, session[2], Window())
    content = [
        b"".join([part async for part in any_rig.sandboxes.artifacts.content(principal, each)]) for each in listed.items
    ]

    assert [each.path for each in listed.items] == ["artifacts/any.thing", "table.csv"]
    assert [each.media_type for each in listed.items] == ["application/octet-stream", "text/csv"]
    assert content == [b"yyy", b"a,b"]
    assert [each.name for each in shown_page.collected.kept] == ["any.thing"]
    assert shown_page.snapshot is not None
    assert quiet.run.value == "3"
    assert quiet.snapshot is None


async def test_the_next_sandbox_of_a_session_has_its_files(rig: Rig, session: Session, principal: Principal) -> None:
    first = await run(rig, session, "open('f', 'w').write('kept'); n = 1")
    (box,) = (await rig.sandboxes.list(principal, Window())).items
    await rig.sandboxes.delete(principal, box.id)

    again = await run(rig, session, "open('f').read()")
    lost = await run(rig, session, "n")

    assert first.snapshot is not None
    assert (again.run.value, again.is_restored, again.run.is_fresh) == ("'kept'", True, True)
    assert "started anew" in result_of(again, 60).text
    assert "NameError" in lost.run.error


async def test_a_forked_session_begins_with_the_files_of_that_moment(
    rig: Rig, session: Session, principal: Principal, db: Database
) -> None:
    before = await run(rig, session, "open('f', 'w').write('before')")
    await run(rig, session, "open('f', 'w').write('after')")
    fork = await open_session(db, principal)
    assert before.snapshot is not None
    async with db.transaction(principal.workspace_id) as tx:
        await rig.sandboxes.fork_workspace(tx, session[2], before.snapshot.id, fork[2])

    in_fork = await run(rig, fork, "open('f').read()")
    in_session = await run(rig, session, "open('f').read()")

    assert (in_fork.run.value, in_session.run.value) == ("'before'", "'after'")
    with pytest.raises(SnapshotNotFound):
        async with db.transaction(principal.workspace_id) as tx:
            await rig.sandboxes.fork_workspace(tx, fork[2], before.snapshot.id, session[2])


async def test_a_rewound_session_has_the_files_of_that_moment_again(
    rig: Rig, session: Session, principal: Principal, db: Database
) -> None:
    before = await run(rig, session, "open('f', 'w').write('before')")
    await run(rig, session, "open('f', 'w').write('after'); n = 1")
    assert before.snapshot is not None
    async with db.transaction(principal.workspace_id) as tx:
        await rig.sandboxes.rewind_workspace(tx, session[2], before.snapshot.id)

    rewound = await run(rig, session, "open('f').read()")

    assert (rewound.run.value, rewound.is_restored, rewound.run.is_fresh) == ("'before'", True, True)


async def test_another_process_goes_on_with_a_sessions_files(
    db: Database, tmp_path: Path, session: Session, quick_beats: None
) -> None:
    places = [tmp_path / "one", tmp_path / "two"]
    for place in places:
        place.mkdir()
    async with (
        serving(sandboxes_of(db, BareBackend(places[0] / "boxes"), places[0])) as first,
        serving(sandboxes_of(db, BareBackend(places[1] / "boxes"), places[1])) as second,
    ):
        await run(first, session, "open('f', 'w').write('kept')")
        moved = await run(second, session, "open('f').read()")

        async def is_ended() -> bool:
            return not first.backend.living

        await until(is_ended)

    assert moved.run.value == "'kept'"


async def test_an_idle_session_makes_room_for_another(
    db: Database, tmp_path: Path, session: Session, principal: Principal
) -> None:
    rig = sandboxes_of(db, BareBackend(tmp_path / "boxes"), tmp_path, SandboxConfig(most_per_workspace=1))
    async with serving(rig):
        await run(rig, session, "open('f', 'w').write('kept')")
        await run(rig, await open_session(db, principal), "1")
        back = await run(rig, session, "open('f').read()")

    assert back.run.value == "'kept'"


async def test_a_cancelled_piece_does_not_run_on(rig: Rig, session: Session, tmp_path: Path) -> None:
    code = "import time\nopen('begun', 'w').close()\ntime.sleep(5)\nopen('f', 'w').write('late')"
    running = asyncio.create_task(run(rig, session, code))
    async with asyncio.timeout(60):
        while not list(tmp_path.rglob("begun")):
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    after = await run(rig, session, "import os, time\ntime.sleep(5)\nos.path.exists('f')")

    assert after.run.value == "False"
    assert after.run.is_fresh


async def test_a_plot_becomes_an_artifact(real: Rig, session: Session, principal: Principal) -> None:
    ready = {each.name for each in await real.backend.templates() if each.is_ready}
    if "python-data" not in ready:
        pytest.skip("The template python-data is not built here.")

    drawn = await run(real, session, "import matplotlib.pyplot as plt\nplt.plot([1, 2, 3])\nplt.show()")

    (plot,) = drawn.collected.kept
    content = b"".join([part async for part in real.sandboxes.artifacts.content(principal, plot)])
    assert (plot.path, plot.media_type, drawn.run.stderr) == ("artifacts/plot-1.png", "image/png", "")
    assert content.startswith(b"\x89PNG")


def test_the_model_reads_the_beginning_and_the_end_of_what_is_long() -> None:
    text = shown("a" * LONGEST_SHOWN + "z" * LONGEST_SHOWN)

    assert text.startswith("aaa")
    assert text.endswith("zzz")
    assert f"{LONGEST_SHOWN} characters left out" in text
    assert "\0" not in shown("a\0b")
