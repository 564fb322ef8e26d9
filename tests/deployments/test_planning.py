"""What is to be done about a deployment: the rules, without any program."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from glia.deployments.node_queries import ReplicaRow, Wish
from glia.deployments.planning import plan_for
from glia.kit.ids import new_id

GOOD, NEW, WORKSPACE, NODE = new_id(), new_id(), new_id(), new_id()
WISH = Wish(new_id(), WORKSPACE, 1, "", True, "deploying", "", NEW, 2, GOOD, 1, True)


def replica(version: UUID, generation: int, **more: object) -> ReplicaRow:
    row = ReplicaRow(
        new_id(), WORKSPACE, WISH.id, version, generation, NODE, True, "running", True, "", 0, True, True, 5.0
    )
    return replace(row, **more)  # type: ignore[arg-type]


def ill(version: UUID, generation: int, failures: int = 1) -> ReplicaRow:
    return replica(version, generation, state="backoff", is_ready=False, failures=failures, reason="it crashed")


def test_a_change_that_fails_is_undone_also_when_the_old_one_is_just_ill() -> None:
    served = plan_for(WISH, [replica(GOOD, 1), ill(NEW, 2, 3)], problem="", start_seconds=60)
    unserved = plan_for(WISH, [ill(GOOD, 1), ill(NEW, 2, 3)], problem="", start_seconds=60)

    assert (served.status, served.version_id, served.generation) == ("running", GOOD, 1)
    assert (unserved.status, unserved.version_id, unserved.generation) == ("deploying", GOOD, 1)
    assert "undone" in served.reason
    assert "it crashed" in unserved.reason


def test_what_was_undone_is_told_until_the_next_change() -> None:
    undone = plan_for(WISH, [ill(GOOD, 1), ill(NEW, 2, 3)], problem="", start_seconds=60)
    wish = replace(WISH, status=undone.status, reason=undone.reason, version_id=GOOD, generation=1)

    waiting = plan_for(wish, [ill(GOOD, 1)], problem="", start_seconds=60)
    again = plan_for(wish, [replica(GOOD, 1)], problem="", start_seconds=60)

    assert (waiting.status, waiting.reason) == ("deploying", undone.reason)
    assert (again.status, again.reason) == ("running", undone.reason)


def test_an_old_replica_that_is_ill_goes_when_a_new_one_serves() -> None:
    old = ill(GOOD, 1)

    before = plan_for(WISH, [old, ill(NEW, 2)], problem="", start_seconds=60)
    after = plan_for(WISH, [old, replica(NEW, 2)], problem="", start_seconds=60)

    assert before.retire == ()
    assert after.retire == (old.id,)


def test_a_change_waits_for_a_long_download_and_not_as_long_for_a_start() -> None:
    old = replica(GOOD, 1)
    new = replica(NEW, 2, state="starting", is_ready=False, has_begun=False, age_seconds=600.0)

    downloading = plan_for(WISH, [old, new], problem="", start_seconds=60)
    begun = plan_for(WISH, [old, replace(new, has_begun=True, age_seconds=61.0)], problem="", start_seconds=60)
    endless = plan_for(WISH, [old, replace(new, age_seconds=961.0)], problem="", start_seconds=60)

    assert (downloading.version_id, downloading.retire) == (NEW, ())
    assert (begun.version_id, begun.retire) == (GOOD, (new.id,))
    assert (endless.version_id, endless.retire) == (GOOD, (new.id,))
