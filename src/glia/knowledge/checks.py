"""What callers may ask for: names, folders, metadata, queries."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from glia.kit.errors import InvalidRequest
from glia.knowledge.types import Filter

LONGEST_NAME = 200
LONGEST_DESCRIPTION = 10_000
LONGEST_QUERY = 4000
LONGEST_FOLDER = 500
LARGEST_METADATA = 16_384
MOST_HITS = 100
MOST_BASES = 100
MOST_PAGES = 2000


def check_base(name: str, description: str, dense_weight: float, lexical_weight: float) -> None:
    if not name.strip():
        raise InvalidRequest("`name` is empty; give the knowledge base a name.", field="name")
    for field, value, longest in (("name", name, LONGEST_NAME), ("description", description, LONGEST_DESCRIPTION)):
        if len(value) > longest:
            raise InvalidRequest(f"`{field}` has {len(value)} characters; the most is {longest}.", field=field)
        if "\0" in value:
            raise InvalidRequest(f"`{field}` holds a NUL character; leave it away.", field=field)
    for field, weight in (("dense_weight", dense_weight), ("lexical_weight", lexical_weight)):
        if not 0 <= weight <= 100:
            raise InvalidRequest(f"`{field}` is {weight}; it must be between 0 and 100.", field=field)


def check_document(name: str, folder: str, metadata: Mapping[str, object]) -> str:
    """The folder in its one form: `a/b`, without slashes around it."""
    if not name.strip() or len(name) > 500 or "\0" in name:
        raise InvalidRequest(
            f"The name {name[:50]!r} is empty, longer than 500 characters or holds a NUL; choose another.",
            field="name",
        )
    size = len(json.dumps(dict(metadata), ensure_ascii=False))
    if size > LARGEST_METADATA or "\\u0000" in json.dumps(dict(metadata)):
        raise InvalidRequest(
            f"`metadata` has {size} characters of JSON or holds a NUL; the most is {LARGEST_METADATA}.",
            field="metadata",
        )
    return clean_folder(folder)


def clean_folder(folder: str) -> str:
    parts = [part.strip() for part in folder.replace("\\", "/").split("/")]
    parts = [part for part in parts if part not in ("", ".")]
    cleaned = "/".join(parts)
    if ".." in parts or "\0" in cleaned or len(cleaned) > LONGEST_FOLDER:
        raise InvalidRequest(
            f"`path` is {folder[:80]!r}; give a folder such as 'handbook/travel', without '..' and NUL, of at most"
            f" {LONGEST_FOLDER} characters.",
            field="path",
        )
    return cleaned


def clean_filter(where: Filter) -> Filter:
    """The filter with its folder in the form that documents have theirs in."""
    return replace(where, path=clean_folder(where.path) or None) if where.path else where


def check_limit(limit: int, most: int) -> None:
    if not 1 <= limit <= most:
        raise InvalidRequest(f"`limit` is {limit}; it must be between 1 and {most}.", field="limit")


def check_search(base_ids: Sequence[UUID], query: str, limit: int) -> None:
    check_limit(limit, MOST_HITS)
    if not query.strip() or "\0" in query:
        raise InvalidRequest("`query` is empty or holds a NUL character; ask something.", field="query")
    if len(query) > LONGEST_QUERY:
        raise InvalidRequest(f"`query` has {len(query)} characters; the most is {LONGEST_QUERY}.", field="query")
    if len(base_ids) > MOST_BASES:
        raise InvalidRequest(
            f"{len(base_ids)} knowledge bases are too many for one search; the most is {MOST_BASES}.",
            field="knowledge_base_ids",
        )


def check_import(url: str, most_pages: int) -> None:
    if not url.lower().startswith(("http://", "https://")) or len(url) > 2000 or "\0" in url:
        raise InvalidRequest(f"`url` is {url[:80]!r}; it must begin with http:// or https://.", field="url")
    if not 1 <= most_pages <= MOST_PAGES:
        raise InvalidRequest(f"`max_pages` is {most_pages}; it must be between 1 and {MOST_PAGES}.", field="max_pages")
