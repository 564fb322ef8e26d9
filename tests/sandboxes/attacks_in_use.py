"""Attacks by use: bombs, processes that will not end, files, neighbours, a server that is killed. See `attacks.py`."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
import time
from contextlib import aclosing, suppress
from pathlib import Path

from glia.sandboxes.bubblewrap import processes
from glia.sandboxes.errors import (
    FileMissing,
    NotAFile,
    PathRefused,
    SandboxGone,
    WorkspaceFull,
)
from glia.sandboxes.types import MIB, Command, Limits, Sandbox, SandboxSpec, Started, Stderr, Stdout
from tests.sandboxes.conformance import chunks_of, refusal
from tests.sandboxes.rig import PRELUDE, SMALL, Fact, Rig, eventually, run, sh

FACTS: list[Fact] = []
IS_ROOT = os.geteuid() == 0


def fact(function: Fact) -> Fact:
    FACTS.append(function)
    return function


def of_user(uid: int) -> list[int]:
    """Processes of a user, or, without one, none."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and entry.stat().st_uid == uid:
                found.append(int(entry.name))
    return found


async def host_uid(rig: Rig, sandbox) -> int:
    """The user that the sandbox's files belong to outside."""
    return next(Path(rig.state / "sandboxes" / sandbox.id).glob("files")).stat().st_uid


# --- Bombs ------------------------------------------------------------------------------------------------------------

_FORKS = """
count = 0
while count < 500:
    try:
        if not os.fork():
            time.sleep(60)
            os._exit(0)
    except OSError as error:
        say([count, errno.errorcode[error.errno]])
        break
    count += 1
else:
    say([count, 'never'])
"""


@fact
async def a19_a_fork_bomb_stays_small(rig: Rig) -> None:
    for pids in (16, 48):
        limits = Limits(memory_bytes=256 * MIB, disk_bytes=16 * MIB, pids=pids)
        async with rig.sandbox(SandboxSpec(limits=limits)) as sandbox:
            count, why = await rig.ask(sandbox, _FORKS)
            assert why == "EAGAIN"
            assert pids - 4 <= count <= pids + 4, (pids, count)
            bomb = asyncio.ensure_future(
                refusal(run(sandbox, Command(("sh", "-c", ":(){ :|:& };:"), timeout_seconds=5)))
            )
            await asyncio.sleep(0.5)
            started = time.monotonic()
            assert await asyncio.to_thread(subprocess.run, ["true"], check=True)
            assert time.monotonic() - started < 10
            await sandbox.kill()
            await bomb


@fact
async def a20_a_memory_bomb_ends_inside(rig: Rig) -> None:
    async with rig.sandbox() as sandbox:
        assert await rig.ask(sandbox, "say(len(bytearray(48 << 20)))") == 48 * MIB
        answer = await run(
            sandbox, Command(("python", "-c", "x = bytearray(1 << 20)\nwhile True: x += b'1' * (8 << 20)"))
        )
        if rig.is_hard:
            assert answer.exit.oom, answer.exit
            assert answer.exit.signal == signal.SIGKILL
        else:
            assert answer.exit.oom or b"MemoryError" in answer.err, answer
        assert not (await sh(sandbox, "true")).exit.oom
        script = "say([attempt(lambda: open(path, 'wb', 0).write(bytes(1 << 20)) and None) for path in %r])"
        assert await rig.ask(sandbox, script % (["/tmp/a", "/dev/shm/a"],)) == ["ok", "ok"]
        fill = """
def fill(path):
    with open(path, 'wb', 0) as file:
        for _ in range(64):
            if file.write(bytes(1 << 20)) < 1 << 20:
                raise OSError(errno.ENOSPC, 'short')
say([attempt(fill, path) for path in ('/tmp/b', '/dev/shm/b')])
"""
        assert await rig.ask(sandbox, fill) == ["ENOSPC", "ENOSPC"]


@fact
async def a21_the_disk_fills_within_its_quota(rig: Rig) -> None:
    async with rig.sandbox() as sandbox:
        assert (await sh(sandbox, "head -c 8M /dev/zero > half && echo fine")).text == "fine\n"
        bomb = "for i in 1 2 3 4 5 6; do head -c 8M /dev/zero > f$i; done"
        if rig.is_hard:
            await sh(sandbox, bomb)
            assert "No space left" in (await sh(sandbox, "head -c 8M /dev/zero > more")).err.decode()
            used = (await sandbox.stats()).disk_bytes
            assert SMALL.disk_bytes * 0.7 < used <= SMALL.disk_bytes
            assert await refusal(sandbox.put("x", bytes(MIB))) is WorkspaceFull
            await sh(sandbox, "rm -f half f* more")
            answer = await run(sandbox, Command(("python", "-c", _INODES)))
            assert b"ENOSPC" in answer.out, answer
        else:
            assert await refusal(sh(sandbox, f"{bomb}; sleep 60", timeout_seconds=90)) is WorkspaceFull
            assert await refusal(sh(sandbox, "true")) is WorkspaceFull
            await sandbox.remove("half")
            for name in range(1, 7):
                with suppress(FileMissing):  # the watcher may have stopped it before it made them all
                    await sandbox.remove(f"f{name}")
        assert (await sh(sandbox, "echo again")).text == "again\n"


_INODES = """
import errno
count = 0
try:
    while count < 1_000_000:
        open(f'e{count}', 'w').close()
        count += 1
except OSError as error:
    print(count, errno.errorcode[error.errno])
"""


@fact
async def a21_a_tree_without_end_stops_nobody(rig: Rig) -> None:
    """Folders deeper than a path, a stack or a process's descriptors, one of them closed to its owner."""
    dig = """
for _ in range(3000):
    os.mkdir('d')
    os.chdir('d')
os.mkdir('closed')
os.chmod('closed', 0)
say(1)
"""
    sandbox = await rig.backend.create(rig.new_id(), SandboxSpec(limits=Limits(disk_bytes=64 * MIB)))
    try:
        await _dug(rig, sandbox, dig)
        if not rig.is_hard:
            assert await refusal(sh(sandbox, "true")) is WorkspaceFull
        await sandbox.remove("d")
        assert (await sh(sandbox, "echo fine")).text == "fine\n"
        await sh(sandbox, "mkdir shut; head -c 2M /dev/zero > shut/f; chmod 000 shut")
        assert (await sandbox.stats()).disk_bytes > 2 * MIB
        assert (await sandbox.stat("shut")).mode == 0
        await _dug(rig, sandbox, dig)
    finally:
        await sandbox.kill()
    assert not (rig.state / "sandboxes" / sandbox.id).exists()


async def _dug(rig: Rig, sandbox: Sandbox, dig: str) -> None:
    """Where the limit is soft, its watcher may stop a tree that it cannot measure before it is finished."""
    try:
        assert await rig.ask(sandbox, dig) == 1
    except WorkspaceFull:
        assert not rig.is_hard


@fact
async def a22_a_spinning_cpu_is_held_and_stopped(rig: Rig) -> None:
    limits = Limits(cpus=0.5, memory_bytes=128 * MIB, disk_bytes=16 * MIB)
    async with rig.sandbox(SandboxSpec(limits=limits)) as sandbox:
        before, started = (await sandbox.stats()).cpu_seconds, time.monotonic()
        answer = await sh(sandbox, "(while :; do :; done) & while :; do :; done", timeout_seconds=2)
        wall, used = time.monotonic() - started, (await sandbox.stats()).cpu_seconds - before
        assert answer.exit.timed_out
        assert 1.9 < wall < 30
        if rig.is_hard:
            assert 0.1 < used <= 0.5 * wall * 1.1 + 0.1, (used, wall)


@fact
async def a23_endless_output_costs_us_nothing(rig: Rig) -> None:
    async with rig.sandbox() as sandbox:
        answer = await sh(sandbox, "head -c 1000 /dev/zero", output_bytes=MIB)
        assert (len(answer.out), answer.exit.truncated) == (1000, False)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        answer = await sh(sandbox, "head -c 1000000000 /dev/zero; echo >&2 end", output_bytes=MIB, timeout_seconds=120)
        assert answer.exit.code == 0
        assert answer.exit.truncated
        assert len(answer.out) + len(answer.err) <= MIB
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


# --- Processes that do not want to end --------------------------------------------------------------------------------


@fact
async def a24_nothing_outlives_a_kill(rig: Rig) -> None:
    sandbox = await rig.backend.create(rig.new_id(), SandboxSpec(limits=SMALL))
    uid = await host_uid(rig, sandbox)
    script = """
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)
for _ in range(3):
    if not os.fork():
        os.setsid()
        if not os.fork():
            time.sleep(6000)
        os._exit(0)
say(1)
"""
    assert await rig.ask(sandbox, script) == 1
    group_names = list(Path("/sys/fs/cgroup").rglob(f"glia-sandbox-{sandbox.id}-*"))
    if IS_ROOT:
        assert len(of_user(uid)) >= 5
        assert group_names
    started = time.monotonic()
    await sandbox.kill()
    assert time.monotonic() - started < 5
    if IS_ROOT:
        left = {pid: Path(f"/proc/{pid}/status").read_text()[:300] for pid in of_user(uid)}
        assert left == {}
        assert not any(path.exists() for path in group_names)
    assert not (rig.state / "sandboxes" / sandbox.id).exists()


@fact
async def a25_a_child_that_holds_stdout_open_holds_nobody_up(rig: Rig) -> None:
    async with rig.sandbox() as sandbox:
        started = time.monotonic()
        answer = await sh(sandbox, "(while :; do echo beat; echo $$ > alive; sleep 0.1; done) & echo hi")
        assert answer.text.startswith("hi\n") or "hi\n" in answer.text
        assert answer.exit.code == 0
        assert time.monotonic() - started < 10
        for _ in range(2):  # it lives on, and its output breaks nothing
            async with asyncio.timeout(60):
                while await refusal(sandbox.remove("alive")) is FileMissing:
                    await asyncio.sleep(0.05)


# --- Files ------------------------------------------------------------------------------------------------------------


@fact
async def a26_the_file_api_stays_inside_and_never_waits(rig: Rig) -> None:
    secret = rig.folder / "a26.txt"
    secret.write_text("secret")
    async with rig.sandbox() as sandbox:
        await sandbox.put("plain", b"fine")
        assert await chunks_of(sandbox.get("plain")) == b"fine"
        script = (
            f"ln -s {secret} link; ln -s /proc/1/root{secret} magic; ln -s ../../../../..{secret} dots; mkfifo pipe"
        )
        await sh(sandbox, f"{script}; ln plain hard; ln -s /etc/shadow shadow; ln -s loop loop; ln -s /dev/zero zero")
        async with asyncio.timeout(60):
            for name in ("link", "dots", "shadow", f"../../../../..{secret}", str(secret)):
                assert await refusal(chunks_of(sandbox.get(name))) is FileMissing, name
            assert await refusal(chunks_of(sandbox.get("magic"))) in (FileMissing, PathRefused)
            assert await refusal(chunks_of(sandbox.get("loop"))) is PathRefused
            for name in ("pipe", "zero", "/dev/zero", "/dev/tty", "/proc/self/mem", "."):
                kind = await refusal(chunks_of(sandbox.get(name, limit=10)))
                assert kind in (NotAFile, PathRefused) or name == "/proc/self/mem", name
            assert await chunks_of(sandbox.get("hard")) == b"fine"
            await sandbox.put("shadow", b"replaced the link")
            assert await refusal(sandbox.put("link/x", b"")) is not None
            await sandbox.put("pipe", b"replaced the pipe")
        assert (await sandbox.stat("shadow")).kind == "file"
    assert secret.read_text() == "secret"


@fact
async def a29_two_sandboxes_do_not_see_each_other(rig: Rig) -> None:
    leave = """
open('/dev/shm/mark', 'w').write('1'); open('/tmp/mark', 'w').write('1'); open('mark', 'w').write('1')
sockets = [socket.socket(socket.AF_UNIX), socket.create_server(('127.0.0.1', 8100))]
sockets[0].bind('\\0mark'); sockets[0].listen(); say('left')
time.sleep(600)
"""
    look = """
say([*(attempt(os.stat, path) for path in ('/dev/shm/mark', '/tmp/mark', '/workspace/mark', '/run/egress.sock')),
     attempt(socket.socket(socket.AF_UNIX).connect, '\\0mark'),
     attempt(lambda: socket.create_connection(('127.0.0.1', 8100), 5))])
"""
    path = rig.folder / f"{rig.new_id()}.sock"
    server = await asyncio.start_unix_server(lambda _reader, writer: writer.close(), path)
    path.chmod(0o666)
    spec = SandboxSpec(limits=SMALL, egress_socket=path)
    async with rig.sandbox(spec) as one, rig.sandbox() as other:
        async with aclosing(one.exec(Command(("python", "-c", PRELUDE + leave), timeout_seconds=600))) as frames:
            async for frame in frames:
                if isinstance(frame, Stdout):
                    break
                assert not isinstance(frame, Stderr), frame
            assert await rig.ask(one, look) == ["ok"] * 6
            assert await rig.ask(other, look) == ["ENOENT"] * 4 + ["ECONNREFUSED"] * 2
        if IS_ROOT:
            assert await host_uid(rig, one) != await host_uid(rig, other)
    server.close()


@fact
async def a31_a_used_id_is_clean(rig: Rig) -> None:
    id = rig.new_id()
    async with rig.sandbox(id=id) as sandbox:
        await sh(sandbox, "echo 1 > mark; echo 1 > /tmp/mark; sleep 600 > /dev/null 2>&1 &")
        assert (await sh(sandbox, "ls /workspace /tmp; cat /proc/[0-9]*/comm")).text.count("mark") == 2
        await sandbox.pause()
    async with rig.sandbox(id=id) as sandbox:
        seen = await sh(sandbox, "ls /workspace /tmp; cat /proc/[0-9]*/comm")
        assert "mark" not in seen.text
        assert "sleep" not in seen.text


@fact
async def a32_a_kill_comes_through_at_any_time(rig: Rig) -> None:
    sandbox = await rig.backend.create(rig.new_id(), SandboxSpec(limits=SMALL))
    async with aclosing(sandbox.exec(Command(("sleep", "600")))) as frames:
        async for frame in frames:
            assert isinstance(frame, Started)
            break
        await sandbox.pause()
        async with asyncio.timeout(60):
            await asyncio.gather(sandbox.kill(), sandbox.kill(), sandbox.kill())
    await sandbox.kill()
    assert await refusal(sandbox.resume()) is SandboxGone
    creating = [asyncio.ensure_future(rig.backend.create(rig.new_id(), SandboxSpec(limits=SMALL))) for _ in range(3)]
    await asyncio.sleep(0.01)
    for task in creating:
        task.cancel()
    async with asyncio.timeout(60):
        await asyncio.gather(*creating, return_exceptions=True)
    await eventually(
        lambda: not [folder for folder in (rig.state / "sandboxes").iterdir() if str(os.getpid()) in folder.name]
    )


@fact
async def a33_what_is_read_only_stays_so(rig: Rig) -> None:
    script = """
remount = [call('mount', None, path, None, 32, None) for path in (b'/', b'/usr', b'/opt/py')]
write = lambda path: attempt(lambda: os.close(os.open(path, os.O_WRONLY | os.O_CREAT)))
say([remount, [write(path) for path in ('/opt/py/x.pyc', '/usr/x', '/etc/x', '/x', '/opt/agent/x', '/workspace/x')]])
"""
    async with rig.sandbox() as sandbox:
        assert await rig.ask(sandbox, script) == [["EPERM"] * 3, ["EROFS"] * 5 + ["ok"]]


@fact
async def a30_a_killed_server_leaves_no_process(rig: Rig) -> None:
    """One of its sandboxes is frozen, which on old control groups would keep it from dying."""
    script = f"""
import asyncio, os, sys
from pathlib import Path
from glia.sandboxes.bubblewrap.backend import BubblewrapBackend
from glia.sandboxes.types import Command, Exited, SandboxId, SandboxSpec, Started
from glia.sandboxes.bubblewrap.backend import Places
async def main():
    backend = BubblewrapBackend(Places(*map(Path, {[str(place) for place in rig.places]!r})))
    boxes = []
    for n in range(3):
        spec = SandboxSpec(keeps_workspace=n == 2)
        boxes.append(await backend.create(SandboxId(f't-dead-{{os.getpid()}}-{{n}}'), spec))
    for box in boxes:
        async for frame in box.exec(Command(('sh', '-c', 'setsid sleep 6000 > /dev/null 2>&1 &'))):
            pass
    await boxes[1].pause()
    print(*(box._init.pid for box in boxes), flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""
    env = {"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.environ["PATH"]}
    server = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=env)
    try:
        assert server.stdout is not None
        line = await asyncio.to_thread(server.stdout.readline)
        pids = [int(text) for text in line.split()]
        assert len(pids) == 3
        tree = [pid for pid in processes.pids() if _descends(pid, server.pid)]
        assert len(tree) >= 9
        assert (await rig.backend.sweep()).killed == ()  # it lives, so nothing of it is touched
        assert all(Path(f"/proc/{pid}").exists() for pid in pids)
    finally:
        server.kill()
        server.wait()
        server.stdout.close()
    await eventually(lambda: not any(_lives(pid) for pid in tree))
    ids = sorted(folder.name for folder in (rig.state / "sandboxes").glob(f"t-dead-{server.pid}-*"))
    assert len(ids) == 3
    swept = await rig.backend.sweep()
    assert {*ids[:2]} <= {*swept.removed}
    assert await rig.backend.has_workspace(ids[2])
    async with rig.sandbox(SandboxSpec(keeps_workspace=True), ids[2]) as sandbox:
        assert (await sh(sandbox, "echo again")).text == "again\n"
    assert ids[2] in (await rig.backend.sweep(keep=[])).removed
    assert not list(Path("/sys/fs/cgroup").rglob(f"glia-sandbox-t-dead-{server.pid}-*"))


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def _descends(pid: int, ancestor: int) -> bool:
    while pid > 1:
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            return False
        if pid == ancestor:
            return True
    return False
