"""Regular expressions from people, tried in the database: it bounds their size and gives up on those that take long."""

from __future__ import annotations

from uuid import UUID

import psycopg

from glia.evaluations.result_queries import matches
from glia.evaluations.scoring import normalised, scored, unscored
from glia.evaluations.types import Exact, Score
from glia.kit.db import Database, in_one_line

_MILLISECONDS = 1_000
_LONGEST_PATTERN = 2_000
_LONGEST_TEXT = 100_000


async def pattern_score(db: Database, workspace_id: UUID, scorer: Exact, pattern: str | None, answer: str) -> Score:
    """Of an answer in which a regular expression is looked for."""
    if pattern is None:
        return unscored(scorer, "The case expects no particular answer.")
    if len(pattern) > _LONGEST_PATTERN:
        return unscored(scorer, f"The expression has {len(pattern)} characters; the most is {_LONGEST_PATTERN}.")
    text = normalised(scorer, answer)[:_LONGEST_TEXT]
    try:
        async with db.transaction(workspace_id) as tx:
            found = await matches(tx, text, pattern, ignore_case=scorer.ignore_case, milliseconds=_MILLISECONDS)
    except psycopg.errors.QueryCanceled:
        return unscored(scorer, f"The expression took longer than {_MILLISECONDS} ms; write a plainer one.")
    except (psycopg.errors.InvalidRegularExpression, psycopg.errors.StatementTooComplex) as error:
        return unscored(scorer, f"The expression cannot be used: {in_one_line(error)}.")
    return scored(scorer, float(found), "The expression is found." if found else "The expression is not found.")
