"""Starts one program of PostgreSQL in the right skin: run as a script, it ends in exec.

It is a script of its own, run with `python -I -S`, because the work between fork and exec (change of user,
capabilities, parent-death signal) is not safe inside a process that has threads. It imports next to nothing: its
start is part of every start of the server.

    launcher.py PARENT STATUS_FD DEATH_SIGNAL UID GID COUNT PATH... PROGRAM ARGUMENT...

UID -1 keeps the account. The COUNT paths must be reachable by that account. STATUS_FD closes silently when exec
succeeds; otherwise it carries `kind NUL text`, where kind is `closed`, `account`, `orphan` or `exec`.
"""

from __future__ import annotations

import ctypes
import os
import stat
import sys

_SET_DEATH_SIGNAL, _KEEP_CAPABILITIES, _NO_NEW_PRIVILEGES, _AMBIENT, _AMBIENT_RAISE = 1, 8, 38, 47, 2
_CAPABILITY_VERSION = 0x20080522
# Reading and searching everywhere is the smaller of the two; containers often hold only the other.
_DAC_OVERRIDE, _DAC_READ_SEARCH = 1, 2
_HELPFUL = (_DAC_READ_SEARCH, _DAC_OVERRIDE)
# access(2), by which the programs look for each other, forgets capabilities unless this bit was set before.
_GET_SECURITY, _SET_SECURITY, _NO_SETUID_FIXUP, _CHANGE_SECURITY = 27, 28, 1 << 2, 8
_IS_LINUX = sys.platform == "linux"


class _Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _Words(ctypes.Structure):
    _fields_ = [("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32)]


class Refused(Exception):
    """Why the program was not started: a kind and a text for the supervisor."""


def _prctl(*arguments: int) -> bool:
    words = [ctypes.c_ulong(number) for number in (*arguments, 0, 0, 0, 0)[:5]]
    return ctypes.CDLL(None).prctl(*words) == 0


def _permitted() -> int:
    data = (_Words * 2)()
    ctypes.CDLL(None).capget(ctypes.byref(_Header(_CAPABILITY_VERSION, 0)), data)
    return int(data[0].permitted)


def _set_capabilities(*, permitted: int, effective: int) -> bool:
    data = (_Words * 2)()
    data[0].permitted = data[0].inheritable = permitted
    data[0].effective = effective
    return ctypes.CDLL(None).capset(ctypes.byref(_Header(_CAPABILITY_VERSION, 0)), data) == 0


def _first_closed(paths: list[str]) -> str | None:
    """The first folder on the way to one of the paths that this account cannot pass; None when all are reachable."""
    for path in paths:
        walked = ""
        for part in path.strip("/").split("/"):
            closed, walked = walked or "/", f"{walked}/{part}"
            try:
                os.stat(walked)  # noqa: PTH116 - pathlib is too heavy for this script
            except PermissionError:
                return closed
            except FileNotFoundError:
                break
        try:
            os.close(os.open(path, os.O_RDONLY))
        except PermissionError:
            return path
        except FileNotFoundError:
            pass
    return None


def _may_execute(program: str, uid: int, gid: int, capability: int | None) -> bool:
    facts = os.stat(program)  # noqa: PTH116 - see above
    if capability == _DAC_OVERRIDE:
        return bool(facts.st_mode & 0o111)
    bit = stat.S_IXUSR if facts.st_uid == uid else stat.S_IXGRP if facts.st_gid == gid else stat.S_IXOTH
    return bool(facts.st_mode & bit)


def _become(uid: int, gid: int, paths: list[str], program: str) -> None:
    """Takes the account. Keeps one capability, and only when a folder on the way is closed to that account."""
    held = _permitted() if _IS_LINUX else 0
    try:
        os.setgroups([])
        if _IS_LINUX:
            _prctl(_KEEP_CAPABILITIES, 1)
        os.setgid(gid)
        os.setuid(uid)
    except OSError as error:
        raise Refused("account", f"{error.strerror} (uid {uid}, gid {gid})") from error
    closed = _first_closed(paths)
    if closed is None and not _may_execute(program, uid, gid, None):
        closed = program
    if _IS_LINUX:
        kept = 0 if closed is None else _keep_one(held, uid, gid, paths, program)
        _set_capabilities(permitted=kept, effective=kept)
        if kept:
            closed = None
        _prctl(_NO_NEW_PRIVILEGES, 1)
    if closed is not None:
        raise Refused("closed", closed)


def _keep_one(held: int, uid: int, gid: int, paths: list[str], program: str) -> int:
    """The bit of the first capability that opens the way and outlives exec; 0 when none does."""
    candidates = [capability for capability in _HELPFUL if held >> capability & 1]
    everything = sum(1 << capability for capability in candidates)
    setter = held & (1 << _CHANGE_SECURITY)
    if setter and _set_capabilities(permitted=everything | setter, effective=setter):
        _prctl(_SET_SECURITY, ctypes.CDLL(None).prctl(_GET_SECURITY, 0, 0, 0, 0) | _NO_SETUID_FIXUP)
    for capability in candidates:
        bit = 1 << capability
        opened = _set_capabilities(permitted=everything, effective=bit) and _first_closed(paths) is None
        if opened and _may_execute(program, uid, gid, capability) and _prctl(_AMBIENT, _AMBIENT_RAISE, capability):
            return bit
    return 0


def _die_with(parent: int, signal_number: int) -> None:
    # After the change of account, which clears it.
    if _IS_LINUX and signal_number:
        _prctl(_SET_DEATH_SIGNAL, signal_number)
    # The parent may have died before the line above took effect.
    if os.getppid() != parent:
        raise Refused("orphan", "the process that asked is gone")


def _run(arguments: list[str]) -> None:
    parent, status, signal_number, uid, gid, count = (int(text) for text in arguments[:6])
    paths, command = arguments[6 : 6 + count], arguments[6 + count :]
    os.set_inheritable(status, False)
    try:
        if uid != -1:
            _become(uid, gid, [command[0], *paths], command[0])
        _die_with(parent, signal_number)
        os.execv(command[0], command)  # noqa: S606 - no shell is wanted
    except Refused as refused:
        os.write(status, "\0".join(refused.args).encode(errors="surrogateescape"))
    except OSError as error:
        os.write(status, f"exec\0{error.strerror}: {command[0]}".encode(errors="surrogateescape"))
    os._exit(126)


if __name__ == "__main__":
    _run(sys.argv[1:])
