"""A run for a request, begun once: a repeat under the same Idempotency-Key gets the run that the first try began."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec

from glia.identity.service import Answer, Claim, IdempotentAnswers
from glia.runs.types import Accepted
from glia.surfaces.shared.asgi import Request
from glia.surfaces.shared.idempotency import claimed

T = TypeVar("T")

Begin = Callable[[str | None], Awaitable[Accepted]]
"""Accepts the run, under a dedupe key if there is one: a process may die after it stored the run and before it kept
the answer."""


async def accepted_once(
    answers: IdempotentAnswers, request: Request, content: bytes, begin: Begin
) -> tuple[Accepted, bool]:
    """The run, and whether it was there already."""
    accepted, is_replayed = await _begun_once(answers, request, content, begin, Accepted)
    return accepted, is_replayed or accepted.outcome == "known"


async def all_accepted_once(
    answers: IdempotentAnswers,
    request: Request,
    content: bytes,
    begin: Callable[[str | None], Awaitable[list[Accepted]]],
) -> tuple[list[Accepted], bool]:
    """As `accepted_once`, for a request that begins several runs."""
    return await _begun_once(answers, request, content, begin, list[Accepted])


async def _begun_once(
    answers: IdempotentAnswers,
    request: Request,
    content: bytes,
    begin: Callable[[str | None], Awaitable[T]],
    kind: type[T],
) -> tuple[T, bool]:
    claim = await claimed(answers, request, content)
    if claim is None:
        return await begin(None), False
    if claim.answer is not None:
        return msgspec.json.decode(claim.answer.body, type=kind), True
    try:
        begun = await begin(_dedupe_key(claim, content))
    except BaseException:
        await answers.release(request.principal, claim)
        raise
    await answers.keep(request.principal, claim, Answer(202, {}, msgspec.json.encode(begun)))
    return begun, False


def _dedupe_key(claim: Claim, content: bytes) -> str:
    """The day keeps a key that is used again later from naming an old run."""
    named = f"{claim.route}\n{claim.key}\n{claim.at:%Y-%m-%d}\n".encode() + content
    return f"request:{hashlib.sha256(named).hexdigest()}"
