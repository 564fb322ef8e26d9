"""What the trigger that feeds webhooks costs an append: webhooks.py POSTGRESQL_URL

Appends in one connection as the app role, each a transaction of its own: the trigger off, on with no endpoint, on with
one endpoint that wants the event, and on with one that does not. In rounds, in turn; the smallest of each counts.
"""

from __future__ import annotations

import sys
import time
from uuid import UUID, uuid4

import psycopg

from databases import fresh_database

ROUNDS = 12
APPENDS = 1000
_APPEND = (
    'select first_seq from glia.append_events(%s, %s, 1, \'text.delta,tool.returned\', \'[{"text":"a"},{"text":"b"}]\')'
)


def main(url: str) -> None:
    with fresh_database(url) as own:
        _measure(own)


def _measure(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute("set search_path = glia, public")
        workspace, run = _furnish(admin)
        best: dict[str, float] = {}
        with psycopg.connect(url, autocommit=True) as app:
            app.execute("set role glia_app; set search_path = glia, public; set synchronous_commit = off")
            for _ in range(ROUNDS):
                for case in _CASES:
                    _set_up(admin, workspace, case)
                    seconds = _appends(app, workspace, run)
                    best[case] = min(best.get(case, seconds), seconds)
    base = best["trigger off"]
    for case, seconds in best.items():
        micros = seconds / APPENDS * 1e6
        print(f"{case:28} {micros:7.1f} us an append, {(seconds - base) / APPENDS * 1e6:+6.1f}")


_CASES = {"trigger off": None, "no endpoint": "", "one that wants other types": "approval.*", "one that wants it": "*"}


def _furnish(admin: psycopg.Connection) -> tuple[UUID, UUID]:
    workspace, project, session, run = (uuid4() for _ in range(4))
    admin.execute("insert into workspaces (id, name, slug) values (%s, 'A', 'a')", (workspace,))
    admin.execute("insert into projects (id, workspace_id, name, slug) values (%s, %s, 'D', 'd')", (project, workspace))
    admin.execute(
        "insert into sessions (id, workspace_id, project_id) values (%s, %s, %s)", (session, workspace, project)
    )
    admin.execute(
        """
        insert into runs (id, workspace_id, project_id, session_id, status, is_background, engine_abi, attempt,
          root_run_id)
        values (%s, %s, %s, %s, 'running', true, 1, 1, %s)""",
        (run, workspace, project, session, run),
    )
    return workspace, run


def _set_up(admin: psycopg.Connection, workspace: UUID, case: str) -> None:
    types = _CASES[case]
    admin.execute(f"alter table events {'disable' if types is None else 'enable'} trigger pass_on".encode())
    admin.execute("truncate events, webhook_deliveries, webhook_endpoints cascade")
    if types:
        admin.execute(
            """
            insert into webhook_endpoints (id, workspace_id, project_id, url, description, event_types, sealed_secret,
              is_active) values (gen_random_uuid(), %s, gen_random_uuid(), 'https://example.org/', '', %s, '', true)""",
            (workspace, [types]),
        )
    admin.execute("vacuum analyze sessions, runs, webhook_endpoints")


def _appends(app: psycopg.Connection, workspace: UUID, run: UUID) -> float:
    started = time.perf_counter()
    for _ in range(APPENDS):
        app.execute(_APPEND, (workspace, run), prepare=True)
    return time.perf_counter() - started


if __name__ == "__main__":
    main(sys.argv[1])
