"""What a container is told to be, so that it holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from glia.sandboxes.bubblewrap import seccomp
from glia.sandboxes.types import SandboxId, SandboxSpec

LABEL = "glia.sandbox"
SERVER_LABEL = "glia.sandbox.server"
INNER_ID = 1000
_OWN_PROCESSES = 2
_SHM_BYTES = 16 * 1024 * 1024
_START_AGENT = "import sys; sys.path.insert(0, '/opt'); from agent.main import main; main()"
_EGRESS = "/run/egress.sock"
_CONTROL = "/run/agent.sock"
_NEW_NAMESPACE = 0x7E020000


def settings(
    id: SandboxId,
    spec: SandboxSpec,
    *,
    image: str,
    runtime: str | None,
    agent: Path,
    files: Path,
    control: Path,
    server: str,
) -> dict[str, Any]:
    """The body that creates the container. agent, files, control: folders and the socket of the host."""
    limits = spec.limits
    binds = [f"{agent}:/opt/agent:ro", f"{files}:/workspace:rw", f"{control}:{_CONTROL}:rw"]
    egress = "-"
    if spec.egress_socket is not None:
        egress = _EGRESS
        binds.append(f"{spec.egress_socket}:{_EGRESS}:rw")
    rlimits = f"core=1,nofile={limits.open_files},fsize={limits.disk_bytes}"
    tmpfs = f"rw,nosuid,nodev,size={limits.temp_bytes},mode=1777"
    host: dict[str, Any] = {
        "Binds": binds,
        "NetworkMode": "none",
        "ReadonlyRootfs": True,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges:true", f"seccomp={json.dumps(profile())}"],
        "PidsLimit": limits.pids + _OWN_PROCESSES,
        "Memory": limits.memory_bytes,
        "MemorySwap": limits.memory_bytes,
        "NanoCpus": int(limits.cpus * 1e9),
        "ShmSize": _SHM_BYTES,
        "Tmpfs": {"/tmp": tmpfs},  # noqa: S108  # of the container
        "IpcMode": "private",
        "CgroupnsMode": "private",
        "RestartPolicy": {"Name": "no"},
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m", "max-file": "1"}},
        "OomScoreAdj": 300,
    }
    if runtime is not None:
        host["Runtime"] = runtime
    return {
        "Image": image,
        "Entrypoint": ["python3", "-I", "-S", "-c", _START_AGENT, rlimits, egress, "dial", _CONTROL],
        "Cmd": [],
        "User": f"{INNER_ID}:{INNER_ID}",
        "WorkingDir": "/workspace",
        "Hostname": "sandbox",
        "NetworkDisabled": True,
        "Env": [f"{name}={value}" for name, value in _environment(spec).items()],
        "Labels": {**spec.labels, LABEL: id, SERVER_LABEL: server},
        "StopTimeout": 1,
        "HostConfig": host,
    }


def _environment(spec: SandboxSpec) -> dict[str, str]:
    env = {"HOME": "/workspace", "USER": "sandbox", "LANG": "C.UTF-8", "TZ": "UTC", "MPLBACKEND": "Agg"}
    env |= dict.fromkeys(("XDG_CACHE_HOME", "MPLCONFIGDIR"), "/tmp/.cache")  # noqa: S108  # of the container
    if spec.egress_socket is not None:
        env |= dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:3128")
        env |= dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost")
    return env | dict(spec.env)


def profile() -> dict[str, Any]:
    """The list of system calls in the engine's words. Its own default still allows more in some versions."""
    table = (Path(seccomp.__file__).parent / "syscalls.txt").read_text()
    judged = {"clone", "clone3", "socket", "ioctl", "personality"}
    names = [line.split()[0] for line in table.splitlines() if line and not line.startswith("#")]
    is_no_namespace = {"index": 0, "value": _NEW_NAMESPACE, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}
    is_no_push = {"index": 1, "value": 0x5412, "op": "SCMP_CMP_NE"}
    rules: list[dict[str, Any]] = [
        {"names": [name for name in names if name not in judged], "action": "SCMP_ACT_ALLOW"},
        {"names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": [is_no_namespace]},
        {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
        {"names": ["ioctl"], "action": "SCMP_ACT_ALLOW", "args": [is_no_push]},
    ]
    for family in (1, 2, 10, 16):
        is_family = {"index": 0, "value": family, "op": "SCMP_CMP_EQ"}
        rules.append({"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [is_family]})
    for persona in (0x0, 0x0008, 0x20000, 0x20008, 0xFFFFFFFF):
        is_persona = {"index": 0, "value": persona, "op": "SCMP_CMP_EQ"}
        rules.append({"names": ["personality"], "action": "SCMP_ACT_ALLOW", "args": [is_persona]})
    return {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1, "syscalls": rules}
