from collections.abc import AsyncIterator

import pytest

from glia.kit.db import Database
from tests.conftest import DatabaseUrls, opened


@pytest.fixture
async def db(database_urls: DatabaseUrls) -> AsyncIterator[Database]:
    """A database of the test's own: an engine sees the runs of all workspaces."""
    async with opened(database_urls) as database:
        yield database
