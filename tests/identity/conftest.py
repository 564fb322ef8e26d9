from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from tests.conftest import DatabaseUrls, opened

from glia.identity.passwords import Cost, Passwords
from glia.identity.secrets import load_secrets
from glia.identity.service import Identity
from glia.identity.types import Credentials, Principal
from glia.kit.db import Database


def cheap_passwords() -> Passwords:
    return Passwords(Cost(rounds=1, memory_kib=64, lanes=1))


async def make_identity(db: Database) -> Identity:
    """As one more process of the installation has it."""
    return Identity(db, await load_secrets(db), passwords=cheap_passwords())


@dataclass
class House:
    """A workspace made as on a first start."""

    identity: Identity
    credentials: Credentials
    admin: Principal

    async def user(
        self, email: str = "ann@example.org", *, password: str = "correct horse", **more: object
    ) -> Principal:
        """A user who signed in."""
        await self.identity.users.create(self.admin, email=email, password=password, **more)  # type: ignore[arg-type]
        tokens = await self.identity.sign_in(email, password)
        return (await self.identity.authenticate_token(tokens.access_token)).principal


@pytest.fixture
async def db(database_urls: DatabaseUrls) -> AsyncIterator[Database]:
    """A database of the test's own: these tests are about first starts, all keys and all users."""
    async with opened(database_urls) as database:
        yield database


@pytest.fixture
async def identity(db: Database) -> Identity:
    return await make_identity(db)


@pytest.fixture
async def house(identity: Identity) -> House:
    credentials = await identity.bootstrap("Acme", "root@example.org")
    assert credentials is not None
    admin = (await identity.authenticate_key(credentials.api_key)).principal
    return House(identity, credentials, admin)


@pytest.fixture
async def elsewhere(house: House) -> House:
    """Another workspace of the same installation."""
    credentials = await house.identity.create_workspace("Other", "root@other.example.org")
    admin = (await house.identity.authenticate_key(credentials.api_key)).principal
    return House(house.identity, credentials, admin)
