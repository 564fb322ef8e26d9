"""What lies in a sandbox besides /usr: the agent, a small /etc, and per template an interpreter's packages.

A template is a folder that is mounted read-only at /opt/py. It is made beside and renamed, so that nobody meets half of
one, and byte-compiled, since nobody may write there later. Everything here is blocking; call it from a thread.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from glia.sandboxes.bubblewrap.launcher import Interior
from glia.sandboxes.errors import SandboxStartFailed, SandboxUnavailable, TemplateMissing, UnknownTemplate
from glia.sandboxes.types import TemplateState

_TEMP = "/tmp"  # noqa: S108  # of the sandbox
_MOUNTED_AT = "/opt/py"
_BUILD_SECONDS = 900
_QUICK_SECONDS = 60
_AGENT_SOURCES = Path(__file__).parents[1] / "agent"
REQUIREMENTS = Path(__file__).parents[4] / "requirements" / "sandbox-python-data.txt"
_OLDEST_PYTHON = (3, 9)

Say = Callable[[str], None]


@dataclass(frozen=True)
class Template:
    """requirements: a lock of packages to install, which needs a package index; without, it is made when first used.
    program: what must be there besides Python."""

    name: str
    description: str
    has_python: bool = False
    requirements: Path | None = None
    program: str | None = None


TEMPLATES = {
    template.name: template
    for template in (
        Template("python", "Python and its standard library", has_python=True),
        Template("python-data", "Python with numpy, pandas and matplotlib", has_python=True, requirements=REQUIREMENTS),
        Template("nodejs", "Node.js, and Python's standard library", has_python=True, program="node"),
        Template("shell", "the machine's own commands"),
    )
}


@dataclass(frozen=True)
class Interpreter:
    """mount: a folder outside /usr that it needs, at the same place inside."""

    path: Path
    version: tuple[int, int]
    tag: str
    mount: Path | None = None


class Templates:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._interpreter: Interpreter | None = None

    # --- What there is ------------------------------------------------------------------------------------------------

    def states(self) -> tuple[TemplateState, ...]:
        return tuple(self._state(template) for template in TEMPLATES.values())

    def _state(self, template: Template) -> TemplateState:
        missing = self._missing(template)
        return TemplateState(template.name, template.description, is_ready=not missing, missing=missing)

    def _missing(self, template: Template) -> str:
        try:
            self.interpreter()
        except SandboxUnavailable as error:
            return error.message
        if template.program is not None and _program(template.program) is None:
            return f"There is no {template.program} under /usr. Install it, for example with `apt-get install nodejs`."
        if template.requirements is not None and not template.requirements.exists():
            return f"This installation lacks {template.requirements.name}, which names its packages."
        if template.requirements is not None and not self._is_built(template):
            return "It has not been built. Run `glia sandbox build-templates`."
        return ""

    def interpreter(self) -> Interpreter:
        """The Python that runs the agent, and what runs in the Python templates. Raises SandboxUnavailable."""
        if self._interpreter is None:
            self._interpreter = find_interpreter()
        return self._interpreter

    def interior(self, name: str, memory_bytes: int) -> Interior:
        """Raises UnknownTemplate, TemplateMissing, SandboxUnavailable."""
        template = TEMPLATES.get(name)
        if template is None:
            raise UnknownTemplate(f"There is no template {name!r}; there are {', '.join(TEMPLATES)}.", field="template")
        if missing := self._missing(template):
            raise TemplateMissing(f"The template {name!r} cannot be used. {missing}")
        interpreter = self.interpreter()
        if template.has_python and not self._is_built(template):
            self.build(template)
        binds: dict[Path, str] = {}
        env, folders, path = (
            {"npm_config_cache": f"{_TEMP}/.npm", "SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt"},
            (),
            "",
        )
        if interpreter.mount is not None:
            binds[interpreter.mount] = str(interpreter.mount)
        if template.has_python:
            place = self._place(template)
            binds[place / "py"] = _MOUNTED_AT
            path = f"{_MOUNTED_AT}/bin"
            env["VIRTUAL_ENV"] = _MOUNTED_AT
            env |= {"MPLBACKEND": "Agg", "MPLCONFIGDIR": f"{_TEMP}/.matplotlib"}
            fonts = sorted((place / "matplotlib").glob("fontlist-*.json"))
            folders = (f"{_TEMP}/.matplotlib",)
            binds |= {font: f"{_TEMP}/.matplotlib/{font.name}" for font in fonts}
        return Interior(
            python=str(interpreter.path),
            agent=self._agent(interpreter),
            etc=self._etc(),
            meminfo=self._meminfo(memory_bytes),
            cmdline=self._file("cmdline", ""),
            binds=binds,
            env=env,
            folders=folders,
            path=path,
        )

    # --- Building -----------------------------------------------------------------------------------------------------

    def build(self, template: Template, say: Say = lambda _line: None) -> bool:
        """False when the template was there already. Raises SandboxStartFailed, SandboxUnavailable."""
        interpreter = self.interpreter()
        with self._building(template.name):
            if self._is_built(template):
                return False
            place = self._place(template)
            beside = place.with_name(f".{place.name}.part")
            shutil.rmtree(beside, ignore_errors=True)
            _make_environment(beside / "py", interpreter)
            if template.requirements is not None:
                say(f"{template.name}: installing packages")
                _install(beside, template.requirements)
                say(f"{template.name}: compiling them")
                _compile(beside, interpreter)
            _open_to_all(beside)
            beside.rename(place)
            self._clear_older(template, place)
            return True

    @contextmanager
    def _building(self, name: str) -> Generator[None]:
        self._folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        with (self._folder / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _place(self, template: Template) -> Path:
        """Named after all that goes into it, so that a new lock or another Python makes a new one."""
        interpreter = self.interpreter()
        facts = [str(interpreter.path), interpreter.tag, "3"]
        if template.requirements is not None:
            facts.append(template.requirements.read_text())
        return self._folder / f"{template.name}-{hashlib.sha256('|'.join(facts).encode()).hexdigest()[:12]}"

    def _is_built(self, template: Template) -> bool:
        return not template.has_python or self._place(template).is_dir()

    def _clear_older(self, template: Template, current: Path) -> None:
        """Running sandboxes keep what they have mounted until they end."""
        for folder in self._folder.glob(f"{template.name}-{'[0-9a-f]' * 12}"):
            if folder != current:
                shutil.rmtree(folder, ignore_errors=True)

    def _agent(self, interpreter: Interpreter) -> Path:
        """The agent, compiled by the interpreter that runs it: to compile it at each start would take longer."""
        sources = sorted(_AGENT_SOURCES.glob("*.py"))
        content = hashlib.sha256(b"".join(source.read_bytes() for source in sources) + interpreter.tag.encode())
        place = self._folder / f"agent-{content.hexdigest()[:12]}"
        if place.is_dir():
            return place
        with self._building("agent"):
            if place.is_dir():
                return place
            beside = self._folder / ".agent.part"
            shutil.rmtree(beside, ignore_errors=True)
            beside.mkdir(mode=0o755)
            for source in sources:
                _compile_one(interpreter, source, beside / f"{source.stem}.pyc", f"/opt/agent/{source.name}")
            _open_to_all(beside)
            beside.rename(place)
        return place

    # --- Small files --------------------------------------------------------------------------------------------------

    def _file(self, name: str, content: str) -> Path:
        path = self._folder / name
        if not path.exists():
            self._folder.mkdir(mode=0o755, parents=True, exist_ok=True)
            beside = path.with_name(f".{name}.{os.getpid()}.part")
            beside.write_text(content)
            beside.chmod(0o644)
            beside.replace(path)
        return path

    def _meminfo(self, memory_bytes: int) -> Path:
        """What programs that look at the machine's memory should plan with."""
        kilobytes = memory_bytes // 1024
        rows = {"MemTotal": kilobytes, "MemFree": kilobytes, "MemAvailable": kilobytes, "Buffers": 0, "Cached": 0}
        rows |= {"SwapTotal": 0, "SwapFree": 0}
        return self._file(
            f"meminfo-{kilobytes}", "".join(f"{name + ':':<16}{size:>8} kB\n" for name, size in rows.items())
        )

    def _etc(self) -> Path:
        place = self._folder / "etc-1"
        if place.is_dir():
            return place
        with self._building("etc"):
            if not place.is_dir():
                beside = self._folder / ".etc.part"
                shutil.rmtree(beside, ignore_errors=True)
                _make_etc(beside)
                beside.rename(place)
        return place


def find_interpreter() -> Interpreter:
    """Python under /usr, or the one that runs us if any user may read it. Raises SandboxUnavailable."""
    ours = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"
    for path in (Path("/usr/bin/python3"), Path("/usr/local/bin/python3"), ours):
        found = _ask(path) if path.exists() else None
        if found is None or found.version < _OLDEST_PYTHON:
            continue
        if path.is_relative_to("/usr") and path.resolve().is_relative_to("/usr"):
            return found
        prefix = Path(sys.base_prefix)
        if path == ours and _is_open(prefix):
            return Interpreter(found.path, found.version, found.tag, mount=prefix)
    raise SandboxUnavailable(
        f"There is no Python that a sandbox could use: none under /usr, and {sys.base_prefix} may not be read by every "
        "user. Install one, for example with `apt-get install python3`."
    )


def _ask(path: Path) -> Interpreter | None:
    script = "import sys, json; print(json.dumps([sys.version_info[:2], sys.implementation.cache_tag, sys.version]))"
    try:
        done = subprocess.run([path, "-I", "-S", "-c", script], capture_output=True, timeout=_QUICK_SECONDS, check=True)
        version, tag, full = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return Interpreter(path, (int(version[0]), int(version[1])), f"{tag} {full}")


def _is_open(folder: Path) -> bool:
    """Whether every user may go there and read."""
    above = [folder, *folder.parents]
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in above) and bool(folder.stat().st_mode & stat.S_IROTH)


def _program(name: str) -> str | None:
    return shutil.which(name, path="/usr/bin:/usr/local/bin")


def _make_environment(place: Path, interpreter: Interpreter) -> None:
    """A virtual environment by hand, for the place where it will be mounted. It hides what the distribution has
    installed for its own interpreter."""
    version = f"python{interpreter.version[0]}.{interpreter.version[1]}"
    (place / "bin").mkdir(parents=True)
    (place / "lib" / version / "site-packages").mkdir(parents=True)
    for name in ("python", "python3", version):
        (place / "bin" / name).symlink_to(interpreter.path)
    (place / "pyvenv.cfg").write_text(f"home = {interpreter.path.parent}\ninclude-system-site-packages = false\n")


def _packages(place: Path) -> Path:
    return next((place / "py" / "lib").iterdir()) / "site-packages"


def _install(place: Path, requirements: Path) -> None:
    """With our pip, run by the template's Python, because a lock's conditions are about the Python that runs pip."""
    options = ["--require-hashes", "--no-deps", "--only-binary=:all:", "--no-compile", "--disable-pip-version-check"]
    options += ["--no-input", "--root-user-action=ignore"]
    pip = [sys.executable, "-m", "pip", "--python", str(place / "py" / "bin" / "python3")]
    _run(
        [*pip, "install", "--quiet", *options, "-r", str(requirements)],
        "The packages of a template could not be installed",
    )
    for program in (place / "py" / "bin").iterdir():
        if not program.is_symlink():
            program.unlink()  # they name the folder that they were installed in, not the one they will be in


def _compile(place: Path, interpreter: Interpreter) -> None:
    packages = _packages(place)
    inside = str(packages).replace(str(place / "py"), _MOUNTED_AT)
    options = ["-q", "-j", "0", "--invalidation-mode", "unchecked-hash", "-s", str(packages), "-p", inside]
    _run([str(interpreter.path), "-I", "-m", "compileall", *options, str(packages)], "A template could not be compiled")
    if (packages / "matplotlib").is_dir():
        # Its list of fonts takes seconds to make, and would be made in every sandbox anew.
        script = f"import sys; sys.path.insert(0, {str(packages)!r}); import matplotlib.font_manager"
        env = {"PATH": "/usr/bin:/bin", "MPLCONFIGDIR": str(place / "matplotlib"), "HOME": str(place)}
        _run([str(interpreter.path), "-I", "-B", "-c", script], "The list of fonts could not be made", env=env)


def _compile_one(interpreter: Interpreter, source: Path, target: Path, shown: str) -> None:
    script = "import py_compile, sys; py_compile.compile(*sys.argv[1:4], doraise=True, invalidation_mode=mode)"
    script = script.replace("mode)", "py_compile.PycInvalidationMode.UNCHECKED_HASH)")
    _run(
        [str(interpreter.path), "-I", "-c", script, str(source), str(target), shown], "The agent could not be compiled"
    )


def _run(command: list[str], problem: str, env: dict[str, str] | None = None) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=_BUILD_SECONDS, env=env, stdin=subprocess.DEVNULL, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SandboxStartFailed(f"{problem}: {error}.") from error
    if done.returncode:
        said = (done.stderr or done.stdout).decode("utf-8", "replace").strip()
        raise SandboxStartFailed(f"{problem}: {said[-600:]}")


def _open_to_all(folder: Path) -> None:
    """Every sandbox is another user, and each has to read it."""
    for where, _, names in os.walk(folder):
        Path(where).chmod(0o755)
        for path in (Path(where) / name for name in names):
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)


def _make_etc(place: Path) -> None:
    place.mkdir(mode=0o755)
    files = {
        "passwd": "root:x:0:0::/root:/usr/sbin/nologin\nsandbox:x:1000:1000::/workspace:/bin/sh\n"
        "nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n",
        "group": "root:x:0:\nsandbox:x:1000:\nnogroup:x:65534:\n",
        "hosts": "127.0.0.1 localhost sandbox\n::1 localhost\n",
        "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n",
        "resolv.conf": "",
        "hostname": "sandbox\n",
    }
    for name, content in files.items():
        (place / name).write_text(content)
    for name in ("alternatives", "ld.so.cache", "services", "protocols", "mime.types", "ssl/certs/ca-certificates.crt"):
        source = Path("/etc") / name
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, place / name, symlinks=True)
        elif source.exists():
            shutil.copyfile(source, place / name)
    _open_to_all(place)
