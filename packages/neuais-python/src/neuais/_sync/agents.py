"""Agents: programs that are deployed and kept running."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping

from neuais._decoding import decode
from neuais._requests import Fields, delete, get, given, page_of, path_of, post, put
from neuais._sync.following import followed_lines
from neuais._sync.listing import Listing
from neuais._sync.transport import Transport
from neuais.errors import WaitFailed
from neuais.models import (
    Agent,
    AgentConfig,
    AgentStatus,
    ConfigFields,
    Level,
    LogLine,
    Message,
    Metric,
    Metrics,
    Page,
    Period,
    Runtime,
)

_FIRST_LOOK_SECONDS = 0.1
_LONGEST_LOOK_SECONDS = 2.0


class Agents:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._listing = Listing(transport, Agent, "/agents", "agents")

    def list(
        self,
        *,
        status: AgentStatus | None = None,
        region: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
        sort: str | None = None,
        fields: Fields | None = None,
    ) -> Page[Agent]:
        """One page. sort: as `created_at:desc`. fields: only these; the others have no value then."""
        return self._listing.page(status=status, region=region, limit=limit, offset=offset, sort=sort, fields=fields)

    def iterate(
        self,
        *,
        status: AgentStatus | None = None,
        region: str | None = None,
        sort: str | None = None,
        fields: Fields | None = None,
        page_size: int = 100,
    ) -> Iterator[Agent]:
        """All of them; a page is fetched when it is needed."""
        return self._listing.every(page_size, status=status, region=region, sort=sort, fields=fields)

    def get(self, id: str, *, fields: Fields | None = None) -> Agent:
        return decode(Agent, self._transport.call(get(path_of("agents", id), fields=fields)), fields)

    def create(
        self,
        name: str,
        *,
        runtime: Runtime,
        binary_url: str,
        config: AgentConfig | ConfigFields | None = None,
        environment: Mapping[str, str] | None = None,
        sha256: str | None = None,
        idempotency_key: str | None = None,
    ) -> Agent:
        """Deploys a program; `wait_until_running` waits for it.

        binary_url: http(s), or `storage://<pathname>`. sha256: what the download must be.
        """
        body = given(
            name=name,
            runtime=runtime,
            binary_url=binary_url,
            config=config,
            environment=environment,
            sha256=sha256,
        )
        return decode(Agent, self._transport.call(post("/agents", body, idempotency_key=idempotency_key)))

    def update(
        self,
        id: str,
        *,
        name: str | None = None,
        runtime: Runtime | None = None,
        binary_url: str | None = None,
        config: AgentConfig | ConfigFields | None = None,
        environment: Mapping[str, str] | None = None,
        sha256: str | None = None,
    ) -> Agent:
        """Changes what is given. Replicas are replaced one by one; old ones serve until the new ones are healthy."""
        body = given(
            name=name,
            runtime=runtime,
            binary_url=binary_url,
            config=config,
            environment=environment,
            sha256=sha256,
        )
        return decode(Agent, self._transport.call(put(path_of("agents", id), body)))

    def delete(self, id: str) -> Message:
        return decode(Message, self._transport.call(delete(path_of("agents", id))) or {})

    def start(self, id: str, *, idempotency_key: str | None = None) -> Agent:
        return self._act(id, "start", None, idempotency_key)

    def stop(self, id: str, *, idempotency_key: str | None = None) -> Agent:
        """Its programs get SIGTERM, and SIGKILL after 10 s."""
        return self._act(id, "stop", None, idempotency_key)

    def restart(self, id: str, *, idempotency_key: str | None = None) -> Agent:
        """Replaces every replica."""
        return self._act(id, "restart", None, idempotency_key)

    def scale(self, id: str, replicas: int, *, idempotency_key: str | None = None) -> Agent:
        return self._act(id, "scale", {"replicas": replicas}, idempotency_key)

    def _act(self, id: str, act: str, body: object, idempotency_key: str | None) -> Agent:
        call = post(path_of("agents", id, act), body, idempotency_key=idempotency_key)
        return decode(Agent, self._transport.call(call))

    def wait_until_running(self, id: str, *, timeout: float = 120.0) -> Agent:
        """Looks again and again until it runs. timeout: seconds.

        Raises WaitFailed when it is in `error` or `stopped`, or time is up; its `agent` says why.
        """
        deadline = time.monotonic() + timeout
        pause = _FIRST_LOOK_SECONDS
        while True:
            agent = self.get(id)
            if agent.status == "running":
                return agent
            if agent.status in ("error", "stopped"):
                raise WaitFailed(f"{agent.name} is in {agent.status!r}: {agent.reason or 'no reason given'}", agent)
            left = deadline - time.monotonic()
            if left <= 0:
                raise WaitFailed(f"{agent.name} is still {agent.status!r} after {timeout} s.", agent)
            time.sleep(min(pause, left))
            pause = min(pause * 1.5, _LONGEST_LOOK_SECONDS)

    def logs(
        self, id: str, *, tail: int | None = None, since: str | None = None, level: Level | None = None
    ) -> tuple[LogLine, ...]:
        """The last lines, oldest first. since: as `1h`, `30m`, `15s`. level: that one and above."""
        found = self._transport.call(get(path_of("agents", id, "logs"), tail=tail, since=since, level=level))
        return page_of(LogLine, "logs", found).items

    def stream_logs(
        self,
        id: str,
        *,
        tail: int | None = None,
        since: str | None = None,
        level: Level | None = None,
        after: int | None = None,
    ) -> Generator[LogLine]:
        """Lines as they are written, behind the last `tail`, until the agent is deleted.

        It begins when the first line is asked for: with `tail=0`, what was written before is not told.
        A connection that breaks, or falls silent, is taken up again behind the last line, so that none is missed and
        none comes twice. after: the `id` of a line to go on behind; there is no tail then.
        """
        path = path_of("agents", id, "logs")
        return followed_lines(self._transport, path, after, tail=tail, since=since, level=level)

    def metrics(self, id: str, *, period: Period | None = None, metric: Metric | None = None) -> Metrics:
        """What its replicas used, at most about 500 points a series."""
        found = self._transport.call(get(path_of("agents", id, "metrics"), period=period, metric=metric))
        return decode(Metrics, found)
