"""The container backend: against a real engine where one runs, and against a scripted one everywhere."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from glia.sandboxes.errors import SandboxStartFailed, SandboxUnavailable
from glia.sandboxes.oci.backend import OciBackend
from glia.sandboxes.oci.container import profile
from glia.sandboxes.oci.engine import Engine, EngineFailed
from glia.sandboxes.types import Command, Exited, Limits, SandboxId, SandboxSpec
from tests.sandboxes.conformance import FACTS
from tests.sandboxes.oci_image import image_tar
from tests.sandboxes.rig import SMALL, Fact, Rig, run

_IMAGE = "glia-sandbox-test:latest"
_SOCKET = Path(os.environ.get("GLIA_TEST_CONTAINER_SOCKET", "/var/run/docker.sock"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def containers() -> AsyncIterator[Rig]:
    if not _SOCKET.exists() or not os.access(_SOCKET, os.W_OK):
        pytest.skip("no container engine runs here")
    await asyncio.to_thread(_import_image)
    base = Path(tempfile.mkdtemp(prefix="glia-oci-test-"))
    base.chmod(0o711)
    (base / "host").mkdir()
    images = dict.fromkeys(("python", "shell"), _IMAGE)
    backend = OciBackend(_SOCKET, base / "state", images=images)
    probe = await backend.probe()
    assert probe.is_available, probe
    yield Rig(backend, base / "host", (base / "state", base, base), is_hard=False)
    await backend.close()
    shutil.rmtree(base, ignore_errors=True)


def _import_image() -> None:
    command = [
        "curl",
        "-sS",
        "--unix-socket",
        str(_SOCKET),
        "-H",
        "Content-Type: application/x-tar",
        "--data-binary",
        "@-",
    ]
    repo, tag = _IMAGE.split(":")
    address = f"http://engine/v1.41/images/create?fromSrc=-&repo={repo}&tag={tag}"
    subprocess.run([*command, address], input=image_tar(), check=True, capture_output=True)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.__name__)
async def test_conformance(containers: Rig, fact: Fact) -> None:
    await fact(containers)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_container_is_closed(containers: Rig) -> None:
    script = """
status = dict(line.split(':', 1) for line in open('/proc/self/status'))
def made(family, kind=1):
    return attempt(lambda: socket.socket(family, kind).close())
write = lambda path: attempt(lambda: os.close(os.open(path, os.O_WRONLY | os.O_CREAT)))
say([status['NoNewPrivs'].strip(), int(status['CapEff'], 16), int(status['CapBnd'], 16), status['Seccomp'].strip(),
     os.getuid(), write('/x'), write('/opt/agent/x'), write('/workspace/x'), write('/run/x'),
     [name for _, name in socket.if_nameindex()], made(40), made(17, 3), made(2), call('keyctl', 0, -2, 1),
     call('io_uring_setup', 0, 0), in_child(lambda: call('unshare', 0x10000000)), call('clone3', 0, 0),
     attempt(lambda: socket.create_connection(('1.1.1.1', 443), 5))])
"""
    async with containers.sandbox() as sandbox:
        assert await containers.ask(sandbox, script) == [
            "1", 0, 0, "2", 1000, "EROFS", "EROFS", "ok", "EROFS",
            ["lo"], "EPERM", "EPERM", "ok", "EPERM", "EPERM", "EPERM", "ENOSYS", "ENETUNREACH",
        ]  # fmt: skip


@pytest.mark.asyncio(loop_scope="module")
async def test_a_container_keeps_to_its_memory_and_processes(containers: Rig) -> None:
    async with containers.sandbox() as sandbox:
        bomb = "x = bytearray(1 << 20)\nwhile True: x += b'1' * (8 << 20)"
        answer = await run(sandbox, Command(("python", "-c", bomb)))
        assert answer.exit.oom
        forks = "count = 0\ntry:\n while True:\n  if not os.fork(): time.sleep(20); os._exit(0)\n  count += 1\n"
        count = await containers.ask(sandbox, f"{forks}except OSError as error: say([count, error.errno])")
        assert count[1] == 11
        assert count[0] <= SMALL.pids + 2


@pytest.mark.asyncio(loop_scope="module")
async def test_a_killed_server_leaves_no_container_running(containers: Rig) -> None:
    script = f"""
import asyncio, os
from pathlib import Path
from glia.sandboxes.oci.backend import OciBackend
from glia.sandboxes.types import SandboxId, SandboxSpec
async def main():
    backend = OciBackend(Path({str(_SOCKET)!r}), Path({str(containers.state)!r}), images={{'python': {_IMAGE!r}}})
    box = await backend.create(SandboxId('t-dead'), SandboxSpec())
    await box.pause()
    print('up', flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""
    env = {"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.environ["PATH"]}
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=env) as server:
        assert server.stdout is not None
        assert await asyncio.to_thread(server.stdout.readline) == b"up\n"
        assert (await containers.backend.sweep()).killed == ()
        server.kill()

    assert (await containers.backend.sweep()).killed == ("t-dead",)
    with pytest.raises(EngineFailed):
        await Engine(_SOCKET).call("GET", "/containers/glia-t-dead/json")


# --- A scripted engine ------------------------------------------------------------------------------------------------


class Scripted:
    """An engine of a few answers. It runs the agent as a plain process of ours: no place for code of others."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "engine.sock"
        self.asked: list[tuple[str, str, Any]] = []
        self.answers: dict[tuple[str, str], tuple[int, object]] = {}
        self.runs_agent = True
        self._children: list[subprocess.Popen[bytes]] = []
        self._body: dict[str, Any] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, target, _ = head.split(" ", 2)
        path = target.removeprefix("/v1.41").partition("?")[0]
        length = int(head.lower().partition("content-length:")[2].split("\r\n")[0])
        body = json.loads(await reader.readexactly(length) or b"null")
        self.asked.append((method, path, body))
        status, answer = self.answers.get((method, path)) or self.answer(method, path, body)
        content = json.dumps(answer).encode()
        writer.write(b"HTTP/1.1 %d X\r\nTransfer-Encoding: chunked\r\n\r\n" % status)
        writer.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(content), content))
        await writer.drain()
        writer.close()

    def answer(self, method: str, path: str, body: Any) -> tuple[int, object]:
        if path == "/info":
            return 200, {
                "Runtimes": {"runc": {}, "runsc": {}},
                "MemoryLimit": True,
                "PidsLimit": True,
                "CpuCfsQuota": True,
            }
        if path == "/containers/create":
            self._body = body
            return 201, {"Id": "c1"}
        if path.endswith("/start") and self.runs_agent:
            self._start()
        if path.endswith("/json") and path.startswith("/containers/c1"):
            return 200, {"State": {"Running": self.runs_agent, "ExitCode": 3, "OOMKilled": False}}
        if method == "DELETE":
            self.stop()
        return 200, {}

    def _start(self) -> None:
        binds = dict(bind.split(":")[1::-1] for bind in self._body["HostConfig"]["Binds"])
        script = "import sys; sys.path.insert(0, sys.argv.pop(1)); from agent.main import main; main()"
        folder = str(Path(binds["/opt/agent"]).parent)
        command = [sys.executable, "-I", "-S", "-c", script, folder, "core=0", "-", "dial", binds["/run/agent.sock"]]
        self._children.append(subprocess.Popen(command))

    def stop(self) -> None:
        for child in self._children:
            child.kill()
            child.wait()


@pytest_asyncio.fixture
async def scripted() -> AsyncIterator[tuple[Scripted, OciBackend]]:
    folder = Path(tempfile.mkdtemp(prefix="glia-engine-"))
    engine = Scripted(folder)
    server = await asyncio.start_unix_server(engine.serve, engine.socket)
    backend = OciBackend(engine.socket, folder / "state", images={"python": "some/image:1"})
    yield engine, backend
    await backend.close()
    engine.stop()
    server.close()
    shutil.rmtree(folder)


async def test_a_container_is_asked_for_with_every_lock_on(scripted: tuple[Scripted, OciBackend]) -> None:
    engine, backend = scripted
    limits = Limits(cpus=0.5, memory_bytes=100 << 20, pids=20)

    sandbox = await backend.create(SandboxId("one"), SandboxSpec(limits=limits, labels={"for": "test"}, env={"A": "b"}))
    async with aclosing(sandbox.exec(Command(("echo", "hi"), cwd="/"))) as frames:
        ends = [frame async for frame in frames if isinstance(frame, Exited)]
    await sandbox.kill()

    body = [body for _, path, body in engine.asked if path == "/containers/create"][-1]
    host = body["HostConfig"]
    assert ends[0].code == 0
    assert (host["NetworkMode"], host["ReadonlyRootfs"], host["CapDrop"]) == ("none", True, ["ALL"])
    assert (host["Memory"], host["MemorySwap"], host["PidsLimit"], host["NanoCpus"]) == (100 << 20, 100 << 20, 22, 5e8)
    assert host["SecurityOpt"][0] == "no-new-privileges:true"
    assert json.loads(host["SecurityOpt"][1].removeprefix("seccomp=")) == profile()
    assert "Privileged" not in host
    assert (body["User"], body["NetworkDisabled"], body["Image"]) == ("1000:1000", True, "some/image:1")
    assert "A=b" in body["Env"]
    assert body["Labels"]["for"] == "test"
    assert {bind.split(":", 1)[1] for bind in host["Binds"]} == {"/opt/agent:ro", "/workspace:rw", "/run/agent.sock:rw"}
    assert ("DELETE", "/containers/c1", None) in engine.asked


async def test_a_container_that_ends_at_once_is_a_start_that_failed(scripted: tuple[Scripted, OciBackend]) -> None:
    engine, backend = scripted
    await backend.probe()
    engine.runs_agent = False

    with pytest.raises(SandboxStartFailed, match="ended with 3"):
        await backend.create(SandboxId("two"), SandboxSpec())

    assert not await backend.has_workspace(SandboxId("two"))


async def test_what_the_engine_lacks_is_said(tmp_path: Path, scripted: tuple[Scripted, OciBackend]) -> None:
    engine, backend = scripted
    engine.answers["GET", "/images/some/image:1/json"] = (404, {"message": "no such image"})
    assert "docker pull some/image:1" in (await backend.templates())[0].missing
    assert not (await backend.probe()).is_available
    with pytest.raises(SandboxUnavailable, match="None of the images is there"):
        await backend.create(SandboxId("three"), SandboxSpec())

    kata = OciBackend(engine.socket, tmp_path / "k", runtime="kata", images={"python": "i"})
    assert "knows no runtime 'kata'; it knows runc, runsc" in (await kata.probe()).reason
    nowhere = OciBackend(tmp_path / "nothing.sock", tmp_path / "n")
    assert "cannot be reached" in (await nowhere.probe()).reason


async def test_an_engine_that_talks_nonsense_is_an_error(tmp_path: Path) -> None:
    said = b""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(said)
        writer.close()

    folder = Path(tempfile.mkdtemp(prefix="glia-engine-"))
    server = await asyncio.start_unix_server(serve, folder / "s")
    heads = (
        b"",
        b"SSH-2.0\r\n\r\n",
        b"HTTP/1.1 200 X\r\nContent-Length: 999999999\r\n\r\n",
        b"HTTP/1.1 200",
        b"x" * 100_000,
    )
    for said in heads:  # noqa: B007  # the server reads it
        with pytest.raises(EngineFailed):
            await Engine(folder / "s").call("GET", "/info")
    server.close()
    shutil.rmtree(folder)
