"""Puts tool calls together from the pieces a stream brings."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import orjson

from glia.kit.ids import new_id
from glia.models.types import ToolCall


@dataclass(slots=True)
class _Draft:
    provider_id: str
    name: str
    arguments: list[str]
    extra: bytes = b""


class ToolCallAssembler:
    """Collects the pieces of tool calls.

    Servers differ: some send an id once, some with every piece, some never; some send each call whole under the
    same index; some number no calls at all. A new call begins where a piece cannot belong to the one before it.
    """

    def __init__(self) -> None:
        self._drafts: list[_Draft] = []
        self._by_index: dict[int, _Draft] = {}

    def add(self, *, index: int | None, provider_id: str, name: str, arguments: str, extra: bytes = b"") -> None:
        draft = self._draft_for(index, provider_id, name, arguments)
        if draft is None:
            draft = _Draft(provider_id, name, [])
            self._drafts.append(draft)
        elif name and name != draft.name and not draft.arguments:
            draft.name += name
        if index is not None:
            self._by_index[index] = draft
        if arguments:
            draft.arguments.append(arguments)
        draft.provider_id = draft.provider_id or provider_id
        draft.extra = extra or draft.extra

    def finish(self) -> tuple[ToolCall, ...]:
        """The calls in the order they began. Ids that were missing or used twice are replaced by our own."""
        seen: set[str] = set()
        calls: list[ToolCall] = []
        for draft in self._drafts:
            if not draft.name:
                continue
            own = new_id()
            if not draft.provider_id or draft.provider_id in seen:
                draft.provider_id = f"call_{own.hex}"
            seen.add(draft.provider_id)
            arguments = "".join(draft.arguments).strip() or "{}"
            calls.append(ToolCall(id=str(own), provider_id=draft.provider_id, name=draft.name, arguments=arguments))
        return tuple(calls)

    def extras(self) -> dict[str, bytes]:
        """Raw JSON that a provider hung on its calls and wants back, by provider id. Ask after `finish`."""
        return {draft.provider_id: draft.extra for draft in self._drafts if draft.extra and draft.name}

    def _draft_for(self, index: int | None, provider_id: str, name: str, arguments: str) -> _Draft | None:
        """The call a piece belongs to, or None when it begins one."""
        last = self._drafts[-1] if self._drafts else None
        draft = last if index is None else self._by_index.get(index)
        if draft is None:
            return None
        if provider_id and draft.provider_id and provider_id != draft.provider_id:
            # Only a new call brings both another id and a name; some servers number every piece afresh.
            return None if name else draft
        # A named piece after whole arguments is the next call, even under the same index or the same id.
        if name and arguments and draft.arguments and _is_whole("".join(draft.arguments)):
            return None
        if name and index is None and not provider_id and draft.arguments:
            return None
        return draft


def arguments_text(raw: msgspec.Raw) -> str:
    """The arguments as text, from servers that send a JSON string as well as from those that send the object itself."""
    data = bytes(raw)
    if data[:1] == b'"':
        return str(orjson.loads(data))
    return "" if data == b"null" else data.decode()


def _is_whole(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True
