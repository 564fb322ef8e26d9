import asyncio
import hashlib
import re
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from tests.conftest import DatabaseUrls
from tests.identity.conftest import House, make_identity

from glia.identity import queries
from glia.identity.authentication import SAFETY_SECONDS
from glia.identity.errors import KeyNotFound, WrongCredentials
from glia.identity.key_looks import looks_like_a_key, new_key
from glia.identity.types import Principal, Role
from glia.kit.clock import monotonic, now
from glia.kit.db import Database
from glia.kit.errors import Forbidden, InvalidRequest, Unauthorized
from glia.kit.pages import Window


@pytest.mark.parametrize(
    ("surface", "look", "prefix"),
    [
        ("native", r"glia_[0-9A-Za-z]{40}", 9),
        ("neura", r"nk-[0-9A-Za-z]{40}", 7),
        ("neuralhub", r"nh_[0-9A-Za-z]{40}", 7),
        ("auvy", r"ak_live_[0-9A-Za-z]{40}", 12),
        ("neuronagent", r"[0-9A-Za-z_-]{43}=", 8),
        ("neuais", r"glia_[0-9A-Za-z]{40}", 9),
    ],
)
def test_a_key_has_the_look_of_its_surface(surface: str, look: str, prefix: int) -> None:
    key = new_key(surface)

    assert re.fullmatch(look, key.raw)
    assert looks_like_a_key(key.raw)
    assert key.prefix == key.raw[:prefix]
    assert key.hash == hashlib.sha256(key.raw.encode()).digest()
    assert key.raw not in repr(key)
    assert new_key(surface).raw != key.raw


async def test_every_key_opens_every_surface_and_only_its_hash_is_kept(
    house: House, db: Database, database_urls: DatabaseUrls
) -> None:
    raws = []
    for surface in ("native", "neura", "neuralhub", "auvy", "neuronagent"):
        key, raw = await house.identity.keys.create(house.admin, name=surface, surface=surface)
        raws.append(raw)
        for headers in ({"authorization": f"Bearer {raw}"}, {"authorization": f"ApiKey {raw}"}, {"api_key": raw}):
            found = await house.identity.authenticate(**headers)
            assert found.key_id == key.id
            assert found.principal.workspace_id == house.admin.workspace_id

    with psycopg.connect(database_urls.admin) as admin:
        stored = repr(admin.execute("select k::text from glia.api_keys k").fetchall())
    assert all(raw not in stored for raw in raws)


NO_CREDENTIALS: list[dict[str, str]] = [
    {},
    {"authorization": ""},
    {"authorization": "Bearer"},
    {"authorization": "Basic YTpi"},
    {"authorization": "Bearer glia_short"},
    {"authorization": "Bearer " + "glia_" + "A" * 40},
    {"authorization": "Bearer a.b.c"},
    {"api_key": "' or 1=1 --"},
    {"api_key": "ä" * 43 + "="},
    {"api_key": "x" * 100_000},
    {"api_key": "x.y" * 100_000},
]


async def test_what_is_no_credential_is_unauthorized(house: House) -> None:
    for headers in NO_CREDENTIALS:
        with pytest.raises(Unauthorized):
            await house.identity.authenticate(**headers)


class Lookups:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        find_key = queries.find_key

        async def counted(*arguments: Any) -> Any:
            self.count += 1
            return await find_key(*arguments)

        monkeypatch.setattr(queries, "find_key", counted)


async def test_a_key_is_looked_up_once_for_many_requests(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    _, raw = await house.identity.keys.create(house.admin, name="Busy")
    lookups = Lookups(monkeypatch)

    await asyncio.gather(*(house.identity.authenticate_key(raw) for _ in range(50)))

    assert lookups.count == 1
    house.identity.forget("*")
    await house.identity.authenticate_key(raw)
    assert lookups.count == 2


async def test_a_flood_of_unknown_keys_neither_asks_twice_nor_grows(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    lookups = Lookups(monkeypatch)
    unknown = new_key("native").raw

    async def attempt(raw: str) -> None:
        with pytest.raises(WrongCredentials):
            await house.identity.authenticate_key(raw)

    await asyncio.gather(*(attempt(unknown) for _ in range(50)))
    assert lookups.count == 1

    authentication = house.identity._authentication
    authentication._unknown._largest = 20
    await asyncio.gather(*(attempt(new_key("native").raw) for _ in range(60)))
    assert len(authentication._unknown) == 20
    await house.identity.authenticate_key(house.credentials.api_key)
    assert lookups.count == 61


async def test_a_revoked_key_opens_nothing_at_once_here_and_when_told_elsewhere(
    house: House, db: Database, database_urls: DatabaseUrls
) -> None:
    other_process = await make_identity(db)
    key, raw = await house.identity.keys.create(house.admin, name="Lost")
    for identity in (house.identity, other_process):
        await identity.authenticate_key(raw)

    with psycopg.connect(database_urls.app, autocommit=True) as listener:
        listener.execute("listen glia_keys")
        revoked = await house.identity.keys.revoke(house.admin, key.id)
        heard = [notify.payload for notify in listener.notifies(timeout=60, stop_after=1)]

    assert revoked.revoked_at is not None
    assert heard == [hashlib.sha256(raw.encode()).hexdigest()]
    with pytest.raises(WrongCredentials):
        await house.identity.authenticate_key(raw)
    await other_process.authenticate_key(raw)  # the control: it has not been told
    other_process.forget(heard[0])
    with pytest.raises(WrongCredentials):
        await other_process.authenticate_key(raw)
    assert (await house.identity.keys.revoke(house.admin, key.id)) == revoked


async def test_a_lookup_that_a_revocation_overtakes_is_not_remembered(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, raw = await house.identity.keys.create(house.admin, name="Racing")
    find_key = queries.find_key

    async def slow(*arguments: Any) -> Any:
        found = await find_key(*arguments)
        await house.identity.keys.revoke(house.admin, key.id)
        return found

    monkeypatch.setattr(queries, "find_key", slow)
    await house.identity.authenticate_key(raw)

    monkeypatch.setattr(queries, "find_key", find_key)
    with pytest.raises(WrongCredentials):
        await house.identity.authenticate_key(raw)


async def test_an_expired_key_opens_nothing_even_when_it_is_remembered(
    house: House, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    soon = now() + timedelta(seconds=SAFETY_SECONDS / 2)  # sooner than what is remembered is looked up again
    key, raw = await house.identity.keys.create(house.admin, name="Brief", expires_at=soon)
    await house.identity.authenticate_key(raw)

    async with db.transaction(house.admin.workspace_id) as tx:
        await tx.execute("update api_keys set expires_at = now() where id = %(id)s", id=key.id)
    await house.identity.authenticate_key(raw)  # the control: it is remembered
    known = house.identity._authentication._known
    monkeypatch.setattr(known, "_clock", lambda: monotonic() + SAFETY_SECONDS / 2)

    with pytest.raises(WrongCredentials):
        await house.identity.authenticate_key(raw)


async def test_last_use_is_written_at_most_once_a_minute(house: House, db: Database) -> None:
    identity = house.identity
    key, raw = await identity.keys.create(house.admin, name="Used")
    await identity.flush_last_used()
    await identity.authenticate_key(raw)
    await identity.authenticate_key(raw)
    assert await identity.flush_last_used() == 1
    written = (await identity.keys.get(house.admin, key.id)).last_used_at
    assert written is not None

    await identity.authenticate_key(raw)
    assert await identity.flush_last_used() == 0
    assert await identity.flush_last_used() == 0

    async with db.across_workspaces() as tx:
        assert await queries.set_last_used(tx, {key.id: written + timedelta(seconds=61)}) == 1


async def test_a_key_never_makes_a_stronger_one(house: House) -> None:
    keys = house.identity.keys
    until = now() + timedelta(hours=1)
    _, raw = await keys.create(
        house.admin, name="Clerk", scopes=["keys:write", "agents:read"], rate_per_minute=60, expires_at=until
    )
    clerk = (await house.identity.authenticate_key(raw)).principal

    for beyond, scope in (
        ({"scopes": ["agents:write"]}, "agents:write"),
        ({"scopes": ["*"]}, r"\*"),
        ({"role": Role.ADMIN}, r"\*"),
        ({}, r"\*"),
        ({"scopes": ["agents:read"], "rate_per_minute": 61}, "61"),
        ({"scopes": ["agents:read"], "expires_at": until + timedelta(seconds=1)}, "outlives"),
    ):
        with pytest.raises(Forbidden, match=scope):
            await keys.create(clerk, name="More", **beyond)
    child, _ = await keys.create(clerk, name="Less", scopes=["agents:read"])
    assert (child.rate_per_minute, child.expires_at, child.role) == (60, until, Role.READ_ONLY)
    with pytest.raises(Forbidden, match="keys:read"):
        await keys.list(clerk, Window())


async def test_a_key_that_was_revoked_meanwhile_makes_no_other(house: House) -> None:
    key, raw = await house.identity.keys.create(house.admin, name="Gone", role=Role.ADMIN)
    principal = (await house.identity.authenticate_key(raw)).principal

    await house.identity.keys.revoke(house.admin, key.id)

    with pytest.raises(Forbidden, match="revoked"):
        await house.identity.keys.create(principal, name="Survivor")


async def test_a_user_sees_and_revokes_only_their_own_keys(house: House) -> None:
    keys = house.identity.keys
    ann, bob = await house.user("ann@example.org"), await house.user("bob@example.org")
    hers, _ = await keys.create(ann, name="Hers")
    his, _ = await keys.create(bob, name="His")

    assert [key.id for key in (await keys.list(ann, Window())).items] == [hers.id]
    with pytest.raises(KeyNotFound):
        await keys.revoke(ann, his.id)
    with pytest.raises(KeyNotFound):
        await keys.get(ann, his.id)
    assert (await keys.revoke(ann, hers.id)).revoked_at is not None
    assert {key.name for key in (await keys.list(house.admin, Window())).items} == {"First key", "Hers", "His"}
    assert [key.name for key in (await keys.list(house.admin, Window(), surface="neura")).items] == []


async def test_keys_of_another_workspace_are_not_there(house: House, elsewhere: House) -> None:
    key, _ = await house.identity.keys.create(house.admin, name="Ours")

    for attempt in (house.identity.keys.get, house.identity.keys.revoke):
        with pytest.raises(KeyNotFound):
            await attempt(elsewhere.admin, key.id)
    assert len((await house.identity.keys.list(elsewhere.admin, Window())).items) == 1
    foreign_project = Principal(elsewhere.admin.workspace_id, house.admin.project_id, frozenset({"*"}))
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        await house.identity.keys.create(foreign_project, name="Crossing")


async def test_a_key_out_of_bounds_names_its_field(house: House) -> None:
    bad: list[tuple[str, Any]] = [
        ("name", " "),
        ("name", "a\x00b"),
        ("rate_per_minute", 0),
        ("expires_at", now() - timedelta(seconds=1)),
        ("expires_at", now().replace(tzinfo=None)),
        ("scopes", []),
        ("surface", "fax"),
    ]
    for field, value in bad:
        with pytest.raises(InvalidRequest) as error:
            await house.identity.keys.create(house.admin, **{"name": "x", field: value})
        assert error.value.field == field


async def test_a_read_only_key_changes_nothing(house: House) -> None:
    _, raw = await house.identity.keys.create(house.admin, name="Eyes", role=Role.READ_ONLY)
    eyes = (await house.identity.authenticate_key(raw)).principal

    assert (await house.identity.workspaces.get(eyes)).slug == "acme"
    for attempt, scope in (
        (house.identity.keys.create(eyes, name="x"), "keys:write"),
        (house.identity.workspaces.create_project(eyes, "x"), "identity:write"),
        (house.identity.users.list(eyes, Window()), "identity:read"),
        (house.identity.audit_log(eyes, Window()), "identity:read"),
    ):
        with pytest.raises(Forbidden, match=scope):
            await attempt
