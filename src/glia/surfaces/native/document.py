"""What the native surface's document says beside its routes, and the page at /."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from glia.surfaces.shared.document import Description, Json, html_page, usual_statuses

_TEXT = """Glia's own API. Requests and answers are JSON in snake_case.

Sign in with `Authorization: Bearer <key>` or `X-API-Key: <key>`. Lists are `{data, has_more, next_cursor}`; pass
`next_cursor` on as `cursor`. Every POST takes an `Idempotency-Key`: the same key within 24 hours gives the first
answer. Fields that had no effect are named in the header `X-Ignored-Fields`."""


_ERROR: Json = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "request_id"],
            "properties": {
                "code": {"type": "string", "description": "For programs, such as `agent_not_found`."},
                "message": {"type": "string", "description": "For people: what is wrong and the way out."},
                "field": {"type": "string", "description": "The field of the request at fault."},
                "request_id": {"type": "string", "format": "uuid"},
                "details": {"type": "object"},
            },
        }
    },
}


def _statuses(path: str, method: str, operation: Json) -> Iterable[str]:
    more = {"422", "502"} if path.endswith("/messages") and method == "POST" else set[str]()
    return {*usual_statuses(path, method, operation), *more}


DESCRIPTION = Description(
    title="Glia's API",
    text=_TEXT,
    error=_ERROR,
    public=frozenset(
        {
            "/v1/auth/login",
            "/v1/auth/register",
            "/v1/auth/refresh",
            "/v1/auth/logout",
            "/v1/hooks/{hook}",
            "/v1/shared/{token}",
        }
    ),
    statuses=_statuses,
)


@cache
def front_page() -> str:
    return html_page(
        "Glia",
        "<h1>Glia</h1><p>A home for AI agents. This server is running.</p>"
        "<p>Its API is described at <a href='docs'>/docs</a>. Sign in with the key that the first start printed and"
        " kept in <code>credentials.json</code>:</p>"
        '<pre>curl http://HOST:PORT/v1/me -H "Authorization: Bearer KEY"</pre>'
        "<p>or with email and password at <code>POST /v1/auth/login</code>.</p>",
    )
