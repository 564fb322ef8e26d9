"""SQL of evaluation sets and their cases. Evaluations and their results are in result_queries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import LiteralString
from uuid import UUID

from glia.evaluations.types import Case, CaseSpec, EvaluationSet
from glia.kit.db import Transaction, json
from glia.kit.ids import new_id
from glia.kit.pages import Window

_SETS: LiteralString = """
    select id, workspace_id, project_id, name, description, metadata,
      (select count(*) from evaluation_cases c where c.set_id = s.id and c.is_current) as cases,
      created_by, created_at, updated_at
    from evaluation_sets s """

_CASES: LiteralString = """
    select id, version, set_id, name, input, expected_answer, rubric, expected_tools, expected_documents, tags,
      metadata, created_at
    from evaluation_cases """


async def insert_set(
    tx: Transaction,
    id: UUID,
    *,
    workspace_id: UUID,
    project_id: UUID,
    name: str,
    description: str,
    metadata: dict[str, object],
    created_by: str,
) -> None:
    await tx.execute(
        """
        insert into evaluation_sets (id, workspace_id, project_id, name, description, metadata, created_by)
        values (%(id)s, %(workspace_id)s, %(project_id)s, %(name)s, %(description)s, %(metadata)s, %(created_by)s)""",
        id=id,
        workspace_id=workspace_id,
        project_id=project_id,
        name=name,
        description=description,
        metadata=json(metadata),
        created_by=created_by,
    )


async def count_sets(tx: Transaction) -> int:
    return await tx.value("select count(*) from evaluation_sets")


async def get_set(tx: Transaction, id: UUID) -> EvaluationSet | None:
    return await tx.one_or_none(EvaluationSet, _SETS + "where id = %(id)s", id=id)


async def lock_set(tx: Transaction, id: UUID) -> bool:
    """Holds the set: its cases are added, changed and put into evaluations one after another."""
    return bool(await tx.value("select true from evaluation_sets where id = %(id)s for update", id=id))


async def list_sets(tx: Transaction, window: Window) -> list[EvaluationSet]:
    return await tx.many(
        EvaluationSet,
        _SETS + "where (%(after)s::uuid is null or id < %(after)s) order by id desc limit %(rows)s",
        after=window.after,
        rows=window.limit + 1,
    )


async def update_set(tx: Transaction, id: UUID, *, name: str, description: str, metadata: dict[str, object]) -> None:
    await tx.execute(
        """
        update evaluation_sets set name = %(name)s, description = %(description)s, metadata = %(metadata)s,
          updated_at = clock_timestamp() where id = %(id)s""",
        id=id,
        name=name,
        description=description,
        metadata=json(metadata),
    )


async def touch_set(tx: Transaction, id: UUID) -> None:
    await tx.execute("update evaluation_sets set updated_at = clock_timestamp() where id = %(id)s", id=id)


async def delete_set(tx: Transaction, id: UUID) -> bool:
    return await tx.execute("delete from evaluation_sets where id = %(id)s", id=id) == 1


async def count_cases(tx: Transaction, set_id: UUID) -> int:
    return await tx.value(
        "select count(*) from evaluation_cases where set_id = %(set_id)s and is_current", set_id=set_id
    )


_INSERT: LiteralString = """
    insert into evaluation_cases (id, version, workspace_id, set_id, name, input, expected_answer, rubric,
      expected_tools, expected_documents, tags, metadata)
    values (%(id)s, 1, %(workspace_id)s, %(set_id)s, %(name)s, %(input)s, %(expected_answer)s, %(rubric)s,
      %(expected_tools)s, %(expected_documents)s, %(tags)s, %(metadata)s)"""


async def insert_cases(tx: Transaction, set_id: UUID, specs: Sequence[CaseSpec], *, workspace_id: UUID) -> list[UUID]:
    """The ids, in the order of the cases."""
    rows = [_row(spec, id=new_id(), set_id=set_id, workspace_id=workspace_id) for spec in specs]
    await tx.execute_many(_INSERT, rows)
    return [row["id"] for row in rows if isinstance(row["id"], UUID)]


async def insert_version(tx: Transaction, before: Case, spec: CaseSpec) -> None:
    """Makes the case's next version, which takes the place of the present one."""
    await tx.execute(
        """
        with before as (
          update evaluation_cases set is_current = false where id = %(id)s and is_current
          returning id, version, workspace_id, set_id, position
        )
        insert into evaluation_cases (id, version, workspace_id, set_id, position, name, input, expected_answer,
          rubric, expected_tools, expected_documents, tags, metadata, is_current)
        select id, version + 1, workspace_id, set_id, position, %(name)s, %(input)s, %(expected_answer)s, %(rubric)s,
          %(expected_tools)s, %(expected_documents)s, %(tags)s, %(metadata)s, false
        from before""",
        **_row(spec, id=before.id),
    )
    # Not in one statement: until its end the index sees the old version as current.
    await tx.execute(
        "update evaluation_cases set is_current = true where id = %(id)s and version = %(version)s",
        id=before.id,
        version=before.version + 1,
    )


def _row(spec: CaseSpec, **more: object) -> dict[str, object]:
    return {
        "name": spec.name,
        "input": spec.input,
        "expected_answer": spec.expected_answer,
        "rubric": spec.rubric,
        "expected_tools": None if spec.expected_tools is None else json(spec.expected_tools),
        "expected_documents": None if spec.expected_documents is None else json(spec.expected_documents),
        "tags": spec.tags,
        "metadata": json(spec.metadata),
        **more,
    }


async def get_case(tx: Transaction, set_id: UUID, id: UUID) -> Case | None:
    return await tx.one_or_none(
        Case, _CASES + "where id = %(id)s and set_id = %(set_id)s and is_current", id=id, set_id=set_id
    )


async def get_cases(tx: Transaction, ids: Sequence[UUID]) -> list[Case]:
    return await tx.many(Case, _CASES + "where id = any(%(ids)s) and is_current order by position", ids=list(ids))


async def list_cases(tx: Transaction, set_id: UUID, window: Window, *, tag: str | None) -> list[Case]:
    """In the order in which they were added."""
    return await tx.many(
        Case,
        _CASES
        + """
        where set_id = %(set_id)s and is_current and (%(tag)s::text is null or %(tag)s = any(tags))
          and (%(after)s::uuid is null or position > (
            select position from evaluation_cases where id = %(after)s and set_id = %(set_id)s limit 1))
        order by position limit %(rows)s""",
        set_id=set_id,
        tag=tag,
        after=window.after,
        rows=window.limit + 1,
    )


async def delete_case(tx: Transaction, set_id: UUID, id: UUID) -> bool:
    """It is in no later evaluation; the results of earlier ones keep it."""
    return (
        await tx.execute(
            "update evaluation_cases set is_current = false where id = %(id)s and set_id = %(set_id)s and is_current",
            id=id,
            set_id=set_id,
        )
        == 1
    )


async def prune_versions(tx: Transaction, id: UUID) -> None:
    """Removes the former versions of a case that no result was made with."""
    await tx.execute(
        """
        delete from evaluation_cases c where id = %(id)s and not is_current and not exists (
          select from evaluation_results r where r.case_id = c.id and r.case_version = c.version)""",
        id=id,
    )
