"""Compiles `syscalls.txt` to seccomp filters. Needs nothing but this file: `python -m
glia.sandboxes.bubblewrap.seccomp.compiling` rewrites the filters beside it.

The list is derived from the default profile of moby (Apache-2.0), less whatever its containers need and ours do not.
Left out on purpose: io_uring, keyctl and its kin, bpf, ptrace, process_vm_*, pidfd_getfd, userfaultfd, perf_event_open,
name and open by handle, everything about mounts, modules, clocks and namespaces. The answers:
- another architecture's calls: the process is killed (SIGSYS), since their numbers mean something else;
- a call that the kernel got after this list was made: ENOSYS, so that libraries fall back as on an older kernel;
- clone3: ENOSYS, since a filter cannot read its flags; libraries fall back to clone;
- clone with a flag that makes a namespace, ioctl TIOCSTI and TIOCLINUX, and whatever is not listed: EPERM;
- socket of a family other than UNIX, INET, INET6 and NETLINK (routing only): EAFNOSUPPORT.
"""

from __future__ import annotations

import errno
import struct
from dataclasses import dataclass
from pathlib import Path

LAST_KNOWN = 462
"""No call with a higher number was there when the list was made."""

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32 = 0x40000000

_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_EPERM, _ENOSYS, _EAFNOSUPPORT = (_ERRNO | code for code in (errno.EPERM, 38, 97))

_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
"""Offsets in struct seccomp_data. Arguments have 8 bytes, the lower half first on both machines."""

# CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
_NEW_NAMESPACE = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK = 1, 2, 10, 16
_PERSONALITIES = (0x0, 0x0008, 0x20000, 0x20008, 0xFFFFFFFF)

_LOAD, _EQUAL, _GREATER, _ABOVE_OR_EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x25, 0x35, 0x45, 0x06


@dataclass(frozen=True)
class _Step:
    """One instruction. Jumps name labels; an empty one is the next instruction."""

    code: int
    value: int
    if_true: str = ""
    if_false: str = ""
    label: str = ""


def compiled(machine: str, table: str) -> bytes:
    """The filter for `x86_64` or `aarch64` as the kernel takes it. table: the content of `syscalls.txt`."""
    numbers = _numbers(machine, table)
    return _assembled([*_prologue(machine), *_by_argument(numbers), *_listed(numbers), *_answers()])


def _numbers(machine: str, table: str) -> dict[str, int]:
    column = list(_ARCHITECTURES).index(machine) + 1
    rows = [line.split() for line in table.splitlines() if line and not line.startswith("#")]
    return {row[0]: int(row[column]) for row in rows if row[column] != "-"}


def _prologue(machine: str) -> list[_Step]:
    return [
        _Step(_LOAD, _ARCHITECTURE),
        _Step(_EQUAL, _ARCHITECTURES[machine], if_false="kill"),
        _Step(_LOAD, _NUMBER),
        _Step(_ABOVE_OR_EQUAL, _X32, if_true="kill"),
        _Step(_GREATER, LAST_KNOWN, if_true="unknown"),
    ]


def _by_argument(numbers: dict[str, int]) -> list[_Step]:
    """The kernel reads these arguments as 32 bits, so the upper half does not matter."""
    first, second, third = (_ARGUMENTS + 8 * index for index in range(3))
    return [
        _Step(_EQUAL, numbers["clone3"], if_true="unknown"),
        _Step(_EQUAL, numbers["clone"], if_false="not clone"),
        _Step(_LOAD, first),
        _Step(_ANY_BIT, _NEW_NAMESPACE, if_true="deny", if_false="allow"),
        _Step(_EQUAL, numbers["ioctl"], if_false="not ioctl", label="not clone"),
        _Step(_LOAD, second),
        _Step(_EQUAL, _TIOCSTI, if_true="deny"),
        _Step(_EQUAL, _TIOCLINUX, if_true="deny", if_false="allow"),
        _Step(_EQUAL, numbers["socket"], if_false="not socket", label="not ioctl"),
        _Step(_LOAD, first),
        *(_Step(_EQUAL, family, if_true="allow") for family in (_AF_UNIX, _AF_INET, _AF_INET6)),
        _Step(_EQUAL, _AF_NETLINK, if_false="no family"),
        _Step(_LOAD, third),
        _Step(_EQUAL, 0, if_true="allow", if_false="no family"),
        _Step(_EQUAL, numbers["personality"], if_false="not personality", label="not socket"),
        _Step(_LOAD, first),
        *(_Step(_EQUAL, persona, if_true="allow") for persona in _PERSONALITIES),
        _Step(_RETURN, _EPERM),
    ]


def _listed(numbers: dict[str, int]) -> list[_Step]:
    """A test for each run of neighbouring numbers: those below its start were not listed."""
    judged = {numbers[name] for name in ("clone", "clone3", "ioctl", "socket", "personality")}
    steps: list[_Step] = []
    for first, last in _runs(sorted(set(numbers.values()) - judged)):
        label = "" if steps else "not personality"
        steps.append(_Step(_ABOVE_OR_EQUAL, first, if_false="deny", label=label))
        steps.append(_Step(_GREATER, last, if_false="allow"))
    return steps


def _runs(numbers: list[int]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def _answers() -> list[_Step]:
    return [
        _Step(_RETURN, _EPERM, label="deny"),
        _Step(_RETURN, _ALLOW, label="allow"),
        _Step(_RETURN, _ENOSYS, label="unknown"),
        _Step(_RETURN, _EAFNOSUPPORT, label="no family"),
        _Step(_RETURN, _KILL, label="kill"),
    ]


def _assembled(steps: list[_Step]) -> bytes:
    """A jump reaches 255 instructions; raises ValueError when one would have to go farther."""
    at = {step.label: index for index, step in enumerate(steps) if step.label}
    made: list[bytes] = []
    for index, step in enumerate(steps):
        distances = [at[label] - index - 1 if label else 0 for label in (step.if_true, step.if_false)]
        if not all(0 <= distance <= 255 for distance in distances):
            raise ValueError(f"The jump of step {index} is too far: {distances}.")
        made.append(struct.pack("<HBBI", step.code, *distances, step.value))
    return b"".join(made)


def main() -> None:
    here = Path(__file__).parent
    table = (here / "syscalls.txt").read_text()
    for machine in _ARCHITECTURES:
        (here / f"{machine}.bpf").write_bytes(compiled(machine, table))


if __name__ == "__main__":
    main()
