"""What the database itself refuses, whatever a service asks for. Generated from the catalogue."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql
from tests.conftest import DatabaseUrls

from glia.identity.types import Principal
from glia.kit.db import Database

# A new right of the system role, or a table that everybody may read, is a decision: it is made here too.
SYSTEM_MAY = {
    "workspaces": {"SELECT", "INSERT"},
    "users": {"SELECT"},
    "api_keys": {"SELECT"},
    "refresh_tokens": {"SELECT"},
    "installation": {"SELECT", "INSERT"},
    "workers": {"SELECT", "INSERT", "UPDATE", "DELETE"},
    "runs": {"SELECT", "UPDATE"},
    "usage_records": {"INSERT"},
    "sandboxes": {"SELECT", "UPDATE", "DELETE"},
    "sandbox_hosts": {"SELECT", "INSERT", "UPDATE", "DELETE"},
    "webhook_endpoints": {"SELECT", "UPDATE"},
    "webhook_deliveries": {"SELECT", "INSERT", "UPDATE", "DELETE"},
    "trace_export": {"SELECT", "INSERT", "UPDATE"},
    "trace_parents": {"SELECT", "DELETE"},
    "trace_outbox": {"SELECT", "UPDATE", "DELETE"},
    "fleet_nodes": {"SELECT", "INSERT", "UPDATE", "DELETE"},
    "deployments": {"SELECT", "UPDATE"},
    "deployment_versions": {"SELECT", "UPDATE"},
    "deployment_replicas": {"SELECT", "INSERT", "UPDATE", "DELETE"},
    "deployment_usage": {"SELECT", "INSERT", "UPDATE"},
    "stored_object_leftovers": {"SELECT", "UPDATE", "DELETE"},
    "billing_accounts": {"SELECT"},
    "request_minutes": {"SELECT", "INSERT", "UPDATE"},
}
SYSTEM_MAY_UPDATE_COLUMNS = {("api_keys", "last_used_at")}
OPEN_TO_ALL_WORKSPACES = {"workers", "trace_export", "sandbox_hosts"}


@pytest.fixture
def admin(database_urls: DatabaseUrls) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_urls.admin, autocommit=True) as connection:
        yield connection


def tables(admin: psycopg.Connection, *, with_workspace: bool) -> set[str]:
    rows = admin.execute(
        """
        select c.relname, exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'workspace_id'
                                  and not a.attisdropped)
        from pg_class c where c.relnamespace = 'glia'::regnamespace and c.relkind in ('r', 'p')""",
    ).fetchall()
    return {name for name, has in rows if has == with_workspace}


def leaks(admin: psycopg.Connection) -> set[str]:
    """Tables with a workspace_id that are not closed to other workspaces."""
    closed = {
        row[0]
        for row in admin.execute(
            """
            select c.relname from pg_class c join pg_policies p on p.schemaname = 'glia' and p.tablename = c.relname
            where c.relnamespace = 'glia'::regnamespace and c.relrowsecurity and c.relforcerowsecurity
            group by c.relname
            having bool_or('glia_app' = any(p.roles)) and bool_and(
              'glia_system' = any(p.roles)
              or p.cmd = 'ALL' and p.permissive = 'PERMISSIVE'
              and (p.roles = '{glia_app}' or p.policyname = 'pruning') and p.qual
                ~ '^\\(workspace_id = \\( SELECT (glia\\.)?current_workspace\\(\\) AS current_workspace\\)\\)$'
              and (p.with_check is null or p.with_check = p.qual))"""
        )
    }
    return tables(admin, with_workspace=True) - closed


def test_every_table_of_a_workspace_is_closed_to_the_others(admin: psycopg.Connection) -> None:
    assert "runs" in tables(admin, with_workspace=True)
    assert leaks(admin) == set()


HOLES = [
    "create table glia.hole (id int, workspace_id uuid)",
    "create table glia.hole (id int, workspace_id uuid); alter table glia.hole enable row level security",
    "create table glia.hole (id int, workspace_id uuid); set search_path = glia; select isolate('hole');"
    " alter table hole no force row level security",
    "create table glia.hole (id int, workspace_id uuid); set search_path = glia; select isolate('hole');"
    " create policy more on hole to public using (true)",
]


def test_a_table_that_is_left_open_is_found(admin: psycopg.Connection) -> None:
    for hole in HOLES:
        admin.execute(hole.encode())

        assert leaks(admin) == {"hole"}

        admin.execute("drop table glia.hole")


def test_no_role_of_ours_skips_row_level_security(admin: psycopg.Connection) -> None:
    roles = admin.execute(
        """
        select rolname, rolsuper, rolbypassrls, rolcreaterole from pg_roles
        where rolname in ('glia_app', 'glia_system') order by 1"""
    ).fetchall()

    assert roles == [("glia_app", False, False, False), ("glia_system", False, False, False)]
    owned = "select count(*) from pg_class where relowner in ('glia_app'::regrole, 'glia_system'::regrole)"
    assert admin.execute(owned).fetchone() == (0,)


def test_tables_without_a_workspace_are_closed_to_the_app_role(admin: psycopg.Connection) -> None:
    readable = {
        name
        for name in tables(admin, with_workspace=False)
        if admin.execute("select has_table_privilege('glia_app', %s, 'select')", (f"glia.{name}",)).fetchone()
        == (True,)
    }

    assert readable - {"workspaces"} == OPEN_TO_ALL_WORKSPACES
    assert admin.execute(
        "select relrowsecurity and relforcerowsecurity from pg_class where oid = 'glia.workspaces'::regclass"
    ).fetchone() == (True,)


def test_the_system_role_may_do_what_was_listed_and_no_more(admin: psycopg.Connection) -> None:
    granted: dict[str, set[str]] = {}
    for table, verb in admin.execute(
        """
        select c.relname, v.verb from pg_class c
        cross join unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) v (verb)
        where c.relnamespace = 'glia'::regnamespace and c.relkind in ('r', 'p', 'v', 'm')
          and has_table_privilege('glia_system', c.oid, v.verb)"""
    ):
        granted.setdefault(table, set()).add(verb)
    columns = admin.execute(
        "select table_name, column_name from information_schema.column_privileges"
        " where grantee = 'glia_system' and privilege_type = 'UPDATE' and table_schema = 'glia'"
    ).fetchall()

    assert granted == SYSTEM_MAY
    assert {pair for pair in columns if "UPDATE" not in SYSTEM_MAY[pair[0]]} == SYSTEM_MAY_UPDATE_COLUMNS


async def test_without_a_workspace_the_app_role_sees_nothing(
    db: Database, admin: psycopg.Connection, principal: Principal
) -> None:
    names = sorted(tables(admin, with_workspace=True) | {"workspaces"})
    there = {name for name in names if _count(admin, name)}
    assert {"workspaces", "projects"} <= there

    async with db._pool.connection() as connection:
        for name in names:
            query = sql.SQL("select count(*) from glia.{}").format(sql.Identifier(name))
            assert await (await connection.execute(query)).fetchone() == (0,), name


async def test_the_app_role_writes_into_no_other_workspace(
    db: Database, principal: Principal, stranger: Principal
) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
        async with db.transaction(principal.workspace_id) as tx:
            await tx.execute(
                "insert into projects (id, workspace_id, name, slug) values (gen_random_uuid(), %(other)s, 'x', 'x')",
                other=stranger.workspace_id,
            )


def test_a_row_cannot_point_into_another_workspace(admin: psycopg.Connection) -> None:
    """Foreign keys look past row-level security, so those of this slice name the workspace too."""
    keys = admin.execute(
        """
        select pg_get_constraintdef(oid) from pg_constraint
        where contype = 'f' and conrelid in ('glia.api_keys'::regclass, 'glia.refresh_tokens'::regclass)"""
    ).fetchall()

    assert all("workspace_id" in text for (text,) in keys)


APP_MAY_NOT = [
    "select * from installation",
    "insert into installation (name, value) values ('x', 'y')",
    "update audit_log set action = 'nothing'",
    "delete from audit_log",
    "update events set data = '{}'",
    "delete from events",
    "update ledger_entries set amount_micros = 1",
    "delete from ledger_entries",
    "delete from ledger_transactions",
    "update agent_versions set instructions = ''",
    "truncate users",
    "create table mine (id int)",
    "alter table users disable row level security",
    "drop policy workspace on users",
]


async def test_the_app_role_changes_no_history_and_no_rule(db: Database, principal: Principal) -> None:
    for statement in APP_MAY_NOT:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            async with db.transaction(principal.workspace_id) as tx:
                await tx.connection.execute(statement.encode())


SYSTEM_MAY_NOT = [
    "select * from audit_log",
    "select * from sessions",
    "select * from events",
    "select * from projects",
    "update users set role = 'admin'",
    "update api_keys set scopes = '{*}'",
    "delete from workspaces",
    "update installation set value = ''",
]


async def test_the_system_role_touches_nothing_it_was_not_given(db: Database) -> None:
    for statement in SYSTEM_MAY_NOT:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            async with db.across_workspaces() as tx:
                await tx.connection.execute(statement.encode())


def _count(admin: psycopg.Connection, name: str) -> int:
    row = admin.execute(sql.SQL("select count(*) from glia.{}").format(sql.Identifier(name))).fetchone()
    assert row is not None
    return row[0]
