"""Finds out what this machine lets us do, and explains what it does not. Blocking."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from glia.kit.errors import GliaError
from glia.sandboxes.bubblewrap import cgroups
from glia.sandboxes.bubblewrap.cgroups import CgroupFailed, Group, Hierarchies
from glia.sandboxes.bubblewrap.seccomp import filter_path
from glia.sandboxes.bubblewrap.templates import Templates
from glia.sandboxes.bubblewrap.uids import usable_range
from glia.sandboxes.bubblewrap.workspaces import Workspaces
from glia.sandboxes.errors import SandboxUnavailable
from glia.sandboxes.types import LimitHold, Limits, Probe, SandboxId

_INSTALL = "Install it: `apt-get install {0}` on Debian and Ubuntu, `dnf install {0}` on Fedora."


@dataclass(frozen=True)
class Found:
    """What a machine offers. problem: why there can be no sandbox at all. notes: what is weaker than it could be."""

    bwrap: str = ""
    seccomp: Path = Path()
    hierarchies: Hierarchies = field(default_factory=Hierarchies)
    uids: range | None = None
    has_disk_images: bool = False
    forbids_nested: bool = True
    notes: tuple[str, ...] = ()
    problem: Probe | None = None

    def attempts(self) -> Iterator[Found]:
        """In some containers, and before bubblewrap 0.8, `--disable-userns` fails; seccomp forbids the same."""
        yield self
        note = "bubblewrap cannot forbid nested user namespaces here; the system call filter alone does."
        yield replace(self, forbids_nested=False, notes=(*self.notes, note))


def usable_uids(*, is_root: bool) -> range | None:
    uid_map = Path("/proc/self/uid_map")
    return usable_range(uid_map.read_text()) if is_root and uid_map.exists() else None


def examine(state: Path, templates: Templates, *, is_root: bool) -> Found:
    bwrap, seccomp, uids = shutil.which("bwrap"), filter_path(), usable_uids(is_root=is_root)
    refusal = _missing(bwrap, seccomp, uids, is_root=is_root) or _closed(state, templates, needs_others=is_root)
    if refusal is not None or bwrap is None or seccomp is None:
        return refusal or Found()
    hierarchies, group_notes = _usable_groups()
    has_images, image_notes = _usable_images(state) if is_root else (False, _SOFT_QUOTA)
    return Found(bwrap, seccomp, hierarchies, uids, has_images, notes=(*group_notes, *image_notes))


def _missing(bwrap: str | None, seccomp: Path | None, uids: range | None, *, is_root: bool) -> Found | None:
    found: Found | None = None
    if not sys.platform.startswith("linux"):
        found = _no(
            f"Sandboxes need Linux; this is {sys.platform}.", "Run the server on Linux, or use the OCI backend."
        )
    elif bwrap is None:
        found = _no("bubblewrap is not installed: there is no `bwrap` on the PATH.", _INSTALL.format("bubblewrap"))
    elif shutil.which("setpriv") is None:
        found = _no("There is no `setpriv` on the PATH.", _INSTALL.format("util-linux"))
    elif seccomp is None:
        found = _no("There is no system call filter for this kind of processor.", "Use x86-64 or 64-bit ARM.")
    elif is_root and uids is None:
        found = _no(
            "This root user has no range of user ids to give to sandboxes: its own namespace maps too few.",
            "Run the server as an ordinary user, or in a container with at least 65,536 user ids.",
        )
    return found


_SOFT_QUOTA = ("Only root can mount disk images, so the size of /workspace is looked at once a second.",)


def _no(reason: str, fix: str) -> Found:
    return Found(problem=Probe(is_available=False, reason=reason, fix=fix))


def _closed(state: Path, templates: Templates, *, needs_others: bool) -> Found | None:
    try:
        templates.interpreter()
        state.mkdir(mode=0o711, parents=True, exist_ok=True)
    except SandboxUnavailable as error:
        return _no(error.message, "")
    except OSError as error:
        return _no(f"The folder for sandboxes, {str(state)!r}, cannot be made: {error.strerror}.", "Name another.")
    if not os.access(state, os.W_OK | os.X_OK):
        return _no(f"The folder for sandboxes, {str(state)!r}, may not be written by this user.", "Name another.")
    closed = [folder for folder in (state, *state.parents) if not folder.stat().st_mode & stat.S_IXOTH]
    if needs_others and closed:
        return _no(
            f"Sandboxes run as users of their own, who may not pass through {str(closed[-1])!r}.",
            f"`chmod o+x {closed[-1]}`, or name another folder for sandboxes.",
        )
    return None


def _usable_groups() -> tuple[Hierarchies, tuple[str, ...]]:
    """Those in which a group can really be made and limited."""
    try:
        found = cgroups.find_own()
        cgroups.delegate(found)
        group = Group(found, f"glia-probe-{secrets.token_hex(6)}")
        group.create(Limits())
        group.remove()
    except (OSError, CgroupFailed) as error:
        return Hierarchies(), (
            f"No control groups can be made here ({error}), so memory and processes are limited softly.",
        )
    missing = {"cpu", "memory", "pids"} - found.controllers
    if missing:
        return found, (f"The control groups here do not limit {', '.join(sorted(missing))}.",)
    return found, ()


def _usable_images(state: Path) -> tuple[bool, tuple[str, ...]]:
    workspace = Workspaces(state).take(SandboxId(f"probe-{secrets.token_hex(6)}"))
    try:
        workspace.open(disk_bytes=Limits().disk_bytes, uid=None, blanks=state / "blanks")
    except (OSError, GliaError) as error:
        return False, (f"Disk images cannot be mounted here ({error}), so the size of /workspace is only looked at.",)
    finally:
        workspace.close(is_kept=False)
    return True, ()


def judged(found: Found, failure: GliaError | None = None) -> Probe:
    """failure: why the trial did not start."""
    if failure is not None:
        return Probe(is_available=False, reason=f"A trial sandbox did not start. {failure.message}", fix=_advice())
    has = found.hierarchies.controllers
    user: LimitHold = "soft"
    can_freeze = found.hierarchies.unified is not None or "freezer" in found.hierarchies.v1
    limits: dict[str, LimitHold] = {
        "cpu": "enforced" if "cpu" in has else "none",
        "memory": "enforced" if "memory" in has else user,
        "pids": "enforced" if "pids" in has or not has else user,
        "disk": "enforced" if found.has_disk_images else user,
        "pause": "enforced" if can_freeze else user,
    }
    kind = "each with a user id of its own" if found.uids is not None else "all with the user id of this server"
    fix = ""
    if any(hold != "enforced" for hold in limits.values()):
        fix = (
            "Run the server as root, which gives each sandbox a user of its own and hard limits, or under systemd with "
            "Delegate=yes."
        )
    reason = " ".join(found.notes)
    return Probe(
        is_available=True, reason=reason, fix=fix, limits=limits, details=(f"Sandboxes run {kind}.", *found.notes)
    )


def _advice() -> str:
    """What most often keeps namespaces from being made."""
    switches = (
        (
            "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        ("/proc/sys/kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
        ("/proc/sys/user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=15000"),
    )
    for path, bad, command in switches:
        try:
            if Path(path).read_text().strip() == bad:
                return f"This machine forbids user namespaces. As root: `{command}`, and the same in /etc/sysctl.d."
        except OSError:
            continue
    return (
        "If this is a container, it must be allowed to make user namespaces and to mount /proc; with Docker: "
        "`--security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined`."
    )
