"""What a new sandbox may ask for. Pure rules; every refusal names its field."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from glia.kit.errors import InvalidRequest
from glia.sandboxes.config import SandboxConfig
from glia.sandboxes.egress.rules import read_allow_list
from glia.sandboxes.records import NewSandbox, SecretSpec
from glia.sandboxes.types import MIB, Command, Limits

LONGEST_LEASE_SECONDS = 86_400
LONGEST_EXEC_SECONDS = 3_600.0
LARGEST_OUTPUT = 10 * MIB
_MOST_VARIABLES = 100
_MOST_SECRETS = 20
_LARGEST_VALUE = 32 * 1024
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}", re.ASCII)
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}", re.ASCII)
_HEADER_VALUE = re.compile(r"[\x21-\x7e\x80-\xff]([\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?")
_NOT_TO_SET = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "upgrade", "expect", "te", "trailer"}
)


def check_new(wanted: NewSandbox, config: SandboxConfig) -> None:
    """Raises InvalidRequest."""
    if len(wanted.name) > 200 or "\0" in wanted.name:
        raise InvalidRequest("`name` may have 200 characters, and no NUL.", field="name")
    if not 0 <= wanted.lease_seconds <= LONGEST_LEASE_SECONDS:
        raise _outside("lease_seconds", wanted.lease_seconds, 1, LONGEST_LEASE_SECONDS)
    check_limits(wanted.limits, config)
    check_env(wanted.env)
    read_allow_list(wanted.allow_hosts)
    _check_secrets(wanted.secrets, wanted.env)


def check_command(command: Command) -> None:
    """Beyond what the backend checks: what one request may take."""
    check_env(command.env)
    if not 0 < command.timeout_seconds <= LONGEST_EXEC_SECONDS:
        raise InvalidRequest(
            f"`timeout_seconds` is {command.timeout_seconds:g}; it must be more than 0 and at most"
            f" {LONGEST_EXEC_SECONDS:g}.",
            field="timeout_seconds",
        )
    if not 0 <= command.output_bytes <= LARGEST_OUTPUT:
        raise InvalidRequest(
            f"`output_bytes` is {command.output_bytes}; it must be between 0 and {LARGEST_OUTPUT}.",
            field="output_bytes",
        )


def check_limits(limits: Limits, config: SandboxConfig) -> None:
    """What was asked for, within what the operator lets one sandbox have."""
    for name, value, smallest, largest in (
        ("cpus", limits.cpus, 0.05, config.cpus),
        ("memory_bytes", limits.memory_bytes, 32 * MIB, config.memory_mib * MIB),
        ("disk_bytes", limits.disk_bytes, MIB, config.disk_mib * MIB),
        ("pids", limits.pids, 8, 4096),
    ):
        if not smallest <= value <= largest:
            raise _outside(f"limits.{name}", value, smallest, largest)


def check_env(env: Mapping[str, str], field: str = "env") -> None:
    if len(env) > _MOST_VARIABLES:
        raise InvalidRequest(f"`{field}` has {len(env)} variables; the most is {_MOST_VARIABLES}.", field=field)
    for name, value in env.items():
        if not _NAME.fullmatch(name):
            raise InvalidRequest(
                f"`{field}` has the name {name[:100]!r}; use letters, digits and `_`, not beginning with a digit.",
                field=field,
            )
        if len(value) > _LARGEST_VALUE or "\0" in value:
            raise InvalidRequest(
                f"`{field}.{name}` may have {_LARGEST_VALUE} characters, and no NUL.", field=f"{field}.{name}"
            )


def _check_secrets(secrets: Sequence[SecretSpec], env: Mapping[str, str]) -> None:
    if len(secrets) > _MOST_SECRETS:
        raise InvalidRequest(f"`secrets` has {len(secrets)} entries; the most is {_MOST_SECRETS}.", field="secrets")
    names: set[str] = set()
    for index, secret in enumerate(secrets):
        field = f"secrets[{index}]"
        if not _NAME.fullmatch(secret.name) or secret.name in names or secret.name in env:
            raise InvalidRequest(
                f"`{field}.name` is {secret.name[:100]!r}; it becomes a variable inside, so it needs a name that no"
                " other secret and no variable in `env` has.",
                field=f"{field}.name",
            )
        names.add(secret.name)
        if not secret.hosts:
            raise InvalidRequest(f"`{field}.hosts` is empty; name the hosts it is sent to.", field=f"{field}.hosts")
        read_allow_list(secret.hosts, f"{field}.hosts")
        if not _HEADER.fullmatch(secret.header) or secret.header.lower() in _NOT_TO_SET:
            raise InvalidRequest(
                f"`{field}.header` is {secret.header[:100]!r}, which cannot be set.", field=f"{field}.header"
            )
        if secret.template.count("{value}") != 1 or len(secret.value) > _LARGEST_VALUE:
            raise InvalidRequest(
                f"`{field}.template` must hold `{{value}}` once, and the value at most {_LARGEST_VALUE} characters.",
                field=f"{field}.template",
            )
        if not secret.value or not _HEADER_VALUE.fullmatch(sent(secret)):
            raise InvalidRequest(
                f"`{field}.value` cannot be sent in a header: it is empty, or holds a line break or a character outside"
                " Latin-1.",
                field=f"{field}.value",
            )


def sent(secret: SecretSpec) -> str:
    """The header's whole value."""
    return secret.template.replace("{value}", secret.value)


def _outside(field: str, value: float, smallest: float, largest: float) -> InvalidRequest:
    return InvalidRequest(f"`{field}` is {value:g}; it must be between {smallest:g} and {largest:g}.", field=field)
