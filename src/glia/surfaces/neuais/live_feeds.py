"""What subscriptions of a socket have to say: read from the database in turns, so that nothing is held for anybody."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from glia.deployments.service import MOST_LINES
from glia.deployments.types import Deployment, LogLine, Sample
from glia.identity.types import Principal
from glia.kit.clock import wire_time
from glia.surfaces.neuais.agents import AgentOut, all_agents
from glia.surfaces.neuais.live_readings import Readings
from glia.surfaces.neuais.live_words import LOGS, METRICS_CHANNEL, STATUS, frame, stamped
from glia.surfaces.neuais.logs import Wanted, last_lines, line_json
from glia.surfaces.neuais.words import agent_id
from glia.wiring import House

_LINES_AT_ONCE: Final = 500
MOST_BEHIND: Final = 5000
"""Lines. Who did not read for a while, and is further behind than that, is told how many were left out."""

Say = Callable[[str], Awaitable[None]]


@dataclass
class Subscription:
    """name: what the client calls it by. agent: None for all. began: on the monotonic clock.

    places: the last line that was told of each agent. seen: each agent as it was last told. sampled: when the last
    sample of each was taken.
    """

    name: str
    channel: str
    agent: UUID | None
    wanted: Wanted
    metric: str | None
    began: float
    tail: Sequence[LogLine] = ()
    places: dict[UUID, int] = field(default_factory=dict[UUID, int])
    seen: dict[UUID, Deployment] = field(default_factory=dict[UUID, Deployment])
    sampled: dict[UUID, datetime] = field(default_factory=dict[UUID, datetime])

    def about(self) -> dict[str, Any]:
        """How the client is told of it."""
        agent = "*" if self.agent is None else agent_id(self.agent)
        return {"subscription": self.name, "channel": self.channel, "agent": agent}

    def watched(self, agents: Mapping[UUID, Deployment]) -> Mapping[UUID, Deployment]:
        if self.agent is None:
            return agents
        return {self.agent: agents[self.agent]} if self.agent in agents else {}


async def begun(house: House, principal: Principal, subscription: Subscription) -> None:
    """Sets where its logs begin, so that all lines after the acknowledgement are told. Raises DeploymentNotFound."""
    if subscription.agent is not None:
        await house.deployments.get(principal, str(subscription.agent))
    if subscription.channel != LOGS:
        return
    agent, wanted = subscription.agent, subscription.wanted
    if agent is None:
        ids = [one.id for one in await all_agents(house, principal)]
        subscription.places = await house.deployment_feed.ends(principal, ids)
    elif wanted.after is not None:
        subscription.places = {agent: wanted.after}
    else:
        ends = await house.deployment_feed.ends(principal, [agent])
        subscription.places = {agent: ends.get(agent, 0)}
        if wanted.tail or wanted.since is not None:
            wanted = wanted if wanted.tail else replace(wanted, tail=MOST_LINES)
            tail = await last_lines(house.deployments, principal, str(agent), wanted)
            subscription.tail = tail
            subscription.places[agent] = max(ends.get(agent, 0), tail[-1].id if tail else 0)


class Feeds:
    """All subscriptions of one socket."""

    def __init__(self, house: House, readings: Readings, show: Callable[[Deployment], AgentOut], say: Say) -> None:
        self._house = house
        self._readings = readings
        # A replica without a sample for so long has ended, and counts no more.
        self._round = timedelta(seconds=house.settings.fleet.sample_seconds)
        self._show = show
        self._say = say
        self.subscriptions: dict[str, Subscription] = {}
        self.is_stalled = False

    async def turn(self, principal: Principal) -> bool:
        """Tells what is new, and whether there is more at once. Waits while the client does not read."""
        if not self.subscriptions:
            return False
        asked_at, agents = await self._readings.agents(principal)
        was_stalled, self.is_stalled = self.is_stalled, False
        is_more = False
        for one in list(self.subscriptions.values()):
            if one.channel == STATUS:
                await self._tell_states(one, asked_at, agents)
            elif one.channel == LOGS:
                is_more |= await self._tell_lines(principal, one, agents, was_stalled=was_stalled)
            elif one.channel == METRICS_CHANNEL:
                await self._tell_samples(principal, one, agents)
            if one.agent is not None and one.agent not in agents and asked_at > one.began:
                await self._end(one)
        return is_more

    async def _end(self, one: Subscription) -> None:
        if self.subscriptions.pop(one.name, None) is not None:
            await self._say(frame("ended", **one.about(), reason="The agent was deleted."))

    async def _tell_states(self, one: Subscription, asked_at: float, agents: Mapping[UUID, Deployment]) -> None:
        watched = one.watched(agents)
        for id, agent in watched.items():
            if one.seen.get(id) != agent:
                one.seen[id] = agent
                shown = self._show(agent).model_dump(mode="json")
                await self._say(stamped(STATUS, **{**one.about(), "agent": agent_id(id)}, data=shown))
        for id in [id for id in one.seen if id not in watched and asked_at > one.began]:
            name = one.seen.pop(id).name
            gone = {"id": agent_id(id), "name": name, "status": "deleted"}
            await self._say(stamped(STATUS, **{**one.about(), "agent": agent_id(id)}, data=gone))

    async def _tell_lines(
        self, principal: Principal, one: Subscription, agents: Mapping[UUID, Deployment], *, was_stalled: bool
    ) -> bool:
        for line in one.tail:
            await self._say_line(one, one.agent, line)
        one.tail = ()
        if one.agent is None:
            one.places = {id: one.places.get(id, 0) for id in agents}
        if was_stalled:
            await self._leave_out(principal, one)
        asked_at, ends = await self._readings.logs.ends(principal, one.places)
        behind = {id: place for id, place in one.places.items() if ends.get(id, 0) > place}
        if not behind:
            return False
        level, since = one.wanted.level, one.wanted.since
        lines = await self._readings.logs.lines(principal, behind, level=level, since=asked_at, limit=_LINES_AT_ONCE)
        for line in lines:
            if one.name not in self.subscriptions:
                return False
            one.places[line.deployment_id] = line.id
            if since is None or line.at >= since:
                await self._say_line(one, line.deployment_id, line)
        if len(lines) == _LINES_AT_ONCE:
            return True
        for id in behind:  # what lies before the end and was not told is of a lower level
            one.places[id] = max(one.places[id], ends[id])
        return False

    async def _say_line(self, one: Subscription, agent: UUID | None, line: LogLine) -> None:
        about = one.about() if agent is None else {**one.about(), "agent": agent_id(agent)}
        await self._say(frame(LOGS, **about, id=line.id, data=line_json(line)))

    async def _leave_out(self, principal: Principal, one: Subscription) -> None:
        feed, level = self._house.deployment_feed, one.wanted.level
        ends = await feed.ends(principal, list(one.places))
        count = await feed.count(principal, one.places, ends, level=level)
        if count > MOST_BEHIND:
            one.places = ends
            await self._say(stamped("dropped", **one.about(), count=count))

    async def _tell_samples(self, principal: Principal, one: Subscription, agents: Mapping[UUID, Deployment]) -> None:
        found = await self._readings.samples(principal)
        for id in one.watched(agents):
            samples = found.get(id)
            if not samples:
                continue
            newest = max(sample.at for sample in samples)
            if id not in one.sampled or newest > one.sampled[id]:
                one.sampled[id] = newest
                alive = [sample for sample in samples if newest - sample.at < self._round]
                data = {"timestamp": wire_time(newest), **samples_json(alive, one.metric)}
                await self._say(frame(METRICS_CHANNEL, **{**one.about(), "agent": agent_id(id)}, data=data))


def samples_json(samples: Sequence[Sample], metric: str | None) -> dict[str, Any]:
    """`metrics` of all replicas together, and `replicas` one by one, as in the answer for a period."""
    figures = [(str(sample.replica_id), _figures(sample, metric)) for sample in samples]
    names = figures[0][1] if figures else {}
    return {
        "metrics": {name: round(sum(one[name] for _, one in figures), 3) for name in names},
        "replicas": [{"replica": replica, "metrics": one} for replica, one in figures],
    }


def _figures(sample: Sample, metric: str | None) -> dict[str, float]:
    found = {
        "cpu": sample.cpu_percent,
        "memory": sample.memory_mib,
        "network": sample.network_bytes_per_second,
    }
    return {name: round(value, 3) for name, value in found.items() if metric in (None, name)}
