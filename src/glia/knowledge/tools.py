"""What knowledge offers to agents: `knowledge_search`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated
from uuid import UUID

import msgspec

from glia.identity.types import Principal, system_principal
from glia.kit.errors import InvalidRequest
from glia.knowledge.checks import LONGEST_QUERY, MOST_BASES
from glia.knowledge.rewriting import leans
from glia.knowledge.service import Knowledge
from glia.knowledge.types import EVERYTHING, Chunk, Filter, Hit
from glia.tools.types import Effect, Source, Tool, ToolContext, ToolResult

MOST_CHARACTERS = 6000
_NEIGHBOUR_CHARACTERS = 300
_DEFAULT_LIMIT, _MOST_RESULTS = 6, 20

_DESCRIPTION = """\
Searches the documents you were given and returns the passages that fit best, each with its `uri`, document, page and \
heading. Use it before you answer anything the documents may cover; search again with other words when the passages do \
not answer the question. Ask in full words, as in the documents, not in operators. Say only what the passages say, and \
put the uri of the passage in square brackets after each sentence that rests on it, for example: \
The warranty lasts two years. [kb://0190.../0191...#7]. Copy the uri exactly and never make one up."""

_SCHEMA: Mapping[str, object] = {
    "type": "object",
    "properties": {
        "query": {
            "type": "string",
            "minLength": 1,
            "maxLength": LONGEST_QUERY,
            "description": "What to look for, as a question or a few telling words.",
        },
        "limit": {
            "type": "integer",
            "minimum": 1,
            "maximum": _MOST_RESULTS,
            "description": f"The most passages to return; {_DEFAULT_LIMIT} when not given.",
        },
    },
    "required": ["query"],
    "additionalProperties": False,
}


class _Arguments(msgspec.Struct, forbid_unknown_fields=True):
    query: Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_QUERY)]
    limit: Annotated[int, msgspec.Meta(ge=1, le=_MOST_RESULTS)] | None = None


class _Result(msgspec.Struct, omit_defaults=True):
    uri: str
    document: str
    text: str
    page: int | None = None
    heading: str = ""


Asked = Callable[[ToolContext], Awaitable[Sequence[str]]]
"""What people have asked in the session so far, oldest first."""


def knowledge_search(knowledge: Knowledge, asked_before: Asked | None = None) -> Tool:
    """asked_before: is looked up for a query that cannot be understood alone, such as `and for dogs?`."""

    async def call(context: ToolContext, arguments: str) -> ToolResult:
        try:
            asked = msgspec.json.decode(arguments, type=_Arguments)
        except msgspec.DecodeError as error:  # ValidationError is one too
            return ToolResult(f'The arguments are not right: {error}. Send {{"query": "..."}}.', is_error=True)
        previous: Sequence[str] = ()
        if asked_before is not None and leans(asked.query):
            previous = await asked_before(context)
        return await _search(knowledge, context, asked, previous)

    return Tool("knowledge_search", _DESCRIPTION, _SCHEMA, Effect.READ, call, timeout_seconds=30.0)


async def _search(knowledge: Knowledge, context: ToolContext, asked: _Arguments, previous: Sequence[str]) -> ToolResult:
    principal = system_principal(context.workspace_id, context.project_id)
    base_ids, where = await _scope(knowledge, principal, context)
    if not base_ids:
        return ToolResult("This agent has no knowledge base to search; answer without documents and say so.")
    try:
        hits = await knowledge.search(
            principal,
            base_ids,
            asked.query,
            limit=asked.limit or _DEFAULT_LIMIT,
            where=where,
            previous=previous,
            agent_id=context.agent_id,
            run_id=context.run_id,
            is_missing_ok=True,
        )
    except InvalidRequest as error:
        return ToolResult(error.message, is_error=True)
    if not hits:
        return ToolResult(
            f"Nothing was found for {asked.query!r}. Try other words, synonyms or fewer of them; if that finds nothing"
            " either, say that the documents do not cover it."
        )
    hits = fitting(hits)
    around = await knowledge.neighbours(principal, [(hit.chunk.document_id, hit.chunk.ordinal) for hit in hits])
    texts = widened(hits, around)
    results = [_result(hit, text) for hit, text in zip(hits, texts, strict=True)]
    return ToolResult(msgspec.json.encode({"results": results}).decode(), sources=tuple(map(_source, hits)))


async def _scope(knowledge: Knowledge, principal: Principal, context: ToolContext) -> tuple[Sequence[UUID], Filter]:
    """The bases to look into, and which of their documents count."""
    path, documents = context.knowledge_path, context.knowledge_document_ids
    if path is None and not documents:
        return context.knowledge_base_ids, EVERYTHING
    project = None if path is None else context.knowledge_project_id or context.project_id
    whole = list(context.knowledge_base_ids)
    of_project, of_documents = await knowledge.bases_of(principal, project_id=project, document_ids=documents)
    if path == "":
        whole += of_project
    bases = list(dict.fromkeys([*whole, *of_project, *of_documents]))[:MOST_BASES]
    return bases, Filter(path=path or None, document_ids=documents, base_ids=whole)


def fitting(hits: Sequence[Hit], most_characters: int = MOST_CHARACTERS) -> list[Hit]:
    """The best hits whose texts fit together; the best one in any case."""
    kept: list[Hit] = []
    room = most_characters
    for hit in hits:
        room -= len(hit.chunk.text)
        if room < 0 and kept:
            break
        kept.append(hit)
    return kept


def widened(hits: Sequence[Hit], around: Sequence[Chunk], most_characters: int = MOST_CHARACTERS) -> list[str]:
    """Each hit's text with the end of the passage before it and the start of the one behind, best hits first.

    A passage that is a hit itself is not repeated, and what does not fit any more is left away. So is what stands on
    another page or below another heading: it would be cited with the place of the hit.
    """
    chunks: dict[tuple[UUID, int], Chunk] = {(chunk.document_id, chunk.ordinal): chunk for chunk in around}
    shown = {(hit.chunk.document_id, hit.chunk.ordinal) for hit in hits}
    room = most_characters - sum(len(hit.chunk.text) for hit in hits)
    texts: list[str] = []
    for hit in hits:
        document, ordinal = hit.chunk.document_id, hit.chunk.ordinal
        text = hit.chunk.text[:most_characters]
        for step in (-1, 1):
            place = (document, ordinal + step)
            if place in shown or place not in chunks or room < _NEIGHBOUR_CHARACTERS:
                continue
            if not _stand_together(chunks[place], hit.chunk):
                continue
            shown.add(place)
            piece = _tail(chunks[place].text) if step < 0 else _start(chunks[place].text)
            room -= len(piece)
            text = f"{piece}\n{text}" if step < 0 else f"{text}\n{piece}"
        texts.append(text)
    return texts


def _stand_together(near: Chunk, chunk: Chunk) -> bool:
    """Whether a citation of `chunk` names the right place for the text of `near` too."""
    if chunk.page is None:
        return near.heading == chunk.heading
    return (near.page, near.last_page) == (chunk.page, chunk.page)


def _tail(text: str) -> str:
    if len(text) <= _NEIGHBOUR_CHARACTERS:
        return text
    return "…" + text[-_NEIGHBOUR_CHARACTERS:].partition(" ")[2]


def _start(text: str) -> str:
    if len(text) <= _NEIGHBOUR_CHARACTERS:
        return text
    return text[:_NEIGHBOUR_CHARACTERS].rpartition(" ")[0] + "…"


def _result(hit: Hit, text: str) -> _Result:
    return _Result(hit.chunk.uri, hit.document_name, text, hit.chunk.page, hit.chunk.heading)


def _source(hit: Hit) -> Source:
    chunk = hit.chunk
    return Source(
        uri=chunk.uri,
        document_id=str(chunk.document_id),
        document_name=hit.document_name,
        chunk=chunk.ordinal,
        page=chunk.page,
        heading=chunk.heading,
        text=chunk.text,
    )
