"""The job that checks the most urgent answer in the queue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from glia.kit.db import Transaction
from glia.kit.jobs import JobContext
from glia.usage.service import Usage
from glia.verification import queries
from glia.verification.judging import Judge, Judged
from glia.verification.measures import Measured, measure
from glia.verification.types import Issue, Rule, Verdict

_BY_HEART = 0.5
"""The confidence of a verdict in which a part could not be judged."""


class Verifier:
    def __init__(self, judge: Judge, usage: Usage) -> None:
        self._judge = judge
        self._usage = usage

    async def work(self, job: JobContext) -> None:
        """The function of jobs of KIND."""
        async with job.transaction() as tx:
            taken = await queries.take(tx, job.run_id)
            rules = (
                []
                if taken is None
                else [rule for rule in await queries.rules_of(tx, taken.agent_id) if rule.is_enabled]
            )
        if taken is None:
            return
        measured = [measure(rule, taken.output_content) for rule in rules]
        in_words = _for_words(rules, measured)
        judged = await self._judge.judge(in_words, taken.output_content, job) if in_words else None
        async with job.transaction() as tx:
            if judged is not None and judged.record is not None:
                await self._usage.record(tx, judged.record)
            await queries.finish(tx, taken.id, verdict_of(measured, judged))

    async def ended(self, tx: Transaction, run_id: UUID, *, code: str, message: str) -> None:
        """For the engine, when it ends such a job early."""
        await queries.fail(tx, run_id, message)


def _for_words(rules: Sequence[Rule], measured: Sequence[Measured]) -> list[tuple[Rule, dict[str, Any]]]:
    """Rules of which something is left to judge: criteria that nothing measures, or none at all."""
    return [(rule, dict(each.rest)) for rule, each in zip(rules, measured, strict=True) if each.rest or not each.count]


def verdict_of(measured: Sequence[Measured], judged: Judged | None) -> Verdict:
    """judged: None when nothing was left for a model."""
    issues = [issue for each in measured for issue in each.issues]
    if not measured:
        nothing = Issue(
            "not_judged", "The agent has no verification rules, so nothing was checked.", severity="warning"
        )
        return Verdict(True, (nothing,), ("Add verification rules to the agent.",), 0.0, "rules")
    if judged is None:
        passed = not issues
        return Verdict(passed, tuple(issues), tuple(f"Mend it: {issue.message}" for issue in issues), 1.0, "rules")
    issues += judged.issues
    suggestions = [f"Mend it: {issue.message}" for each in measured for issue in each.issues] + list(judged.suggestions)
    if judged.model is None:
        issues.append(Issue("not_judged", judged.reason, severity="warning"))
        confidence = 1.0 if any(issue.severity == "error" for issue in issues) else _BY_HEART
        passed = not any(issue.severity == "error" for issue in issues)
        return Verdict(passed, tuple(issues), tuple(suggestions), confidence, "rules")
    return Verdict(not issues, tuple(issues), tuple(suggestions), judged.confidence, judged.model)
