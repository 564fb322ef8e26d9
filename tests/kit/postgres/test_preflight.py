from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from glia.kit.postgres import EmbeddedPostgres, PostgresFailed
from glia.kit.postgres.errors import ProcessorUnfit

# The wheel's extension on a processor without AVX: the trial backend dies of SIGILL, all else works.
ILLEGAL = 'case "$*" in *--single*{database}) kill -ILL $$ ;; esac'


def test_a_first_start_on_an_unfit_processor_says_so_and_leaves_no_cluster(
    tmp_path: Path, fake_binaries: Callable[[str], Path]
) -> None:
    fake_binaries(ILLEGAL.format(database="glia"))

    with pytest.raises(ProcessorUnfit, match="GLIA_DATABASE_URL"):
        EmbeddedPostgres(tmp_path / "data").start()

    assert not {path.name for path in (tmp_path / "data").iterdir()} & {"pg", "pg.new", "pg.scratch"}


def test_a_data_directory_that_moved_to_an_unfit_processor_is_left_untouched(
    data_dir: Path, fake_binaries: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_binaries(ILLEGAL.format(database="postgres"))

    with pytest.raises(ProcessorUnfit, match="SIGILL"):
        EmbeddedPostgres(data_dir).start()

    assert not (data_dir / "pg.scratch").exists()
    monkeypatch.delenv("GLIA_PG_BIN")  # back on the old machine
    postgres = EmbeddedPostgres(data_dir)
    psycopg.connect(postgres.start().app_url).close()
    postgres.stop()


def test_the_trial_happens_once_per_processor_and_build(
    data_dir: Path, fake_binaries: Callable[[str], Path], tmp_path: Path
) -> None:
    trials = tmp_path / "trials"
    trials.touch()
    trials.chmod(0o666)
    folder = fake_binaries(f'case "$*" in *--single*) echo trial >> {trials} ;; esac')
    postgres = EmbeddedPostgres(data_dir)

    def start_and_count() -> int:
        postgres.start()
        postgres.stop()
        return trials.read_text().count("trial")

    assert [start_and_count(), start_and_count()] == [1, 1]
    with (folder / "postgres").open("a") as file:
        file.write("# another build\n")
    assert start_and_count() == 2
    (data_dir / "postgres-preflight.json").write_text(json.dumps({"passed": "another processor"}))
    assert start_and_count() == 3


def test_a_postgres_without_the_extension_is_named_as_such(
    tmp_path: Path, fake_binaries: Callable[[str], Path]
) -> None:
    missing = "echo 'FATAL: extension \"vector\" is not available'; exit 1"
    fake_binaries(f'case "$*" in *--single*glia) {missing} ;; esac')

    with pytest.raises(PostgresFailed, match="no `vector` extension"):
        EmbeddedPostgres(tmp_path / "data").start()
