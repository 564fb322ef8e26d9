"""What a model thought, as clients bring it back: in `encrypted_content`, or by the id of an item that is stored here.

Providers want the thoughts of a turn that called functions again, some of them signed. What the content holds is
written out, not secret.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, replace
from typing import Any, cast

import msgspec

from glia.kit.errors import InvalidRequest
from glia.runs.events import ModelResponded
from glia.runs.service import Said

Json = dict[str, Any]

CONTENT = "encrypted_content"
_FORM = "glia1."


@dataclass(frozen=True)
class Thoughts:
    """provider_state: as in ModelResponded."""

    thinking: str
    provider_state: str

    def before(self, said: Said) -> Said:
        return replace(said, thinking=self.thinking, provider_state=self.provider_state)


class _Kept(msgspec.Struct):
    thinking: str
    provider_state: str


def thoughts_content(response: ModelResponded) -> str:
    kept = msgspec.json.encode(_Kept(response.thinking, response.provider_state))
    return _FORM + base64.urlsafe_b64encode(kept).decode()


def read_thoughts(item: Json, field: str) -> Thoughts | None:
    """What a reasoning item holds; None for one without content of ours. Raises InvalidRequest for a broken one."""
    content = item.get(CONTENT)
    if not content:
        summary = cast(list[object], item["summary"]) if isinstance(item.get("summary"), list) else []
        texts = [str(cast(Json, part).get("text") or "") for part in summary if isinstance(part, dict)]
        return Thoughts("\n\n".join(texts), "") if any(texts) else None
    try:
        if not isinstance(content, str) or not content.startswith(_FORM):
            raise ValueError
        kept = msgspec.json.decode(base64.urlsafe_b64decode(content.removeprefix(_FORM)), type=_Kept)
    except (ValueError, binascii.Error, msgspec.DecodeError):
        raise InvalidRequest(
            f"`{field}.{CONTENT}` was not made by this server; leave the item out.", field=f"{field}.{CONTENT}"
        ) from None
    return Thoughts(kept.thinking, kept.provider_state)
