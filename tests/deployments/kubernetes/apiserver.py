"""A fake of Kubernetes' API server that keeps to its manners: paths, versions, watches with bookmarks and 410, Status
objects, server-side apply, output, figures. `cluster.py` gives it controllers and machines."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import yaml
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from tests.deployments.kubernetes.applying import check, merge, merge_patch, paths, server_side_apply
from tests.deployments.kubernetes.store import KINDS, Refused, Store, Thing, selects

TOKEN = "a-token"
_GROUPS = {
    "": ("pods", "services", "secrets"),
    "apps": ("deployments", "replicasets"),
    "networking.k8s.io": ("networkpolicies",),
}
_BOOKMARK_SECONDS = 0.5


class Machines(Protocol):
    """What only running pods can tell."""

    def output(self, pod: str, query: Any) -> AsyncIterator[bytes]: ...

    def figures(self) -> list[Thing]: ...

    def summary(self, machine: str) -> Thing: ...


@dataclass
class ApiServer:
    """requests: what was asked, for tests to look at. refusals: answers that the next requests get instead, by what
    their line begins with. forbidden: prefixes of paths that the token has no right to."""

    store: Store
    machines: Machines
    requests: list[str] = field(default_factory=list)
    refusals: list[tuple[str, Refused]] = field(default_factory=list)
    forbidden: set[str] = field(default_factory=set)
    has_metrics: bool = True
    minor: str = "34"
    cuts: int = 0
    _owners: dict[tuple[str, str], dict[str, set[tuple[str, ...]]]] = field(default_factory=dict)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        self.requests.append(f"{request.method} {request.url.path}?{request.url.query}")
        try:
            answer = await self._answer(request)
        except Refused as error:
            answer = JSONResponse(error.status, error.code)
        await answer(scope, receive, send)

    def cut(self) -> None:
        """Every watch and every follower of output loses its connection."""
        self.cuts += 1
        self.store.changed.set()

    async def _answer(self, request: Request) -> Response:
        path, line = request.url.path, f"{request.method} {request.url.path}"
        for n, (prefix, refused) in enumerate(self.refusals):
            if line.startswith(prefix):
                del self.refusals[n]
                raise refused
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            raise Refused(401, "Unauthorized", "Unauthorized")
        if any(path.startswith(each) for each in self.forbidden):
            raise Refused(403, "Forbidden", f'User "system:serviceaccount:glia" cannot get resource at "{path}"')
        if path == "/version":
            return JSONResponse({"major": "1", "minor": self.minor, "gitVersion": f"v1.{self.minor}.0"})
        words = path.strip("/").split("/")
        if words[:2] == ["api", "v1"] and words[2:3] == ["nodes"] and words[4:] == ["proxy", "stats", "summary"]:
            return JSONResponse(self.machines.summary(words[3]))
        group, rest = ("", words[2:]) if words[:2] == ["api", "v1"] else ("/".join(words[1:2]), words[3:])
        if rest[:1] != ["namespaces"] or len(rest) < 3:
            raise Refused(404, "NotFound", "the server could not find the requested resource")
        if group == "metrics.k8s.io" and self.has_metrics:
            items = [each for each in self.machines.figures() if self._fits(request, each)]
            return JSONResponse(
                {"kind": "PodMetricsList", "apiVersion": "metrics.k8s.io/v1beta1", "metadata": {}, "items": items}
            )
        if rest[1] != self.store.namespace or rest[2] not in _GROUPS.get(group, ()):
            raise Refused(404, "NotFound", "the server could not find the requested resource")
        return await self._resource(request, *rest[2:])

    async def _resource(self, request: Request, plural: str, name: str = "", action: str = "") -> Response:
        if name:
            return await self._one(request, plural, name, action)
        match request.method:
            case "GET" if request.query_params.get("watch") in ("true", "1"):
                return StreamingResponse(self._watch(request, plural), media_type="application/json")
            case "GET":
                return self._list(request, plural)
            case "POST":
                thing = await self._body(request)
                self._check(plural, thing)
                return JSONResponse(self.store.create(plural, thing), 201)
        raise Refused(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")

    async def _one(self, request: Request, plural: str, name: str, action: str) -> Response:
        if action == "log":
            self.store.get("pods", name)
            return await self._log(request, name)
        match request.method:
            case "GET":
                return JSONResponse(self.store.get(plural, name))
            case "PATCH":
                return await self._patch(request, plural, name, action)
            case "PUT":
                thing, before = await self._body(request), self.store.get(plural, name)
                version = thing.get("metadata", {}).get("resourceVersion")
                if version and version != before["metadata"]["resourceVersion"]:
                    raise self._changed(plural, name)
                self._check(plural, thing)
                return JSONResponse(self.store.update(plural, merge(before, thing)))
            case "DELETE":
                return self._delete(request, plural, name, await request.body())
        raise Refused(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")

    def _changed(self, plural: str, name: str) -> Refused:
        why = "the object has been modified; please apply your changes to the latest version and try again"
        return Refused(409, "Conflict", f'Operation cannot be fulfilled on {plural} "{name}": {why}')

    def _delete(self, request: Request, plural: str, name: str, body: bytes) -> Response:
        options = json.loads(body) if body else {}
        found = self.store.get(plural, name)
        self._owners.pop((plural, name), None)
        if plural == "pods" and found.get("spec", {}).get("nodeName"):
            grace = options.get("gracePeriodSeconds", found["spec"].get("terminationGracePeriodSeconds", 30))
            if not found["metadata"].get("deletionTimestamp"):
                marked = copy.deepcopy(found)
                marked["metadata"] |= {
                    "deletionTimestamp": found["metadata"]["creationTimestamp"],
                    "deletionGracePeriodSeconds": grace,
                }
                marked["metadata"].setdefault("finalizers", []).append("kubelet")
                self.store.update(plural, marked)
            return JSONResponse(self.store.things["pods"].get(name, found))
        how = request.query_params.get("propagationPolicy") or options.get("propagationPolicy", "Background")
        if how == "Orphan":
            for each in (*self.store.all("replicasets"), *self.store.all("pods")):
                each["metadata"].pop("ownerReferences", None)
        self.store.delete(plural, name)
        return JSONResponse({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"})

    # --- Reading ------------------------------------------------------------------------------------------------------

    def _fits(self, request: Request, thing: Thing) -> bool:
        selector = request.query_params.get("labelSelector", "")
        return selects(selector, thing["metadata"].get("labels"))

    def _list(self, request: Request, plural: str) -> Response:
        api, kind = KINDS[plural]
        found = sorted(self.store.all(plural), key=lambda each: each["metadata"]["name"])
        found = [each for each in found if self._fits(request, each)]
        limit, after = int(request.query_params.get("limit") or 0), request.query_params.get("continue", "")
        found = [each for each in found if each["metadata"]["name"] > after] if after else found
        metadata = {"resourceVersion": str(self.store.version)}
        if limit and len(found) > limit:
            metadata["continue"] = found[limit - 1]["metadata"]["name"]
            metadata["remainingItemCount"] = str(len(found) - limit)
            found = found[:limit]
        return JSONResponse({"kind": f"{kind}List", "apiVersion": api, "metadata": metadata, "items": found})

    async def _watch(self, request: Request, plural: str) -> AsyncIterator[bytes]:
        """From the version on; from now on with what is there, without one."""
        query = request.query_params
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + int(query.get("timeoutSeconds") or 1800)
        version = int(query.get("resourceVersion") or 0)
        if not version:
            for thing in self.store.all(plural):
                if self._fits(request, thing):
                    yield _line("ADDED", thing)
            version = self.store.version
        cuts, told_at = self.cuts, loop.time()
        while loop.time() < ends_at:
            if version < self.store.forgotten:
                why = f"too old resource version: {version} ({self.store.forgotten})"
                yield _line("ERROR", Refused(410, "Expired", why).status)
                return
            for event in [each for each in self.store.events if each.version > version]:
                version = event.version
                if event.plural != plural:
                    continue
                fits, fitted = self._fits(request, event.thing), event.before and self._fits(request, event.before)
                if fits or fitted:
                    kind = event.kind if fits else "DELETED"
                    yield _line("ADDED" if fits and event.kind == "MODIFIED" and not fitted else kind, event.thing)
            if cuts != self.cuts:
                raise ConnectionResetError
            if query.get("allowWatchBookmarks") == "true" and loop.time() - told_at > _BOOKMARK_SECONDS:
                api, kind = KINDS[plural]
                yield _line(
                    "BOOKMARK",
                    {"kind": kind, "apiVersion": api, "metadata": {"resourceVersion": str(self.store.version)}},
                )
                told_at, version = loop.time(), self.store.version
            if self.store.version <= version:
                await self.store.changed.wait(min(0.2, max(0.01, ends_at - loop.time())))

    async def _log(self, request: Request, name: str) -> Response:
        pieces = self.machines.output(name, request.query_params)
        first = await anext(pieces, b"")  # refuses before the answer begins
        cuts = self.cuts

        async def body() -> AsyncIterator[bytes]:
            yield first
            async for piece in pieces:
                if cuts != self.cuts:
                    raise ConnectionResetError
                if piece:
                    yield piece

        return StreamingResponse(body(), media_type="text/plain")

    # --- Changing -----------------------------------------------------------------------------------------------------

    async def _body(self, request: Request) -> Thing:
        found = yaml.safe_load(await request.body()) if "yaml" in request.headers.get("content-type", "") else None
        return found if found is not None else json.loads(await request.body())

    def _check(self, plural: str, thing: Thing) -> None:
        check(KINDS[plural][1], thing)

    async def _patch(self, request: Request, plural: str, name: str, action: str) -> Response:
        given = await self._body(request)
        kind = request.headers.get("content-type", "").partition(";")[0]
        before = self.store.things[plural].get(name)
        if kind == "application/apply-patch+yaml":
            return self._apply(request, plural, name, given, before)
        if before is None:
            raise Refused(404, "NotFound", f'{plural} "{name}" not found')
        version = given.get("metadata", {}).get("resourceVersion")
        if version and version != before["metadata"]["resourceVersion"]:
            raise self._changed(plural, name)
        if kind == "application/merge-patch+json":
            after = merge_patch(before, given)
        elif kind == "application/strategic-merge-patch+json":
            after = merge(before, given)
        else:
            raise Refused(415, "UnsupportedMediaType", f"the body of the request was in an unknown format - {kind}")
        if action == "status":
            after = {**before, "status": after.get("status")}
            return JSONResponse(self.store.update(plural, after, is_status=True))
        after = {**after, "status": before.get("status")} if "status" in before else after
        self._check(plural, after)
        manager = request.query_params.get("fieldManager", "unknown") + "/update"
        self._owners.setdefault((plural, name), {}).setdefault(manager, set()).update(paths(given))
        return JSONResponse(self.store.update(plural, after))

    def _apply(self, request: Request, plural: str, name: str, given: Thing, before: Thing | None) -> Response:
        manager = request.query_params.get("fieldManager")
        if not manager:
            raise Refused(400, "BadRequest", "PatchOptions.meta.k8s.io is invalid: fieldManager: Required value")
        if given.get("metadata", {}).get("name") != name:
            raise Refused(400, "BadRequest", "the name of the object does not match the name on the URL")
        self._check(plural, given)
        owners = copy.deepcopy(self._owners.get((plural, name), {})) if before is not None else {}
        force = request.query_params.get("force") == "true"
        after = server_side_apply(before, given, owners, manager, force=force)
        if before is None:
            made = self.store.create(plural, _defaulted(plural, after))
        else:
            if plural == "deployments" and after["spec"]["selector"] != before["spec"]["selector"]:
                raise Refused(422, "Invalid", f'Deployment.apps "{name}" is invalid: spec.selector: field is immutable')
            made = self.store.update(plural, after)
        self._owners[(plural, name)] = owners
        return JSONResponse(made, 201 if before is None else 200)


def _defaulted(plural: str, thing: Thing) -> Thing:
    """Some of what the server fills in, so that nobody takes an object for unchanged that he compares as a whole."""
    if plural == "deployments":
        thing["spec"].setdefault("replicas", 1)
        thing["spec"].setdefault("minReadySeconds", 0)
    if plural == "services":
        thing["spec"] |= {"clusterIP": "10.96.0.10", "sessionAffinity": "None"}
    return thing


def _line(kind: str, thing: Thing) -> bytes:
    return json.dumps({"type": kind, "object": thing}).encode() + b"\n"
