"""All SQL of the search slice: one statement for each kind of thing.

Each looks in two ways, both of which cost the same however much there is. It walks the workspace's newest things of
its kind up to a bound, for parts of words wherever they stand. And it asks indexes for things of any age: by the
beginning of their id, by the beginnings of the words they are called by, and by the agent they belong to. No index
finds parts of words: behind row-level security the planner uses only operators that cannot leak.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import LiteralString
from uuid import UUID

from glia.kit.db import Transaction
from glia.search.types import Found, Kind, Wanted

LOOKED_AT = 20_000
"""How many of a kind are looked at, the newest first; sessions and runs, which have more to read, a fifth of that."""

CANDIDATES = 2_000
"""How many an index may bring of a kind, before each is looked at."""

_BUSY = LOOKED_AT // 5
_MOST_AGENTS = 20

_AGENTS: LiteralString = """
    select a.id, v.name as title, v.description as text, null::uuid as parent_id, a.updated_at as at,
           concat_ws(' ', v.name, a.slug, v.description) as words
    from agents a join agent_versions v on v.agent_id = a.id and v.version = a.version
    where a.deleted_at is null and {which a.id}"""

_BASES: LiteralString = """
    select id, name as title, description as text, null::uuid as parent_id, updated_at as at,
           concat_ws(' ', name, description) as words
    from knowledge_bases where {which id}"""

_DOCUMENTS: LiteralString = """
    select id, name as title, title as text, knowledge_base_id as parent_id, created_at as at,
           concat_ws(' ', name, title, path, source_url) as words
    from documents where {which id}"""

# What a conversation began with says what it is about, whether or not somebody gave it a title.
_SESSIONS: LiteralString = """
    select s.id, coalesce(nullif(s.title, ''), v.name, '') as title,
           left(coalesce(e.data ->> 'content', ''), 300) as text, s.agent_id as parent_id, s.updated_at as at,
           concat_ws(' ', s.title, v.name, left(e.data ->> 'content', 2000)) as words
    from (select * from sessions where deleted_at is null and agent_id is not null and not is_system
          and {which id}) s
    left join agents a on a.id = s.agent_id
    left join agent_versions v on v.agent_id = a.id and v.version = a.version
    left join events e on e.session_id = s.id and e.seq = 1 and e.type = 'message.received'"""

_RUNS: LiteralString = """
    select r.id, coalesce(v.name, r.kind) as title,
           concat_ws(': ', r.status, nullif(left(r.error ->> 'message', 300), '')) as text,
           r.session_id as parent_id, r.created_at as at,
           concat_ws(' ', r.kind, v.name, r.status, r.error ->> 'message') as words
    from (select * from runs where {which id}) r
    left join agents a on a.id = r.agent_id
    left join agent_versions v on v.agent_id = a.id and v.version = a.version"""

_MEMORIES: LiteralString = """
    select id, left(content, 120) as title, '' as text, agent_id as parent_id, updated_at as at, content as words
    from memories where status = 'active' and {which id}"""

_DEPLOYMENTS: LiteralString = """
    select id, name as title, concat_ws(' · ', status, nullif(region, ''), nullif(reason, '')) as text,
           null::uuid as parent_id, updated_at as at, concat_ws(' ', name, region, status) as words
    from deployments where {which id}"""

_LISTS: Mapping[Kind, LiteralString] = {
    Kind.AGENT: _AGENTS,
    Kind.KNOWLEDGE_BASE: _BASES,
    Kind.DOCUMENT: _DOCUMENTS,
    Kind.SESSION: _SESSIONS,
    Kind.RUN: _RUNS,
    Kind.MEMORY: _MEMORIES,
    Kind.DEPLOYMENT: _DEPLOYMENTS,
}
_WORDED = frozenset({Kind.DOCUMENT, Kind.SESSION, Kind.MEMORY})
"""Those whose names are in `search_words`."""


async def find(tx: Transaction, kind: Kind, wanted: Wanted) -> list[Found]:
    """Best first: names that begin with it, then the newest."""
    named = [*await _by_words(tx, kind, wanted), *await _by_agents(tx, kind, wanted)]
    return await tx.many(
        Found,
        _statement(kind),
        kind=kind,
        patterns=wanted.patterns,
        begins=wanted.begins,
        lowest=wanted.lowest,
        highest=wanted.highest,
        limit=wanted.limit,
        ids=named,
        most=_BUSY if kind in {Kind.SESSION, Kind.RUN} else LOOKED_AT,
    )


def _statement(kind: Kind) -> LiteralString:
    """Both ways to look, each with the best it has; what both find is found once."""
    newest, indexed = _which(_LISTS[kind], newest=True), _which(_LISTS[kind], newest=False)
    best: LiteralString = " order by starts_with(lower(title), %(begins)s) desc, at desc, id desc limit %(limit)s"
    return (
        "select %(kind)s as kind, id, title, text, parent_id, at from ((select id, title, text, parent_id, at from ("
        + newest
        + ") things where words ilike all(%(patterns)s)"
        + best
        + ") union (select id, title, text, parent_id, at from ("
        + indexed
        + """) things
            where words ilike all(%(patterns)s) or id between %(lowest)s and %(highest)s"""
        + best
        + ")) both_ways"
        + best
    )


def _which(things: LiteralString, *, newest: bool) -> LiteralString:
    if newest:
        things = things.replace("{which a.id}", "true order by a.id desc limit %(most)s")
        return things.replace("{which id}", "true order by id desc limit %(most)s")
    things = things.replace("{which a.id}", "(a.id = any(%(ids)s) or a.id between %(lowest)s and %(highest)s)")
    return things.replace("{which id}", "(id = any(%(ids)s) or id between %(lowest)s and %(highest)s)")


async def _by_words(tx: Transaction, kind: Kind, wanted: Wanted) -> Sequence[UUID]:
    """Those with a word in their name that begins as the rarest one asked for; each is looked at again."""
    if kind not in _WORDED:
        return []
    found = await tx.values(
        """
        select s.ids from words_of_name(%(text)s) asked(word) cross join lateral (
          select array_agg(thing_id) as ids from (
            select thing_id from search_words
            where workspace_id = (select current_workspace()) and kind = %(kind)s
              and word >= asked.word collate "C" and word < (asked.word || chr(1114111)) collate "C"
            limit %(candidates)s
          ) bounded
        ) s order by coalesce(cardinality(s.ids), 0) limit 1""",
        text=wanted.begins,
        kind=kind,
        candidates=CANDIDATES,
    )
    return next(iter(found), None) or []


async def _by_agents(tx: Transaction, kind: Kind, wanted: Wanted) -> Sequence[UUID]:
    """The newest of the agents that have one of the words in their name."""
    if kind not in {Kind.SESSION, Kind.RUN}:
        return []
    things: LiteralString = "sessions" if kind is Kind.SESSION else "runs"
    return await tx.values(
        """
        with named as materialized (
          select id from (
            select a.id, v.name from agents a join agent_versions v on v.agent_id = a.id and v.version = a.version
            order by a.id desc limit %(most)s
          ) agents where name ilike any(%(patterns)s) order by id desc limit %(agents)s
        )
        select t.id from named n cross join lateral (
          select id from """
        + things
        + """ where agent_id = n.id order by id desc limit %(each)s
        ) t""",
        patterns=wanted.patterns,
        most=LOOKED_AT,
        agents=_MOST_AGENTS,
        each=CANDIDATES // _MOST_AGENTS,
    )
