"""Backends by name, templates from the command line, and what is said where sandboxes cannot work."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from glia.cli import cli
from glia.cli.checks.sandbox import check_sandbox
from glia.kit.errors import InvalidRequest
from glia.sandboxes.backends import BACKENDS, bubblewrap_places, open_backend
from glia.sandboxes.bubblewrap import probing
from glia.sandboxes.bubblewrap.backend import BubblewrapBackend, Places
from glia.sandboxes.bubblewrap.probing import judged
from glia.sandboxes.bubblewrap.templates import Templates
from glia.sandboxes.bubblewrap.uids import RANGES, Uids, usable_range
from glia.sandboxes.errors import SandboxStartFailed, SandboxUnavailable
from glia.sandboxes.types import SandboxId, SandboxSpec


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path / "state", tmp_path / "templates", tmp_path / "uids")


async def test_each_backend_opens_by_its_name(tmp_path: Path) -> None:
    assert [open_backend(tmp_path, name=name).name for name in BACKENDS] == list(BACKENDS)
    with pytest.raises(InvalidRequest, match="there are bubblewrap, oci"):
        open_backend(tmp_path, name="process")


async def test_without_bubblewrap_code_is_refused(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_args, **_options: None)
    backend = BubblewrapBackend(places)

    probe = await backend.probe()

    assert not probe.is_available
    assert "bubblewrap is not installed" in probe.reason
    assert "apt-get install bubblewrap" in probe.fix
    with pytest.raises(SandboxUnavailable, match="apt-get install bubblewrap"):
        await backend.create(SandboxId("one"), SandboxSpec())
    assert not (places.state / "sandboxes").exists()


async def test_a_range_of_users_that_is_not_mapped_is_no_range(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    assert usable_range("         0          0 4294967295\n") == RANGES[0]
    assert usable_range("0 100000 65536\n") == RANGES[1]
    assert usable_range("0 1000 1\n") is None
    monkeypatch.setattr(probing, "usable_uids", lambda **_options: None)
    monkeypatch.setattr("shutil.which", lambda name, **_options: f"/usr/bin/{name}")

    probe = await BubblewrapBackend(places, is_root=True).probe()

    assert "no range of user ids" in probe.reason
    assert "65,536" in probe.fix


def test_a_kernel_that_forbids_namespaces_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    found = probing.Found()
    read = Path.read_text

    def switches(path: Path) -> str:
        if path.name == "apparmor_restrict_unprivileged_userns":
            return "1\n"
        return read(path)

    monkeypatch.setattr(Path, "read_text", switches)

    probe = judged(found, SandboxStartFailed("bwrap: setting up uid map: Permission denied"))

    assert "Permission denied" in probe.reason
    assert "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0" in probe.fix


def test_limits_are_called_what_they_are() -> None:
    probe = judged(probing.Found(notes=("No control groups.",)))

    assert probe.is_available
    assert probe.limits == {"cpu": "none", "memory": "soft", "pids": "enforced", "disk": "soft", "pause": "soft"}
    assert probe.is_degraded
    assert "Delegate=yes" in probe.fix


def test_doctor_starts_a_sandbox_or_says_why_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_args, **_options: None)

    findings = list(check_sandbox(tmp_path))

    assert [finding.level for finding in findings] == ["warning"]
    assert "apt-get install bubblewrap" in findings[0].how


def test_the_folder_of_roots_sandboxes_is_not_in_the_data_directory(tmp_path: Path) -> None:
    """Which the sandboxes' users may not pass."""
    state = bubblewrap_places(tmp_path).state

    assert state.is_relative_to(tmp_path) == (os.geteuid() != 0)
    assert bubblewrap_places(tmp_path, tmp_path / "own").state == tmp_path / "own"


def test_an_unknown_template_is_named() -> None:
    result = CliRunner().invoke(cli, ["sandbox", "build-templates", "cobol"])

    assert result.exit_code == 1
    assert "there are python, python-data, nodejs, shell" in str(result.exception)


def test_a_template_is_built_once_and_whole(tmp_path: Path) -> None:
    from glia.sandboxes.bubblewrap.templates import TEMPLATES

    templates = Templates(tmp_path)
    left_over = tmp_path / ".python.part"
    left_over.mkdir(parents=True)

    assert templates.build(TEMPLATES["python"])
    assert not templates.build(TEMPLATES["python"])

    built = [path for path in tmp_path.iterdir() if path.name.startswith("python-")]
    assert len(built) == 1
    assert (built[0] / "py" / "pyvenv.cfg").read_text().startswith("home = ")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".python-")]


def test_two_servers_never_give_out_the_same_user(tmp_path: Path) -> None:
    numbers = range(1_900_000_000, 1_900_000_003)
    one, other = Uids(tmp_path / "uids", numbers), Uids(tmp_path / "uids", numbers)
    owners = [tmp_path / name for name in "abc"]
    for owner in owners:
        owner.mkdir()

    taken = [one.take(owners[0]), other.take(owners[1]), one.take(owners[2])]

    assert {uid.number for uid in taken} == {*numbers}
    first = taken[0].number
    one.give_back(taken[0], is_kept=True)
    assert other.abandoned() == {first}
    assert other.take(owners[0]).number == first
