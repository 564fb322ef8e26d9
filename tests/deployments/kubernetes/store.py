"""What an API server keeps: objects with versions, and the events that watchers are told, of which old ones are
forgotten."""

from __future__ import annotations

import asyncio
import copy
import itertools
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Thing = dict[str, Any]

KINDS = {
    "deployments": ("apps/v1", "Deployment"),
    "replicasets": ("apps/v1", "ReplicaSet"),
    "pods": ("v1", "Pod"),
    "services": ("v1", "Service"),
    "secrets": ("v1", "Secret"),
    "networkpolicies": ("networking.k8s.io/v1", "NetworkPolicy"),
}
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


class Refused(Exception):
    """Becomes a Status."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message

    @property
    def status(self) -> Thing:
        said = {"status": "Failure", "message": self.message, "reason": self.reason, "code": self.code}
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, **said}


def invalid(kind: str, name: str, why: str) -> Refused:
    return Refused(422, "Invalid", f'{kind} "{name}" is invalid: {why}')


def stamp(moment: datetime | None = None) -> str:
    return (moment or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")


class Signal:
    """Wakes everybody who waits."""

    def __init__(self) -> None:
        self._waiters: set[asyncio.Future[None]] = set()

    def set(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    async def wait(self, seconds: float) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        await asyncio.wait({waiter}, timeout=seconds)
        self._waiters.discard(waiter)


@dataclass(frozen=True)
class Event:
    version: int
    plural: str
    kind: str
    thing: Thing
    before: Thing | None


@dataclass
class Store:
    """kept_events: how many a watcher may be behind before it is told 410."""

    namespace: str = "programs"
    kept_events: int = 1000
    things: dict[str, dict[str, Thing]] = field(default_factory=lambda: {plural: {} for plural in KINDS})
    events: list[Event] = field(default_factory=list)
    changed: Signal = field(default_factory=Signal)
    _versions: Iterator[int] = field(default_factory=lambda: itertools.count(1000))
    version: int = 999
    forgotten: int = 999

    def next_version(self) -> int:
        self.version = next(self._versions)
        return self.version

    def get(self, plural: str, name: str) -> Thing:
        found = self.things[plural].get(name)
        if found is None:
            raise Refused(404, "NotFound", f'{plural} "{name}" not found')
        return found

    def all(self, plural: str) -> list[Thing]:
        return list(self.things[plural].values())

    def create(self, plural: str, thing: Thing) -> Thing:
        api, kind = KINDS[plural]
        metadata = thing.setdefault("metadata", {})
        if "name" not in metadata and (prefix := metadata.get("generateName")):
            metadata["name"] = prefix + uuid.uuid4().hex[:5]
        name = metadata.get("name", "")
        if not _NAME.fullmatch(name) or (plural == "services" and len(name) > 63):
            raise invalid(kind, name, "metadata.name: a lowercase RFC 1123 subdomain must consist of a-z, 0-9, - and .")
        if name in self.things[plural]:
            raise Refused(409, "AlreadyExists", f'{plural} "{name}" already exists')
        metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": stamp(), "namespace": self.namespace}
        metadata.setdefault("generation", 1)
        made = {"apiVersion": api, "kind": kind, **thing}
        self._put(plural, "ADDED", made, None)
        return made

    def update(self, plural: str, thing: Thing, *, is_status: bool = False) -> Thing:
        """Notices when nothing has changed, and raises the generation when what is wanted has."""
        name = thing["metadata"]["name"]
        before = self.get(plural, name)
        if _without_version(before) == _without_version(thing):
            return before
        thing = copy.deepcopy(thing)
        if not is_status and before.get("spec") != thing.get("spec"):
            thing["metadata"]["generation"] = before["metadata"]["generation"] + 1
        if thing["metadata"].get("deletionTimestamp") and not thing["metadata"].get("finalizers"):
            self._put(plural, "DELETED", thing, before)
            return thing
        self._put(plural, "MODIFIED", thing, before)
        return thing

    def status(self, plural: str, name: str, status: Thing) -> None:
        """A controller's."""
        before = self.things[plural].get(name)
        if before is not None and before.get("status") != status:
            self.update(plural, {**before, "status": copy.deepcopy(status)}, is_status=True)

    def delete(self, plural: str, name: str) -> Thing:
        """At once, unless it has finalizers: then it is only marked."""
        found = copy.deepcopy(self.get(plural, name))
        if found["metadata"].get("finalizers"):
            found["metadata"].setdefault("deletionTimestamp", stamp())
            return self.update(plural, found)
        self._put(plural, "DELETED", found, self.things[plural][name])
        return found

    def _put(self, plural: str, kind: str, thing: Thing, before: Thing | None) -> None:
        version = self.next_version()
        thing["metadata"]["resourceVersion"] = str(version)
        if kind == "DELETED":
            self.things[plural].pop(thing["metadata"]["name"], None)
        else:
            self.things[plural][thing["metadata"]["name"]] = thing
        self.events.append(Event(version, plural, kind, copy.deepcopy(thing), before))
        if len(self.events) > self.kept_events:
            self.forget(len(self.events) - self.kept_events)
        self.changed.set()

    def forget(self, count: int | None = None) -> None:
        """Compaction: whoever watches from before gets 410."""
        count = len(self.events) if count is None else count
        if count:
            self.forgotten = self.events[count - 1].version
            del self.events[:count]


def _without_version(thing: Thing) -> Thing:
    metadata = {name: value for name, value in thing["metadata"].items() if name != "resourceVersion"}
    return {**thing, "metadata": metadata}


def selects(selector: str, labels: dict[str, str] | None) -> bool:
    """`a=b`, `a==b`, `a!=b`, `a`, `!a`, `a in (b,c)`, `a notin (b,c)`."""
    labels = labels or {}
    for term in map(str.strip, re.findall(r"[^,(]+(?:\([^)]*\))?", selector)):
        if match := re.fullmatch(r"(\S+)\s+(in|notin)\s+\(([^)]*)\)", term):
            values = [value.strip() for value in match[3].split(",")]
            is_in = labels.get(match[1]) in values
            if is_in != (match[2] == "in"):
                return False
        elif match := re.fullmatch(r"([^!=\s]+)\s*(==|=|!=)\s*(\S*)", term):
            if (labels.get(match[1]) == match[3]) == (match[2] == "!="):
                return False
        elif term.startswith("!"):
            if term[1:] in labels:
                return False
        elif term and term not in labels:
            return False
    return True
