"""Kubernetes' own controllers, as far as Deployments need them: rolling updates, replica sets, the scheduler, and the
collection of what has lost its owner."""

from __future__ import annotations

import copy
import hashlib
import json
import time
from dataclasses import dataclass, field

from tests.deployments.kubernetes.store import Store, Thing, stamp


@dataclass
class Machine:
    name: str
    labels: dict[str, str]


@dataclass
class Controllers:
    """pod_quota: how many pods the namespace may have."""

    store: Store
    machines: list[Machine]
    pod_quota: int = 100
    _progress: dict[str, tuple[object, float]] = field(default_factory=dict)
    _quota_hit: set[str] = field(default_factory=set)

    def step(self) -> None:
        self._collect()
        for deployment in self.store.all("deployments"):
            self._roll(deployment)
        for replicaset in self.store.all("replicasets"):
            self._fill(replicaset)
        for pod in self.store.all("pods"):
            if not pod["spec"].get("nodeName") and not pod["metadata"].get("deletionTimestamp"):
                self._schedule(pod)
        for deployment in self.store.all("deployments"):
            self._tell(deployment)

    # --- Deployments --------------------------------------------------------------------------------------------------

    def _owned(self, plural: str, owner: Thing) -> list[Thing]:
        uid = owner["metadata"]["uid"]
        return [
            each
            for each in self.store.all(plural)
            if any(reference["uid"] == uid for reference in each["metadata"].get("ownerReferences", []))
        ]

    def _roll(self, deployment: Thing) -> None:
        wanted: int = deployment["spec"]["replicas"]
        template = deployment["spec"]["template"]
        mark = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]
        sets = self._owned("replicasets", deployment)
        new = next((each for each in sets if each["metadata"]["labels"]["pod-template-hash"] == mark), None)
        if new is None:
            new = self._new_set(deployment, mark)
        old = [each for each in sets if each["metadata"]["uid"] != new["metadata"]["uid"]]
        if not any(each["spec"]["replicas"] for each in old):
            self._scale(new, wanted)
            for each in sorted(old, key=lambda each: each["metadata"]["resourceVersion"])[:-2]:
                self.store.delete("replicasets", each["metadata"]["name"])
            return
        update = deployment["spec"]["strategy"]["rollingUpdate"]
        total = sum(each["spec"]["replicas"] for each in (new, *old))
        room = wanted + int(update["maxSurge"]) - total
        if room > 0:
            self._scale(new, min(wanted, new["spec"]["replicas"] + room))
        elif new["spec"]["replicas"] > wanted:
            self._scale(new, wanted)
        self._shrink(old, self._available(new), wanted - int(update["maxUnavailable"]))

    def _shrink(self, old: list[Thing], new_available: int, least: int) -> None:
        """Old ones that do not serve go first; then as many as others have taken over from."""
        for each in old:
            useless = each["spec"]["replicas"] - self._available(each)
            if useless > 0:
                self._scale(each, each["spec"]["replicas"] - useless)
        spare = new_available + sum(self._available(each) for each in old) - least
        for each in old:
            gone = min(max(0, spare), each["spec"]["replicas"])
            if gone:
                self._scale(each, each["spec"]["replicas"] - gone)
                spare -= gone

    def _new_set(self, deployment: Thing, mark: str) -> Thing:
        metadata = deployment["metadata"]
        template = copy.deepcopy(deployment["spec"]["template"])
        template["metadata"]["labels"]["pod-template-hash"] = mark
        owner = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "name": metadata["name"],
            "uid": metadata["uid"],
            "controller": True,
        }
        labels = template["metadata"]["labels"]
        made = {
            "metadata": {"name": f"{metadata['name']}-{mark}", "labels": labels, "ownerReferences": [owner]},
            "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": template},
        }
        return self.store.create("replicasets", made)

    def _scale(self, replicaset: Thing, replicas: int) -> None:
        name = replicaset["metadata"]["name"]
        current = self.store.get("replicasets", name)
        if current["spec"]["replicas"] != replicas:
            changed = copy.deepcopy(current)
            changed["spec"]["replicas"] = replicas
            self.store.update("replicasets", changed)
        replicaset["spec"] = {**replicaset["spec"], "replicas": replicas}

    def _pods(self, replicaset: Thing) -> list[Thing]:
        return [
            each
            for each in self._owned("pods", replicaset)
            if not each["metadata"].get("deletionTimestamp") and each.get("status", {}).get("phase") != "Failed"
        ]

    def _available(self, replicaset: Thing) -> int:
        return sum(is_ready(each) for each in self._pods(replicaset))

    def _tell(self, deployment: Thing) -> None:
        name, spec = deployment["metadata"]["name"], deployment["spec"]
        sets = self._owned("replicasets", deployment)
        mark = hashlib.sha256(json.dumps(spec["template"], sort_keys=True).encode()).hexdigest()[:10]
        new = [each for each in sets if each["metadata"]["labels"]["pod-template-hash"] == mark]
        updated = sum(len(self._pods(each)) for each in new)
        ready_new = sum(self._available(each) for each in new)
        ready = sum(self._available(each) for each in sets)
        total = sum(len(self._pods(each)) for each in sets)
        is_complete = updated == spec["replicas"] == ready_new == total
        figures = (mark, updated, ready_new, total)
        before, since = self._progress.get(name, (None, 0.0))
        if figures != before:
            self._progress[name] = figures, (since := time.monotonic())
        old = {each["type"]: each for each in deployment.get("status", {}).get("conditions", [])}
        is_late = time.monotonic() - since > spec.get("progressDeadlineSeconds", 600)
        was_complete = old.get("Progressing", {}).get("reason") == "NewReplicaSetAvailable" and before is not None
        if is_complete or (was_complete and before and before[0] == mark and figures[0] == mark):
            progressing = ("True", "NewReplicaSetAvailable", f'ReplicaSet "{name}-{mark}" has successfully progressed.')
        elif is_late:
            progressing = (
                "False",
                "ProgressDeadlineExceeded",
                f'ReplicaSet "{name}-{mark}" has timed out progressing.',
            )
        else:
            progressing = ("True", "ReplicaSetUpdated", f'ReplicaSet "{name}-{mark}" is progressing.')
        conditions = [
            _condition("Progressing", *progressing),
            _condition("Available", str(ready >= spec["replicas"]), "MinimumReplicas", ""),
        ]
        if any(each["metadata"]["name"] in self._quota_hit for each in new):
            conditions.append(
                _condition("ReplicaFailure", "True", "FailedCreate", "pods is forbidden: exceeded quota: pods")
            )
        status = {
            "observedGeneration": deployment["metadata"]["generation"], "replicas": total, "updatedReplicas": updated,
            "readyReplicas": ready, "availableReplicas": ready, "conditions": conditions,
        }  # fmt: skip
        self.store.status("deployments", name, status)

    # --- Pods ---------------------------------------------------------------------------------------------------------

    def _fill(self, replicaset: Thing) -> None:
        pods, name = self._pods(replicaset), replicaset["metadata"]["name"]
        missing = replicaset["spec"]["replicas"] - len(pods)
        self._quota_hit.discard(name)
        for _ in range(max(0, missing)):
            if len(self.store.things["pods"]) >= self.pod_quota:
                self._quota_hit.add(name)
                return
            template = copy.deepcopy(replicaset["spec"]["template"])
            owner = {
                "apiVersion": "apps/v1",
                "kind": "ReplicaSet",
                "name": name,
                "uid": replicaset["metadata"]["uid"],
                "controller": True,
            }
            metadata = {
                "generateName": f"{name}-",
                "labels": template["metadata"]["labels"],
                "ownerReferences": [owner],
            }
            self.store.create("pods", {"metadata": metadata, "spec": template["spec"], "status": {"phase": "Pending"}})
        surplus = sorted(pods, key=lambda each: (is_ready(each), -int(each["metadata"]["resourceVersion"])))
        for pod in surplus[: max(0, -missing)]:
            end_pod(self.store, pod)

    def _schedule(self, pod: Thing) -> None:
        wanted = pod["spec"].get("nodeSelector") or {}
        fitting = [each for each in self.machines if all(each.labels.get(k) == v for k, v in wanted.items())]
        if not fitting:
            count = len(self.machines)
            why = f"0/{count} nodes are available: {count} node(s) didn't match Pod's node affinity/selector."
            condition = _condition("PodScheduled", "False", "Unschedulable", why)
            self.store.status("pods", pod["metadata"]["name"], {"phase": "Pending", "conditions": [condition]})
            return
        taken = [each["spec"].get("nodeName") for each in self.store.all("pods")]
        machine = min(fitting, key=lambda each: taken.count(each.name))
        bound = copy.deepcopy(pod)
        bound["spec"]["nodeName"] = machine.name
        bound["status"] = {"phase": "Pending", "conditions": [_condition("PodScheduled", "True", "", "")]}
        self.store.update("pods", bound, is_status=True)

    def _collect(self) -> None:
        """Background collection: whatever has owners, none of which exists any more."""
        uids = {each["metadata"]["uid"] for plural in self.store.things for each in self.store.all(plural)}
        for plural in ("replicasets", "pods"):
            for each in self.store.all(plural):
                owners = each["metadata"].get("ownerReferences")
                if owners and not any(owner["uid"] in uids for owner in owners):
                    if plural == "pods":
                        end_pod(self.store, each)
                    else:
                        self.store.delete(plural, each["metadata"]["name"])


def end_pod(store: Store, pod: Thing) -> None:
    """Marked, when a machine has it, and then the machine ends it."""
    current = store.things["pods"].get(pod["metadata"]["name"])
    if current is None or current["metadata"].get("deletionTimestamp"):
        return
    if not current["spec"].get("nodeName"):
        store.delete("pods", current["metadata"]["name"])
        return
    marked = copy.deepcopy(current)
    marked["metadata"] |= {"deletionTimestamp": stamp(), "finalizers": ["kubelet"]}
    store.update("pods", marked)


def is_ready(pod: Thing) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _condition(kind: str, status: str, reason: str, message: str) -> Thing:
    return {"type": kind, "status": status, "reason": reason, "message": message}
