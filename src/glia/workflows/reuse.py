"""Steps with a key: what one has answered is what the others of its workflow answer, without being done again."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson

from glia.kit.db import Database
from glia.runs.events import encode_any
from glia.runs.log import AlsoWrite
from glia.runs.types import Run
from glia.workflows import queries
from glia.workflows.errors import StepError
from glia.workflows.graph import Graph
from glia.workflows.references import Resolver
from glia.workflows.state import Unit
from glia.workflows.types import LONGEST_REUSE_KEY


class Reuse:
    """Of one execution."""

    def __init__(self, db: Database, run: Run, graph: Graph) -> None:
        self._db = db
        self._run = run
        self._graph = graph
        self._workflow_id = UUID(str(run.input["workflow_id"]))

    async def find(self, unit: Unit, resolver: Resolver) -> tuple[Any] | None:
        """What was answered under the step's key, in a tuple. Raises StepError for a key that cannot be one."""
        key = self._key(unit, resolver)
        if not key:
            return None
        async with self._db.transaction(self._run.workspace_id) as tx:
            output = await queries.reused(tx, self._workflow_id, key)
        return None if output is None else (orjson.loads(output),)

    def kept(self, unit: Unit, resolver: Resolver, output: Any) -> AlsoWrite | None:
        """Keeps what a step answered, in the transaction that completes it; None for a step without a key."""
        run, key = self._run, self._key(unit, resolver)
        if not key:
            return None
        return lambda tx: queries.keep_for_reuse(
            tx,
            workspace_id=run.workspace_id,
            workflow_id=self._workflow_id,
            key=key,
            execution_id=run.id,
            output=encode_any(output),
        )

    def forgotten(self, step: Unit, resolver: Resolver) -> AlsoWrite | None:
        """What was undone has to be done again."""
        run, key = self._run, self._key(step, resolver)
        return (lambda tx: queries.forget_reused(tx, self._workflow_id, key, run.id)) if key else None

    def _key(self, unit: Unit, resolver: Resolver) -> str:
        template = self._graph.steps[unit.step].reuse_key if unit.part == "step" else ""
        key = resolver.text(template) if template else ""
        if len(key) > LONGEST_REUSE_KEY or "\0" in key:
            raise StepError(
                f"`reuse_key` is {key[:80]!r}; it may have {LONGEST_REUSE_KEY} characters, without NUL.", is_final=True
            )
        return key
