"""What every backend has to do. Each fact is told once and proved for each backend."""

from __future__ import annotations

import asyncio
import io
import signal
import tarfile
import time
from contextlib import aclosing, suppress
from pathlib import Path

from glia.kit.errors import GliaError, InvalidRequest
from glia.sandboxes.errors import (
    CommandNotFound,
    FileMissing,
    NotADirectory,
    NotAFile,
    PathRefused,
    PortClosed,
    ProcessNotFound,
    SandboxGone,
    SandboxIdTaken,
    SandboxPaused,
    SnapshotTooLarge,
    TarRefused,
    TooManyFiles,
    UnknownTemplate,
)
from glia.sandboxes.types import MIB, Command, Exited, SandboxId, SandboxSpec, Size, Started, Stdout
from tests.sandboxes.rig import SMALL, Fact, Rig, run, sh

FACTS: list[Fact] = []


def fact(function: Fact) -> Fact:
    FACTS.append(function)
    return function


async def refusal(awaitable) -> type[GliaError] | None:
    try:
        await awaitable
    except GliaError as error:
        return type(error)
    return None


async def chunks_of(generator) -> bytes:
    async with aclosing(generator) as chunks:
        return b"".join([chunk async for chunk in chunks])


# --- Commands ---------------------------------------------------------------------------------------------------------


@fact
async def a_command_streams_its_output_and_its_end(rig: Rig) -> None:
    async with rig.sandbox() as sandbox:
        frames = [frame async for frame in sandbox.exec(Command(("sh", "-c", "echo out; echo err >&2; exit 3")))]

        assert isinstance(frames[0], Started)
        assert frames[0].pid > 1
        assert isinstance(frames[-1], Exited)
        assert (frames[-1].code, frames[-1].signal, frames[-1].truncated) == (3, None, False)
        answer = await sh(sandbox, "echo out; echo err >&2")
        assert (answer.out, answer.err) == (b"out\n", b"err\n")


@fact
async def a_command_has_a_terminal_that_is_resized_and_interrupts(rig: Rig) -> None:
    typed: asyncio.Queue[bytes | Size] = asyncio.Queue()

    async def typing():
        while True:
            yield await typed.get()

    async with rig.sandbox() as sandbox, asyncio.timeout(60):
        command = Command(("/bin/sh", "-i"), env={"PS1": "> "}, stdin=typing(), size=Size(100, 30))
        async with aclosing(sandbox.exec(command)) as frames:
            assert isinstance(await anext(frames), Started)
            screen = b""

            async def until(text: bytes) -> None:
                nonlocal screen
                while text not in screen:
                    frame = await anext(frames)
                    assert isinstance(frame, Stdout), (frame, screen)
                    screen += frame.data
                screen = screen.partition(text)[2]

            await until(b"> ")
            typed.put_nowait(b"tty; stty size\r")
            await until(b"/dev/pts/")
            await until(b"30 100\r\n")
            typed.put_nowait(Size(61, 17))
            # Said by what is interrupted: a shell that is still about to begin it would take the interrupt for its own.
            typed.put_nowait(b"stty size >&2; sh -c 'echo began; exec sleep 600'\r")
            await until(b"17 61\r\n")
            await until(b"began\r\n")
            typed.put_nowait(b"\x03")
            await until(b"> ")
            typed.put_nowait(b"exit 7\r")
            while not isinstance(last := await anext(frames), Exited):
                pass
            assert (last.code, last.signal) == (7, None)


@fact
async def a_terminal_that_is_hung_up_takes_its_programs_along(rig: Rig) -> None:
    async with rig.sandbox() as sandbox:
        command = Command(("/bin/sh", "-c", "sleep 9876 & echo up; wait"), size=Size())
        async with aclosing(sandbox.exec(command)) as frames, asyncio.timeout(60):
            while not isinstance(frame := await anext(frames), Stdout) or b"up" not in frame.data:
                pass
            assert (await sh(sandbox, "grep -l '[9]876' /proc/[0-9]*/cmdline")).out
        async with asyncio.timeout(60):
            while (await sh(sandbox, "grep -l '[9]876' /proc/[0-9]*/cmdline")).out:
                await asyncio.sleep(0.05)


@fact
async def output_comes_while_the_command_runs(rig: Rig) -> None:
    async with (
        rig.sandbox() as sandbox,
        aclosing(sandbox.exec(Command(("sh", "-c", "echo first; sleep 60")))) as frames,
    ):
        async with asyncio.timeout(60):
            async for frame in frames:
                if isinstance(frame, Stdout):
                    assert frame.data == b"first\n"
                    break


@fact
async def bytes_survive_in_both_directions(rig: Rig) -> None:
    data = bytes(range(256)) * 8192

    async def pieces():
        for start in range(0, len(data), 70_000):
            yield data[start : start + 70_000]

    async with rig.sandbox() as sandbox:
        answer = await run(sandbox, Command(("cat",), stdin=data))
        assert answer.out == data
        answer = await run(sandbox, Command(("cat",), stdin=pieces()))
        assert answer.out == data


@fact
async def commands_have_their_folder_variables_and_arguments(rig: Rig) -> None:
    async with rig.sandbox(SandboxSpec(limits=SMALL, env={"GIVEN": "to all"})) as sandbox:
        await sandbox.make_directory("sub")
        script = 'printf "%s|" "$PWD" "$GIVEN" "$OWN" "$1"'
        command = Command(("sh", "-c", script, "sh", "an ärgument"), cwd="sub", env={"OWN": "here"})
        answer = await run(sandbox, command)
        assert answer.text == "/workspace/sub|to all|here|an ärgument|"


@fact
async def what_cannot_start_says_so(rig: Rig) -> None:
    async with rig.sandbox() as sandbox:
        assert await refusal(run(sandbox, Command(("no-such-program",)))) is CommandNotFound
        assert await refusal(run(sandbox, Command(("true",), cwd="/nowhere"))) is CommandNotFound
        assert await refusal(run(sandbox, Command(()))) is InvalidRequest
        assert await refusal(run(sandbox, Command(("echo", "a\0b")))) is InvalidRequest
        assert (await run(sandbox, Command(("true",)))).exit.code == 0


@fact
async def a_late_command_dies_with_its_children(rig: Rig) -> None:
    async with rig.sandbox() as sandbox:
        script = "trap '' TERM; setsid sleep 500 & (sleep 501 &) ; sleep 502"
        started = time.monotonic()
        answer = await sh(sandbox, script, timeout_seconds=1)

        assert answer.exit.timed_out
        assert answer.exit.signal == signal.SIGKILL
        assert time.monotonic() - started < 120
        left = await sh(sandbox, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
        assert "sleep 50" not in left.text


@fact
async def a_command_nobody_reads_any_more_is_killed(rig: Rig) -> None:
    async with rig.sandbox() as sandbox:
        async with aclosing(sandbox.exec(Command(("sleep", "600")))) as frames:
            async for frame in frames:
                assert isinstance(frame, Started)
                break
        async with asyncio.timeout(60):
            while "sleep" in (await sh(sandbox, "cat /proc/[0-9]*/comm")).text:
                await asyncio.sleep(0.05)


@fact
async def a_command_can_be_signalled(rig: Rig) -> None:
    async with rig.sandbox() as sandbox:
        async with aclosing(sandbox.exec(Command(("sleep", "600")))) as frames:
            async for frame in frames:
                if isinstance(frame, Started):
                    await sandbox.signal(frame.pid, signal.SIGTERM)
                else:
                    assert isinstance(frame, Exited)
                    assert frame.signal == signal.SIGTERM
        assert await refusal(sandbox.signal(99999, signal.SIGTERM)) is ProcessNotFound
        assert await refusal(sandbox.signal(1, signal.SIGKILL)) is ProcessNotFound


@fact
async def many_commands_run_at_once(rig: Rig) -> None:
    async with rig.sandbox() as sandbox:
        answers = await asyncio.gather(*(sh(sandbox, f"sleep 0.1; echo {n}") for n in range(6)))
        assert [answer.text for answer in answers] == [f"{n}\n" for n in range(6)]


# --- Files ------------------------------------------------------------------------------------------------------------


@fact
async def files_are_written_read_listed_moved_and_removed(rig: Rig) -> None:
    data = bytes(range(256)) * 4096
    async with rig.sandbox() as sandbox:
        assert await sandbox.put("a/b/data.bin", data, mode=0o750) == len(data)
        assert await chunks_of(sandbox.get("/workspace/a/b/data.bin")) == data
        assert await chunks_of(sandbox.get("a/b/data.bin", offset=10, limit=5)) == data[10:15]
        found = await sandbox.stat("a/b/data.bin")
        assert (found.kind, found.size_bytes, found.mode) == ("file", len(data), 0o750)
        names = [info.path for info in await sandbox.list("a", depth=2)]
        assert names == ["/workspace/a/b", "/workspace/a/b/data.bin"]

        await sandbox.move("a/b/data.bin", "c.bin")
        await sandbox.put("a/deep/er/x", b"x")
        await sandbox.remove("a")

        assert [info.path for info in await sandbox.list()] == ["/workspace/c.bin"]
        assert (await sh(sandbox, "wc -c < c.bin")).text.strip() == str(len(data))


@fact
async def files_that_are_not_there_or_something_else_are_told_apart(rig: Rig) -> None:
    async with rig.sandbox() as sandbox:
        await sandbox.make_directory("folder")
        await sandbox.put("file", b"1")
        assert await refusal(chunks_of(sandbox.get("nothing"))) is FileMissing
        assert await refusal(chunks_of(sandbox.get("folder"))) is NotAFile
        assert await refusal(sandbox.list("nothing")) is FileMissing
        assert await refusal(sandbox.list("file")) is NotADirectory
        assert await refusal(sandbox.put("folder", b"")) is NotAFile
        assert await refusal(sandbox.remove("nothing")) is FileMissing
        assert await refusal(sandbox.remove(".")) is PathRefused
        assert await refusal(sandbox.put("/usr/bin/x", b"")) is PathRefused
        assert await refusal(sandbox.stat("a\0b")) is PathRefused
        await sh(sandbox, "mkdir many; cd many; for i in 1 2 3 4 5; do : > $i; done")
        assert await refusal(sandbox.list("many", limit=4)) is TooManyFiles
        assert len(await sandbox.list("many", limit=5)) == 5


@fact
async def a_folder_too_deep_for_any_path_is_removed(rig: Rig) -> None:
    async with rig.sandbox() as sandbox:
        name = "d" * 100
        script = f"for i in $(seq 60); do mkdir {name} && cd {name}; done; chmod 500 ."
        assert (await sh(sandbox, f"mkdir deep; cd deep; {script}")).exit.code == 0
        await sandbox.remove("deep")
        assert await sandbox.list() == []


@fact
async def archives_go_out_and_in(rig: Rig) -> None:
    async with rig.sandbox() as sandbox:
        await sh(
            sandbox, "mkdir -p t/sub; echo one > t/a; echo two > t/sub/b; ln -s a t/link; ln t/a t/hard; mkfifo t/pipe"
        )
        packed = await chunks_of(sandbox.tar_out("t"))
        with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
            members = {*tar.getnames()}
        assert members == {"a", "sub", "sub/b", "link", "hard"}

        async def again():
            for start in range(0, len(packed), 1000):
                yield packed[start : start + 1000]

        assert await sandbox.tar_in(again(), "u") == 5
        assert (await sh(sandbox, "cat u/link u/sub/b u/hard")).text == "one\ntwo\none\n"


@fact
async def archives_that_lead_out_are_refused(rig: Rig) -> None:
    async with rig.sandbox() as sandbox:
        for hostile in (("../up", None), ("/tmp/abs", None), ("l", "/tmp"), ("l", "../.."), ("dev", 0)):
            assert await refusal(sandbox.tar_in(_archive(*hostile), "in")) is TarRefused, hostile
        assert await sandbox.tar_in(_archive("fine", None), "in") == 1
        assert await refusal(sandbox.tar_in(_garbage(), "in")) is TarRefused


async def _garbage():
    yield b"no archive" * 1000


async def _archive(name: str, target: str | int | None):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        member = tarfile.TarInfo(name)
        if isinstance(target, str):
            member.type, member.linkname = tarfile.SYMTYPE, target
        elif target is not None:
            member.type = tarfile.CHRTYPE
        tar.addfile(member)
    yield out.getvalue()


@fact
async def a_snapshot_brings_the_workspace_back(rig: Rig) -> None:
    target = rig.folder / f"{rig.new_id()}.tar"
    async with rig.sandbox() as sandbox:
        await sh(
            sandbox,
            "echo kept > a; mkdir closed; echo hidden > closed/b; chmod 000 closed/b closed; ln -s /usr/bin/env e",
        )
        size = await sandbox.snapshot(target)
        assert size == target.stat().st_size
        assert await refusal(sandbox.snapshot(target, most_bytes=100)) is SnapshotTooLarge
        assert target.stat().st_size == size
        await sh(sandbox, "rm a; echo new > later; chmod 700 closed")
        await sandbox.restore(target)
        assert (await sh(sandbox, "cat a; ls; readlink e")).text == "kept\na\nclosed\ne\n/usr/bin/env\n"
    async with rig.sandbox() as other:
        await other.restore(target)
        assert (
            await sh(other, "stat -c %a closed/b closed; chmod 600 closed/b; cat closed/b")
        ).text == "0\n700\nhidden\n"


# --- Ports ------------------------------------------------------------------------------------------------------------


@fact
async def a_port_inside_is_reached(rig: Rig) -> None:
    async with rig.sandbox() as sandbox:
        assert await refusal(sandbox.connect(8099)) is PortClosed
        script = "import socket,sys; s=socket.create_server(('127.0.0.1',8099)); print('up',flush=True)\n"
        script += "while True:\n c,_=s.accept()\n while d:=c.recv(65536): c.sendall(d.upper())\n c.close()"
        async with aclosing(sandbox.exec(Command(("python", "-c", script)))) as frames:
            async for frame in frames:
                if isinstance(frame, Stdout):
                    break
            stream = await sandbox.connect(8099)
            await stream.write(b"hello" * 50_000)
            await stream.write_eof()
            got = b""
            async with asyncio.timeout(60):
                while chunk := await stream.read():
                    got += chunk
            await stream.close()
            assert got == b"HELLO" * 50_000


# --- Lives ------------------------------------------------------------------------------------------------------------


@fact
async def figures_say_what_is_used(rig: Rig) -> None:
    async with rig.sandbox() as sandbox:
        before = await sandbox.stats()
        await sandbox.put("big", b"x" * (4 * MIB))
        await rig.ask(sandbox, "t = time.process_time()\nwhile time.process_time() - t < 0.4: pass\nsay(1)")
        after = await sandbox.stats()
        assert after.cpu_seconds - before.cpu_seconds > 0.3
        assert after.disk_bytes - before.disk_bytes > 3 * MIB
        assert 0 < after.memory_bytes < SMALL.memory_bytes
        assert 0 <= after.pids < 10


@fact
async def a_paused_sandbox_stands_still_and_goes_on(rig: Rig) -> None:
    async with rig.sandbox() as sandbox:
        script = "n=0; while :; do n=$((n+1)); echo $n > count; sleep 0.01; done"
        await sh(sandbox, f"({script}) > /dev/null 2>&1 &")
        await sandbox.pause()
        await sandbox.pause()
        assert sandbox.is_paused
        first = await sandbox.stats()
        await asyncio.sleep(0.3)
        assert (await sandbox.stats()).cpu_seconds - first.cpu_seconds < 0.05
        assert await refusal(sandbox.list()) is SandboxPaused
        await sandbox.resume()
        seen = (await sh(sandbox, "cat count")).text
        async with asyncio.timeout(60):
            while (await sh(sandbox, "cat count")).text in (seen, ""):
                await asyncio.sleep(0.05)


@fact
async def a_killed_sandbox_is_gone(rig: Rig) -> None:
    sandbox = await rig.backend.create(rig.new_id(), SandboxSpec(limits=SMALL))
    await asyncio.gather(sandbox.kill(), sandbox.kill())
    await sandbox.kill()
    assert not sandbox.is_alive
    assert await refusal(sandbox.list()) is SandboxGone
    assert await refusal(run(sandbox, Command(("true",)))) is SandboxGone
    assert await refusal(sandbox.stats()) is SandboxGone
    assert await refusal(sandbox.pause()) is SandboxGone


@fact
async def a_kill_ends_a_running_command_for_its_reader(rig: Rig) -> None:
    sandbox = await rig.backend.create(rig.new_id(), SandboxSpec(limits=SMALL))
    reading = asyncio.ensure_future(refusal(run(sandbox, Command(("sleep", "600")))))
    await asyncio.sleep(0.3)
    await sandbox.kill()
    async with asyncio.timeout(60):
        assert await reading is SandboxGone


@fact
async def an_id_is_used_by_one_at_a_time_and_starts_afresh(rig: Rig) -> None:
    id = rig.new_id()
    async with rig.sandbox(id=id) as sandbox:
        assert await refusal(rig.backend.create(id, SandboxSpec(limits=SMALL))) is SandboxIdTaken
        await sandbox.put("mine", b"1")
    async with rig.sandbox(id=id) as sandbox:
        assert await sandbox.list() == []
    assert not await rig.backend.has_workspace(id)


@fact
async def a_kept_workspace_is_there_again(rig: Rig) -> None:
    id, spec = rig.new_id(), SandboxSpec(limits=SMALL, keeps_workspace=True)
    async with rig.sandbox(spec, id) as sandbox:
        await sh(sandbox, "echo mine > a; chmod 600 a")
        assert await refusal(rig.backend.remove_workspace(id)) is SandboxIdTaken
    assert await rig.backend.has_workspace(id)
    assert (await rig.backend.sweep()).removed == ()
    async with rig.sandbox(spec, id) as sandbox:
        assert (await sh(sandbox, "cat a; echo more >> a")).text == "mine\n"
    await rig.backend.remove_workspace(id)
    assert not await rig.backend.has_workspace(id)
    await rig.backend.remove_workspace(id)


@fact
async def a_cancelled_creation_leaves_nothing(rig: Rig) -> None:
    for delay in (0.0, 0.005, 0.02, 0.05):
        id = rig.new_id()
        creating = asyncio.ensure_future(rig.backend.create(id, SandboxSpec(limits=SMALL)))
        await asyncio.sleep(delay)
        creating.cancel()
        with suppress(asyncio.CancelledError):
            await (await creating).kill()
        async with rig.sandbox(id=id) as sandbox:
            assert (await sh(sandbox, "echo fine")).text == "fine\n"


@fact
async def what_makes_no_sense_is_refused(rig: Rig) -> None:
    assert await refusal(rig.backend.create(rig.new_id(), SandboxSpec("cobol"))) is UnknownTemplate
    assert await refusal(rig.backend.create(SandboxId("../up"), SandboxSpec())) is InvalidRequest


@fact
async def every_template_that_is_ready_runs(rig: Rig) -> None:
    programs = {"python": "python -c 'print(6*7)'", "nodejs": "node -p 6*7", "shell": "echo $((6*7))"}
    programs["python-data"] = "python -c 'import numpy; print(numpy.arange(7).sum() * 2)'"
    ready = [state.name for state in await rig.backend.templates() if state.is_ready]
    assert {"python", "shell"} <= {*ready}
    for name in ready:
        async with rig.sandbox(SandboxSpec(name)) as sandbox:
            answer = await sh(sandbox, programs[name])
            assert answer.text.strip() == "42", (name, answer)


@fact
async def proxied_connections_reach_the_egress_socket_only(rig: Rig) -> None:
    path = Path(rig.folder) / f"{rig.new_id()}.sock"

    async def serve(reader, writer):
        writer.write(b"proxy saw " + await reader.readline())
        writer.close()

    server = await asyncio.start_unix_server(serve, path)
    path.chmod(0o666)
    try:
        async with rig.sandbox(SandboxSpec(limits=SMALL, egress_socket=path)) as sandbox:
            script = "s = socket.create_connection(('127.0.0.1', 3128)); s.sendall(b'hello\\n')\n"
            script += "say([s.makefile().read(), os.environ['HTTPS_PROXY']])"
            assert await rig.ask(sandbox, script) == ["proxy saw hello\n", "http://127.0.0.1:3128"]
        async with rig.sandbox() as sandbox:
            script = "say(attempt(socket.create_connection, ('127.0.0.1', 3128)))"
            assert await rig.ask(sandbox, script) == "ECONNREFUSED"
    finally:
        server.close()
