"""The system call filters: the compiled ones are what the list says, and they judge as they should on both machines."""

from __future__ import annotations

import errno
import struct
from pathlib import Path

import pytest

from glia.sandboxes.bubblewrap import seccomp
from glia.sandboxes.bubblewrap.seccomp import filter_path
from glia.sandboxes.bubblewrap.seccomp.compiling import LAST_KNOWN, compiled

FOLDER = Path(seccomp.__file__).parent
TABLE = (FOLDER / "syscalls.txt").read_text()
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
ALLOW, KILL = "allow", "kill"

# What the list leaves out on purpose, with its number on both machines.
DENIED = {
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "bpf": (321, 280),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "userfaultfd": (323, 282),
    "perf_event_open": (298, 241),
    "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "unshare": (272, 97),
    "setns": (308, 268),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsmount": (432, 432),
    "mount_setattr": (442, 442),
    "kexec_load": (246, 104),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "settimeofday": (170, 170),
    "clock_settime": (227, 112),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "syslog": (103, 116),
    "kcmp": (312, 272),
    "fanotify_init": (300, 262),
    "vhangup": (153, 58),
}


def judge(machine: str, number: int, *arguments: int, architecture: int | None = None) -> str:
    """Runs a filter as the kernel does."""
    program = (FOLDER / f"{machine}.bpf").read_bytes()
    steps = [struct.unpack_from("<HBBI", program, at) for at in range(0, len(program), 8)]
    data = struct.pack("<IIQ", number, architecture or ARCHITECTURES[machine], 0)
    data += b"".join(struct.pack("<Q", value & 2**64 - 1) for value in (*arguments, *[0] * (6 - len(arguments))))
    held, at = 0, 0
    while True:
        code, if_true, if_false, value = steps[at]
        at += 1
        if code == 0x20:
            held = struct.unpack_from("<I", data, value)[0]
        elif code == 0x06:
            kind = value & 0xFFFF0000
            names = {0x7FFF0000: ALLOW, 0x80000000: KILL}
            return names.get(kind) or errno.errorcode[value & 0xFFFF]
        else:
            holds = {0x15: held == value, 0x25: held > value, 0x35: held >= value, 0x45: bool(held & value)}[code]
            at += if_true if holds else if_false


def numbers(machine: str) -> dict[str, int]:
    column = list(ARCHITECTURES).index(machine) + 1
    rows = [line.split() for line in TABLE.splitlines() if not line.startswith("#")]
    return {row[0]: int(row[column]) for row in rows if row[column] != "-"}


@pytest.fixture(params=list(ARCHITECTURES))
def machine(request: pytest.FixtureRequest) -> str:
    return request.param


def test_the_committed_filters_are_what_the_list_compiles_to(machine: str) -> None:
    assert (FOLDER / f"{machine}.bpf").read_bytes() == compiled(machine, TABLE)


def test_another_list_compiles_to_another_filter(machine: str) -> None:
    assert compiled(machine, TABLE.replace("\nread 0 63\n", "\n")) != compiled(machine, TABLE)


def test_every_listed_call_is_allowed(machine: str) -> None:
    judged = {"clone", "clone3", "socket", "ioctl", "personality"}
    answers = {name: judge(machine, number) for name, number in numbers(machine).items() if name not in judged}

    assert {name for name, answer in answers.items() if answer != ALLOW} == set()
    assert len(answers) > 200


def test_what_is_not_listed_is_denied(machine: str) -> None:
    column = list(ARCHITECTURES).index(machine)
    answers = {name: judge(machine, pair[column]) for name, pair in DENIED.items()}

    assert {name: answer for name, answer in answers.items() if answer != "EPERM"} == {}
    listed = set(numbers(machine).values())
    assert {judge(machine, number) for number in range(LAST_KNOWN + 1) if number not in listed} == {"EPERM"}


def test_calls_newer_than_the_list_are_not_there(machine: str) -> None:
    assert judge(machine, LAST_KNOWN + 1) == judge(machine, 0x3FFFFFFF) == "ENOSYS"


def test_other_architectures_are_killed(machine: str) -> None:
    other = next(number for name, number in ARCHITECTURES.items() if name != machine)

    assert judge(machine, 0, architecture=other) == judge(machine, 0, architecture=0x40000003) == KILL
    assert judge(machine, 0x40000000) == KILL


def test_namespaces_are_not_cloned(machine: str) -> None:
    clone = numbers(machine)["clone"]

    assert judge(machine, clone, 0x003D0F00) == ALLOW  # a thread
    assert judge(machine, clone, 17) == ALLOW  # a child
    for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert judge(machine, clone, flag | 17) == "EPERM"
    assert judge(machine, numbers(machine)["clone3"]) == "ENOSYS"


def test_terminals_are_not_typed_into(machine: str) -> None:
    ioctl = numbers(machine)["ioctl"]

    assert judge(machine, ioctl, 0, 0x5413) == ALLOW
    for request in (0x5412, 0x541C, 0x100005412, 0xFFFFFFFF0000541C):  # the kernel reads the lower half only
        assert judge(machine, ioctl, 0, request) == "EPERM"


def test_only_the_usual_socket_families_are_there(machine: str) -> None:
    socket = numbers(machine)["socket"]

    allowed = [family for family in range(64) if judge(machine, socket, family, 1) == ALLOW]
    assert allowed == [1, 2, 10, 16]
    assert judge(machine, socket, 40, 1) == judge(machine, socket, 2**32 + 40, 1) == "EAFNOSUPPORT"
    assert judge(machine, socket, 16, 3, 12) == "EAFNOSUPPORT"


def test_this_machine_has_a_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, expected in (("x86_64", "x86_64.bpf"), ("arm64", "aarch64.bpf")):
        monkeypatch.setattr("platform.machine", lambda name=name: name)
        found = filter_path()
        assert found is not None
        assert found.name == expected
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    assert filter_path() is None
