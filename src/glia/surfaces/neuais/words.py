"""NeuAIs' words for ours: errors and their statuses, ids."""

from __future__ import annotations

import re
from typing import Final
from uuid import UUID

from glia.kit.errors import GliaError
from glia.kit.ids import parse_id
from glia.surfaces.shared.document import Json

SURFACE: Final = "neuais"
"""In keys, and in the `metadata` of things that only this surface has something to say about."""

CODES: Final = {
    400: "invalid_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    409: "conflict",
    429: "rate_limit_exceeded",
    500: "internal_error",
    503: "service_unavailable",
}
"""All statuses of failures that clients of this API know."""

_SHOWN: Final = {402: 403, 405: 404, 410: 404, 502: 503, 504: 503, 507: 503}

ERROR: Json = {
    "type": "object",
    "required": ["error"],
    "additionalProperties": False,
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "details"],
            "properties": {
                "code": {"type": "string", "enum": list(CODES.values())},
                "message": {"type": "string", "description": "What is wrong and the way out."},
                "details": {
                    "type": "object",
                    "description": "Empty unless one field or parameter is at fault.",
                    "properties": {"field": {"type": "string"}, "reason": {"type": "string"}},
                },
            },
        }
    },
}


def status_of(error: GliaError) -> int:
    status = _SHOWN.get(error.status, error.status)
    if status in CODES:
        return status
    return 400 if status < 500 else 500


def neuais_error(error: GliaError, request_id: str) -> dict[str, object]:
    """`{error: {code, message, details}}`; details hold the field at fault and the reason, where there is one."""
    details: dict[str, str] = {}
    message = in_neuais_words(error.message)
    if error.field:
        field = error.field.removeprefix("config.")
        reason = str(error.details.get("reason") or _reason(message, error.field))
        details = {"field": field, "reason": reason}
    return {"error": {"code": CODES[status_of(error)], "message": message, "details": details}}


def _reason(message: str, field: str) -> str:
    """The sentence without the field that it begins with: `must be greater than 0`."""
    return message.removeprefix(f"`{field}`").lstrip(": ").removesuffix(".")


_QUOTED = r"`[^`]*`|'[^']*'|\"[^\"]*\""
_SPOKEN = re.compile(rf"{_QUOTED}|\b([Dd])eployment(s?)\b")


def in_neuais_words(message: str) -> str:
    """The core's sentence with the names that clients of this API know. What is quoted stays."""
    message = _SPOKEN.sub(_spoken, message)
    return re.sub(r"\b([Aa]) agent\b", r"\1n agent", message)


def _spoken(found: re.Match[str]) -> str:
    if found[1] is None:
        return found[0]
    return ("Agent" if found[1] == "D" else "agent") + found[2]


def agent_id(id: UUID) -> str:
    return f"agt_{id}"


def id_of(text: str, noun: str, prefix: str) -> UUID:
    """The id with or without its prefix. What is neither cannot exist, so it is a 404 like any other."""
    return parse_id(text.removeprefix(prefix), noun)
