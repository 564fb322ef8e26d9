"""All SQL of the search slice: one statement for each kind of thing.

Each walks the workspace's newest things of its kind and stops at a bound, so that a question costs the same however
much there is. An index of words would not help: behind row-level security the planner uses only operators that cannot
leak.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import LiteralString

from glia.kit.db import Transaction
from glia.search.types import Found, Kind, Wanted

LOOKED_AT = 20_000
"""How many of a kind are looked at, the newest first; sessions and runs, which have more to read, a fifth of that."""

_BUSY = LOOKED_AT // 5

_AGENTS: LiteralString = """
    select a.id, v.name as title, v.description as text, null::uuid as parent_id, a.updated_at as at,
           concat_ws(' ', v.name, a.slug, v.description) as words
    from agents a join agent_versions v on v.agent_id = a.id and v.version = a.version
    where a.deleted_at is null order by a.id desc limit %(most)s"""

_BASES: LiteralString = """
    select id, name as title, description as text, null::uuid as parent_id, updated_at as at,
           concat_ws(' ', name, description) as words
    from knowledge_bases order by id desc limit %(most)s"""

_DOCUMENTS: LiteralString = """
    select id, name as title, title as text, knowledge_base_id as parent_id, created_at as at,
           concat_ws(' ', name, title, path, source_url) as words
    from documents order by id desc limit %(most)s"""

# What a conversation began with says what it is about, whether or not somebody gave it a title.
_SESSIONS: LiteralString = """
    select s.id, coalesce(nullif(s.title, ''), v.name, '') as title,
           left(coalesce(e.data ->> 'content', ''), 300) as text, s.agent_id as parent_id, s.updated_at as at,
           concat_ws(' ', s.title, v.name, left(e.data ->> 'content', 2000)) as words
    from (select * from sessions where deleted_at is null and agent_id is not null and not is_system
          order by id desc limit %(busy)s) s
    left join agents a on a.id = s.agent_id
    left join agent_versions v on v.agent_id = a.id and v.version = a.version
    left join events e on e.session_id = s.id and e.seq = 1 and e.type = 'message.received'"""

_RUNS: LiteralString = """
    select r.id, coalesce(v.name, r.kind) as title,
           concat_ws(': ', r.status, nullif(left(r.error ->> 'message', 300), '')) as text,
           r.session_id as parent_id, r.created_at as at,
           concat_ws(' ', r.kind, v.name, r.status, r.error ->> 'message') as words
    from (select * from runs order by id desc limit %(busy)s) r
    left join agents a on a.id = r.agent_id
    left join agent_versions v on v.agent_id = a.id and v.version = a.version"""

_MEMORIES: LiteralString = """
    select id, left(content, 120) as title, '' as text, agent_id as parent_id, updated_at as at, content as words
    from memories where status = 'active' order by id desc limit %(most)s"""

_DEPLOYMENTS: LiteralString = """
    select id, name as title, concat_ws(' · ', status, nullif(region, ''), nullif(reason, '')) as text,
           null::uuid as parent_id, updated_at as at, concat_ws(' ', name, region, status) as words
    from deployments order by id desc limit %(most)s"""

_LISTS: Mapping[Kind, LiteralString] = {
    Kind.AGENT: _AGENTS,
    Kind.KNOWLEDGE_BASE: _BASES,
    Kind.DOCUMENT: _DOCUMENTS,
    Kind.SESSION: _SESSIONS,
    Kind.RUN: _RUNS,
    Kind.MEMORY: _MEMORIES,
    Kind.DEPLOYMENT: _DEPLOYMENTS,
}


async def find(tx: Transaction, kind: Kind, wanted: Wanted) -> list[Found]:
    """Best first: names that begin with it, then the newest."""
    return await tx.many(
        Found,
        "select %(kind)s as kind, id, title, text, parent_id, at from ("
        + _LISTS[kind]
        + """) things
        where words ilike all(%(patterns)s) or id between %(lowest)s and %(highest)s
        order by starts_with(lower(title), %(begins)s) desc, at desc, id desc limit %(limit)s""",
        kind=kind,
        patterns=wanted.patterns,
        begins=wanted.begins,
        lowest=wanted.lowest,
        highest=wanted.highest,
        limit=wanted.limit,
        most=LOOKED_AT,
        busy=_BUSY,
    )
