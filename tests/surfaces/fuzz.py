"""Schemathesis over a surface's OpenAPI document: whatever comes, no server error and no undocumented answer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.surfaces.conftest import Client

_CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


def fuzz(
    document: dict[str, Any],
    client: Client,
    *,
    prefix: str = "",
    examples: int = 6,
    things: Mapping[str, str] | None = None,
    without: Collection[tuple[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> int:
    """Calls every operation with `examples` bodies and parameters. Gives how many operations there were.

    things: ids for the path's placeholders, used for half of the calls, so that there is something behind the 404.
    without: operations, as (method, path), that have no answer to wait for, such as endless streams.
    """
    schema = schemathesis.openapi.from_dict(document, config=SchemathesisConfig())
    called = 0
    failures: list[str] = []
    for operation in _operations(schema):
        if (operation.method.upper(), operation.path) in without:
            continue
        called += 1
        try:
            _try(operation, _call(client, prefix, things or {}, headers or {}), examples)
        except (FailureGroup, Failure) as failure:
            failures.append(f"{operation.method.upper()} {operation.path}: {_said(failure)}")
    assert not failures, "\n\n".join(failures)
    return called


def _said(failure: BaseException) -> str:
    inner = failure.exceptions if isinstance(failure, BaseExceptionGroup) else [failure]
    return "\n".join([str(failure), *(f"{type(one).__name__}: {one}" for one in inner)])


def _operations(schema: Any) -> Iterator[Any]:
    for found in schema.get_all_operations():
        yield found.ok()


def _try(operation: Any, call: Callable[[Case], None], examples: int) -> None:
    @given(case=operation.as_strategy())
    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def run(case: Case) -> None:
        call(case)

    run()


def _call(client: Client, prefix: str, things: Mapping[str, str], headers: Mapping[str, str]) -> Callable[[Case], None]:
    count = iter(range(10**9))

    def call(case: Case) -> None:
        if next(count) % 2 == 0:
            for name in case.path_parameters or {}:
                if name in things:
                    case.path_parameters[name] = things[name]
        answer = case.call(
            base_url=f"http://127.0.0.1:{client.port}{prefix}",
            headers={"Authorization": f"Bearer {client.key}", **headers},
            timeout=30,
        )
        case.validate_response(answer, checks=_CHECKS)

    return call
