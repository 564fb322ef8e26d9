"""`glia kb add` with files that cannot be sent: each is told, and none stops the others."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from click.testing import CliRunner

from glia.cli.kb import command

from .test_api import plain, server


def answer(line: str) -> list[bytes]:
    if line.endswith("/documents"):
        return plain(202, {"id": "d", "name": "a.txt", "status": "processing"})
    if "/documents/" in line:
        return plain(200, {"id": "d", "name": "a.txt", "status": "ready", "pages": None, "chunks": 1})
    return plain(200, {"data": [{"id": "b", "name": "Default"}], "has_more": False})


async def test_what_cannot_be_sent_is_told_and_the_rest_is_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.txt", "b.txt", "gone.txt"):
        (tmp_path / name).write_text("Terns fly.")
    with (tmp_path / "huge.txt").open("wb") as file:
        file.truncate(2_000_000_000)  # holds nothing on the disk
    read = Path.read_bytes

    def refused(path: Path) -> bytes:
        if path.name == "gone.txt":
            raise PermissionError(13, "Permission denied")
        assert path.name != "huge.txt"
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refused)

    async with server(answer, monkeypatch):
        result = await asyncio.to_thread(CliRunner().invoke, command, ["add", str(tmp_path), "--kb", "Default"])

    assert result.exit_code == 1
    assert "a.txt: ready, 1 chunks\n" in result.output
    assert "b.txt: ready, 1 chunks (the same content as a.txt, which is kept)" in result.output
    assert "gone.txt: gone.txt cannot be read: Permission denied." in result.output
    assert "huge.txt has 2,000,000,000 bytes; the most that is sent from here is 536,870,912." in result.output
    assert "2 of 4 documents are ready." in result.output


async def test_nobody_waits_at_the_terminal_for_a_model_that_is_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.txt").write_text("Terns fly.")

    def waiting(line: str) -> list[bytes]:
        if "/documents/" not in line:
            return answer(line)
        error = {"code": "upstream_failed", "message": "The model is down. It is found by its words meanwhile."}
        progress = {"phase": "waiting", "done": 0, "total": 1}
        return plain(200, {"id": "d", "name": "a.txt", "status": "processing", "progress": progress, "error": error})

    async with server(waiting, monkeypatch):
        result = await asyncio.wait_for(
            asyncio.to_thread(CliRunner().invoke, command, ["add", str(tmp_path), "--kb", "Default"]), 60
        )

    assert (result.exit_code, result.output) == (1, "a.txt: The model is down. It is found by its words meanwhile.\n")


async def test_an_empty_folder_is_no_success(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with server(answer, monkeypatch):
        result = await asyncio.to_thread(CliRunner().invoke, command, ["add", str(tmp_path), "--kb", "Default"])

    assert result.exit_code == 1
    assert "no file to add" in result.output
