"""What of a preview's requests and answers passes, and what is taken out or added on the way. Pure rules."""

from __future__ import annotations

import re
from dataclasses import dataclass

from glia.sandboxes.http_head import BadHead, Head
from glia.sandboxes.preview_tokens import Pass

# Credentials of this server, and what says things about the connection to it.
_NOT_SENT = frozenset(
    {
        "authorization",
        "connection",
        "cookie",
        "expect",
        "forwarded",
        "host",
        "keep-alive",
        "origin",
        "proxy-authorization",
        "proxy-connection",
        "referer",
        "te",
        "trailer",
        "upgrade",
        "x-api-key",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-prefix",
        "x-forwarded-proto",
    }
)
# What would reach beyond the preview: cookies and rules for everything else under the same host.
_NOT_SHOWN_ANYWHERE = frozenset(
    {
        "alt-svc",
        "connection",
        "content-security-policy-report-only",
        "keep-alive",
        "nel",
        "proxy-authenticate",
        "public-key-pins",
        "report-to",
        "reporting-endpoints",
        "strict-transport-security",
        "upgrade",
    }
)
_NOT_SHOWN_SHARED = frozenset(
    {"clear-site-data", "origin-agent-cluster", "service-worker-allowed", "set-cookie", "x-frame-options"}
)
_SANDBOX = "sandbox allow-scripts allow-forms allow-modals allow-popups allow-downloads allow-pointer-lock"

_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)")
_MOST_FIELDS = 200


@dataclass(frozen=True)
class Place:
    """Where a request leads. target: path and query inside. prefix: the path under which the browser sees it.

    has_own_origin: the token was in the host's name, so that no other preview and nothing of ours shares the origin.
    """

    opened: Pass
    target: str
    prefix: str = ""
    has_own_origin: bool = False


def is_upgrade(head: Head) -> bool:
    words = {word.strip().lower() for name, value in head.fields if name == "connection" for word in value.split(",")}
    return "upgrade" in words and (head.get("upgrade") or "").strip().lower() == "websocket"


def request_head(head: Head, place: Place) -> bytes:
    """As the program inside gets it: from its own host, without anyone's credentials, one request a connection."""
    inside = f"localhost:{place.opened.port}"
    lines = [f"{head.method} {place.target} HTTP/1.1", f"Host: {inside}"]
    dropped = _NOT_SENT - {"cookie"} if place.has_own_origin else _NOT_SENT
    lines += [f"{name}: {value}" for name, value in head.fields if name not in dropped]
    if head.get("origin") is not None:
        lines.append(f"Origin: http://{inside}")
    lines.append(f"X-Forwarded-Host: {head.get('host') or inside}")
    if place.prefix:
        lines.append(f"X-Forwarded-Prefix: {place.prefix}")
    lines += ["Connection: Upgrade", "Upgrade: websocket"] if is_upgrade(head) else ["Connection: close"]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def answer_head(raw: bytes, place: Place) -> bytes:
    """As the browser gets it. Raises BadHead when the program's answer is no HTTP."""
    line, *lines = raw.removesuffix(b"\r\n\r\n").split(b"\r\n")
    status = _STATUS.fullmatch(line)
    if status is None or len(lines) > _MOST_FIELDS:
        raise BadHead("its first line or the number of its fields is not HTTP")
    shown = [b"HTTP/1.1 " + status[1] + b" " + (status[2] or b"")]
    is_switch = status[1] == b"101"
    for each in lines:
        field = _FIELD.fullmatch(each)
        if field is None:
            raise BadHead("one of its header fields is malformed")
        name = field[1].decode("ascii").lower()
        if _is_shown(name, place):
            shown.append(field[1] + b": " + _moved(name, field[2], place))
    shown += [each.encode() for each in _added(place)]
    shown += [b"Connection: Upgrade", b"Upgrade: websocket"] if is_switch else [b"Connection: close"]
    return b"\r\n".join([*shown, b"", b""])


def _is_shown(name: str, place: Place) -> bool:
    if name in _NOT_SHOWN_ANYWHERE:
        return False
    return place.has_own_origin or not (name in _NOT_SHOWN_SHARED or name.startswith("access-control-"))


def _moved(name: str, value: bytes, place: Place) -> bytes:
    """A redirect to the program's own root stays inside the preview."""
    if name == "location" and place.prefix:
        inside = f"http://localhost:{place.opened.port}".encode()
        value = value.removeprefix(inside) or b"/"
        if value.startswith(b"/") and not value.startswith(b"//"):
            return place.prefix.encode() + value
    return value


def _added(place: Place) -> list[str]:
    """A document without an origin of its own counts as a stranger to its own files, so reading them is allowed to all:
    whoever asks has the token, and no credentials travel."""
    common = ["Referrer-Policy: no-referrer", "X-Content-Type-Options: nosniff", "X-Robots-Tag: noindex"]
    if place.has_own_origin:
        return common
    return [*common, f"Content-Security-Policy: {_SANDBOX}", "Access-Control-Allow-Origin: *"]


def preflight(head: Head) -> bytes | None:
    """The answer to a browser that asks whether a page of the preview may call the preview."""
    if head.method != "OPTIONS" or head.get("access-control-request-method") is None:
        return None
    headers = head.get("access-control-request-headers") or "*"
    return (
        "HTTP/1.1 204 No Content\r\nAccess-Control-Allow-Origin: *\r\nAccess-Control-Allow-Methods: *\r\n"
        f"Access-Control-Allow-Headers: {headers}\r\nAccess-Control-Max-Age: 600\r\nConnection: close\r\n\r\n"
    ).encode("latin-1")


def refusal(status: int, sentence: str) -> bytes:
    body = sentence.encode() + b"\n"
    return (
        f"HTTP/1.1 {status} {_PHRASES[status]}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nX-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n"
        "Content-Security-Policy: sandbox\r\nConnection: close\r\n\r\n"
    ).encode() + body


_PHRASES = {
    400: "Bad Request",
    404: "Not Found",
    410: "Gone",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}
