"""Control groups of both versions, on trees of plain files: real ones are met by the facts about sandboxes."""

from __future__ import annotations

from pathlib import Path

import pytest

from glia.sandboxes.bubblewrap.cgroups import CgroupFailed, Group, Hierarchies, delegate, find
from glia.sandboxes.types import MIB, Limits

LIMITS = Limits(cpus=1.5, memory_bytes=64 * MIB, pids=20)


def mounts(*lines: tuple[str, Path, str, str]) -> str:
    return "\n".join(f"30 24 0:26 {line[0]} {line[1]} rw shared:9 - {line[2]} {line[2]} rw,{line[3]}" for line in lines)


def v2_tree(folder: Path, own: str = "service") -> Hierarchies:
    place = folder / own
    place.mkdir(parents=True)
    (place / "cgroup.controllers").write_text("cpu memory pids io\n")
    (place / "cgroup.subtree_control").write_text("cpu memory pids\n")
    (place / "cgroup.procs").write_text("")
    return find(f"0::/{own}\n", mounts(("/", folder, "cgroup2", "nsdelegate")))


class Kernel(Group):
    """Files of a group appear when it is made, as the kernel does it."""

    def create(self, limits: Limits) -> None:
        original = Path.mkdir

        def mkdir(path: Path, *arguments: object, **options: object) -> None:
            original(path, *arguments, **options)  # type: ignore[arg-type]
            for name in self.files:
                (path / name).write_text("max\n")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Path, "mkdir", mkdir)
            super().create(limits)

    files: tuple[str, ...] = ()


def test_version_two_is_limited_below_our_own_group(tmp_path: Path) -> None:
    group = Kernel(v2_tree(tmp_path), "one")
    group.files = ("memory.max", "memory.swap.max", "pids.max", "cpu.max", "cgroup.procs", "cgroup.events")

    group.create(LIMITS)

    here = tmp_path / "service" / "one"
    assert (here / "memory.max").read_text() == str(64 * MIB)
    assert (here / "memory.swap.max").read_text() == "0"
    assert (here / "pids.max").read_text() == "24"
    assert (here / "cpu.max").read_text() == "150000 100000"
    assert group.join_files == [here / "cgroup.procs"]
    assert group.limits("memory")
    assert group.can_freeze


def test_version_one_is_limited_in_each_hierarchy(tmp_path: Path) -> None:
    for name in ("memory", "pids", "cpu", "freezer", "cpuacct"):
        (tmp_path / name / "ours").mkdir(parents=True)
    own = "5:memory:/ours\n4:pids:/ours\n3:cpu:/ours\n2:freezer:/ours\n1:cpuacct:/ours\n"
    lines = [("/", tmp_path / name, "cgroup", name) for name in ("memory", "pids", "cpu", "freezer", "cpuacct")]
    hierarchies = find(own, mounts(*lines))
    group = Kernel(hierarchies, "one")
    group.files = ("memory.memsw.limit_in_bytes", "freezer.state")

    group.create(LIMITS)

    read = lambda *parts: tmp_path.joinpath(*parts).read_text()  # noqa: E731
    assert not hierarchies.is_v2
    assert read("memory", "ours", "one", "memory.limit_in_bytes") == str(64 * MIB)
    assert read("memory", "ours", "one", "memory.memsw.limit_in_bytes") == str(64 * MIB)
    assert read("pids", "ours", "one", "pids.max") == "24"
    assert (read("cpu", "ours", "one", "cpu.cfs_quota_us"), read("cpu", "ours", "one", "cpu.cfs_period_us")) == (
        "150000",
        "100000",
    )
    assert len(group.directories) == 5


def test_a_limit_that_does_not_read_back_is_no_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    group = Kernel(v2_tree(tmp_path), "one")
    group.files = ("memory.max", "pids.max", "cpu.max")
    read = Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda path: "7\n" if path.name == "pids.max" else read(path))

    with pytest.raises(CgroupFailed, match=r"pids\.max was set to 24 and reads 7"):
        group.create(LIMITS)


def test_our_processes_move_to_a_leaf_when_the_kernel_insists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hierarchies = v2_tree(tmp_path)
    here = tmp_path / "service"
    (here / "cgroup.subtree_control").write_text("\n")
    (here / "cgroup.procs").write_text("101\n102\n")
    write = Path.write_text
    moved: list[str] = []

    def kernel(path: Path, text: str) -> int:
        if path.name == "cgroup.subtree_control" and not moved:
            raise OSError(16, "Device or resource busy")
        if path.name == "cgroup.procs":
            moved.append(text)
        return write(path, text)

    monkeypatch.setattr(Path, "write_text", kernel)

    delegate(hierarchies)

    assert moved == ["101", "102"]
    assert (here / "cgroup.subtree_control").read_text() == "+cpu +memory +pids"
    again = find("0::/service/glia-server\n", mounts(("/", tmp_path, "cgroup2", "rw")))
    assert again.unified == here


def test_figures_are_read_from_version_two(tmp_path: Path) -> None:
    hierarchies = v2_tree(tmp_path)
    here = tmp_path / "service" / "one"
    here.mkdir()
    for name, text in {
        "memory.current": "5000000\n",
        "memory.stat": "anon 1\ninactive_file 1000000\n",
        "memory.events": "low 0\noom 2\noom_kill 1\n",
        "cpu.stat": "usage_usec 2500000\n",
        "pids.current": "7\n",
    }.items():
        (here / name).write_text(text)
    group = Group(hierarchies, "one")

    used = group.usage()

    assert (used.cpu_seconds, used.memory_bytes, used.pids) == (2.5, 4_000_000, 7)
    assert group.oom_kills() == 1


def test_a_container_sees_its_own_group_at_the_mount(tmp_path: Path) -> None:
    """With a cgroup namespace the path in /proc/self/cgroup may lie outside of what is mounted."""
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids\n")

    found = find("0::/../other\n", mounts(("/docker/abc", tmp_path, "cgroup2", "rw")))

    assert found.unified == tmp_path
    assert found.is_v2


def test_a_group_that_cannot_be_written_is_not_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)

    found = find("0::/\n", mounts(("/", tmp_path, "cgroup2", "rw")))

    assert found.unified is None
    assert found.controllers == frozenset()
    assert Group(found, "one").directories == []
