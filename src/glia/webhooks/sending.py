"""One attempt: an event as a signed request, and what its answer means."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, cast
from uuid import UUID

import orjson

from glia.kit.clock import now, wire_time
from glia.kit.errors import GliaError
from glia.kit.outbound import Outbound, OutboundFailed, StreamedResponse, Timeouts
from glia.webhooks.config import WebhookConfig
from glia.webhooks.sending_queries import Letter, Outcome
from glia.webhooks.signing import plain_signature, signature, timestamped_signature
from glia.webhooks.types import DEFAULT_PREFIX, Style, message_id

LARGEST_DATA_CHARACTERS = 1_000_000
_NAME_IN_BRACES = re.compile(r"\{(\w{1,100})\}", re.ASCII)
_SNIPPET_CHARACTERS = 1_000
_SNIPPET_BYTES = 4_000
_LONGEST_WAIT_SECONDS = 86_400.0
_GONE = 410


@dataclass(frozen=True)
class Address:
    """Where a delivery goes, with everything unsealed that its request needs. secrets: the present one first."""

    url: str
    headers: Mapping[str, str]
    secrets: tuple[str, ...]
    style: Style = "standard"
    event_names: Mapping[str, str] = field(default_factory=dict[str, str])
    header_prefix: str = ""
    fields: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Answer:
    """retry_after_seconds: as the endpoint asked. error: a sentence when it was no success."""

    status: int | None
    response: str | None
    error: str | None
    latency_ms: int
    retry_after_seconds: float | None = None

    @property
    def is_gone(self) -> bool:
        return self.status == _GONE


def body_of(letter: Letter) -> bytes:
    """`{type, timestamp, data}`; data is the event as the API shows it, its payload byte for byte as in the log."""
    is_whole = letter.data is not None and len(letter.data) <= LARGEST_DATA_CHARACTERS
    event: dict[str, object] = {
        "seq": letter.seq,
        "type": letter.type,
        "at": wire_time(letter.at),
        "session_id": letter.session_id,
        "run_id": letter.run_id,
        "data": orjson.Fragment(letter.data) if letter.data is not None and is_whole else {},
    }
    if letter.data is not None and not is_whole:
        event["is_too_large"] = True
    return orjson.dumps({"type": letter.type, "timestamp": wire_time(letter.at), "data": event})


def body_for(
    letter: Letter, style: Style, event_names: Mapping[str, str], id: UUID, fields: Mapping[str, str]
) -> bytes:
    """For endpoints of a style of their own: the event under the name that they know, with what it says."""
    if style == "standard":
        return body_of(letter)
    name = event_names.get(letter.type, letter.type)
    said = said_in(letter)
    if style == "alert":
        return orjson.dumps(alert_of(name, said))
    if style == "timestamped":
        data = {field: filled(template, said) for field, template in fields.items()} if fields else said
        return orjson.dumps({"event": name, "timestamp": wire_time(letter.at), "data": data})
    data = {"session_id": letter.session_id, "run_id": letter.run_id, **said}
    body = {"event": name, "event_type": name, "delivery_id": id, "timestamp": wire_time(letter.at), "data": data}
    return orjson.dumps(body)


def alert_of(kind: str, said: Mapping[str, Any]) -> dict[str, object]:
    """`{task_id, alert_type, task_type, status, message}` of a job's event. Any: JSON."""
    status = {"completion": "completed", "failure": "failed"}.get(kind, "running")
    title, task = str(said.get("title", "")), str(said.get("kind", ""))
    metadata: object = said.get("metadata")
    if isinstance(metadata, dict):
        task = str(cast(dict[str, Any], metadata).get("task_type", task))
    return {
        "task_id": said.get("job_id"),
        "alert_type": kind,
        "task_type": task,
        "status": status,
        "message": f"{title or task}: {status}",
    }


def filled(template: str, said: Mapping[str, Any]) -> Any:
    """What was said under the names in braces; of a template that is one name alone, as it is. Any: JSON."""
    if whole := _NAME_IN_BRACES.fullmatch(template):
        return said.get(whole[1])
    return _NAME_IN_BRACES.sub(lambda found: str(said.get(found[1], "")), template)


def said_in(letter: Letter) -> dict[str, Any]:
    """Any: JSON. What is too large, or no object, is left out."""
    if letter.data is None or len(letter.data) > LARGEST_DATA_CHARACTERS:
        return {}
    found: object = orjson.loads(letter.data)
    return cast(dict[str, Any], found) if isinstance(found, dict) else {}


def headers_of(address: Address, id: UUID, type: str, body: bytes) -> dict[str, str]:
    if address.style == "standard":
        timestamp, name = int(time.time()), message_id(id)
        return {
            "webhook-id": name,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(address.secrets, name, timestamp, body),
        }
    if address.style == "timestamped":
        return _timestamped_headers(address, id, type, body)
    headers = {
        "X-Webhook-Event": address.event_names.get(type, type),
        "X-Webhook-Delivery-ID": str(id),
    }
    if address.secrets:
        headers["X-Webhook-Signature"] = plain_signature(address.secrets[0], body)
    return headers


def _timestamped_headers(address: Address, id: UUID, type: str, body: bytes) -> dict[str, str]:
    timestamp, prefix = int(time.time()), address.header_prefix or DEFAULT_PREFIX
    headers = {
        f"{prefix}-Event": address.event_names.get(type, type),
        f"{prefix}-Id": str(id),
        f"{prefix}-Timestamp": str(timestamp),
    }
    if address.secrets:
        headers[f"{prefix}-Signature"] = timestamped_signature(address.secrets[0], timestamp, body)
    return headers


async def send(
    outbound: Outbound, address: Address, id: UUID, type: str, body: bytes, timeout_seconds: float
) -> Answer:
    """Tries once. Whatever happens is an Answer."""
    headers = {**address.headers, "Content-Type": "application/json", **headers_of(address, id, type, body)}
    started = time.monotonic()
    try:
        async with outbound.stream(
            "POST",
            address.url,
            headers=headers,
            body=body,
            timeouts=Timeouts(min(10.0, timeout_seconds), timeout_seconds, timeout_seconds),
        ) as answer:
            return await _read(answer, started)
    except GliaError as error:  # not reached, refused, or it did not speak HTTP
        return Answer(None, None, error.message, _ms_since(started))


async def _read(answer: StreamedResponse, started: float) -> Answer:
    """The status decides; of the body only the beginning is kept, for whoever reads the delivery log."""
    latency_ms = _ms_since(started)
    response = await _snippet(answer)
    retry_after = _retry_after(answer.headers.get("retry-after"))
    status = answer.status
    if 200 <= status < 300:
        return Answer(status, response, None, latency_ms)
    error = f"The endpoint answered with HTTP {status}."
    if 300 <= status < 400:
        place = (answer.headers.get("location") or "")[:500]
        error = f"The endpoint redirects to {place!r}, which is not followed; set that address as its `url`."
    elif status == _GONE:
        error = "The endpoint answered with HTTP 410: it wants no more deliveries."
    return Answer(status, response, error, latency_ms, retry_after)


async def _snippet(answer: StreamedResponse) -> str:
    found = b""
    try:
        async for chunk in answer.chunks():
            found += chunk[:_SNIPPET_BYTES]
            if len(found) >= _SNIPPET_BYTES:
                break
    except OutboundFailed:
        pass  # the status has come, and counts
    return (
        found[:_SNIPPET_BYTES]
        .decode("utf-8", "replace")
        .replace("\x00", "\N{REPLACEMENT CHARACTER}")[:_SNIPPET_CHARACTERS]
    )


def outcome_of(
    answer: Answer,
    tries: int,
    config: WebhookConfig,
    *,
    max_attempts: int | None = None,
    retry_seconds: float | None = None,
) -> Outcome:
    """tries: including this one. max_attempts, retry_seconds: the endpoint's own patience."""
    is_done = answer.error is None
    wait = 0.0
    if not is_done:
        own = retry_wait(tries, config) if retry_seconds is None else retry_seconds * tries
        wait = max(own, answer.retry_after_seconds or 0.0)
    return Outcome(
        latency_ms=answer.latency_ms,
        status=answer.status,
        response=answer.response,
        error=answer.error,
        is_done=is_done,
        is_final=answer.is_gone,
        wait_seconds=wait,
        max_attempts=max_attempts,
    )


def retry_wait(tries: int, config: WebhookConfig) -> float:
    """Seconds until the next try: three times as long each time, a fifth more or less, so that many failed together
    do not come back together."""
    wait = config.first_retry_seconds * 3 ** min(tries - 1, 20)
    return min(wait, config.longest_retry_seconds) * random.uniform(0.8, 1.2)  # noqa: S311 - jitter, no secret


def _retry_after(text: str | None) -> float | None:
    """Seconds, from a number or a date; what is neither is as if it were not there."""
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), _LONGEST_WAIT_SECONDS)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(0.0, (moment - now()).total_seconds()), _LONGEST_WAIT_SECONDS)


def _ms_since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
