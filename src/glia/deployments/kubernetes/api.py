"""The API server of a cluster, through `lightkube`, which is known only here. Objects are plain dicts, as the API's
JSON has them.

Every call has a timeout. Watches are told to end after a while, so that a dead connection is noticed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

from glia.deployments.config import KubernetesConfig
from glia.deployments.kubernetes.errors import (
    ClusterRefused,
    ClusterUnavailable,
    ObjectChanged,
    ObjectMissing,
    VersionGone,
)
from glia.deployments.kubernetes.things import Thing
from glia.kit.errors import GliaError, InvalidRequest

if TYPE_CHECKING:
    import httpx2
    from lightkube.config.kubeconfig import SingleConfig

DEPLOYMENTS, SERVICES, SECRETS = "deployments", "services", "secrets"
PODS, POLICIES = "pods", "networkpolicies"
_KINDS = {
    DEPLOYMENTS: ("apps", "v1", "Deployment"),
    SERVICES: ("", "v1", "Service"),
    SECRETS: ("", "v1", "Secret"),
    PODS: ("", "v1", "Pod"),
    POLICIES: ("networking.k8s.io", "v1", "NetworkPolicy"),
}
_MANAGER = "glia"
_WATCH_SECONDS = 240
_LATE_SECONDS = 30
_LOG_PAUSE_SECONDS = 900.0
_PAGE = 500
_OLDEST = (1, 30)
"""Since then a pod may wait before it is told to end (`preStop.sleep`)."""


class Cluster:
    def __init__(self, config: KubernetesConfig) -> None:
        """Reads the configuration; speaks to nobody yet. Raises InvalidRequest."""
        try:
            from lightkube import AsyncClient
            from lightkube.core.exceptions import ConfigError
        except ImportError as error:
            raise InvalidRequest(
                "Kubernetes needs a package that is not installed: pip install 'glia[kubernetes]'."
            ) from error
        import httpx2

        try:
            found = _configuration(config)
            timeout = httpx2.Timeout(config.request_seconds)
            # Its calls are typed by classes that it makes for each kind of object; ours are all plain dicts.
            self._client: Any = AsyncClient(found, namespace=config.namespace, timeout=timeout, field_manager=_MANAGER)
            self._bare = _bare_client(found, timeout)
        except (ConfigError, OSError, KeyError, TypeError, ValueError) as error:
            raise InvalidRequest(f"The configuration of the Kubernetes cluster cannot be used: {error}.") from error
        self._kinds = {plural: _generic(*kind, plural) for plural, kind in _KINDS.items()}
        self._figures = _generic("metrics.k8s.io", "v1beta1", "PodMetrics", "pods")
        self._seconds = config.request_seconds
        self.namespace: str = self._client.namespace

    async def close(self) -> None:
        await self._client.close()
        await self._bare.aclose()

    async def problem(self) -> str:
        """Why nothing can run there; empty when it can."""
        try:
            version: Thing = await self._json("/version")
            await self.list(DEPLOYMENTS, "glia.dev/probe")
        except GliaError as error:
            return error.message
        digits = ["".join(filter(str.isdigit, str(version.get(part, "")))) or "0" for part in ("major", "minor")]
        if (int(digits[0]), int(digits[1])) < _OLDEST:
            return f"The cluster is Kubernetes {version.get('gitVersion')}; it must be 1.30 or newer."
        return ""

    # --- Objects ------------------------------------------------------------------------------------------------------

    async def list(self, plural: str, labels: str) -> tuple[list[Thing], str]:
        """Those with the labels (`name=value,...`), and the version of the whole, from which to `watch`."""
        async with self._judged():
            found = self._client.list(self._kinds[plural], chunk_size=_PAGE, labels=_selector(labels))
            things = [dict(each) async for each in found]
            return things, str(found.resourceVersion)

    async def watch(self, plural: str, labels: str, version: str) -> AsyncGenerator[tuple[str, Thing]]:
        """`ADDED`, `MODIFIED` or `DELETED`, and the object, as long as the cluster tells. Raises VersionGone."""
        stream = self._client.watch(
            self._kinds[plural],
            labels=_selector(labels),
            server_timeout=_WATCH_SECONDS,
            resource_version=version,
        )
        events = cast("AsyncIterator[tuple[str, Any]]", aiter(stream))
        while True:
            async with self._judged(_WATCH_SECONDS + _LATE_SECONDS):
                kind, found = await anext(events, ("", None))
            if found is None:
                return
            yield kind, dict(found)

    async def apply(self, plural: str, thing: Thing) -> Thing:
        """Makes it so by server-side apply; what others have set and we do not is left alone."""
        async with self._judged():
            return dict(await self._client.apply(self._kinds[plural](thing), force=True))

    async def merge_status(self, plural: str, name: str, status: Thing) -> None:
        from lightkube.types import PatchType

        async with self._judged():
            resource = self._kinds[plural].Status
            await self._client.patch(resource, name, {"status": status}, patch_type=PatchType.STRATEGIC)

    async def delete(self, plural: str, name: str) -> None:
        """With all that belongs to it. Nothing happens when it is gone already."""
        from lightkube.types import CascadeType

        try:
            async with self._judged():
                await self._client.delete(self._kinds[plural], name, cascade=CascadeType.BACKGROUND)
        except ObjectMissing:
            return

    # --- Output and figures -------------------------------------------------------------------------------------------

    async def log(self, pod: str, container: str, *, since: str | None, is_previous: bool) -> AsyncGenerator[bytes]:
        """What a container wrote, each line behind its time. since: RFC 3339, of which whole seconds count.
        is_previous: of the one before its last restart; else it is followed until its end."""
        import httpx2

        query = {"container": container, "timestamps": "true"}
        query |= {"previous": "true"} if is_previous else {"follow": "true"}
        query |= {"sinceTime": since} if since else {}
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod}/log"
        timeout = httpx2.Timeout(self._seconds, read=_LOG_PAUSE_SECONDS)
        async with self._judged():
            request = self._bare.build_request("GET", path, params=query, timeout=timeout)
            response = await self._bare.send(request, stream=True)
        try:
            async with self._judged():
                if response.is_error:
                    await response.aread()
                response.raise_for_status()
            pieces = response.aiter_raw()
            while True:
                async with self._judged(None):
                    piece = await anext(pieces, b"")
                if not piece:
                    return
                yield piece
        finally:
            await response.aclose()

    async def figures(self, labels: str) -> Sequence[Thing]:
        """What pods use now, as `metrics.k8s.io` tells. Raises ObjectMissing where nobody serves it."""
        async with self._judged():
            return [dict(each) async for each in self._client.list(self._figures, labels=_selector(labels))]

    async def summary(self, node: str) -> Thing:
        """What a machine's kubelet knows of its pods. Needs the right to `nodes/proxy`."""
        return await self._json(f"/api/v1/nodes/{node}/proxy/stats/summary")

    async def _json(self, path: str) -> Thing:
        async with self._judged():
            response = await self._bare.get(path)
            response.raise_for_status()
            return response.json()

    @asynccontextmanager
    async def _judged(self, seconds: float | None = 0.0) -> AsyncGenerator[None]:
        """Whatever happens inside becomes one of our errors. seconds: at most; as configured, for 0."""
        import httpx2
        from lightkube.core.exceptions import ApiError, ConfigError

        try:
            async with asyncio.timeout(self._seconds * 2 if seconds == 0.0 else seconds):
                yield
        except ApiError as error:
            raise _judge(int(error.status.code or 500), str(error.status.message), str(error.status.reason)) from error
        except httpx2.HTTPStatusError as error:
            raise _judge(error.response.status_code, *_said(error.response)) from error
        except (httpx2.HTTPError, httpx2.StreamError, TimeoutError, OSError) as error:
            raise ClusterUnavailable(f"The cluster does not answer: {str(error) or type(error).__name__}.") from error
        except (ConfigError, KeyError, ValueError) as error:
            # An answer that is no JSON, or a program for signing in that failed.
            raise ClusterUnavailable(f"The cluster did not answer as one does: {error}.") from error


def _judge(code: int, message: str, reason: str) -> GliaError:
    match code:
        case 404:
            return ObjectMissing(f"The cluster says: {message}.")
        case 409:
            return ObjectChanged(f"The cluster says: {message}.")
        case 410:
            return VersionGone(f"The cluster says: {message}.")
        case 400 | 401 | 403 | 405 | 413 | 415 | 422:
            return ClusterRefused(f"The cluster refuses ({reason or code}): {message}.")
        case _:
            return ClusterUnavailable(f"The cluster is not able to ({code}): {message}.")


def _said(response: httpx2.Response) -> tuple[str, str]:
    """The message and the reason of an answer that is an error."""
    try:
        status: Mapping[str, Any] = response.json()
        return str(status["message"]), str(status.get("reason", ""))
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError):
        # No JSON, another shape, or a stream that nobody has read.
        return response.reason_phrase, ""


def _configuration(config: KubernetesConfig) -> SingleConfig:
    from lightkube import KubeConfig

    found = KubeConfig.from_file(config.kubeconfig) if config.kubeconfig else KubeConfig.from_env()
    single = found.get(config.context)
    if single is None:
        raise ValueError("it names no context")
    return single


def _bare_client(found: SingleConfig, timeout: httpx2.Timeout) -> httpx2.AsyncClient:
    """For streams of output, of which there is one for each pod: as many connections as needed, and bytes instead of
    lines, which may be of any length."""
    import httpx2
    from lightkube.config import client_adapter

    user = found.user
    if user is None:
        from lightkube.config.models import User

        user = User()
    return httpx2.AsyncClient(
        base_url=found.cluster.server or "",
        verify=client_adapter.verify_cluster(found.cluster, user, found.abs_file),
        auth=client_adapter.user_auth(user),
        timeout=timeout,
        limits=httpx2.Limits(max_connections=None, max_keepalive_connections=20),
    )


def _generic(group: str, version: str, kind: str, plural: str) -> Any:
    """A class of plain dicts, so that no model of ours or theirs has to know every field."""
    from lightkube.core.resource import ApiInfo, ResourceDef
    from lightkube.generic_resource import GenericNamespacedResource, GenericNamespacedStatus

    verbs = ["delete", "get", "list", "patch", "post", "put", "watch"]
    resource = ResourceDef(group, version, kind)

    class Status(GenericNamespacedStatus):
        _api_info = ApiInfo(resource, plural, ["get", "patch", "put"], parent=resource, action="status")

    status = Status

    class Found(GenericNamespacedResource):
        _api_info = ApiInfo(resource, plural, verbs)
        Status = status

    return Found


def _selector(labels: str) -> dict[str, str | None]:
    """As lightkube wants it. A name without a value must be there, whatever it says."""
    pairs = (label.partition("=") for label in labels.split(","))
    return {name: value if equals else None for name, equals, value in pairs}
