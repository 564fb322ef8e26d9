"""Attack 27: tars that reach out of the folder they are unpacked into, in a real sandbox."""

from __future__ import annotations

import io
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.sandboxes.lives.conftest import Rig
from tests.sandboxes.lives.test_lives import output

from glia.identity.types import Principal
from glia.kit.errors import GliaError
from glia.sandboxes.errors import TarRefused
from glia.sandboxes.records import NewSandbox


def member(
    name: str, kind: bytes = tarfile.REGTYPE, link: str = "", content: bytes = b""
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, len(content)
    info.devmajor, info.devminor = 1, 3
    return info, content


def tar_of(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return raw.getvalue()


async def pieces(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 1000):
        yield content[start : start + 1000]


HOSTILE = {
    "absolute name": [member("/tmp/escaped", content=b"x")],
    "parent folder": [member("../escaped", content=b"x")],
    "parent inside": [member("a/../../escaped", content=b"x")],
    "link out": [member("out", tarfile.SYMTYPE, "/tmp")],
    "link up": [member("out", tarfile.SYMTYPE, "../..")],
    "write through a link": [member("out", tarfile.SYMTYPE, "/tmp"), member("out/escaped", content=b"x")],
    "hard link out": [member("out", tarfile.LNKTYPE, "../secret")],
    "device": [member("null", tarfile.CHRTYPE)],
    "block device": [member("disk", tarfile.BLKTYPE)],
}


@pytest.mark.parametrize("attack", HOSTILE)
async def test_a_hostile_tar_is_refused_and_reaches_nothing(real: Rig, principal: Principal, attack: str) -> None:
    made = await real.sandboxes.create(principal, NewSandbox())
    await output(real, principal, made.id, "echo secret > secret")
    harmless = tar_of(member("sub/ok", content=b"fine"), member("sub/near", tarfile.SYMTYPE, "ok"))
    with pytest.raises(TarRefused):
        await real.sandboxes.files.tar_in(principal, made.id, "in", pieces(tar_of(*HOSTILE[attack])))
    members = await real.sandboxes.files.tar_in(principal, made.id, "in", pieces(harmless))
    found = await output(real, principal, made.id, "find / -name 'escaped*' 2>/dev/null; cat in/sub/near; cat secret")

    assert members == 2
    assert found == b"finesecret\n"


def test_the_same_tars_do_escape_where_nothing_looks(tmp_path: Path) -> None:
    """The control: these are attacks, not merely odd."""
    (tmp_path / "secret").write_text("secret")
    inside = tmp_path / "inside"
    inside.mkdir()
    for attack in ("parent folder", "link up", "hard link out"):
        with tarfile.open(fileobj=io.BytesIO(tar_of(*HOSTILE[attack]))) as tar:
            tar.extractall(inside, filter="fully_trusted")
        (inside / "out").unlink(missing_ok=True) if attack == "link up" else None

    assert (tmp_path / "escaped").read_bytes() == b"x"
    assert (inside / "out").read_text() == "secret"


@pytest.mark.parametrize(
    "content", [b"", b"no tar at all" * 100, b"\x00" * 100, tar_of(member("a", content=b"x" * 5000))[:2000]]
)
async def test_what_is_no_tar_is_refused_or_empty(real: Rig, principal: Principal, content: bytes) -> None:
    made = await real.sandboxes.create(principal, NewSandbox())
    try:
        members = await real.sandboxes.files.tar_in(principal, made.id, ".", pieces(content))
    except GliaError as error:
        assert error.status < 500
    else:
        assert members == 0
    assert await output(real, principal, made.id, "echo alive") == b"alive\n"
