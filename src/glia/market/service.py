"""Published things: publish, find, rate, count who takes them."""

from __future__ import annotations

from typing import LiteralString
from uuid import UUID

import orjson

from glia.identity.types import Principal
from glia.kit.db import Database, Transaction, json
from glia.kit.errors import InvalidRequest
from glia.kit.ids import new_id
from glia.kit.pages import Page, Window, page_of
from glia.market.errors import ItemNotFound, VersionTaken
from glia.market.types import Draft, Item, Kind

LARGEST_CONTENT_BYTES = 1_000_000
_LONGEST_NAME = 200
_ITEMS: LiteralString = """
    select i.id, i.kind, i.name, i.version, i.description, i.author, i.content, i.tags, i.downloads,
      (select avg(rating)::float8 from market_ratings r where r.item_id = i.id) as rating,
      (select count(*) from market_ratings r where r.item_id = i.id) as ratings, i.created_by, i.created_at
    from market_items i """


class Market:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def publish(self, principal: Principal, kind: Kind, draft: Draft) -> Item:
        """Raises VersionTaken for a name that was published in this version already."""
        principal.require(f"{kind}s:write")
        if not 1 <= len(draft.name) <= _LONGEST_NAME or not 1 <= len(draft.version) <= _LONGEST_NAME:
            raise InvalidRequest(f"`name` and `version` must have 1 to {_LONGEST_NAME} characters.", field="name")
        if len(orjson.dumps(draft.content)) > LARGEST_CONTENT_BYTES:
            raise InvalidRequest(f"It has more than {LARGEST_CONTENT_BYTES} bytes.", field="content")
        id = new_id()
        async with self._db.transaction(principal.workspace_id) as tx:
            count = await tx.execute(
                """
                insert into market_items (id, workspace_id, project_id, kind, name, version, description, author,
                  content, tags, created_by)
                values (%(id)s, %(workspace_id)s, %(project_id)s, %(kind)s, %(name)s, %(version)s, %(description)s,
                  %(author)s, %(content)s, %(tags)s, %(created_by)s)
                on conflict do nothing""",
                id=id,
                workspace_id=principal.workspace_id,
                project_id=principal.project_id,
                kind=kind,
                name=draft.name,
                version=draft.version,
                description=draft.description,
                author=draft.author,
                content=json(draft.content),
                tags=list(draft.tags),
                created_by=principal.name,
            )
            if count != 1:
                raise VersionTaken(f"{draft.name!r} is published in version {draft.version!r} already; raise it.")
            return await _get(tx, kind, id)

    async def get(self, principal: Principal, kind: Kind, id: UUID) -> Item:
        principal.require(f"{kind}s:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await _get(tx, kind, id)

    async def list(self, principal: Principal, kind: Kind, window: Window, *, search: str = "") -> Page[Item]:
        """Newest first. search: in name, description and tags; case does not count."""
        principal.require(f"{kind}s:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            rows = await tx.many(
                Item,
                _ITEMS
                + """
                where kind = %(kind)s and (%(after)s::uuid is null or i.id < %(after)s)
                  and strpos(lower(i.name || ' ' || i.description || ' ' || array_to_string(i.tags, ' ')),
                    lower(%(search)s)) > 0
                order by i.id desc limit %(rows)s""",
                kind=kind,
                after=window.after,
                search=search,
                rows=window.limit + 1,
            )
        return page_of(rows, window, lambda item: item.id)

    async def rate(
        self, principal: Principal, kind: Kind, id: UUID, *, user_name: str, rating: int, review: str = ""
    ) -> Item:
        """One rating for each user; another one takes its place."""
        principal.require(f"{kind}s:read")
        if not 1 <= rating <= 5:
            raise InvalidRequest(f"`rating` is {rating}; it must be between 1 and 5.", field="rating")
        async with self._db.transaction(principal.workspace_id) as tx:
            await _get(tx, kind, id)
            await tx.execute(
                """
                insert into market_ratings (item_id, workspace_id, user_name, rating, review)
                values (%(id)s, %(workspace_id)s, %(user_name)s, %(rating)s, %(review)s)
                on conflict (item_id, user_name) do update set rating = excluded.rating, review = excluded.review,
                  created_at = now()""",
                id=id,
                workspace_id=principal.workspace_id,
                user_name=user_name[:_LONGEST_NAME],
                rating=rating,
                review=review[:10_000],
            )
            return await _get(tx, kind, id)

    async def take(self, principal: Principal, kind: Kind, id: UUID) -> Item:
        """What is to be installed; it is counted."""
        principal.require(f"{kind}s:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            await tx.execute("update market_items set downloads = downloads + 1 where id = %(id)s", id=id)
            return await _get(tx, kind, id)


async def _get(tx: Transaction, kind: Kind, id: UUID) -> Item:
    found = await tx.one_or_none(Item, _ITEMS + "where i.id = %(id)s and i.kind = %(kind)s", id=id, kind=kind)
    if found is None:
        raise ItemNotFound(f"There is no published {kind} '{id}' in this workspace.", item_id=str(id))
    return found
