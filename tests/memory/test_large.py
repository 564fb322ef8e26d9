"""The short way of scopes with thousands of memories finds what the long way finds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from unittest.mock import patch
from uuid import UUID

import numpy as np
import pytest

from glia.identity.types import Principal
from glia.kit.db import Database
from glia.memory import large
from glia.memory.service import Memories
from glia.memory.types import Draft, Embedding, Scope, Tier

SYNONYMS = {"beverage": "tea", "drink": "tea"}


async def embed(texts: Sequence[str]) -> list[str]:
    """Texts with the same words are near each other; 384 wide, as the index is."""
    made: list[str] = []
    for text in texts:
        row = np.zeros(384)
        for word in text.lower().replace(".", "").replace("?", "").split():
            seed = hashlib.sha256(SYNONYMS.get(word, word).encode()).digest()
            row += np.random.default_rng(list(seed)).standard_normal(384)
        made.append("[" + ",".join(f"{value:.5g}" for value in row / np.linalg.norm(row)) + "]")
    return made


@pytest.fixture
def memories(db: Database) -> Memories:
    return Memories(db, Embedding("wide", embed))


@pytest.fixture
def short_way() -> Iterator[None]:
    with patch.object(large, "FROM_MEMORIES", 0), patch.dict(large.PARAMETERS, {"rare_hits": 3}):
        yield


async def found(memories: Memories, principal: Principal, query: str, scope: Scope, **more: object) -> list[str]:
    recall = await memories.search(principal, query, scope, **more)
    return [] if recall.is_fallback else [memory.content for memory in recall.memories]


async def test_the_short_way_finds_the_same(
    memories: Memories, principal: Principal, agent: UUID, short_way: None
) -> None:
    for number in range(30):
        animal = ("dog", "cat", "bird")[number % 3]
        bucket = "pets" if number % 2 else "general"
        await memories.save(principal, Draft(f"The {animal} number{number} sleeps in the barn.", agent, bucket=bucket))
    scope = Scope(agent)

    for query in ("Where does the dog number12 sleep?", "bird number5 barn", "the barn of cats", "number29"):
        for more in ({}, {"bucket": "pets"}, {"tier": Tier.LONG, "limit": 3}):
            short = await found(memories, principal, query, scope, **more)
            with patch.object(large, "FROM_MEMORIES", 10**9):
                long = await found(memories, principal, query, scope, **more)
            assert short[:2] == long[:2], (query, more)
    assert await found(memories, principal, "zebra", scope) == []


async def test_the_short_way_finds_by_meaning_through_the_index(
    memories: Memories, principal: Principal, agent: UUID, short_way: None
) -> None:
    await memories.save(principal, Draft("Ada likes tea.", agent))
    await memories.save(principal, Draft("Bob mends the roof.", agent))

    assert await found(memories, principal, "likes which beverage?", Scope(agent)) == ["Ada likes tea."]


async def test_the_short_way_keeps_users_apart(
    memories: Memories, principal: Principal, agent: UUID, short_way: None, stranger: Principal
) -> None:
    await memories.save(principal, Draft("tea of Ada", agent, "ada"))
    await memories.save(principal, Draft("tea of Bob", agent, "bob"))
    await memories.save(principal, Draft("tea of all", agent))

    ada = await found(memories, principal, "drink tea", Scope(agent, "ada", None, is_narrow=True))

    assert sorted(ada) == ["tea of Ada", "tea of all"]
    assert await found(memories, stranger, "drink tea", Scope(agent)) == []
