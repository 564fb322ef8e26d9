import asyncio
import time
from typing import Any

import jwt
import pytest
from tests.identity.conftest import House, make_identity

from glia.identity.access_tokens import AccessTokens, Claims
from glia.identity.errors import EmailTaken, LastAdmin, LastOwner, UserNotFound, WrongCredentials
from glia.identity.passwords import Cost, Passwords
from glia.identity.secrets import load_secrets
from glia.identity.service import Identity
from glia.identity.types import Role
from glia.kit.db import Database
from glia.kit.errors import Forbidden, InvalidRequest, RateLimited, Unavailable
from glia.kit.ids import new_id
from glia.kit.pages import Window


async def test_someone_who_signs_in_has_the_rights_of_their_role(house: House) -> None:
    ann = await house.user("Ann@Example.org", name="Ann")

    assert ann.allows("agents:write")
    assert not ann.allows("identity:read")
    assert ann.workspace_id == house.admin.workspace_id
    assert ann.user_id is not None
    assert (await house.identity.users.get(ann, ann.user_id)).email == "Ann@Example.org"
    with pytest.raises(Forbidden, match="identity:write"):
        await house.identity.users.create(ann, email="x@example.org", password="long enough")


async def test_a_wrong_password_and_an_unknown_email_look_alike(house: House) -> None:
    await house.user("ann@example.org")

    answers = []
    for email, password in (
        ("ann@example.org", "wrong password"),
        ("nobody@example.org", "wrong password"),
        ("ann@example.org", ""),
    ):
        with pytest.raises(WrongCredentials) as error:
            await house.identity.sign_in(email, password)
        answers.append(error.value.message)

    assert len(set(answers)) == 1


async def test_an_unknown_user_costs_as_much_as_a_known_one() -> None:
    passwords = Passwords(Cost(rounds=2, memory_kib=16384, lanes=1))
    kept = await passwords.hash("correct horse")

    async def cpu_seconds(hash: str | None) -> float:
        best = 9.0
        for _ in range(5):
            start = time.process_time()
            assert not await passwords.is_right("wrong password", hash)
            best = min(best, time.process_time() - start)
        return best

    known, unknown = await cpu_seconds(kept), await cpu_seconds(None)
    cheap = await cpu_seconds("not a hash")

    assert 0.5 < unknown / known < 2
    assert cheap < known / 4  # the control: without the work it would show


async def test_hashing_leaves_the_loop_free_and_has_a_bound() -> None:
    passwords = Passwords(Cost(rounds=3, memory_kib=65536, lanes=1), at_once=1)
    hashing = asyncio.create_task(passwords.hash("correct horse"))
    turns = 0
    while not hashing.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert turns > 1  # else the loop stood still meanwhile
    assert (await hashing).startswith("$argon2id$")

    passwords._waiting = 64
    with pytest.raises(Unavailable):
        await passwords.hash("correct horse")


async def test_guessing_is_slowed_for_the_guesser_and_not_for_the_owner(house: House) -> None:
    await house.user("ann@example.org", password="correct horse")
    house.identity._sign_in._by_both._clock = lambda: 0.0
    for _ in range(5):
        with pytest.raises(WrongCredentials):
            await house.identity.sign_in("ann@example.org", "wrong password", client="203.0.113.9")

    with pytest.raises(RateLimited) as error:
        await house.identity.sign_in("ANN@example.org", "correct horse", client="203.0.113.9")

    assert error.value.retry_after_seconds >= 1
    assert await house.identity.sign_in("ann@example.org", "correct horse", client="198.51.100.7")


async def test_a_refresh_token_works_once_and_its_reuse_ends_the_sign_in(house: House) -> None:
    await house.user("ann@example.org", password="correct horse")
    first = await house.identity.sign_in("ann@example.org", "correct horse")
    other_device = await house.identity.sign_in("ann@example.org", "correct horse")

    second = await house.identity.refresh(first.refresh_token)
    third = await house.identity.refresh(second.refresh_token)
    with pytest.raises(WrongCredentials):
        await house.identity.refresh(first.refresh_token)

    with pytest.raises(WrongCredentials):
        await house.identity.refresh(third.refresh_token)
    assert await house.identity.refresh(other_device.refresh_token)
    actions = [entry.data for entry in (await house.identity.audit_log(house.admin, Window(limit=1))).items]
    assert actions == [{"reason": "a refresh token came twice"}]


async def test_of_two_that_refresh_at_once_one_gets_through(house: House) -> None:
    await house.user("ann@example.org", password="correct horse")
    tokens = await house.identity.sign_in("ann@example.org", "correct horse")

    answers = await asyncio.gather(
        *(house.identity.refresh(tokens.refresh_token) for _ in range(4)), return_exceptions=True
    )

    assert sum(not isinstance(answer, WrongCredentials) for answer in answers) == 1


async def test_a_refresh_token_that_nobody_gave_out_is_refused(house: House) -> None:
    for raw in ("", "glr_", "glr_" + "A" * 40, "x" * 10_000, house.credentials.api_key):
        with pytest.raises(WrongCredentials):
            await house.identity.refresh(raw)
    await house.identity.sign_out("glr_unknown")


async def test_signing_out_ends_the_refresh_token(house: House) -> None:
    tokens = await house.identity.sign_in("root@example.org", house.credentials.password)

    await house.identity.sign_out(tokens.refresh_token)

    with pytest.raises(WrongCredentials):
        await house.identity.refresh(tokens.refresh_token)


async def test_a_deactivated_user_is_out_everywhere(house: House, db: Database) -> None:
    identity = house.identity
    ann = await house.user("ann@example.org", password="correct horse")
    tokens = await identity.sign_in("ann@example.org", "correct horse")
    _, raw = await identity.keys.create(ann, name="Hers")
    await identity.authenticate_key(raw)
    assert ann.user_id is not None

    stopped = await identity.users.deactivate(house.admin, ann.user_id)

    assert not stopped.is_active
    attempts: list[Any] = [
        identity.authenticate_token(tokens.access_token),
        identity.authenticate_key(raw),
        identity.refresh(tokens.refresh_token),
        identity.sign_in("ann@example.org", "correct horse"),
    ]
    for attempt in attempts:
        with pytest.raises(WrongCredentials):
            await attempt
    with pytest.raises(Forbidden):
        await identity.keys.create(ann, name="Late")
    assert not (await identity.users.deactivate(house.admin, ann.user_id)).is_active


async def test_the_last_admin_stays(house: House) -> None:
    assert house.admin.user_id is not None
    with pytest.raises(LastAdmin):
        await house.identity.users.deactivate(house.admin, house.admin.user_id)

    await house.identity.users.create(house.admin, email="b@example.org", password="long enough", role=Role.ADMIN)
    with pytest.raises(LastOwner):
        await house.identity.users.deactivate(house.admin, house.admin.user_id)

    await house.identity.users.create(
        house.admin, email="c@example.org", password="long enough", role=Role.ADMIN, is_owner=True
    )
    assert not (await house.identity.users.deactivate(house.admin, house.admin.user_id)).is_active


async def test_a_new_password_ends_every_sign_in_here_and_in_other_processes(house: House, db: Database) -> None:
    identity, other = house.identity, await make_identity(db)
    ann = await house.user("ann@example.org", password="correct horse")
    old = await identity.sign_in("ann@example.org", "correct horse")
    await other.authenticate_token(old.access_token)
    assert ann.user_id is not None

    with pytest.raises(WrongCredentials):
        await identity.users.change_password(ann, ann.user_id, "battery staple", current="wrong")
    await identity.users.change_password(ann, ann.user_id, "battery staple", current="correct horse")

    fresh = await identity.sign_in("ann@example.org", "battery staple")
    for attempt in (
        identity.authenticate_token(old.access_token),
        identity.refresh(old.refresh_token),
        identity.sign_in("ann@example.org", "correct horse"),
    ):
        with pytest.raises(WrongCredentials):
            await attempt
    assert await other.authenticate_token(fresh.access_token)
    with pytest.raises(WrongCredentials):
        await other.authenticate_token(old.access_token)


async def test_passwords_of_others_are_for_those_with_no_fewer_rights(house: House) -> None:
    users = house.identity.users
    ann, bob = await house.user("ann@example.org"), await house.user("bob@example.org")
    assert bob.user_id is not None
    assert house.admin.user_id is not None
    _, raw = await house.identity.keys.create(house.admin, name="HR", scopes=["identity:*"])
    people = (await house.identity.authenticate_key(raw)).principal

    with pytest.raises(Forbidden, match="identity:write"):
        await users.change_password(ann, bob.user_id, "taken over!")
    root = await users.create(house.admin, email="root2@example.org", password="long enough", role=Role.ADMIN)
    with pytest.raises(Forbidden):
        await users.change_password(people, root.id, "taken over!")
    with pytest.raises(Forbidden):
        await users.create(people, email="new@example.org", password="long enough", role=Role.ADMIN)
    await users.change_password(house.admin, bob.user_id, "reset by root")
    assert await house.identity.sign_in("bob@example.org", "reset by root")


async def test_users_of_another_workspace_are_not_there(house: House, elsewhere: House) -> None:
    users, admin = house.identity.users, elsewhere.admin
    ann = await house.user("ann@example.org")
    assert ann.user_id is not None

    for attempt in (
        users.get(admin, ann.user_id),
        users.deactivate(admin, ann.user_id),
        users.change_password(admin, ann.user_id, "taken over!"),
    ):
        with pytest.raises(UserNotFound):
            await attempt
    assert [user.email for user in (await users.list(admin, Window())).items] == ["root@other.example.org"]
    with pytest.raises(EmailTaken):
        await users.create(admin, email="ANN@example.org", password="long enough")


async def test_a_user_out_of_bounds_names_its_field(house: House) -> None:
    good = {"email": "new@example.org", "password": "long enough"}
    bad: list[tuple[str, str]] = [
        ("email", "nobody"),
        ("email", "a b@example.org"),
        ("email", "x" * 300 + "@example.org"),
        ("password", "short"),
        ("password", "x" * 513),
        ("name", "x" * 201),
        ("name", "a\x00b"),
    ]
    for field, value in bad:
        with pytest.raises(InvalidRequest) as error:
            await house.identity.users.create(house.admin, **{**good, field: value})
        assert error.value.field == field


async def test_a_password_is_hashed_anew_when_the_cost_has_changed(house: House, db: Database) -> None:
    await house.user("ann@example.org", password="correct horse")
    dearer = Identity(db, await load_secrets(db), passwords=Passwords(Cost(rounds=2, memory_kib=64, lanes=1)))

    await dearer.sign_in("ann@example.org", "correct horse")

    async with db.transaction(house.admin.workspace_id) as tx:
        kept = await tx.value("select password_hash from users where email = 'ann@example.org'")
    assert "t=2" in kept
    assert await dearer.sign_in("ann@example.org", "correct horse")


def test_a_token_that_was_not_signed_here_or_is_for_something_else_is_refused() -> None:
    key = b"k" * 32
    tokens = AccessTokens(key)
    claims = Claims(new_id(), new_id(), 0)
    assert tokens.read(tokens.issue(claims)) == claims
    good = {"iss": "glia", "aud": "glia", "sub": str(claims.user_id), "ws": str(claims.workspace_id), "gen": 0}
    good |= {"iat": int(time.time()), "exp": int(time.time()) + 60, "jti": "1"}
    assert tokens.read(jwt.encode(good, key, algorithm="HS256")) == claims

    forged = [
        jwt.encode(good, b"x" * 32, algorithm="HS256"),
        jwt.encode(good, None, algorithm="none"),
        jwt.encode(good, key * 2, algorithm="HS512"),
        *(jwt.encode({**good, **change}, key, algorithm="HS256") for change in (
            {"exp": int(time.time()) - 60}, {"iat": int(time.time()) + 600}, {"aud": "other"}, {"iss": "other"},
            {"sub": "nobody"}, {"ws": ""}, {"gen": "x"},
        )),
        *(jwt.encode({k: v for k, v in good.items() if k != name}, key, algorithm="HS256") for name in good),
        "x" * 5000,
        "",
    ]  # fmt: skip
    for token in forged:
        with pytest.raises(WrongCredentials):
            tokens.read(token)
