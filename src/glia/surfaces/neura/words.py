"""How this API says things: errors and their statuses, the default model, lists, booleans of success."""

from __future__ import annotations

import re

from glia.identity.service import StillInProgress
from glia.identity.types import Principal
from glia.kit.errors import GliaError, InvalidRequest, NotFound, RateLimited
from glia.kit.pages import LARGEST_LIMIT
from glia.surfaces.shared.asgi import int_parameter
from glia.surfaces.shared.bodies import Out
from glia.surfaces.shared.document import Json
from glia.usage.errors import InsufficientCredit
from glia.wiring import House

SURFACE = "neura"
"""Under which this surface keeps, in the `metadata` of things, what it only gives back."""

DEFAULT_MODEL = "deepseek-ai/DeepSeek-V3.2"

DEFAULT_ITERATIONS = 10

SEARCH_DEPTH = 15

ERROR: Json = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {"type": "string", "description": "For people: what is wrong and the way out."},
        "detail": {"type": "string", "description": "More about it, such as the field at fault."},
    },
}

_KEPT = frozenset({400, 401, 402, 403, 404, 405, 413, 415, 429, 500, 501})


_FIELDS = {
    "knowledge_base_ids": "kb_ids",
    "subagents": "selected_agent_ids",
    "instructions": "system_prompt",
    "progress": "progress_percentage",
    "content": "query",
    "input": "input_data",
    "output": "output_data",
}
"""What the core calls fields of this API."""

_FIELD = re.compile(rf"`({'|'.join(_FIELDS)})(?=[`\[.])")


class NotBuilt(GliaError):
    """A part of Neura that this server does not have yet."""

    code, status = "not_built", 501


class Success(Out):
    success: bool = True


def neura_error(error: GliaError, request_id: str) -> dict[str, str]:
    """`{error, detail}`. A rate limit has no detail, as clients of this API expect."""
    match error:
        case InsufficientCredit():
            return {"error": "Insufficient credits", "detail": f"Balance: ${error.balance_micros / 1_000_000:.2f}"}
        case RateLimited(limit=limit, requests=requests) if limit is not None:
            return {"error": f"Rate limit exceeded: {requests or limit + 1}/{limit} per minute"}
        case RateLimited():
            return {"error": error.message}
        case _:
            about = f"Field: {in_our_words(f'`{error.field}`')[1:-1]}" if error.field else f"Request: {request_id}"
            return {"error": in_our_words(error.message), "detail": str(error.details.get("detail") or about)}


def in_our_words(message: str) -> str:
    return _FIELD.sub(lambda found: f"`{_FIELDS[found[1]]}", message)


def neura_status(error: GliaError) -> int:
    """This API has few statuses: what cannot be done as things are is a 400, what failed behind us a 500.

    What can be done in a moment is a 429, which clients try again.
    """
    if isinstance(error, StillInProgress):
        return 429
    if error.status in _KEPT:
        return error.status
    return 400 if error.status < 500 else 500


def limit_of(text: str | None, default: int) -> int:
    return int_parameter({} if text is None else {"limit": text}, "limit", default, smallest=1, largest=LARGEST_LIMIT)


def offset_of(text: str | None) -> int:
    return int_parameter({} if text is None else {"offset": text}, "offset", 0, smallest=0, largest=10**9)


def one_of(value: str, field: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise InvalidRequest(f"`{field}` {value[:100]!r} is none of {', '.join(choices)}.", field=field)
    return value


async def require_agent(house: House, principal: Principal, text: str) -> None:
    """Raises AgentNotFound for an id in a path that is nobody's here."""
    await house.agents.find(principal, text)


def nothing_at(path: str) -> NotFound:
    return NotFound(f"There is nothing at {path}.")
