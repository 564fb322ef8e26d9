from __future__ import annotations

import asyncio

from glia.kit.fresh import Fresh


class Asked:
    def __init__(self) -> None:
        self.times = 0

    async def __call__(self) -> int:
        self.times += 1
        await asyncio.sleep(0)
        return self.times


async def test_who_asks_at_the_same_time_gets_one_answer() -> None:
    fresh, ask = Fresh[int](60), Asked()

    found = await asyncio.gather(*(fresh.of("key", ask) for _ in range(20)))

    assert {value for _, value in found} == {1}
    assert (await fresh.of("other", ask))[1] == 2


async def test_what_is_old_or_does_not_fit_is_asked_for_again() -> None:
    ask = Asked()
    old, kept = Fresh[int](0), Fresh[int](60)

    assert [(await old.of("key", ask))[1] for _ in range(2)] == [1, 2]
    assert [(await kept.of("key", ask))[1] for _ in range(2)] == [3, 3]
    assert (await kept.of("key", ask, fits=lambda _, value: value > 3))[1] == 4
