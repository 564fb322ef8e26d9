"""/v1/evaluation-sets: cases that agents are tried with. Lines are imported in `evaluation_import.py`."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response, StreamingResponse
from pydantic import Field

from glia.evaluations.types import Case, EvaluationSet
from glia.kit.ids import parse_id
from glia.surfaces.native.words import ListOf, TheWindow, page_of
from glia.surfaces.shared.bodies import Body, Changes, Out, TheHouse, ThePrincipal, Time, WatchedRoute, given

router = APIRouter(prefix="/v1/evaluation-sets", tags=["evaluations"], route_class=WatchedRoute)


class SetBody(Body):
    """cases: as for `POST .../cases`, to make the set with all of them or not at all."""

    name: str
    description: str = ""
    metadata: dict[str, Any] = Field(default_factory=dict)
    cases: list[dict[str, Any]] = Field(default_factory=list)


class SetChanges(Changes):
    name: str = ""
    description: str = ""
    metadata: dict[str, Any] = Field(default_factory=dict)


class CasesBody(Body):
    """cases: 1 to 10,000 objects with `input`, and as they need it `name`, `expected_answer`, `rubric`,
    `expected_tools`, `expected_documents`, `tags`, `metadata`. All of them are added or none."""

    cases: list[dict[str, Any]]


class CaseChanges(Changes):
    """Null takes an expectation away."""

    input: str = ""
    name: str = ""
    expected_answer: str | None = None
    rubric: str | None = None
    expected_tools: list[str] | None = None
    expected_documents: list[str] | None = None
    tags: list[str] = Field(default_factory=list)
    metadata: dict[str, Any] = Field(default_factory=dict)


class SetOut(Out):
    """cases: how many it has."""

    id: UUID
    name: str
    description: str
    metadata: dict[str, Any]
    cases: int
    created_by: str
    created_at: Time
    updated_at: Time


class CaseOut(Out):
    """version: counts its changes; results keep the version that they were made with. created_at: of this version."""

    id: UUID
    version: int
    evaluation_set_id: UUID
    name: str
    input: str
    expected_answer: str | None
    rubric: str | None
    expected_tools: list[str] | None
    expected_documents: list[str] | None
    tags: list[str]
    metadata: dict[str, Any]
    created_at: Time


class AddedOut(Out):
    """The cases that were added, in their order."""

    added: int
    data: list[CaseOut]


@router.post("", status_code=201)
async def create(body: SetBody, house: TheHouse, principal: ThePrincipal) -> SetOut:
    """Make an evaluation set."""
    made = await house.evaluation_sets.create(
        principal, name=body.name, description=body.description, metadata=body.metadata, cases=body.cases
    )
    return set_out(made)


@router.get("")
async def list_sets(house: TheHouse, principal: ThePrincipal, window: TheWindow) -> ListOf[SetOut]:
    """List evaluation sets, newest first."""
    return page_of(await house.evaluation_sets.list(principal, window), set_out)


@router.get("/{evaluation_set}")
async def get(evaluation_set: str, house: TheHouse, principal: ThePrincipal) -> SetOut:
    """One evaluation set."""
    return set_out(await house.evaluation_sets.get(principal, _id(evaluation_set)))


@router.patch("/{evaluation_set}")
async def update(evaluation_set: str, body: SetChanges, house: TheHouse, principal: ThePrincipal) -> SetOut:
    """Change an evaluation set."""
    return set_out(await house.evaluation_sets.update(principal, _id(evaluation_set), given(body)))


@router.delete("/{evaluation_set}", status_code=204, response_class=Response)
async def delete(evaluation_set: str, house: TheHouse, principal: ThePrincipal) -> Response:
    """Delete an evaluation set with its cases and evaluations; the runs of those stay."""
    await house.evaluation_sets.delete(principal, _id(evaluation_set))
    return Response(status_code=204)


@router.post("/{evaluation_set}/cases", status_code=201)
async def add_cases(evaluation_set: str, body: CasesBody, house: TheHouse, principal: ThePrincipal) -> AddedOut:
    """Add cases, all of them or none."""
    added = await house.evaluation_sets.add_cases(principal, _id(evaluation_set), body.cases)
    return AddedOut(added=len(added), data=[case_out(case) for case in added])


@router.get("/{evaluation_set}/cases")
async def list_cases(
    evaluation_set: str,
    house: TheHouse,
    principal: ThePrincipal,
    window: TheWindow,
    tag: Annotated[str | None, Query(description="Only cases with this tag.")] = None,
) -> ListOf[CaseOut]:
    """List the cases in the order in which they were added."""
    return page_of(await house.evaluation_sets.list_cases(principal, _id(evaluation_set), window, tag=tag), case_out)


@router.get("/{evaluation_set}/cases/{case}")
async def get_case(evaluation_set: str, case: str, house: TheHouse, principal: ThePrincipal) -> CaseOut:
    """One case."""
    return case_out(await house.evaluation_sets.get_case(principal, _id(evaluation_set), parse_id(case, "case")))


@router.patch("/{evaluation_set}/cases/{case}")
async def update_case(
    evaluation_set: str, case: str, body: CaseChanges, house: TheHouse, principal: ThePrincipal
) -> CaseOut:
    """Change a case: makes its next version."""
    sets, id = house.evaluation_sets, parse_id(case, "case")
    return case_out(await sets.update_case(principal, _id(evaluation_set), id, given(body)))


@router.delete("/{evaluation_set}/cases/{case}", status_code=204, response_class=Response)
async def delete_case(evaluation_set: str, case: str, house: TheHouse, principal: ThePrincipal) -> Response:
    """Delete a case; the results of earlier evaluations keep it."""
    await house.evaluation_sets.delete_case(principal, _id(evaluation_set), parse_id(case, "case"))
    return Response(status_code=204)


@router.get(
    "/{evaluation_set}/export",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}}},
)
async def export(evaluation_set: str, house: TheHouse, principal: ThePrincipal) -> StreamingResponse:
    """All cases as JSON lines, which `import` takes."""
    lines = await house.evaluation_sets.export(principal, _id(evaluation_set))
    headers = {"Content-Disposition": 'attachment; filename="cases.jsonl"', "X-Content-Type-Options": "nosniff"}
    return StreamingResponse(lines, media_type="application/x-ndjson", headers=headers)


def _id(text: str) -> UUID:
    return parse_id(text, "evaluation set")


def set_out(found: EvaluationSet) -> SetOut:
    return SetOut.of(found)


def case_out(case: Case) -> CaseOut:
    names = [name for name in CaseOut.model_fields if name != "evaluation_set_id"]
    return CaseOut(**{name: getattr(case, name) for name in names}, evaluation_set_id=case.set_id)
