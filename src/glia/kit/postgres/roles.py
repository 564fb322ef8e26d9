"""Roles, passwords and the database. Everything here happens before anyone can connect, in a standalone backend.

Superusers skip row-level security, and so do owners of tables; hence one role each for the supervisor (`glia`), for
migrations (`glia_owner`) and for the services (`glia_app`). `glia_system` is taken by the services for the few
statements that must see every workspace.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from glia.kit.postgres.errors import PostgresFailed
from glia.kit.postgres.layout import PORT, Layout

SUPERUSER, OWNER, APP, SYSTEM, DATABASE = "glia", "glia_owner", "glia_app", "glia_system", "glia"
REVISION = 1  # raise it when the statements below change: they run again at the next start


@dataclass(frozen=True)
class Connection:
    """libpq URLs over the unix socket.

    owner_url is for migrations, app_url for services, system_superuser_url for the supervisor alone.
    """

    owner_url: str
    app_url: str
    system_superuser_url: str


@dataclass(frozen=True)
class Secrets:
    """The passwords, and the revision of the roles that the cluster has (0: none yet)."""

    superuser: str
    owner: str
    app: str
    revision: int = 0

    @classmethod
    def load(cls, path: Path) -> Secrets | None:
        """None when there is no such file. Raises PostgresFailed when it cannot be read or understood."""
        try:
            stored = json.loads(path.read_bytes())
            return cls(stored["superuser"], stored["owner"], stored["app"], int(stored["revision"]))
        except FileNotFoundError:
            return None
        except PermissionError:
            raise PostgresFailed(
                f"{str(path)!r} may not be read by this user. Run this as the user that runs `glia serve`."
            ) from None
        except (ValueError, KeyError, TypeError):
            raise PostgresFailed(
                f"{str(path)!r} is damaged. Delete it and start `glia serve`: new passwords are made."
            ) from None

    @classmethod
    def load_or_create(cls, path: Path) -> Secrets:
        """Written before anything uses it. A lost file gives new passwords, set at the coming start."""
        stored = cls.load(path)
        if stored is not None:
            return stored
        made = cls(_password(), _password(), _password())
        made.store(path)
        return made

    def store(self, path: Path) -> None:
        """Whole or not at all, readable for this user only."""
        beside = path.with_name(f"{path.name}.new")
        beside.unlink(missing_ok=True)
        content = {"superuser": self.superuser, "owner": self.owner, "app": self.app, "revision": self.revision}
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(content, file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        sync_folder(path.parent)

    def settled(self) -> Secrets:
        return replace(self, revision=REVISION)

    def connection(self, layout: Layout) -> Connection:
        def url(role: str, password: str, database: str = DATABASE) -> str:
            return (
                f"postgresql://{role}:{quote(password)}@/{database}?host={quote(str(layout.run), safe='')}&port={PORT}"
            )

        return Connection(url(OWNER, self.owner), url(APP, self.app), url(SUPERUSER, self.superuser))


def role_statements(passwords: Secrets) -> bytes:
    """For the maintenance database; harmless when run again. Creating the database comes last and may find it there."""
    make_missing = "\n".join(
        f"if not exists (select from pg_roles where rolname = '{role}') then create role {role}; end if;"
        for role in (OWNER, APP, SYSTEM)
    )
    plain = "nosuperuser nocreatedb nocreaterole noreplication nobypassrls"
    return _script(
        f"do $$ begin\n{make_missing}\nend $$",
        f"alter role {SUPERUSER} password '{passwords.superuser}'",
        f"alter role {OWNER} login {plain} password '{passwords.owner}'",
        f"alter role {APP} login {plain} password '{passwords.app}'",
        f"alter role {SYSTEM} nologin {plain}",
        f"grant {SYSTEM} to {APP} with inherit false, set true",
        f"create database {DATABASE} owner {OWNER}",
    )


def is_only_existing_database(output: str) -> bool:
    return f'database "{DATABASE}" already exists' in output


def database_statements() -> bytes:
    """For the database itself. The last one runs the extension's code: see preflight.py."""
    return _script(
        f"revoke all on database {DATABASE} from public",
        f"grant connect, temporary on database {DATABASE} to {APP}",
        "create extension if not exists vector schema public",
        "alter extension vector update",
        TRY_VECTOR,
    )


def scratch_statements() -> bytes:
    return _script("create extension vector", TRY_VECTOR)


TRY_VECTOR = "select '[1,2]'::vector <=> '[2,3]', l2_normalize('[1,2]'::vector), array[1.0,2.0]::float8[]::vector"


def _password() -> str:
    return secrets.token_urlsafe(24)


def _script(*statements: str) -> bytes:
    return "".join(f"{statement};\n\n" for statement in statements).encode()


def sync_folder(folder: Path) -> None:
    """Makes a rename in the folder survive a power cut, where the system can do that."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
