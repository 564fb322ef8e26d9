"""The TypeScript client against the live server, with Node's own test runner."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from websockets.sync.server import ServerConnection

from tests.clients.conftest import Place, blocks_of
from tests.clients.odd_socket import ASKED, TOLD, asked, breaking, odd_socket
from tests.surfaces.conftest import Server

PACKAGE = Path(__file__).parents[2] / "packages" / "neuais-typescript"
PAGES = {"readme": PACKAGE / "README.md", "guide": PACKAGE.parents[1] / "docs" / "neuais-sdks.md"}
_NPM_SECONDS = 120


def _run(
    *command: str, seconds: float = _NPM_SECONDS, folder: Path = PACKAGE, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


@pytest.fixture(scope="module")
def compiled() -> None:
    """The package and its tests, compiled anew. What it is compiled with is installed if it is not there."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("Node and npm are not on this machine.")
    if not (PACKAGE / "node_modules" / "typescript").exists():
        try:
            installed = _run("npm", "ci", "--no-audit", "--no-fund")
        except subprocess.TimeoutExpired:
            pytest.skip(f"npm could not install TypeScript within {_NPM_SECONDS} s.")
        if installed.returncode != 0:
            pytest.skip(f"npm could not install TypeScript: {installed.stderr[-300:]}")
    shutil.rmtree(PACKAGE / "dist", ignore_errors=True)
    (PACKAGE / "examples").mkdir(exist_ok=True)
    for name, page in PAGES.items():
        (PACKAGE / "examples" / f"{name}.ts").write_text("\n".join(blocks_of(page, "ts")))
    done = _run("npm", "run", "build")
    assert done.returncode == 0, done.stdout


def _node(*arguments: str, **environment: str) -> str:
    major = int(_run("node", "--version").stdout.lstrip("v").partition(".")[0])
    flags = ("--experimental-websocket",) if major < 22 else ()
    done = _run("node", *flags, *arguments, **environment)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    return done.stdout


def test_the_typescript_client_bears_a_server_that_misbehaves(compiled: None):
    assert "# skipped 0" in _node("--test", "dist/test/faults.test.js")


def test_a_live_connection_of_the_typescript_client_outlives_what_it_may(compiled: None):
    def expires(connection: ServerConnection) -> None:
        odd.hear(connection, type="subscribed", subscription="sub_1")
        connection.close(4401, "The token has expired.")

    def refuses(connection: ServerConnection) -> None:
        connection.close(4403, "You may not.")

    with odd_socket() as odd:
        odd.talks = [*breaking(odd), expires, refuses]
        url = f"http://127.0.0.1:{odd.port}"
        told = _node("--test", "dist/test/ends.test.js", NEUAIS_ODD_URL=url, NEUAIS_TOLD=json.dumps(TOLD))

    assert "# skipped 0" in told
    assert asked(odd)[:5] == ASKED
    assert set(odd.tokens) == {"secret"}


def test_the_typescript_client_does_what_it_says(compiled: None, place: Place, server: Server):
    owner = server.workspace()

    told = _node(
        "--test",
        "dist/test/live.test.js",
        NEUAIS_URL=place.url,
        NEUAIS_KEY=place.key,
        NEUAIS_PROGRAM=place.program,
        NEUAIS_RECEIVER=place.receiver,
        NEUAIS_EMAIL=owner.email,
        NEUAIS_PASSWORD=owner.password,
    )

    assert "# skipped 0" in told


@pytest.mark.parametrize("page", PAGES)
def test_the_examples_of_a_page_do_what_they_say(compiled: None, hello: Place, page: str):
    told = _node(f"dist/examples/{page}.js", NEUAIS_BASE_URL=hello.url, NEUAIS_TOKEN=hello.key)

    assert "hello running http://" in told
    assert "replicas must be" in told.replace("from ", "")


PROGRAM = """
{names}
import {{ WebSocket as Other }} from './socket.{kind}'
async function main(): Promise<void> {{
  const client = new NeuaisClient('your-token', {{ baseUrl: 'http://localhost:1', WebSocket: Other }})
  const agents: Agent[] = []
  for (const agent of agents) console.log(agent.name)
  const [name] = await verifySignature(Buffer.from('{{}}'), {{}}, 's').then(String, (error: Error) => [error.name])
  console.log('{kind}', typeof client.agents.list, name)
}}
void main()
"""
SOCKET = """
export class WebSocket {
  readonly readyState = 0
  onopen: ((event: Event) => void) | null = null
  onmessage: ((event: { data: unknown }) => void) | null = null
  onerror: ((event: { message: string }) => void) | null = null
  onclose: ((event: { code: number; reason: string }) => void) | null = null
  constructor(readonly url: string | URL) {}
  send(_data: string | Uint8Array): void {}
  close(_code?: number): void {}
}
"""


@pytest.fixture(scope="module")
def packed(compiled: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that has the package as it would be published, and the types of Node but not those of browsers."""
    folder = tmp_path_factory.mktemp("project")
    made = _run("npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", str(folder))
    assert made.returncode == 0, made.stderr
    installed = folder / "node_modules" / "@neuais"
    installed.mkdir(parents=True)
    [archive] = folder.glob("*.tgz")
    shutil.unpack_archive(archive, installed, filter="data")
    (installed / "package").rename(installed / "sdk")
    for name in ("@types", "undici-types"):
        (folder / "node_modules" / name).symlink_to(PACKAGE / "node_modules" / name)
    return folder


def test_the_package_is_imported_and_required_and_its_types_hold_in_both(packed: Path):
    names = "import { NeuaisClient, verifySignature, type Agent } from '@neuais/sdk'"
    for kind in ("mjs", "cjs"):
        (packed / f"socket.{kind[0]}ts").write_text(SOCKET)
        (packed / f"program.{kind[0]}ts").write_text(PROGRAM.format(names=names, kind=kind))
    strict = ["--strict", "--exactOptionalPropertyTypes", "--skipLibCheck", "false"]
    place = ["--target", "es2022", "--lib", "es2022", "--types", "node", "--module", "node16"]

    tsc = str(PACKAGE / "node_modules" / ".bin" / "tsc")
    done = _run(tsc, *strict, *place, "program.mts", "program.cts", folder=packed)

    assert done.returncode == 0, done.stdout
    for kind in ("mjs", "cjs"):
        told = _run("node", f"program.{kind}", folder=packed)
        assert told.stdout.split() == [kind, "function", "InvalidSignatureError"], told.stderr


def test_the_lock_names_no_registry():
    assert '"resolved"' not in (PACKAGE / "package-lock.json").read_text()
