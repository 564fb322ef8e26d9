"""Commands that work on the database and the machine, as a person calls them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from tests.conftest import DatabaseUrls
from tests.forking import run
from tests.identity.conftest import make_identity

from glia.kit.db import Database


def glia(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GLIA_")}
    return run(arguments, {**clean, "GLIA_MODEL_DISCOVERY": "off", **environment})


@pytest.fixture
async def place(database_urls: DatabaseUrls, tmp_path: Path) -> dict[str, str]:
    """The environment of an installation that has its first workspace."""
    db = Database(database_urls.app, largest_pool=2)
    await db.open()
    await (await make_identity(db)).bootstrap()
    await db.close()
    return {"GLIA_DATABASE_URL": database_urls.admin, "GLIA_DATA_DIR": str(tmp_path / "data")}


async def test_a_key_is_made_listed_and_revoked(place: dict[str, str]) -> None:
    made = glia("key", "create", "--name", "laptop", "--scopes", "agents:read", "--rate", "5", **place)
    assert re.fullmatch(r"Key: glia_[0-9A-Za-z]{40}\n", made.stdout), made.stderr

    row = next(line for line in glia("key", "list", **place).stdout.splitlines() if line.endswith("laptop"))
    assert "read-only" in row
    assert "live" in row

    revoked = glia("key", "revoke", row.split()[0], **place)
    assert revoked.returncode == 0, revoked.stderr
    assert "laptop" not in glia("key", "list", **place).stdout
    assert "laptop" in glia("key", "list", "--all", **place).stdout


async def test_the_operator_sets_plans_and_prices(place: dict[str, str]) -> None:
    assert glia("workspace", "plan", **place).stdout == "enterprise (the server's): 1000000 requests a minute\n"
    set_plan = glia("workspace", "plan", "free", **place)
    assert set_plan.stdout == "free (its own): 100 requests a minute\n", set_plan.stderr

    prices = glia("workspace", "prices", "--core-hour", "0.125", **place)
    assert prices.stdout.splitlines()[0].split(maxsplit=2) == ["core_hour", "0.125", "its own"], prices.stderr
    assert glia("workspace", "invoices", **place).stdout == ""
    refused = glia("workspace", "prices", "--network-gb", "much", **place)
    assert refused.stderr == "glia: --network-gb 'much' is not a number of dollars such as 0.05.\n"


async def test_a_key_of_an_unknown_surface_is_refused_in_one_line(place: dict[str, str]) -> None:
    refused = glia("key", "create", "--surface", "nothing", **place)

    assert refused.returncode == 1
    assert refused.stderr.startswith("glia: ")
    assert refused.stderr.count("\n") == 1


async def test_the_doctor_finds_nothing_wrong_with_a_good_installation(place: dict[str, str]) -> None:
    done = glia("doctor", "--port", "8799", **place)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "migrations are applied" in done.stdout
    assert "rows are closed to the others" in done.stdout
    assert "GLIA_LEASE__LEASE_SECONDS = 5.0 (default)" in done.stdout
    assert "postgres:" not in done.stdout, "no password is printed"


async def test_the_doctor_finds_an_open_table(place: dict[str, str], database_urls: DatabaseUrls) -> None:
    with psycopg.connect(database_urls.admin, autocommit=True) as admin:
        admin.execute("alter table glia.agents disable row level security")

    done = glia("doctor", "--quiet", **place)

    assert done.returncode == 1
    assert "The table agents has no row-level security." in done.stdout
    assert "why:" in done.stdout
    assert "fix:" in done.stdout


async def test_the_doctor_finds_missing_migrations(place: dict[str, str], database_urls: DatabaseUrls) -> None:
    with psycopg.connect(database_urls.admin, autocommit=True) as admin:
        admin.execute("delete from glia.migrations where name = (select max(name) from glia.migrations)")

    done = glia("doctor", "--quiet", **place)

    assert done.returncode == 1
    assert "lacks 1 migration" in done.stdout


async def test_the_doctor_counts_runs_that_wait_for_a_newer_engine(
    place: dict[str, str], database_urls: DatabaseUrls
) -> None:
    with psycopg.connect(database_urls.admin, autocommit=True) as admin:
        admin.execute("""
            with s as (insert into glia.sessions (id, workspace_id, project_id)
                       select gen_random_uuid(), p.workspace_id, p.id from glia.projects p, generate_series(1, 2)
                       returning *)
            insert into glia.runs (id, workspace_id, project_id, session_id, kind, status, is_background, engine_abi,
              root_run_id)
            select id, workspace_id, project_id, id, 'agent', 'queued', true, 9, id from s""")

    done = glia("doctor", "--quiet", **place)

    assert "2 runs wait for engine version 9; ours is 1." in done.stdout, done.stdout + done.stderr


def test_the_doctor_finds_a_misspelt_setting(tmp_path: Path) -> None:
    done = glia("doctor", "--quiet", GLIA_DATABASE_ULR="x", GLIA_DATA_DIR=str(tmp_path))

    assert done.returncode == 1
    assert "Did you mean GLIA_DATABASE_URL?" in done.stdout


def test_the_doctor_finds_credentials_that_others_can_read(tmp_path: Path) -> None:
    path = tmp_path / "credentials.json"
    path.write_text('{"api_key": "x"}')
    path.chmod(0o644)

    done = glia("doctor", "--quiet", GLIA_DATA_DIR=str(tmp_path))
    assert done.returncode == 1
    assert f"chmod 600 {path}" in done.stdout

    path.chmod(0o600)
    assert "chmod 600" not in glia("doctor", "--quiet", GLIA_DATA_DIR=str(tmp_path)).stdout


def test_the_doctor_finds_a_database_that_is_down(tmp_path: Path) -> None:
    url = "postgresql://me:hidden@127.0.0.1:9/none"

    done = glia("doctor", "--quiet", GLIA_DATABASE_URL=url, GLIA_DATA_DIR=str(tmp_path))

    assert done.returncode == 1
    assert "does not let us in" in done.stdout
    assert "hidden" not in done.stdout


async def test_migrating_twice_changes_nothing(place: dict[str, str]) -> None:
    assert glia("migrate", **place).stdout == "The database is up to date.\n"


def test_the_variables_of_the_client_are_no_wrong_settings(tmp_path: Path) -> None:
    done = glia("migrate", GLIA_URL="http://127.0.0.1:9", GLIA_API_KEY="x", GLIA_VENV="/x", GLIA_DATA_DIR=str(tmp_path))

    assert "There is no setting" not in done.stderr
    assert "No database runs" in done.stderr


def test_help_loads_nothing_heavy() -> None:
    code = "import sys, glia.cli as cli; cli.cli(['--help'], standalone_mode=False); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "doctor" in done.stdout
    assert not {"fastapi", "pydantic", "numpy", "psycopg", "onnxruntime", "glia.wiring"} & set(done.stdout.split())
