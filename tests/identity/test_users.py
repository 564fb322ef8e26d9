"""Changing and deleting people: owners, admins, and the sign-ins and keys that end with them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.identity.conftest import House

from glia.identity.errors import EmailTaken, LastAdmin, LastOwner, UserNotFound, WrongCredentials
from glia.identity.types import Plan, Principal, Role, UserChanges
from glia.kit.errors import Forbidden, InvalidRequest


async def test_a_deleted_user_is_gone_with_their_sign_ins_and_keys(house: House) -> None:
    identity = house.identity
    ann = await house.user("ann@example.org", password="correct horse")
    tokens = await identity.sign_in("ann@example.org", "correct horse")
    _, raw = await identity.keys.create(ann, name="Hers")
    await identity.authenticate_token(tokens.access_token)
    await identity.authenticate_key(raw)
    assert ann.user_id is not None

    await identity.users.delete(house.admin, ann.user_id)

    attempts: list[Any] = [
        identity.authenticate_token(tokens.access_token),
        identity.authenticate_key(raw),
        identity.refresh(tokens.refresh_token),
        identity.sign_in("ann@example.org", "correct horse"),
    ]
    for attempt in attempts:
        with pytest.raises(WrongCredentials):
            await attempt
    with pytest.raises(UserNotFound):
        await identity.users.get(house.admin, ann.user_id)
    again = await identity.users.create(house.admin, email="ann@example.org", password="battery staple")
    assert again.id != ann.user_id


async def test_the_last_owner_cannot_go_nor_become_less(house: House) -> None:
    users, admin = house.identity.users, house.admin
    assert admin.user_id is not None
    await users.create(admin, email="b@example.org", password="long enough", role=Role.ADMIN)

    with pytest.raises(LastOwner):
        await users.delete(admin, admin.user_id)
    for changes in (UserChanges(role=Role.USER), UserChanges(is_owner=False)):
        with pytest.raises(LastOwner):
            await users.update(admin, admin.user_id, changes)

    other = await users.create(admin, email="c@example.org", password="long enough", role=Role.ADMIN, is_owner=True)
    assert other.is_owner
    await users.delete(admin, admin.user_id)


async def test_admins_do_not_change_owners_nor_become_one(house: House) -> None:
    users, admin = house.identity.users, house.admin
    bob = await house.user("bob@example.org", role=Role.ADMIN)
    assert admin.user_id is not None
    assert bob.user_id is not None

    for changes in (UserChanges(email="mine@example.org"), UserChanges(password="taken over"), UserChanges(name="x")):
        if changes.name is None:
            with pytest.raises(Forbidden):
                await users.update(bob, admin.user_id, changes)
    with pytest.raises(Forbidden):
        await users.update(bob, bob.user_id, UserChanges(is_owner=True))
    with pytest.raises((LastOwner, Forbidden)):
        await users.delete(bob, admin.user_id)
    with pytest.raises(Forbidden):
        await users.create(bob, email="d@example.org", password="long enough", role=Role.ADMIN, is_owner=True)
    with pytest.raises(InvalidRequest):
        await users.create(admin, email="d@example.org", password="long enough", role=Role.USER, is_owner=True)


async def test_people_change_themselves_and_only_what_is_theirs(house: House) -> None:
    identity = house.identity
    ann = await house.user("ann@example.org", password="correct horse")
    assert ann.user_id is not None
    before = await identity.sign_in("ann@example.org", "correct horse")

    changed = await identity.users.update(
        ann, ann.user_id, UserChanges(name="Ann", email="new@example.org", password="battery staple")
    )

    assert (changed.name, changed.email) == ("Ann", "new@example.org")
    with pytest.raises(WrongCredentials):
        await identity.authenticate_token(before.access_token)
    await identity.sign_in("new@example.org", "battery staple")
    assert house.admin.user_id is not None
    with pytest.raises(Forbidden):
        await identity.users.update(ann, ann.user_id, UserChanges(role=Role.ADMIN))
    with pytest.raises(Forbidden):
        await identity.users.update(ann, house.admin.user_id, UserChanges(name="x"))
    with pytest.raises(Forbidden):
        await identity.users.delete(ann, ann.user_id)
    with pytest.raises(EmailTaken):
        await identity.users.update(ann, ann.user_id, UserChanges(email="ROOT@example.org"))
    with pytest.raises(InvalidRequest):
        await identity.users.update(ann, ann.user_id, UserChanges(password="short"))
    with pytest.raises(WrongCredentials):
        await identity.users.update(ann, ann.user_id, UserChanges(password="long enough", current_password="wrong"))


async def test_a_key_of_a_user_does_not_change_the_user(house: House) -> None:
    identity = house.identity
    ann = await house.user("ann@example.org")
    assert ann.user_id is not None
    _, raw = await identity.keys.create(ann, name="Hers")
    principal = (await identity.authenticate_key(raw)).principal

    with pytest.raises(Forbidden):
        await identity.users.update(principal, ann.user_id, UserChanges(password="battery staple"))


async def test_a_smaller_role_ends_the_keys_beyond_it(house: House) -> None:
    identity = house.identity
    ann = await house.user("ann@example.org")
    assert ann.user_id is not None
    _, writing = await identity.keys.create(ann, name="Writes", scopes=["agents:write"])
    _, reading = await identity.keys.create(ann, name="Reads", scopes=["agents:read"])

    await identity.users.update(house.admin, ann.user_id, UserChanges(role=Role.READ_ONLY))

    with pytest.raises(WrongCredentials):
        await identity.authenticate_key(writing)
    assert (await identity.authenticate_key(reading)).principal.allows("agents:read")


async def test_a_plan_is_in_force_at_once_and_only_the_operator_sets_it(house: House) -> None:
    identity, admin = house.identity, house.admin
    _, raw = await identity.keys.create(admin, name="K", scopes=["agents:read"])
    usual = identity.plans.allowance(await identity.authenticate_key(raw))
    assert (usual.plan, usual.requests_per_minute, usual.is_own) == (Plan.ENTERPRISE, 1_000_000, False)

    operator = Principal(admin.workspace_id, admin.project_id, frozenset({"*"}), is_operator=True)
    for plan, rate in ((Plan.FREE, 100), (Plan.PRO, 1000)):
        await identity.plans.set(operator, plan)
        found = identity.plans.allowance(await identity.authenticate_key(raw))
        assert (found.plan, found.requests_per_minute, found.is_own) == (plan, rate, True)
    assert (await identity.plans.set(operator, Plan.ENTERPRISE, requests_per_minute=7)).requests_per_minute == 7
    for plan, rate in ((Plan.FREE, 5), (Plan.ENTERPRISE, 0), (Plan.ENTERPRISE, 1_000_001)):
        with pytest.raises(InvalidRequest):
            await identity.plans.set(operator, plan, requests_per_minute=rate)
    assert not (await identity.plans.set(operator, None)).is_own


async def test_a_customer_does_not_set_their_own_plan(house: House) -> None:
    made = await house.identity.create_workspace("Other", "other@example.org")
    stranger = (await house.identity.authenticate_key(made.api_key)).principal

    with pytest.raises(Forbidden):
        await house.identity.plans.set(stranger, Plan.PRO)
    with pytest.raises(LastAdmin):
        await house.identity.users.delete(stranger, stranger.user_id or house.admin.workspace_id)
