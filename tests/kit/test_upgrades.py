"""A database that an older Glia filled is brought up to date, by an owner who sees rows only through policies."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql
from tests.conftest import url_of

from glia.kit.migrate import migrate, migrations

_BEFORE_WAITING_RUNS = 10


@pytest.fixture
def urls() -> Iterator[tuple[str, str]]:
    """An empty database, as an administrator and as its owner."""
    name = f"upgrade_{uuid.uuid4().hex}"
    owner = psycopg.conninfo.conninfo_to_dict(os.environ["GLIA_TEST_OWNER_URL"]).get("user", "postgres")
    with psycopg.connect(os.environ["GLIA_TEST_ADMIN_URL"], autocommit=True) as admin:
        admin.execute(sql.SQL("create database {} owner {}").format(sql.Identifier(name), sql.Identifier(str(owner))))
        with psycopg.connect(url_of("GLIA_TEST_ADMIN_URL", name), autocommit=True) as inside:
            inside.execute("create extension if not exists vector")
        yield url_of("GLIA_TEST_ADMIN_URL", name), url_of("GLIA_TEST_OWNER_URL", name)
        admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def test_runs_of_an_older_version_survive_the_upgrade(urls: tuple[str, str]) -> None:
    as_admin, as_owner = urls
    everything = migrations()
    migrate(as_owner, everything[:_BEFORE_WAITING_RUNS])
    with psycopg.connect(as_admin, autocommit=True) as admin:
        admin.execute(
            """
            with w as (insert into glia.workspaces (id, slug, name) values (gen_random_uuid(), 'w', 'W') returning id),
              p as (insert into glia.projects (id, workspace_id, slug, name)
                    select gen_random_uuid(), id, 'p', 'P' from w returning id, workspace_id),
              s as (insert into glia.sessions (id, workspace_id, project_id)
                    select gen_random_uuid(), workspace_id, id from p returning id, workspace_id, project_id)
            insert into glia.runs (id, workspace_id, project_id, session_id, status, is_background, engine_abi)
            select gen_random_uuid(), workspace_id, project_id, id, 'completed', false, 1 from s"""
        )

    migrate(as_owner, everything)

    with psycopg.connect(as_admin) as admin:
        assert admin.execute("select count(*) from glia.runs where root_run_id = id").fetchone() == (1,)
