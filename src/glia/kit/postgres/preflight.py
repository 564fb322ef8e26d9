"""Finds out whether this processor can run the vector extension, before any client depends on it.

The extension of the wheel holds AVX code that no run-time check guards. On a processor without AVX a backend that
meets it dies with SIGILL, and the server then throws every other connection out. So the first use happens in a
standalone backend, where nothing else can be hurt. A good result is remembered per processor and build.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
import shutil
import signal
from pathlib import Path

from glia.kit.postgres import settings
from glia.kit.postgres.binaries import SETTING, Binaries
from glia.kit.postgres.errors import PostgresFailed, ProcessorUnfit
from glia.kit.postgres.layout import Layout
from glia.kit.postgres.programs import Finished, Programs
from glia.kit.postgres.roles import scratch_statements

_CPUINFO = Path("/proc/cpuinfo")
_CPUINFO_BYTES = 16_384
_SHELL_SIGILL, _WINDOWS_SIGILL = 128 + 4, 0xC000001D
INITDB_SECONDS = 300.0


def is_remembered(layout: Layout, binaries: Binaries) -> bool:
    """Whether this processor has passed with these binaries."""
    try:
        return json.loads(layout.preflight.read_bytes()).get("passed") == _key(binaries)
    except (OSError, ValueError, AttributeError):
        return False


def remember(layout: Layout, binaries: Binaries) -> None:
    layout.preflight.write_text(json.dumps({"passed": _key(binaries)}))


def try_in_scratch(layout: Layout, programs: Programs) -> None:
    """Tries the extension in a cluster made for this alone, about 0.7 s. Raises ProcessorUnfit."""
    scratch = layout.scratch
    try:
        fresh_folder(scratch, programs)
        arguments = ("-D", str(scratch), "--no-sync", "--auth=reject", "--username=glia", "--locale=C")
        programs.require(programs.run("initdb", *arguments, timeout_seconds=INITDB_SECONDS), "Making a test database")
        run = standalone(programs, scratch, "postgres", scratch_statements(), timeout_seconds=60)
        require_fit(run)
        require_extension(run)
        programs.require(run, "Trying the vector extension")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def standalone(
    programs: Programs, cluster: Path, database: str, statements: bytes, *, timeout_seconds: float | None
) -> Finished:
    """Runs statements (each ends in a semicolon and an empty line) in a backend of its own, up to the first error."""
    arguments = ("--single", "-j", *settings.options(settings.STANDALONE), "-D", str(cluster), database)
    return programs.run("postgres", *arguments, stdin=statements, timeout_seconds=timeout_seconds)


def require_fit(finished: Finished) -> None:
    """Raises ProcessorUnfit when the program met an instruction that the processor does not know."""
    if finished.returncode not in (-signal.SIGILL, _SHELL_SIGILL, _WINDOWS_SIGILL):
        return
    raise ProcessorUnfit(
        f"This processor ({processor()[0]}) lacks instructions (AVX) that the vector extension of the embedded "
        f"PostgreSQL uses: a trial ended with SIGILL. Set GLIA_DATABASE_URL to a PostgreSQL of your own that has "
        f"pgvector, or {SETTING} to the folder of one built for this processor."
    )


def require_extension(finished: Finished) -> None:
    if 'extension "vector" is not available' in finished.output:
        raise PostgresFailed(
            f"The PostgreSQL that {SETTING} names has no `vector` extension. Install pgvector for it, or unset "
            f"{SETTING} to use the one that comes with Glia."
        )


def fresh_folder(folder: Path, programs: Programs) -> None:
    """An empty folder that only the programs' account may enter; what lay there is deleted."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(mode=0o700)
    if programs.account:
        programs.account.take(folder)


def processor() -> tuple[str, str]:
    """Name of the processor's model and its list of abilities, as far as the system tells."""
    try:
        with _CPUINFO.open(errors="replace") as file:
            text = file.read(_CPUINFO_BYTES)
    except OSError:
        return platform.processor() or platform.machine(), ""
    model = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    abilities = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", text, re.MULTILINE)
    return (model[1] if model else platform.machine(), abilities[1] if abilities else "")


def _key(binaries: Binaries) -> str:
    facts = "\n".join((platform.machine(), *processor(), binaries.fingerprint))
    return hashlib.sha256(facts.encode()).hexdigest()
