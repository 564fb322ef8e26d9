"""Bundles: what they may hold, who may share them, and what agents get of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.errors import Forbidden, InvalidRequest
from glia.kit.ids import new_id
from glia.kit.outbound import Outbound
from glia.tools.bundles import Bundles
from glia.tools.errors import ToolsetNotFound
from glia.tools.service import BUILT_IN, Secrets, Tools
from glia.tools.toolsets import Toolsets
from glia.tools.types import BundleSpec

SUMS = BundleSpec("Sums", ("calculator", "current_time"))


@pytest.fixture
def sets(db: Database, outbound: Outbound, secrets: Secrets) -> Toolsets:
    return Toolsets(db, outbound, secrets)


@pytest.fixture
def tools(db: Database, outbound: Outbound, secrets: Secrets, sets: Toolsets) -> Tools:
    return Tools(db, built_in=BUILT_IN, outbound=outbound, secrets=secrets, sources=(sets,))


@pytest.fixture
def bundles(db: Database, tools: Tools) -> Bundles:
    return Bundles(db, tools)


async def test_a_bundle_is_named_by_its_title_and_keeps_its_tools(bundles: Bundles, principal: Principal) -> None:
    first, second = [await bundles.create(principal, SUMS) for _ in range(2)]
    changed = await bundles.update(principal, first.id, {"members": ("calculator",), "title": "Reckoning"})

    assert (first.name, first.title, first.members) == ("sums", "Sums", SUMS.members)
    assert second.name.startswith("sums-")
    assert (changed.name, changed.title, changed.members) == ("sums", "Reckoning", ("calculator",))
    assert [one.id for one in await bundles.of(principal, [second.id, new_id(), first.id])] == [second.id, first.id]


@pytest.mark.parametrize(
    "spec",
    [
        BundleSpec(" ", ()),
        BundleSpec("x" * 201, ()),
        BundleSpec("Odd", ("no_such_tool",)),
        BundleSpec("Odd", (), visibility="galaxy"),  # type: ignore[arg-type]  # what a client may send
    ],
)
async def test_what_cannot_be_a_bundle_is_refused(bundles: Bundles, principal: Principal, spec: BundleSpec) -> None:
    with pytest.raises(InvalidRequest):
        await bundles.create(principal, spec)


async def test_a_bundle_holds_no_bundle(bundles: Bundles, principal: Principal) -> None:
    inner = await bundles.create(principal, SUMS)

    with pytest.raises(InvalidRequest, match="another bundle"):
        await bundles.create(principal, BundleSpec("Outer", (f"{inner.name}__*",)))


async def test_a_bundle_is_seen_by_its_project_until_it_is_shared(
    bundles: Bundles, principal: Principal, stranger: Principal
) -> None:
    neighbour = replace(principal, project_id=new_id())
    bundle = await bundles.create(principal, SUMS)

    before = await bundles.list(neighbour)
    await bundles.update(principal, bundle.id, {"visibility": "workspace"})
    after, total = await bundles.list(neighbour, text="sUM")

    assert before == ([], 0)
    assert ([one.id for one in after], total) == ([bundle.id], 1)
    assert await bundles.list(stranger) == ([], 0)
    with pytest.raises(ToolsetNotFound):
        await bundles.update(stranger, bundle.id, {"title": "Mine"})


async def test_sharing_takes_an_admin_and_curating_one_of_the_installation(
    db: Database, bundles: Bundles, tools: Tools, sets: Toolsets, principal: Principal
) -> None:
    async def never(_workspace: object) -> bool:
        return False

    user = replace(principal, scopes=frozenset({"*", "-identity"}))
    elsewhere = Bundles(db, tools, is_home=never)
    curated = await bundles.create(principal, replace(SUMS, visibility="core"))

    for shared in ("workspace", "core"):
        with pytest.raises(Forbidden):
            await bundles.create(user, replace(SUMS, visibility=shared))
    with pytest.raises(Forbidden):
        await elsewhere.create(principal, replace(SUMS, visibility="core"))
    with pytest.raises(Forbidden):
        await elsewhere.update(principal, curated.id, {"title": "Mine"})
    with pytest.raises(Forbidden):
        await sets.delete(user, curated.id)
    await sets.delete(principal, curated.id)
    assert (await bundles.list(principal))[1] == 0
