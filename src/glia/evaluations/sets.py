"""Evaluation sets: what agents are tried with. Their cases are added one by one, in bulk, or from JSON lines."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any
from uuid import UUID

from glia.evaluations import checks, exporting, queries
from glia.evaluations import result_queries as rows
from glia.evaluations.errors import CaseNotFound, EvaluationSetNotFound, EvaluationUnderWay, TooMuchToEvaluate
from glia.evaluations.types import MOST_CASES, MOST_SETS, Case, CaseSpec, EvaluationSet
from glia.identity.types import Principal
from glia.kit.db import Database, Transaction
from glia.kit.ids import new_id
from glia.kit.pages import Page, Window, page_of

EXPORTED_AT_ONCE = 200


class EvaluationSets:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def create(
        self,
        principal: Principal,
        *,
        name: str,
        description: str = "",
        metadata: dict[str, object] | None = None,
        cases: Sequence[object] = (),
    ) -> EvaluationSet:
        """cases: JSON objects, as for `add_cases`; the set comes with all of them or not at all."""
        principal.require("evaluations:write")
        _check_set(name, description, metadata or {})
        specs = checks.read_cases(cases, "cases") if cases else []
        id = new_id()
        async with self._db.transaction(principal.workspace_id) as tx:
            if await queries.count_sets(tx) >= MOST_SETS:
                raise TooMuchToEvaluate(f"This workspace has {MOST_SETS} evaluation sets, the most; delete some.")
            await queries.insert_set(
                tx,
                id,
                workspace_id=principal.workspace_id,
                project_id=principal.project_id,
                name=name,
                description=description,
                metadata=metadata or {},
                created_by=principal.name,
            )
            await queries.insert_cases(tx, id, specs, workspace_id=principal.workspace_id)
            return await _set(tx, id)

    async def get(self, principal: Principal, id: UUID) -> EvaluationSet:
        principal.require("evaluations:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await _set(tx, id)

    async def list(self, principal: Principal, window: Window) -> Page[EvaluationSet]:
        principal.require("evaluations:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            found = await queries.list_sets(tx, window)
        return page_of(found, window, lambda one: one.id)

    async def update(self, principal: Principal, id: UUID, changes: Mapping[str, Any]) -> EvaluationSet:
        """changes: name, description, metadata."""
        principal.require("evaluations:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            await _lock_set(tx, id)
            before = await _set(tx, id)
            after: dict[str, Any] = {
                "name": before.name,
                "description": before.description,
                "metadata": before.metadata,
                **changes,
            }
            _check_set(**after)
            await queries.update_set(tx, id, **after)
            return await _set(tx, id)

    async def delete(self, principal: Principal, id: UUID) -> None:
        """With its cases and evaluations; the runs and sessions of those stay. Raises EvaluationUnderWay."""
        principal.require("evaluations:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            await _lock_set(tx, id)
            if await rows.count_open(tx, id):
                raise EvaluationUnderWay("An evaluation of this set is under way; cancel it or wait for its end.")
            await queries.delete_set(tx, id)

    async def add_cases(self, principal: Principal, set_id: UUID, given: Sequence[object]) -> list[Case]:
        """given: JSON objects with the fields of CaseSpec. All of them or none. Raises InvalidRequest."""
        principal.require("evaluations:write")
        return await self._add(principal, set_id, checks.read_cases(given, "cases"))

    async def import_lines(self, principal: Principal, set_id: UUID, body: bytes) -> int:
        """Adds the cases of JSON lines, all or none, and returns how many. Raises InvalidRequest, naming the line."""
        principal.require("evaluations:write")
        await self.get(principal, set_id)
        return len(await self._add(principal, set_id, checks.read_lines(body)))

    async def _add(self, principal: Principal, set_id: UUID, specs: Sequence[CaseSpec]) -> list[Case]:
        async with self._db.transaction(principal.workspace_id) as tx:
            await _lock_set(tx, set_id)
            there = await queries.count_cases(tx, set_id)
            if there + len(specs) > MOST_CASES:
                raise TooMuchToEvaluate(
                    f"The set has {there} cases and {len(specs)} more would be too many; the most is {MOST_CASES}."
                )
            ids = await queries.insert_cases(tx, set_id, specs, workspace_id=principal.workspace_id)
            await queries.touch_set(tx, set_id)
            return await queries.get_cases(tx, ids)

    async def get_case(self, principal: Principal, set_id: UUID, id: UUID) -> Case:
        principal.require("evaluations:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await _case(tx, set_id, id)

    async def list_cases(
        self, principal: Principal, set_id: UUID, window: Window, *, tag: str | None = None
    ) -> Page[Case]:
        """In the order in which they were added."""
        principal.require("evaluations:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            await _set(tx, set_id)
            found = await queries.list_cases(tx, set_id, window, tag=tag)
        return page_of(found, window, lambda case: case.id)

    async def update_case(self, principal: Principal, set_id: UUID, id: UUID, changes: Mapping[str, Any]) -> Case:
        """Makes a new version with these fields of CaseSpec changed; results keep the one that they were made with."""
        principal.require("evaluations:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            await _lock_set(tx, set_id)
            before = await _case(tx, set_id, id)
            kept = {name: getattr(before, name) for name in CaseSpec.__struct_fields__}
            spec = CaseSpec(**{**kept, **changes})
            checks.check_case(spec)
            await queries.insert_version(tx, before, spec)
            await queries.prune_versions(tx, id)
            await queries.touch_set(tx, set_id)
            return await _case(tx, set_id, id)

    async def delete_case(self, principal: Principal, set_id: UUID, id: UUID) -> None:
        principal.require("evaluations:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            await _lock_set(tx, set_id)
            if not await queries.delete_case(tx, set_id, id):
                raise _no_case(id)
            await queries.prune_versions(tx, id)
            await queries.touch_set(tx, set_id)

    async def export(self, principal: Principal, set_id: UUID) -> AsyncGenerator[bytes, None]:
        """The cases as JSON lines, which `import_lines` takes."""
        principal.require("evaluations:read")
        await self.get(principal, set_id)
        return self._export_cases(principal, set_id)

    async def _export_cases(self, principal: Principal, set_id: UUID) -> AsyncGenerator[bytes, None]:
        window = Window(EXPORTED_AT_ONCE)
        while True:
            page = await self.list_cases(principal, set_id, window)
            if page.items:
                yield exporting.case_lines(page.items)
            if not page.has_more:
                return
            window = Window(EXPORTED_AT_ONCE, page.items[-1].id)


def _check_set(name: str, description: str, metadata: dict[str, object]) -> None:
    checks.check_name(name)
    checks.check_description(description)
    checks.check_metadata(metadata)


async def _lock_set(tx: Transaction, id: UUID) -> None:
    if not await queries.lock_set(tx, id):
        raise no_set(id)


async def _set(tx: Transaction, id: UUID) -> EvaluationSet:
    found = await queries.get_set(tx, id)
    if found is None:
        raise no_set(id)
    return found


async def _case(tx: Transaction, set_id: UUID, id: UUID) -> Case:
    found = await queries.get_case(tx, set_id, id)
    if found is None:
        raise _no_case(id)
    return found


def no_set(id: UUID) -> EvaluationSetNotFound:
    return EvaluationSetNotFound(f"There is no evaluation set '{id}' in this workspace.", evaluation_set_id=str(id))


def _no_case(id: UUID) -> CaseNotFound:
    return CaseNotFound(f"There is no case '{id}' in this evaluation set.", case_id=str(id))
