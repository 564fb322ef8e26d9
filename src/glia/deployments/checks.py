"""What a deployment may be made of, field by field. Pure rules."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from urllib.parse import urlsplit

from glia.deployments.types import LEVELS, MIB, DeploymentSpec, Program
from glia.kit.errors import InvalidRequest
from glia.kit.outbound import UrlRefused
from glia.kit.outbound.target import parse
from glia.sandboxes.egress.rules import read_allow_list

EXECUTABLES = ("rust", "go", "native")
RUNTIMES = (*EXECUTABLES, "python", "node")
NETWORKS = ("none", "hosts", "public")
MOST_REPLICAS = 100
FIRST_PORT = 1024
PROXY_PORT = 3128
"""Where a program asks for others, inside its own network."""

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_REGION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_MEMORY = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?)(Ki|Mi|Gi)")
_PATH = re.compile(r"/[!-\"$-~]{0,999}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_UNITS = {"Ki": 1024, "Mi": MIB, "Gi": 1024 * MIB}
_OURS = frozenset({"PORT", "LD_PRELOAD"})


def refused(field: str, reason: str) -> InvalidRequest:
    return InvalidRequest(f"Invalid deployment: `{field}` {reason}.", field=field, reason=reason)


def cpus_of(text: str) -> float:
    """Cores. Raises InvalidRequest."""
    try:
        value = Decimal(text) if re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,6})?", text) else Decimal("NaN")
    except InvalidOperation:
        value = Decimal("NaN")
    if value.is_nan():
        raise refused("cpu", "must be decimal cores such as 0.5 or 2")
    if not Decimal("0.05") <= value <= 64:
        raise refused("cpu", "must be between 0.05 and 64 cores")
    return float(value)


def memory_of(text: str) -> int:
    """Bytes. Raises InvalidRequest."""
    found = _MEMORY.fullmatch(text)
    if found is None:
        raise refused("memory", "must be a number with Ki, Mi or Gi, such as 512Mi")
    size = int(Decimal(found[1]) * _UNITS[found[2]])
    if not 32 * MIB <= size <= 1024 * 1024 * MIB:
        raise refused("memory", "must be between 32Mi and 1024Gi")
    return size


def check_replicas(replicas: int) -> None:
    if not 0 <= replicas <= MOST_REPLICAS:
        raise refused("replicas", f"must be between 0 and {MOST_REPLICAS}")


def check_spec(spec: DeploymentSpec) -> DeploymentSpec:
    """The spec with its sha256 in small letters. Raises InvalidRequest, which names the field and the reason."""
    if not _NAME.fullmatch(spec.name):
        raise refused("name", "must be 1 to 63 of a-z, 0-9 and -, and neither begin nor end with -")
    check_replicas(spec.replicas)
    if spec.region and not _REGION.fullmatch(spec.region):
        raise refused("region", "must be 1 to 63 letters, digits, dots, dashes or underscores")
    check_environment(spec.environment)
    return replace(spec, program=check_program(spec.program))


def check_environment(environment: Mapping[str, str]) -> None:
    if len(environment) > 200 or sum(len(name) + len(value) for name, value in environment.items()) > 64 * 1024:
        raise refused("environment", "may hold 200 variables and 64 KiB altogether")
    for name, value in environment.items():
        if not _VARIABLE.fullmatch(name) or name in _OURS:
            raise refused("environment", f"has {name[:100]!r}, which cannot be set")
        if "\0" in value:
            raise refused("environment", f"has a zero byte in {name}")


def check_program(program: Program) -> Program:
    if program.runtime not in RUNTIMES:
        raise refused("runtime", f"must be one of {', '.join(RUNTIMES)}")
    _check_url(program.binary_url)
    sha256 = program.sha256.lower() if program.sha256 is not None else None
    if sha256 is not None and not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise refused("sha256", "must be 64 hex digits")
    cpus_of(program.cpu)
    memory_of(program.memory)
    if not FIRST_PORT <= program.port <= 65535:
        raise refused("port", f"must be between {FIRST_PORT} and 65535; programs have no right to lower ones")
    path = program.health_path
    if not _PATH.fullmatch(path):
        reason = "must be a path that begins with / and has neither spaces nor # nor control characters"
        raise refused("health_path", reason)
    if len(program.command) > 100 or any(len(part) > 4096 or "\0" in part for part in program.command):
        raise refused("command", "may have 100 arguments of 4096 characters, none with a zero byte")
    _check_network(program)
    return replace(program, sha256=sha256)


def _check_network(program: Program) -> None:
    if program.network not in NETWORKS:
        raise refused("network", f"must be one of {', '.join(NETWORKS)}")
    if program.network != "none" and program.port == PROXY_PORT:
        raise refused("port", f"must be another than {PROXY_PORT}, where the way out is that `network` opens")
    if (program.network == "hosts") != bool(program.network_hosts):
        raise refused("network_hosts", "must name hosts when `network` is `hosts`, and only then")
    try:
        read_allow_list(program.network_hosts, "network_hosts")
    except InvalidRequest as error:
        raise refused("network_hosts", f"is refused: {error.message}") from None


def _check_url(url: str) -> None:
    if len(url) > 2000:
        raise refused("binary_url", "may have 2000 characters")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise refused("binary_url", "is not an address") from None
    if parts.scheme == "storage":
        if not url.removeprefix("storage://").strip("/"):
            raise refused("binary_url", "must name an object: storage://<pathname>")
        return
    if parts.scheme not in ("http", "https"):
        raise refused("binary_url", "must begin with http://, https:// or storage://")
    try:
        parse(url)
    except UrlRefused as error:
        raise refused("binary_url", f"cannot be used: {error.message.rstrip('.')}") from None


def level_number(level: str) -> int:
    if level not in LEVELS:
        raise refused("level", f"must be one of {', '.join(LEVELS)}")
    return LEVELS.index(level)
