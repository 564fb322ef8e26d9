"""The frames of the WebSocket: what a client may say, and how we say things."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
import orjson

from glia.deployments.service import METRICS
from glia.kit.clock import now, wire_time
from glia.kit.errors import GliaError, InvalidRequest, TooLarge
from glia.surfaces.neuais.logs import Wanted, wanted_of
from glia.surfaces.neuais.words import neuais_error
from glia.surfaces.shared.asgi import Message, convert
from glia.surfaces.shared.json_body import read_object

STATUS, LOGS, METRICS_CHANNEL = CHANNELS = ("status", "logs", "metrics")
EVERY_AGENT: Final = "*"
LARGEST_FRAME: Final = 64 * 1024
_LONGEST_ID: Final = 200


class Auth(msgspec.Struct):
    """A first credential, or a new one before the old one ends."""

    token: str = ""
    id: str | None = None


class Subscribe(msgspec.Struct):
    """agent: an id, or `*` for all that there are and will be. id: comes back with the answer.

    level, tail, since, after: of logs. metric: of metrics.
    """

    channel: str = ""
    agent: str = EVERY_AGENT
    id: str | None = None
    level: str | None = None
    tail: int = 0
    since: str | None = None
    after: int | None = None
    metric: str | None = None

    def wanted(self) -> Wanted:
        """Raises InvalidRequest."""
        after = None if self.after is None else str(self.after)
        return wanted_of({"tail": str(self.tail), "since": self.since, "level": self.level, "after": after})


class Unsubscribe(msgspec.Struct):
    """subscription: its name; without one, all of this channel and agent, or simply all."""

    subscription: str | None = None
    channel: str | None = None
    agent: str | None = None
    id: str | None = None


class Ping(msgspec.Struct):
    id: str | None = None


Said = Auth | Subscribe | Unsubscribe | Ping
_KINDS: Final[Mapping[str, type[Said]]] = {
    "auth": Auth,
    "subscribe": Subscribe,
    "unsubscribe": Unsubscribe,
    "ping": Ping,
}
_OF_CHANNEL: Final = {
    STATUS: frozenset[str](),
    LOGS: frozenset({"level", "tail", "since", "after"}),
    METRICS_CHANNEL: frozenset({"metric"}),
}
_OPTIONS: Final = frozenset[str]().union(*_OF_CHANNEL.values())


class Unreadable(InvalidRequest):
    """A frame that is no message. id: what the client calls it, if it says so."""

    def __init__(self, message: str, *, field: str | None = None, reason: str | None = None, id: str | None) -> None:
        super().__init__(message, field=field, **({} if reason is None else {"reason": reason}))
        self.id = id


def read(message: Message) -> Said:
    """What the client says. Raises Unreadable for what is no message, TooLarge for a frame that is too large."""
    raw: str | bytes = message.get("text") or message.get("bytes") or b""
    content = raw.encode() if isinstance(raw, str) else raw
    if len(content) > LARGEST_FRAME:
        raise TooLarge(f"A frame may have {LARGEST_FRAME} bytes.")
    try:
        found = read_object(content)
    except InvalidRequest as error:
        raise Unreadable(error.message.replace("The body", "The message"), field=error.field, id=None) from None
    given = found.pop("id", None)
    id = given if isinstance(given, str) else None
    try:
        return _said(found, id, given)
    except InvalidRequest as error:
        reason = error.details.get("reason")
        raise Unreadable(
            error.message.replace("The body", "The message"),
            field=error.field,
            reason=None if reason is None else str(reason),
            id=id,
        ) from None


def _said(found: dict[str, object], id: str | None, given: object) -> Said:
    kind = found.pop("type", None)
    if not isinstance(kind, str) or kind not in _KINDS:
        reason = f"must be one of {', '.join(_KINDS)}"
        raise InvalidRequest(f"`type` {reason}.", field="type", reason=reason)
    if given is not None and (id is None or len(id) > _LONGEST_ID):
        reason = f"must be a text of at most {_LONGEST_ID} characters"
        raise InvalidRequest(f"`id` {reason}.", field="id", reason=reason)
    said, unknown = convert({name: value for name, value in found.items() if value is not None}, _KINDS[kind])
    if isinstance(said, Auth) and not said.token:
        raise InvalidRequest("`token` is missing.", field="token", reason="is missing")
    if isinstance(said, Subscribe):
        unknown += _check(said, found)
    if unknown:
        reason = f"is nothing that `{kind}` takes"
        raise InvalidRequest(f"`{unknown[0][:100]}` {reason}.", field=unknown[0][:100], reason=reason)
    said.id = id
    return said


def _check(said: Subscribe, found: Mapping[str, object]) -> list[str]:
    """Options that are another channel's. Raises InvalidRequest."""
    if said.channel not in CHANNELS:
        reason = f"must be one of {', '.join(CHANNELS)}"
        raise InvalidRequest(f"`channel` {reason}.", field="channel", reason=reason)
    if said.metric is not None and said.metric not in METRICS:
        reason = f"must be one of {', '.join(METRICS)}"
        raise InvalidRequest(f"`metric` {reason}.", field="metric", reason=reason)
    for option in ("tail", "after", "since"):
        if said.agent == EVERY_AGENT and getattr(said, option):
            raise InvalidRequest(f"`{option}` needs one agent.", field=option, reason="needs one agent")
    return sorted((_OPTIONS - _OF_CHANNEL[said.channel]) & set(found))


def frame(type: str, **fields: Any) -> str:
    """Any: whatever JSON has."""
    return orjson.dumps({"type": type, **fields}).decode()


def stamped(type: str, **fields: Any) -> str:
    return frame(type, timestamp=wire_time(now()), **fields)


def error_frame(error: GliaError, id: str | None = None) -> str:
    return frame("error", id=id, **neuais_error(error, ""))
