"""Attacks from inside, by the numbers they have on our list. Each has a positive control: the same probe succeeds where
it may, so that a typo, a missing file or a closed port cannot pass for a wall. And each names the exact error."""

from __future__ import annotations

import os
import platform
import signal
import socket
import subprocess
from contextlib import suppress
from pathlib import Path

from glia.sandboxes.bubblewrap.launcher import Interior, Outside, options
from glia.sandboxes.errors import (
    SandboxGone,
    SandboxUnavailable,
)
from glia.sandboxes.types import SandboxSpec
from tests.sandboxes.rig import Fact, Rig, sh

FACTS: list[Fact] = []
IS_ROOT = os.geteuid() == 0


def fact(function: Fact) -> Fact:
    FACTS.append(function)
    return function


# --- The host's files, variables, descriptors -------------------------------------------------------------------------


@fact
async def a01_core_pattern_cannot_be_written(rig: Rig) -> None:
    path = "/proc/sys/kernel/core_pattern"
    before = Path(path).read_text()
    script = f"say(attempt(lambda: os.close(os.open({path!r}, os.O_WRONLY))))"
    async with rig.sandbox() as sandbox:
        assert await rig.ask(sandbox, script) in ("EACCES", "EROFS")
    if IS_ROOT:
        # With the guard off, that is with root outside, nothing but the mount is in the way.
        assert await rig.ask_outside(script) == "ok"
    assert Path(path).read_text() == before


@fact
async def a02_the_launcher_refuses_root(rig: Rig) -> None:
    interior = Interior("/usr/bin/python3", Path("/a"), Path("/e"), Path("/m"), Path("/c"))

    def told(uid: int | None) -> list[str]:
        return options(SandboxSpec(), interior, Outside("bwrap", Path("/w"), Path("/f"), uid=uid))

    async def refused(uid: int | None) -> bool:
        try:
            told(uid)
        except SandboxUnavailable:
            return True
        return False

    assert await refused(0)
    assert not await refused(1_900_000_000)
    assert await refused(None) == IS_ROOT


@fact
async def a03_files_of_the_host_are_not_there(rig: Rig) -> None:
    secret = rig.folder / "platform.conf"
    secret.write_text("secret")
    secret.chmod(0o644)
    paths = ["/etc/shadow", "/root", "/home", "/var", "/boot", str(secret), str(rig.state)]
    script = f"say([attempt(os.stat, path) for path in {paths!r}])"
    async with rig.sandbox() as sandbox:
        assert await rig.ask(sandbox, script) == ["ENOENT"] * len(paths)
        assert await rig.ask(sandbox, "say(attempt(os.stat, '/etc/passwd'))") == "ok"
    assert await rig.ask_outside(script) == ["ok"] * len(paths)


@fact
async def a04_our_environment_does_not_leak(rig: Rig) -> None:
    script = """
found = [dict(os.environ)]
for pid in os.listdir('/proc'):
    if pid.isdigit():
        try:
            found.append(open(f'/proc/{pid}/environ', 'rb').read().decode('latin-1'))
            found.append(open(f'/proc/{pid}/cmdline', 'rb').read().decode('latin-1'))
        except OSError:
            pass
say(found)
"""
    os.environ["GLIA_TEST_SECRET"] = "sesame-open"
    try:
        async with rig.sandbox() as sandbox:
            seen = await rig.ask(sandbox, script)
        control = await rig.ask_outside(script)
    finally:
        del os.environ["GLIA_TEST_SECRET"]
    assert len(seen) > 3
    assert "sesame-open" not in str(seen)
    assert "GLIA_" not in str(seen)
    assert str(rig.state) not in str(seen)
    assert "sesame-open" in str(control)


@fact
async def a05_no_descriptor_of_ours_is_open(rig: Rig) -> None:
    secret = rig.folder / "secret.txt"
    secret.write_text("secret")
    script = """
found = {}
for pid in ['self', *filter(str.isdigit, os.listdir('/proc'))]:
    try:
        for fd in os.listdir(f'/proc/{pid}/fd'):
            found[f'{pid} {fd}'] = os.readlink(f'/proc/{pid}/fd/{fd}')
    except OSError:
        pass
say(found)
"""
    fd = os.open(secret, os.O_RDONLY)
    os.set_inheritable(fd, True)
    try:
        async with rig.sandbox() as sandbox:
            seen = await rig.ask(sandbox, script)
        control = await rig.ask_outside(script, close_fds=False)
    finally:
        os.close(fd)
    own = {name: target for name, target in seen.items() if name.startswith("self ")}
    assert {int(name.split()[1]) for name, target in own.items() if "/proc/" not in target} == {0, 1, 2}
    assert "secret.txt" not in str(seen)
    assert "secret.txt" in str(control)


# --- Processes and the kernel -----------------------------------------------------------------------------------------


@fact
async def a06_processes_of_the_host_are_out_of_reach(rig: Rig) -> None:
    other = subprocess.Popen(["sleep", "600"])
    script = f"""
pids = sorted(int(name) for name in os.listdir('/proc') if name.isdigit())
say([len(pids), attempt(os.kill, {other.pid}, 9), {os.getpid()} in pids, attempt(os.kill, 1, 0)])
"""
    try:
        async with rig.sandbox() as sandbox:
            count, kill, sees_us, own_first = await rig.ask(sandbox, script)
            assert count < 12
            assert (kill, sees_us, own_first) == ("ESRCH", False, "ok")
            with suppress(SandboxGone):  # its own agent it may kill
                await sh(sandbox, "kill -9 1; kill -9 $PPID; kill -9 -1")
        assert other.poll() is None
        assert await rig.ask_outside(f"say(attempt(os.kill, {other.pid}, 9))") == "ok"
        assert other.wait(10) == -signal.SIGKILL
    finally:
        other.kill()
        other.wait()


@fact
async def a07_processes_cannot_be_traced(rig: Rig) -> None:
    script = """
class Piece(ctypes.Structure):
    _fields_ = [('base', ctypes.c_void_p), ('size', ctypes.c_size_t)]
here, there = ctypes.create_string_buffer(b'12345678'), ctypes.create_string_buffer(8)
local, remote = Piece(ctypes.addressof(there), 8), Piece(ctypes.addressof(here), 8)
mine = os.pidfd_open(os.getpid())
say([in_child(lambda: call('ptrace', 0, 0, 0, 0)),
     call('process_vm_readv', os.getpid(), ctypes.byref(local), 1, ctypes.byref(remote), 1, 0),
     call('pidfd_getfd', mine, 1, 0)])
"""
    async with rig.sandbox() as sandbox:
        assert await rig.ask(sandbox, script) == ["EPERM"] * 3
    assert await rig.ask_outside(script) == ["ok"] * 3


_CLONE = "in_child(lambda: cloned(0x10000000 | 17))"
_CLONED = """
def cloned(flags):
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(NUMBERS['clone']), ctypes.c_long(flags), *[ctypes.c_long(0)] * 4)
    if result == 0:
        os._exit(0)
    return 'ok' if result > 0 else errno.errorcode[ctypes.get_errno()]
"""


@fact
async def a08_no_mounts_and_no_namespaces(rig: Rig) -> None:
    script = f"""
{_CLONED}
own = os.open('/proc/self/ns/user', os.O_RDONLY)
say([call('mount', b'none', b'/tmp', b'tmpfs', 0, None), call('umount2', b'/tmp', 0),
     call('pivot_root', b'/tmp', b'/tmp'), in_child(lambda: call('unshare', 0x10000000)),
     call('setns', own, 0), {_CLONE}, call('chroot', b'/tmp'), call('clone3', 0, 0)])
"""
    async with rig.sandbox() as sandbox:
        assert await rig.ask(sandbox, script) == ["EPERM"] * 7 + ["ENOSYS"]
    control = f"{_CLONED}say([in_child(lambda: call('unshare', 0x10000000)), {_CLONE}, call('clone3', 0, 0)])"
    assert await rig.ask_outside(control) == ["ok", "ok", "EINVAL"]
    if IS_ROOT:
        private = "say(in_child(lambda: [call('unshare', 0x20000), call('mount', b'none', b'/', None, 0x44000, None),"
        private += "call('mount', b'none', b'/tmp', b'tmpfs', 0, None), call('umount2', b'/tmp', 0)]))"
        assert await rig.ask_outside(private) == "['ok', 'ok', 'ok', 'ok']"


@fact
async def a09_no_devices(rig: Rig) -> None:
    script = """
say([attempt(os.mknod, '/tmp/null', 0o20666, os.makedev(1, 3)), attempt(os.mknod, 'disk', 0o60666, os.makedev(7, 0)),
     *(attempt(os.stat, path) for path in ('/dev/kvm', '/dev/mem', '/dev/kmsg', '/dev/loop0', '/dev/loop-control'))])
"""
    async with rig.sandbox() as sandbox:
        assert await rig.ask(sandbox, script) == ["EPERM"] * 2 + ["ENOENT"] * 5
        assert await rig.ask(sandbox, "say([attempt(os.mkfifo, 'pipe'), attempt(os.stat, '/dev/null')])") == ["ok"] * 2
    if IS_ROOT:
        made = rig.folder / "null"
        assert await rig.ask_outside(f"say(attempt(os.mknod, {str(made)!r}, 0o20666, os.makedev(1, 3)))") == "ok"
        made.unlink()


@fact
async def a10_set_user_id_programs_gain_nothing(rig: Rig) -> None:
    script = """
status = dict(line.split(':', 1) for line in open('/proc/self/status'))
found = [path for path in ('/usr/bin/su', '/usr/bin/mount', '/usr/bin/passwd') if os.path.exists(path)]
say([status['NoNewPrivs'].strip(), [status[name].strip() for name in ('CapEff', 'CapPrm', 'CapBnd', 'CapAmb')],
     [bool(os.statvfs(path).f_flag & os.ST_NOSUID) for path in ('/usr', '/workspace', '/tmp', '/dev/shm', '/etc')],
     any(os.stat(path).st_mode & 0o4000 for path in found), os.getresuid()])
"""
    async with rig.sandbox() as sandbox:
        no_new, caps, nosuid, has_any, uids = await rig.ask(sandbox, script)
    assert no_new == "1"
    assert {int(cap, 16) for cap in caps} == {0}
    assert nosuid == [True] * 5
    assert uids == [1000] * 3
    outside = await rig.ask_outside(script.replace("'/workspace', ", ""))
    assert outside[0] == "0"
    assert has_any == outside[3]


@fact
async def a11_the_rare_doors_of_the_kernel_are_shut(rig: Rig) -> None:
    script = """
big = ctypes.create_string_buffer(512)
say({'keyctl': call('keyctl', 0, -2, 1), 'bpf': call('bpf', 99, big, 128), 'io_uring': call('io_uring_setup', 0, big),
     'userfaultfd': call('userfaultfd', 0xfff), 'perf': call('perf_event_open', big, 0, -1, -1, 0xfff),
     'handle': call('open_by_handle_at', -1, big, 0)})
"""
    async with rig.sandbox() as sandbox:
        seen = await rig.ask(sandbox, script)
    assert set(seen.values()) == {"EPERM"}, seen
    control = await rig.ask_outside(script)
    assert control["keyctl"] in ("ok", "ENOKEY")
    if IS_ROOT:
        assert control["bpf"] == "EINVAL"
        assert control["handle"] in ("EBADF", "EFAULT", "EINVAL")
        assert "EPERM" not in control.values()


@fact
async def a12_calls_of_another_architecture_kill(rig: Rig) -> None:
    if platform.machine() != "x86_64":
        return
    script = """
import mmap
def other():
    page = mmap.mmap(-1, 4096, prot=7)
    page.write(b'\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\xc3')  # mov eax, 20 (getpid); int 0x80; ret
    return ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
def x32():
    libc.syscall(ctypes.c_long(0x40000000 + 39))
found = []
for attack in (other, x32):
    pid = os.fork()
    if not pid:
        attack()
        os._exit(0)
    found.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
say(found)
"""
    async with rig.sandbox() as sandbox:
        assert await rig.ask(sandbox, script) == [-signal.SIGSYS, -signal.SIGSYS]
    control = await rig.ask_outside(script)
    assert -signal.SIGSYS not in control  # the kernel without the filter: it answers, or has no such architecture


@fact
async def a13_no_sockets_beyond_the_usual(rig: Rig) -> None:
    families = """
def made(family, kind=1, protocol=0):
    return attempt(lambda: socket.socket(family, kind, protocol).close())
say([made(40), made(17, 3), made(16, 3, 9), made(16, 3, 12), made(38), made(2, 3, 1), made(2), made(10), made(1),
     made(16, 3, 0)])
"""
    async with rig.sandbox() as sandbox:
        seen = await rig.ask(sandbox, families)
    assert seen == ["EAFNOSUPPORT"] * 5 + ["EPERM"] + ["ok"] * 4
    control = await rig.ask_outside(families)
    assert control[6:] == ["ok"] * 4
    assert control[3] in ("ok", "EPROTONOSUPPORT")
    if IS_ROOT:
        assert (control[1], control[5]) == ("ok", "ok")


@fact
async def a14_no_keys_are_pushed_into_a_terminal(rig: Rig) -> None:
    script = """
import fcntl, pty, termios
def push():
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    return [attempt(fcntl.ioctl, slave, 0x5413, bytes(8)), attempt(fcntl.ioctl, slave, 0x5412, b'x'),
            attempt(fcntl.ioctl, slave, 0x541c, b'x')]
leader, slave = pty.openpty()
say([os.isatty(slave), in_child(push)])
"""
    async with rig.sandbox() as sandbox:
        assert await rig.ask(sandbox, script) == [True, "['ok', 'EPERM', 'EPERM']"]
    control = await rig.ask_outside(script)
    assert control[0] is True
    assert control[1] in ("['ok', 'ok', 'ENOTTY']", "['ok', 'EIO', 'ENOTTY']")  # EIO: dev.tty.legacy_tiocsti=0


# --- The network ------------------------------------------------------------------------------------------------------


@fact
async def a15_the_hosts_loopback_is_not_ours(rig: Rig) -> None:
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]
    script = f"say(attempt(lambda: socket.create_connection(('127.0.0.1', {port}), 5).close()))"
    try:
        async with rig.sandbox() as sandbox:
            assert await rig.ask(sandbox, script) == "ECONNREFUSED"
            own = f"socket.create_server(('127.0.0.1', {port}))\n"
            assert await rig.ask(sandbox, f"s = {own}{script}") == "ok"
        assert await rig.ask_outside(script) == "ok"
    finally:
        server.close()


@fact
async def a16_no_address_outside_is_reached(rig: Rig) -> None:
    script = """
def tcp(host, port):
    return attempt(lambda: socket.create_connection((host, port), 5).close())
def udp(host, port):
    return attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', (host, port)))
own = socket.create_server(('127.0.0.1', 0))
say([tcp('169.254.169.254', 80), tcp('1.1.1.1', 443), udp('8.8.8.8', 53), tcp('127.0.0.1', own.getsockname()[1]),
     udp('127.0.0.1', 53), sorted(os.listdir('/sys/class/net')) if os.path.isdir('/sys') else [],
     len(open('/proc/net/route').readlines()), [name for _, name in socket.if_nameindex()]])
"""
    async with rig.sandbox() as sandbox:
        assert await rig.ask(sandbox, script) == ["ENETUNREACH"] * 3 + ["ok", "ok", [], 1, ["lo"]]
    outside = "say([[name for _, name in socket.if_nameindex()]])"
    assert "lo" in (await rig.ask_outside(outside))[0]


@fact
async def a17_unix_sockets_of_the_host_are_not_ours(rig: Rig) -> None:
    path = rig.folder / "host.sock"
    file, abstract = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
    file.bind(str(path))
    abstract.bind(f"\0glia-test-{os.getpid()}")
    for server in (file, abstract):
        server.listen()
    script = f"""
def reach(address):
    return attempt(socket.socket(socket.AF_UNIX).connect, address)
say([reach({str(path)!r}), reach('\\0glia-test-{os.getpid()}')])
"""
    try:
        async with rig.sandbox() as sandbox:
            assert await rig.ask(sandbox, script) == ["ENOENT", "ECONNREFUSED"]
        assert await rig.ask_outside(script) == ["ok", "ok"]
    finally:
        file.close()
        abstract.close()
        path.unlink()
