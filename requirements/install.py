"""Makes the environment that `./glia` runs in, or brings it up to date: install.py FOLDER LOCK...

Needs nothing but Python. Every package comes from a lock, with its hash, as a built wheel: no code of a package runs
while it is installed. Several at once wait for each other; one that was interrupted is cleared away by the next.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "requirements"

# What says where packages come from is the operator's; what changes where they go would break the installation.
KEPT_PIP_SETTINGS = """
    PIP_CACHE_DIR PIP_CERT PIP_CLIENT_CERT PIP_CONFIG_FILE PIP_DEFAULT_TIMEOUT PIP_EXTRA_INDEX_URL PIP_FIND_LINKS
    PIP_INDEX_URL PIP_KEYRING_PROVIDER PIP_NO_CACHE_DIR PIP_NO_INDEX PIP_PROXY PIP_RETRIES PIP_TIMEOUT PIP_TRUSTED_HOST
"""


def main() -> None:
    folder, locks = Path(sys.argv[1]).absolute(), sys.argv[2:]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.seek(0)
        was_interrupted = bool(lock.read())
        if not was_interrupted and is_current(folder, locks):
            return
        print(f"glia: installing into {folder}; the first time takes about a minute", file=sys.stderr)
        lock.write("installing\n")
        lock.flush()
        install(folder, locks, from_scratch=was_interrupted or not is_usable(folder))
        lock.truncate(0)


def is_current(folder: Path, locks: list[str]) -> bool:
    kept = folder / "glia"
    try:
        return (kept / "place").read_text() == place(folder) and all(
            (kept / f"{name}.txt").read_bytes() == (LOCKS / f"{name}.txt").read_bytes() for name in locks
        )
    except OSError:
        return False


def is_usable(folder: Path) -> bool:
    """An environment whose Python still is the one it was made with. One that somebody else made is added to."""
    kept = folder / "glia" / "place"
    if kept.is_file() and kept.read_text() != place(folder):
        return False
    python = folder / "bin" / "python"
    return python.exists() and subprocess.run([python, "-I", "-c", "import pip"], check=False).returncode == 0


def place(folder: Path) -> str:
    return f"{ROOT} {(folder / 'bin' / 'python').resolve()}"


def install(folder: Path, locks: list[str], *, from_scratch: bool) -> None:
    kept, python = folder / "glia", folder / "bin" / "python"
    shutil.rmtree(kept, ignore_errors=True)
    if from_scratch:
        venv.EnvBuilder(clear=True, symlinks=True, with_pip=True).create(folder)
    environment = {name: value for name, value in os.environ.items() if keeps(name)}
    run = [python, "-I", "-m"]
    files = [argument for name in locks for argument in ("-r", LOCKS / f"{name}.txt")]
    options = (
        "--quiet --no-deps --require-hashes --only-binary=:all: --no-compile --no-input --disable-pip-version-check"
    )
    subprocess.run([*run, "pip", "install", *options.split(), *files], env=environment, check=True)
    packages = Path(
        subprocess.check_output(
            [python, "-I", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
        ).strip()
    )
    add_glia(python, packages)
    # Some test files inside packages are not meant to compile, so the exit status says nothing.
    compile_all = [python, "-I", "-W", "ignore", "-m", "compileall", "-q", "-q", "-j", "0", packages, ROOT / "src"]
    subprocess.run(compile_all, env=environment, check=False)
    kept.mkdir()
    for name in locks:
        shutil.copyfile(LOCKS / f"{name}.txt", kept / f"{name}.txt")
    (kept / "place").write_text(place(folder))


def add_glia(python: Path, packages: Path) -> None:
    """Makes this checkout importable and `glia` a command, as an editable installation would, without a build tool."""
    (packages / "glia.pth").write_text(f"{ROOT / 'src'}\n")
    command = python.with_name("glia")
    command.write_text(f"#!/bin/sh\nexec '{python}' -P -m glia \"$@\"\n")
    command.chmod(0o755)


def keeps(name: str) -> bool:
    return name in KEPT_PIP_SETTINGS.split() or not name.startswith(("PIP_", "PYTHON"))


if __name__ == "__main__":
    try:
        main()
    except PermissionError as error:
        sys.exit(f"glia: {error.filename!r} may not be written; name another folder: GLIA_VENV=/path ./glia ...")
    except subprocess.CalledProcessError as error:
        sys.exit(f"glia: installing failed (exit status {error.returncode}); the lines above say why")
