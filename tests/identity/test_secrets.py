import asyncio

import pytest

from glia.identity.errors import SealBroken, SecretKeyRefused
from glia.identity.secrets import Secrets, load_secrets
from glia.kit.db import Database

KEY = "k" * 32


async def test_processes_that_start_at_once_share_one_secret(db: Database) -> None:
    loaded = await asyncio.gather(*(load_secrets(db) for _ in range(5)))

    assert len({secrets.derive("x") for secrets in loaded}) == 1
    assert (await load_secrets(db)).derive("x") == loaded[0].derive("x")


async def test_the_operators_key_must_stay_the_same(db: Database) -> None:
    sealed = (await load_secrets(db, KEY)).seal(b"token", "tool:1")

    assert (await load_secrets(db, KEY)).open(sealed, "tool:1") == b"token"
    with pytest.raises(SecretKeyRefused, match="began with"):
        await load_secrets(db, "x" * 32)
    with pytest.raises(SecretKeyRefused, match="set it to the same value"):
        await load_secrets(db)
    with pytest.raises(SecretKeyRefused, match="5 characters"):
        await load_secrets(db, "short")
    async with db.across_workspaces() as tx:
        assert await tx.values("select name from installation") == ["secret_fingerprint"]


async def test_a_key_that_comes_later_is_refused(db: Database) -> None:
    await load_secrets(db)

    with pytest.raises(SecretKeyRefused, match="unset it"):
        await load_secrets(db, KEY)


def test_purposes_give_unrelated_keys() -> None:
    secrets = Secrets(KEY.encode())

    assert len(secrets.derive("a")) == 32
    assert secrets.derive("a") == Secrets(KEY.encode()).derive("a")
    assert len({secrets.derive("a"), secrets.derive("b"), Secrets(b"other" * 8).derive("a")}) == 3
    assert KEY not in repr(vars(secrets))


def test_what_is_sealed_opens_in_its_place_only() -> None:
    secrets = Secrets(KEY.encode())
    sealed = secrets.seal(b"token", "tool:1")

    assert secrets.open(sealed, "tool:1") == b"token"
    assert b"token" not in sealed
    assert secrets.seal(b"token", "tool:1") != sealed
    changed = sealed[:-1] + bytes([sealed[-1] ^ 1])
    for value, context in (
        (sealed, "tool:2"),
        (changed, "tool:1"),
        (b"\x02" + sealed[1:], "tool:1"),
        (b"", "tool:1"),
        (sealed[:9], "tool:1"),
    ):
        with pytest.raises(SealBroken, match=context):
            secrets.open(value, context)
    with pytest.raises(SealBroken):
        Secrets(b"other" * 8).open(sealed, "tool:1")
