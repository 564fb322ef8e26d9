import asyncio

import pytest
from tests.conftest import DatabaseUrls
from tests.identity.conftest import House, make_identity

from glia.identity.errors import EmailTaken, WorkspaceNotFound
from glia.identity.service import Identity
from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.errors import InvalidRequest, NotFound
from glia.kit.pages import Window


async def test_the_first_start_makes_everything_that_is_needed_once(identity: Identity) -> None:
    credentials = await identity.bootstrap("Acme & Sons", "root@example.org")

    assert credentials is not None
    assert credentials.workspace == "acme-sons"
    assert "root@example.org" in repr(credentials)
    assert credentials.password not in repr(credentials)
    assert credentials.api_key not in repr(credentials)
    found = await identity.authenticate(f"Bearer {credentials.api_key}")
    assert found.principal.allows("identity:write")
    tokens = await identity.sign_in("ROOT@example.org", credentials.password)
    who = (await identity.authenticate(f"Bearer {tokens.access_token}")).principal
    assert (who.user_id, who.project_id) == (found.principal.user_id, found.principal.project_id)
    assert (await identity.workspaces.get(who)).name == "Acme & Sons"
    assert [p.slug for p in (await identity.workspaces.projects(who, Window())).items] == ["default"]
    assert await identity.bootstrap("Acme", "root@example.org") is None


async def test_two_processes_that_start_at_once_make_one_workspace(database_urls: DatabaseUrls) -> None:
    databases = [Database(database_urls.app, largest_pool=4) for _ in range(4)]
    for database in databases:
        await database.open()
    try:
        houses = await asyncio.gather(*(make_identity(database) for database in databases))
        made = await asyncio.gather(*(house.bootstrap("Acme", "root@example.org") for house in houses))
        async with databases[0].across_workspaces() as tx:
            count = await tx.value("select count(*) from workspaces")
        winner = next(credentials for credentials in made if credentials)
        # All of them share the secret that signs tokens, whoever made it.
        tokens = await houses[0].sign_in("root@example.org", winner.password)
        for house in houses:
            await house.authenticate_token(tokens.access_token)
    finally:
        for database in databases:
            await database.close()

    assert count == 1
    assert sum(credentials is not None for credentials in made) == 1


async def test_a_workspace_that_cannot_be_filled_is_not_there(house: House, db: Database) -> None:
    with pytest.raises(EmailTaken):
        await house.identity.create_workspace("Second", "Root@Example.org")

    async with db.across_workspaces() as tx:
        assert await tx.values("select slug from workspaces") == ["acme"]


async def test_the_operator_acts_in_the_first_workspace_or_a_named_one(house: House, elsewhere: House) -> None:
    first = await house.identity.operator()
    other = await house.identity.operator("other")

    assert first.workspace_id == house.admin.workspace_id
    assert other.workspace_id == elsewhere.admin.workspace_id
    assert first.name == "operator"
    with pytest.raises(WorkspaceNotFound, match="'nowhere'"):
        await house.identity.operator("nowhere")
    key, _ = await house.identity.keys.create(first, name="Made on the machine")
    entry = (await house.identity.audit_log(first, Window(limit=1))).items[0]
    assert (entry.actor_kind, entry.action, entry.subject) == ("operator", "key.created", f"key:{key.id}")


async def test_without_a_workspace_there_is_no_operator(identity: Identity) -> None:
    with pytest.raises(WorkspaceNotFound, match="glia serve"):
        await identity.operator()


async def test_projects_are_made_in_ones_own_workspace_alone(house: House, elsewhere: House) -> None:
    workspaces = house.identity.workspaces
    project = await workspaces.create_project(house.admin, "Second Brain")

    assert project.slug == "second-brain"
    assert await workspaces.project(house.admin, project.id) == project
    for attempt in (
        workspaces.project(elsewhere.admin, project.id),
        workspaces.get(elsewhere.admin, house.admin.workspace_id),
    ):
        with pytest.raises(NotFound):
            await attempt
    with pytest.raises(InvalidRequest, match="slug"):
        await workspaces.create_project(house.admin, "x", slug="No Spaces")
    assert len((await workspaces.projects(elsewhere.admin, Window())).items) == 1


async def test_the_audit_log_names_who_and_what_and_holds_no_secret(house: House, elsewhere: House) -> None:
    identity = house.identity
    ann = await house.user("ann@example.org", password="a very long secret")
    key, raw = await identity.keys.create(house.admin, name="Robot")
    await identity.keys.revoke(house.admin, key.id)
    assert ann.user_id is not None
    await identity.users.change_password(ann, ann.user_id, "another long secret", current="a very long secret")
    await identity.users.deactivate(house.admin, ann.user_id)

    entries = (await identity.audit_log(house.admin, Window(limit=100))).items

    assert [entry.action for entry in entries] == [
        "user.deactivated",
        "user.password_changed",
        "key.revoked",
        "key.created",
        "user.signed_in",
        "user.created",
        "key.created",
        "workspace.created",
        "user.created",
    ]
    assert entries[2].actor_id == house.admin.key_id
    text = repr(entries)
    for secret in (raw, house.credentials.api_key, house.credentials.password, "long secret", "argon2"):
        assert secret not in text
    assert len((await identity.audit_log(elsewhere.admin, Window())).items) == 3


async def test_a_secret_is_kept_out_of_the_audit_log(db: Database, principal: Principal) -> None:
    from glia.identity import audit

    async with db.transaction(principal.workspace_id) as tx:
        with pytest.raises(ValueError, match="password"):
            await audit.record(tx, principal, "user.created", "user:1", password="x")
