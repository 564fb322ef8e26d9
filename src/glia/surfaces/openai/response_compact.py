"""POST /v1/responses/compact: a long conversation as one item, written by the model that is to go on with it."""

from __future__ import annotations

import base64
import binascii
import time
from typing import Any

from glia.kit.errors import InvalidRequest
from glia.kit.ids import new_id
from glia.runs.service import Said
from glia.surfaces.openai.ids import item_id

Json = dict[str, Any]

TASK = (
    "You write the memory of a conversation for the assistant who will go on with it and sees nothing else of what you"
    " are shown. Keep what the user wants, facts, names, numbers, decisions, results of tools that still matter, and"
    " what is left to do. Leave out pleasantries. At most 600 words, no preamble."
)
_FORM = "glia1."
_INTRODUCTION = "This is a summary of the conversation before this point, which is no longer shown in full:\n\n"
_LONGEST_ENTRY = 20_000


def transcript(said: list[Said]) -> str:
    """The conversation as text that a model can be asked about."""
    lines = [f"{entry.role}: {_line(entry)}"[:_LONGEST_ENTRY] for entry in said]
    return "Write the memory of this conversation:\n\n" + "\n\n".join(lines)


def _line(entry: Said) -> str:
    calls = "".join(f"\n[calls {call.name} {call.arguments}]" for call in entry.tool_calls)
    return f"{entry.content}{calls}" + (" [with a picture]" if entry.images else "")


def compaction_json(summary: str, usage: Json) -> Json:
    """The answer. What the item holds is written out, not secret: it comes back with the client's next request."""
    id = new_id()
    content = _FORM + base64.urlsafe_b64encode(summary.encode()).decode()
    item: Json = {"id": item_id("cmp", id, 0), "type": "compaction", "encrypted_content": content}
    return {
        "id": f"resp_{id.hex}",
        "object": "response.compaction",
        "created_at": int(time.time()),
        "output": [item],
        "usage": usage,
    }


def summary_of(item: Json, field: str) -> Said:
    """What a compaction that a client brings along says. Raises InvalidRequest for another server's."""
    content = str(item.get("encrypted_content") or "")
    try:
        if not content.startswith(_FORM):
            raise ValueError
        text = base64.urlsafe_b64decode(content.removeprefix(_FORM)).decode()
    except (ValueError, binascii.Error):
        raise InvalidRequest(
            f"`{field}.encrypted_content` was not made by this server; compact the conversation here.",
            field=f"{field}.encrypted_content",
        ) from None
    return Said("system", _INTRODUCTION + text)
