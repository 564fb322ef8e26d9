"""Mounts a disk image through a loop device, by the system calls themselves: `mount` and `losetup` as programs would
double the time. Blocking; call it from a thread. Raises OSError. Linux only."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import stat
import struct
import time
from pathlib import Path

_LOOP_CTL_GET_FREE, _LOOP_CONFIGURE = 0x4C82, 0x4C0A
_AUTOCLEAR = 4
_NOSUID, _NODEV, _NOATIME = 2, 4, 1024
_LOOP_MAJOR = 7
_LOCK_PATIENCE_SECONDS = 5.0


def attach_and_mount(image: Path, target: Path) -> None:
    """An ext4 image; what is inside has no set-user-id programs and no devices. Unmounting frees the loop device."""
    libc = ctypes.CDLL(None, use_errno=True)
    device, loop = _attach(image)
    try:
        flags = _NOSUID | _NODEV | _NOATIME
        if libc.mount(device.encode(), os.fsencode(target), b"ext4", flags, b"") != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(target))
    finally:
        os.close(loop)


def _attach(image: Path) -> tuple[str, int]:
    """The device and its descriptor; it detaches itself when the last user is gone."""
    deadline = time.monotonic() + _LOCK_PATIENCE_SECONDS
    file = os.open(image, os.O_RDWR | os.O_CLOEXEC)
    try:
        while True:
            control = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
            try:
                number = fcntl.ioctl(control, _LOOP_CTL_GET_FREE)
            finally:
                os.close(control)
            loop = _open_device(number)
            info = struct.pack("<QQQQQIIII64s64s32sQQ", *[0] * 8, _AUTOCLEAR, b"", b"", b"", 0, 0)
            try:
                fcntl.ioctl(loop, _LOOP_CONFIGURE, struct.pack("<II", file, 0) + info + bytes(64))
            except OSError as error:
                os.close(loop)
                if error.errno != errno.EBUSY or time.monotonic() > deadline:  # else somebody was faster
                    raise
                continue
            return f"/dev/loop{number}", loop
    finally:
        os.close(file)


def _open_device(number: int) -> int:
    path = f"/dev/loop{number}"
    try:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:  # a /dev that the kernel does not fill
        os.mknod(path, stat.S_IFBLK | 0o600, os.makedev(_LOOP_MAJOR, number))
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)


def unmount(target: Path, *, patience_seconds: float = 2.0) -> None:
    """None there is no error. What keeps it busy past the patience keeps it until it lets go."""
    libc = ctypes.CDLL(None, use_errno=True)
    deadline = time.monotonic() + patience_seconds
    while os.path.ismount(target):
        if libc.umount2(os.fsencode(target), 0) == 0:
            continue
        code = ctypes.get_errno()
        if code == errno.EBUSY and time.monotonic() < deadline:
            time.sleep(0.005)
        elif libc.umount2(os.fsencode(target), 2) != 0:  # MNT_DETACH
            raise OSError(code, os.strerror(code), str(target))
