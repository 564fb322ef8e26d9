"""What we say to a cluster and make of its answers, on a fake whose programs are played by the tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from glia.deployments import node_queries
from glia.deployments.config import KubernetesConfig
from glia.deployments.kubernetes import manifests, pods
from glia.deployments.kubernetes.api import DEPLOYMENTS, PODS, POLICIES, SECRETS, SERVICES, Cluster
from glia.deployments.kubernetes.errors import (
    ClusterRefused,
    ClusterUnavailable,
    ObjectChanged,
    ObjectMissing,
    VersionGone,
)
from glia.deployments.kubernetes.figures import Gauges, quantity
from glia.deployments.kubernetes.following import Follower, nanoseconds
from glia.deployments.kubernetes.judging import history_of, row_of
from glia.deployments.kubernetes.pods import Pod
from glia.deployments.kubernetes.watching import Watched
from glia.deployments.kubernetes.wishes import INSTALLATION, Place, Prepared, Version, object_name
from glia.deployments.node_queries import NewLine, Wish
from glia.deployments.types import Ended
from glia.kit.errors import InvalidRequest
from glia.kit.ids import new_id
from tests.deployments.kubernetes.cluster import FakeCluster
from tests.deployments.kubernetes.containers import Script, Scripted
from tests.deployments.kubernetes.store import Refused, selects

ID, VERSION_ID, WORKSPACE = UUID(int=7), UUID(int=8), UUID(int=9)
PLACE = Place("here", "programs")
LABELS = f"{INSTALLATION}=here"
CONFIG = KubernetesConfig(start_seconds=3, drain_seconds=0)
VERSION = Version(
    VERSION_ID, WORKSPACE, UUID(int=1), ID, "python", "https://example.org/a.py", None, None, "0.5", "64Mi", (), 8080,
    "/health", True, "none", b"",
)  # fmt: skip
PREPARED = Prepared(VERSION, ("python3", "/app/program"), "0" * 64, "", {"SAYS": "hé"})
WISH = Wish(ID, WORKSPACE, 1, "", True, "deploying", "", VERSION_ID, 1, None, None, False)


@pytest.fixture
async def cluster(scripted: FakeCluster, tmp_path: Path) -> AsyncIterator[Cluster]:
    found = Cluster(replace(CONFIG, kubeconfig=str(scripted.kubeconfig(tmp_path)), request_seconds=5))
    yield found
    await found.close()


async def until(is_done: Callable[[], Any], seconds: float = 60) -> Any:
    async with asyncio.timeout(seconds):
        while not (found := is_done()):
            await asyncio.sleep(0.02)
        return found


async def make(cluster: Cluster, wish: Wish = WISH, prepared: Prepared = PREPARED) -> None:
    await cluster.apply(SECRETS, manifests.secret(PLACE, prepared, "http://127.0.0.1:1/programs/x"))
    await cluster.apply(POLICIES, manifests.policy(PLACE, prepared.version, (["10.0.0.1"], 80)))
    await cluster.apply(SERVICES, manifests.service(PLACE, prepared.version))
    await cluster.apply(DEPLOYMENTS, manifests.deployment(PLACE, CONFIG, wish, prepared, "target", 1))


def programs(fake: FakeCluster) -> list[Script]:
    assert isinstance(fake.kubelet.runtime, Scripted)
    return fake.kubelet.runtime.started


def pod_of(fake: FakeCluster) -> Pod | None:
    found = [pods.read(thing) for thing in fake.store.all("pods")]
    return found[0] if found else None


@asynccontextmanager
async def watching(cluster: Cluster, plural: str) -> AsyncIterator[Watched]:
    watched = Watched(cluster, plural, LABELS, lambda: None)
    task = asyncio.create_task(watched.run())
    try:
        yield watched
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_objects_are_hardened_and_hold_what_was_wished(scripted: FakeCluster, cluster: Cluster) -> None:
    await make(cluster)
    await until(lambda: programs(scripted))

    (pod,) = scripted.store.all("pods")
    (container,), (download,) = pod["spec"]["containers"], pod["spec"]["initContainers"]
    policy = scripted.store.all("networkpolicies")[0]["spec"]

    for each in (container, download):
        assert each["securityContext"]["readOnlyRootFilesystem"]
        assert each["securityContext"]["allowPrivilegeEscalation"] is False
        assert each["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert pod["spec"]["securityContext"]["runAsNonRoot"]
    assert pod["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert container["resources"]["limits"] == {"cpu": "500m", "memory": str(64 * 1024 * 1024)}
    assert "hé" not in str(scripted.store.all("deployments"))
    assert programs(scripted)[0].env == {"HOME": "/workspace", "SAYS": "hé", "PORT": "8080"}
    assert policy["policyTypes"] == ["Egress"]
    assert {"to": [{"ipBlock": {"cidr": "10.0.0.1/32"}}], "ports": [{"protocol": "TCP", "port": 80}]} in policy[
        "egress"
    ]


def test_only_what_may_reach_the_internet_has_a_way_there() -> None:
    closed = manifests.policy(PLACE, VERSION, ([], 80))["spec"]["egress"]
    public = manifests.policy(PLACE, replace(VERSION, network="public"), ([], 80))["spec"]["egress"]
    everybody = manifests.policy(PLACE, VERSION, None)["spec"]["egress"]

    assert all(rule.get("to") or rule["ports"][0]["port"] == 53 for rule in closed)
    assert len(public) == len(closed) + 1
    assert "10.0.0.0/8" in public[-1]["to"][0]["ipBlock"]["except"]
    assert everybody == [{}]


async def test_writing_the_same_again_changes_nothing_and_others_fields_stay(
    scripted: FakeCluster, cluster: Cluster
) -> None:
    await make(cluster)
    name = object_name(ID)
    scripted.do(lambda: scripted.store.get("deployments", name)["metadata"]["annotations"].update({"theirs": "1"}))
    before = await cluster.list(DEPLOYMENTS, LABELS)

    await make(cluster)
    again = await cluster.list(DEPLOYMENTS, LABELS)
    await make(cluster, replace(WISH, replicas=3))
    (scaled,), _ = await cluster.list(DEPLOYMENTS, LABELS)

    assert before[0][0]["metadata"]["generation"] == again[0][0]["metadata"]["generation"] == 1
    assert scaled["metadata"]["annotations"] == {"glia.dev/target": "target", "theirs": "1"}
    assert scaled["spec"]["replicas"] == 3


async def test_answers_that_are_errors_say_what_and_which(scripted: FakeCluster, cluster: Cluster) -> None:
    refusals = [
        (409, "Conflict", ObjectChanged),
        (422, "Invalid", ClusterRefused),
        (403, "Forbidden", ClusterRefused),
        (404, "NotFound", ObjectMissing),
        (500, "InternalError", ClusterUnavailable),
        (503, "ServiceUnavailable", ClusterUnavailable),
    ]
    for code, reason, error in refusals:
        scripted.api.refusals.append(("PATCH", Refused(code, reason, "for a test")))
        with pytest.raises(error, match="for a test"):
            await cluster.apply(SERVICES, manifests.service(PLACE, VERSION))

    thing = manifests.service(PLACE, VERSION)
    thing["spec"]["nonsense"] = 1
    with pytest.raises(ClusterUnavailable, match="not declared in schema"):
        await cluster.apply(SERVICES, thing)
    await cluster.delete(SERVICES, "never-there")


async def test_a_cluster_that_cannot_be_used_says_why(scripted: FakeCluster, cluster: Cluster, tmp_path: Path) -> None:
    assert await cluster.problem() == ""
    scripted.api.minor = "28"
    assert "1.30" in await cluster.problem()
    scripted.api.forbidden.add("/apis/apps/v1")
    scripted.api.minor = "34"
    assert "Forbidden" in await cluster.problem()

    with pytest.raises(InvalidRequest, match="not found"):
        Cluster(replace(CONFIG, kubeconfig=str(tmp_path / "nowhere")))
    nobody = scripted.kubeconfig(tmp_path).read_text().replace(str(scripted.port), "1")
    (tmp_path / "closed").write_text(nobody)
    closed = Cluster(replace(CONFIG, kubeconfig=str(tmp_path / "closed")))
    assert "does not answer" in await closed.problem()
    await closed.close()


async def test_a_watch_goes_on_after_cuts_and_lists_again_when_it_is_too_late(
    scripted: FakeCluster, cluster: Cluster
) -> None:
    await make(cluster)
    async with watching(cluster, PODS) as watched:
        await until(lambda: watched.things)
        scripted.do(scripted.api.cut)
        await make(cluster, replace(WISH, replicas=2))
        await until(lambda: len(watched.things) == 2)

        scripted.do(lambda: (scripted.api.cut(), scripted.store.forget()))
        await make(cluster, replace(WISH, replicas=3))
        await until(lambda: len(watched.things) == 3)
        await cluster.delete(DEPLOYMENTS, object_name(ID))
        await until(lambda: not watched.things)

    with pytest.raises(VersionGone):
        async with aclosing(cluster.watch(PODS, LABELS, "1")) as events:
            await anext(events)


async def test_only_what_has_the_labels_is_seen(scripted: FakeCluster, cluster: Cluster) -> None:
    await make(cluster)
    other = manifests.service(Place("elsewhere", "programs"), replace(VERSION, deployment_id=new_id()))
    await cluster.apply(SERVICES, other)

    found, _ = await cluster.list(SERVICES, LABELS)

    assert [each["metadata"]["name"] for each in found] == [object_name(ID)]
    assert selects("a in (b, c),!d,e!=f", {"a": "c"})
    assert not selects("a notin (b,c)", {"a": "c"})


async def test_a_pod_says_why_it_does_not_run(scripted: FakeCluster, cluster: Cluster) -> None:
    async def reason(prepared: Prepared = PREPARED, region: str = "") -> str:
        await make(cluster, replace(WISH, region=region), prepared)
        found = await until(lambda: (pod := pod_of(scripted)) and pod.reason and pod)
        await cluster.delete(DEPLOYMENTS, object_name(ID))
        await until(lambda: not scripted.store.all("pods"))
        return f"{found.state}: {found.reason}"

    scripted.kubelet.missing_images.add(CONFIG.python_image)
    assert "backoff: ImagePullBackOff: Back-off pulling image" in await reason()
    scripted.kubelet.missing_images.clear()
    assert "pending: Unschedulable: 0/2 nodes are available" in await reason(region="south")
    runtime = scripted.kubelet.runtime
    assert isinstance(runtime, Scripted)
    runtime.download_code = 1
    assert "not downloaded: it ended with exit status 1: The program could not be" in await reason()


async def test_ends_are_told_in_the_words_of_the_other_backend(scripted: FakeCluster, cluster: Cluster) -> None:
    scripted.kubelet.backoff_seconds = 0.5
    await make(cluster)

    for ended, said in ((Ended(4), "exit status 4"), (Ended(None, was_oom=True), "more memory than it may")):
        count = len(programs(scripted))
        started = await until(
            lambda: programs(scripted)[-1:] and programs(scripted)[-1].end is None and programs(scripted)[-1]
        )
        started.end = ended
        pod = await until(lambda said=said: (pod := pod_of(scripted)) and said in pod.reason and pod)
        row = row_of(pod, WISH, history_of(pod, None), "")
        assert pod.state == "backoff"
        assert "CrashLoopBackOff" in pod.reason
        assert row.failures == pod.starts + 1
        assert count >= 1
        await until(lambda count=count: len(programs(scripted)) > count)


# --- Output -----------------------------------------------------------------------------------------------------------


@dataclass
class Kept:
    """Stands for the database: what was kept, and the place that was kept with it."""

    lines: list[NewLine] = field(default_factory=list)
    place: tuple[int, int] = (0, 0)
    failures: int = 0

    @property
    def messages(self) -> list[str]:
        return [line.message for line in self.lines]

    @asynccontextmanager
    async def transaction(self, _workspace: UUID) -> AsyncIterator[Any]:
        yield None

    async def keep(
        self, _tx: Any, _deployment: UUID, _replica: UUID, lines: Sequence[NewLine], place: tuple[int, int]
    ) -> bool:
        self.lines += lines
        self.place = place
        return True


@asynccontextmanager
async def followed(fake: FakeCluster, cluster: Cluster, kept: Kept) -> AsyncIterator[Follower]:
    """With a pod's state told all the time, as the node does."""
    pod = await until(lambda: pod_of(fake))
    row = replace(row_of(pod, WISH, history_of(pod, None), ""), log_place=kept.place)
    follower = Follower(kept, cluster, pod, row, lambda: True)  # type: ignore[arg-type]  # all that it needs of one

    async def tell() -> None:
        while True:
            follower.tell(pod_of(fake))
            await asyncio.sleep(0.02)

    telling = asyncio.create_task(tell())
    try:
        yield follower
    finally:
        for task in (telling, follower.task):
            task.cancel()
        await asyncio.gather(telling, follower.task, return_exceptions=True)


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Kept:
    found = Kept()
    monkeypatch.setattr(node_queries, "keep_lines", found.keep)
    return found


async def test_every_line_is_kept_once_whatever_happens_to_connections(
    scripted: FakeCluster, cluster: Cluster, kept: Kept
) -> None:
    await make(cluster)
    program: Script = (await until(lambda: programs(scripted)))[0]
    wanted: list[str] = []

    for connection in range(3):
        async with followed(scripted, cluster, kept):
            for n in range(20):
                lines = [f"{connection}.{n}.{each}" for each in range(5)]
                program.say("".join(f"{line}\n" for line in lines).encode())
                wanted += lines
                if n == 10:
                    scripted.do(scripted.api.cut)
                await asyncio.sleep(0.01)
            least = len(wanted) - 30
            await until(lambda least=least: len(kept.messages) >= least)

    async with followed(scripted, cluster, kept):
        await until(lambda: len(kept.messages) >= len(wanted))
        await asyncio.sleep(0.3)

    assert kept.messages == wanted


async def test_output_of_all_starts_is_kept_with_a_line_of_ours_between(
    scripted: FakeCluster, cluster: Cluster, kept: Kept
) -> None:
    await make(cluster)
    async with followed(scripted, cluster, kept):
        for n in range(3):
            program: Script = (await until(lambda n=n: programs(scripted)[n:]))[0]
            program.say(f"hello {n}\nand bye".encode())
            await asyncio.sleep(0.05)
            program.end = Ended(1)
        await until(lambda: "and bye" in kept.messages[-3:] and len(kept.messages) >= 9)

    told = "This replica ended, and is started again: it ended with exit status 1."
    assert kept.messages[:9] == [each for n in range(3) for each in (f"hello {n}", "and bye", told)]


async def test_a_huge_line_is_cut_and_what_comes_after_it_is_not_lost(
    scripted: FakeCluster, cluster: Cluster, kept: Kept
) -> None:
    await make(cluster)
    program: Script = (await until(lambda: programs(scripted)))[0]
    async with followed(scripted, cluster, kept):
        program.say(b"x" * 3_000_000 + b"\n" + bytes(range(256)) * 10 + b"\nERROR after\n")
        await until(lambda: "ERROR after" in kept.messages)

    assert kept.messages[0].startswith("xxxx")
    assert kept.messages[0].endswith("(cut)")
    assert len(kept.messages[0]) < 20_000
    assert kept.lines[-1].level == 3


def test_times_of_lines_are_read_to_the_nanosecond() -> None:
    second = 1_700_000_000 * 10**9

    assert nanoseconds("2023-11-14T22:13:20Z") == second
    assert nanoseconds("2023-11-14T22:13:20.000000001Z") == second + 1
    assert nanoseconds("2023-11-14T22:13:20.5Z") == second + 500_000_000
    assert nanoseconds("2023-11-14T23:13:20.123456789+01:00") == second + 123_456_789
    assert nanoseconds("failed to watch file") == 0


# --- Figures ----------------------------------------------------------------------------------------------------------


async def test_figures_come_with_the_network_only_where_it_may_be_read(scripted: FakeCluster, cluster: Cluster) -> None:
    wish = replace(WISH, replicas=1)
    await make(cluster, wish, replace(PREPARED, version=VERSION))
    pod = await until(lambda: (pod := pod_of(scripted)) and pod.is_ready and pod)
    gauges = Gauges(cluster, LABELS)

    first = await gauges.read([pod])
    second = await gauges.read([pod])
    scripted.api.forbidden.add("/api/v1/nodes")
    refused = await gauges.read([pod])
    scripted.api.has_metrics = False
    none = await gauges.read([pod])

    assert first[pod.id].cpu_percent == pytest.approx(1.2345678)
    assert first[pod.id].memory_mib == 1
    assert first[pod.id].network_bytes_per_second is None
    assert second[pod.id].network_bytes_per_second == 0
    assert refused[pod.id].network_bytes_per_second is None
    assert none == {}
    assert [quantity(text) for text in ("250m", "64Mi", "1e3", "x")] == [0.25, 64 * 2**20, 1000, 0]
