"""Where traces go, read from OpenTelemetry's own environment variables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, cast
from urllib.parse import unquote

from glia.kit.errors import GliaError
from glia.kit.outbound.target import parse
from glia.traces.errors import TracingMisconfigured

Protocol = Literal["http/protobuf", "http/json"]

_PREFIX = "OTEL_EXPORTER_OTLP_"
_LATEST = "gen_ai_latest_experimental"


@dataclass(frozen=True)
class TraceConfig:
    """url: of the traces endpoint. headers: sent with each export, often with a credential.

    has_content: whether prompts, answers, tool arguments and results are sent. is_latest: only the newest names of the
    GenAI conventions; otherwise `gen_ai.system` is there beside `gen_ai.provider.name`, for older readers.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    protocol: Protocol = "http/protobuf"
    timeout_seconds: float = 10.0
    resource: Mapping[str, str] = field(default_factory=lambda: {"service.name": "glia"})
    has_content: bool = False
    is_latest: bool = False


def read_config(environment: Mapping[str, str]) -> TraceConfig | None:
    """None when no endpoint is set, or OTEL_SDK_DISABLED or OTEL_TRACES_EXPORTER=none say so.

    Raises TracingMisconfigured, which names the variable.
    """
    found = {name: value.strip() for name, value in environment.items() if name.startswith("OTEL_") and value.strip()}
    url = found.get(f"{_PREFIX}TRACES_ENDPOINT")
    if url is None and (base := found.get(f"{_PREFIX}ENDPOINT")) is not None:
        url = f"{base.rstrip('/')}/v1/traces"
    if url is None or _is_on(found, "OTEL_SDK_DISABLED") or found.get("OTEL_TRACES_EXPORTER", "otlp") == "none":
        return None
    try:
        parse(url)
    except GliaError as error:
        raise TracingMisconfigured(f"{_PREFIX}ENDPOINT cannot be used. {error.message}") from None
    resource = {"service.name": "glia", **_pairs(found, "OTEL_RESOURCE_ATTRIBUTES")}
    if name := found.get("OTEL_SERVICE_NAME"):
        resource["service.name"] = name
    return TraceConfig(
        url=url,
        headers={**_pairs(found, f"{_PREFIX}HEADERS"), **_pairs(found, f"{_PREFIX}TRACES_HEADERS")},
        protocol=_protocol(found),
        timeout_seconds=_timeout(found),
        resource=resource,
        has_content=_is_on(found, "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"),
        is_latest=_LATEST in {part.strip() for part in found.get("OTEL_SEMCONV_STABILITY_OPT_IN", "").split(",")},
    )


def _is_on(found: Mapping[str, str], name: str) -> bool:
    return found.get(name, "").lower() in {"true", "1"}


def _specific(found: Mapping[str, str], name: str) -> str | None:
    return found.get(f"{_PREFIX}TRACES_{name}") or found.get(_PREFIX + name)


def _protocol(found: Mapping[str, str]) -> Protocol:
    protocol = _specific(found, "PROTOCOL") or "http/protobuf"
    if protocol not in {"http/protobuf", "http/json"}:
        raise TracingMisconfigured(
            f"{_PREFIX}PROTOCOL is {protocol!r}; Glia sends `http/protobuf` or `http/json`. Collectors take these on"
            " port 4318."
        )
    return cast(Protocol, protocol)


def _timeout(found: Mapping[str, str]) -> float:
    text = _specific(found, "TIMEOUT") or "10000"
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= 600_000):
        raise TracingMisconfigured(f"{_PREFIX}TIMEOUT is {text!r}; it is a number of milliseconds up to 600000.")
    return int(text) / 1000


def _pairs(found: Mapping[str, str], name: str) -> dict[str, str]:
    """`key=value,key=value`, values percent-encoded. Never repeats a value: it may be a credential."""
    pairs: dict[str, str] = {}
    for number, entry in enumerate(found.get(name, "").split(","), 1):
        key, is_pair, value = entry.partition("=")
        if not entry.strip():
            continue
        if not is_pair or not key.strip():
            raise TracingMisconfigured(f"{name}: entry {number} does not read `key=value`.")
        pairs[key.strip()] = unquote(value.strip())
    return pairs
