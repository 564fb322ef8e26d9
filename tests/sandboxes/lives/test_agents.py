"""An agent with a scripted model writes code, runs it in a real sandbox, and gets a plot back."""

from __future__ import annotations

from uuid import UUID

import pytest
from tests.conftest import DatabaseUrls, make_principal, opened
from tests.runs.rig import Say, ScriptedModel
from tests.runs.rig import rig as engine_rig
from tests.sandboxes.lives.bare import BareBackend
from tests.sandboxes.lives.conftest import sandboxes_of, serving

from glia.models.types import ToolMessage
from glia.runs.events import ArtifactCreated, RunCompleted, ToolReturned
from glia.runs.forks import Forks
from glia.runs.types import ForkPoint
from glia.sandboxes.tools import run_code
from glia.sandboxes.types import Probe

DRAW = "import matplotlib.pyplot as plt\nvalues = [1, 4, 9]\nplt.plot(values)\nplt.title('Squares')\nprint(sum(values))"


async def test_an_agent_draws_a_plot_and_goes_on_with_its_variables(
    database_urls: DatabaseUrls, tmp_path, real_backend
) -> None:
    ready = {each.name for each in await real_backend.templates() if each.is_ready}
    if "python-data" not in ready:
        pytest.skip("The template python-data is not built here.")
    model = ScriptedModel(
        Say(calls=(("run_code", {"code": DRAW}),)),
        Say(
            calls=(
                ("run_code", {"code": "len(values)"}),
                ("run_code", {"code": "echo $((6 * 7))", "language": "shell"}),
            )
        ),
        Say("It is drawn."),
    )
    async with opened(database_urls) as db, serving(sandboxes_of(db, real_backend, tmp_path)) as boxes:
        principal = await make_principal(db)
        async with engine_rig(db, database_urls.app, model, [run_code(boxes.sandboxes)]) as engine:
            session = await engine.session(principal)
            accepted = await engine.send(principal, session)
            last = await engine.finish(principal, accepted, seconds=120)
            events = [event.payload for event in await engine.events(principal, session)]
        created = [payload for payload in events if isinstance(payload, ArtifactCreated)]
        returned = [payload for payload in events if isinstance(payload, ToolReturned)]
        plot = await boxes.sandboxes.artifacts.get(principal, session, UUID(created[0].id))
        content = b"".join([part async for part in boxes.sandboxes.artifacts.content(principal, plot)])

    assert isinstance(last.payload, RunCompleted)
    assert [(each.name, each.media_type) for each in created] == [("artifacts/plot-1.png", "image/png")]
    assert content.startswith(b"\x89PNG")
    assert created[0].size_bytes == len(content)
    assert returned[0].text.startswith("14\n")
    assert returned[0].snapshot_id is not None
    assert {each.text for each in returned[1:]} == {"3", "42"}
    seen = [message.text for message in model.requests[-1].messages if isinstance(message, ToolMessage)]
    assert len(seen) == 3


async def test_without_a_sandbox_the_agent_is_told_why(database_urls: DatabaseUrls, tmp_path) -> None:
    backend = BareBackend(tmp_path / "boxes")
    backend.probed = Probe(False, "There is no bwrap.", "Install bubblewrap.")
    model = ScriptedModel(Say(calls=(("run_code", {"code": "1"}),)), Say("It cannot be run."))
    async with opened(database_urls) as db, serving(sandboxes_of(db, backend, tmp_path)) as boxes:
        principal = await make_principal(db)
        async with engine_rig(db, database_urls.app, model, [run_code(boxes.sandboxes)]) as engine:
            session = await engine.session(principal, tools=("run_code",))
            accepted = await engine.send(principal, session)
            await engine.finish(principal, accepted, seconds=60)
            events = [event.payload for event in await engine.events(principal, session)]

    (returned,) = [payload for payload in events if isinstance(payload, ToolReturned)]
    assert (returned.status, returned.text) == ("error", "There is no bwrap. Install bubblewrap.")
    assert run_code(boxes.sandboxes).is_offered() is False


async def test_a_fork_finds_the_files_as_they_were_at_its_event(
    database_urls: DatabaseUrls, tmp_path, real_backend
) -> None:
    write = {"code": "echo one > note.txt", "language": "shell"}
    overwrite = {"code": "echo two > note.txt", "language": "shell"}
    show = {"code": "cat note.txt", "language": "shell"}
    model = ScriptedModel(
        Say(calls=(("run_code", write),)),
        Say("Written."),
        Say(calls=(("run_code", overwrite),)),
        Say("Written again."),
        Say(calls=(("run_code", show),)),
        Say("Shown."),
        Say(calls=(("run_code", show),)),
        Say("Shown."),
    )
    async with opened(database_urls) as db, serving(sandboxes_of(db, real_backend, tmp_path)) as boxes:
        principal = await make_principal(db)
        async with engine_rig(db, database_urls.app, model, [run_code(boxes.sandboxes)]) as engine:
            session = await engine.session(principal, tools=("run_code",))
            for _ in range(2):
                await engine.finish(principal, await engine.send(principal, session), seconds=120)
            first_end = next(
                event.seq
                for event in await engine.events(principal, session)
                if isinstance(event.payload, RunCompleted)
            )
            forks = Forks(db, engine.runs, boxes.sandboxes.fork_workspace)

            fork, _ = await forks.fork(principal, session, ForkPoint(at=first_end))
            of_fork, _ = await forks.fork(principal, fork.id, ForkPoint())
            for id in (of_fork.id, session):
                await engine.finish(principal, await engine.send(principal, id), seconds=120)
            shown = {
                id: [
                    event.payload.text
                    for event in await engine.events(principal, id)
                    if isinstance(event.payload, ToolReturned)
                ][-1]
                for id in (of_fork.id, session)
            }

    assert "one" in shown[of_fork.id]
    assert "two" in shown[session]
