"""Asks a program whether it is well."""

from __future__ import annotations

import asyncio

from glia.deployments.dialling import dial
from glia.deployments.errors import ReplicaGone

_ANSWER_SECONDS = 5.0
_LONGEST_STATUS_LINE = 1000


async def ask(address: str, path: str) -> int | str | None:
    """The HTTP status; words for what came instead of one; None when nothing listens."""
    try:
        found = await dial(address)
    except ReplicaGone:
        return None
    reader, writer = await asyncio.open_connection(sock=found, limit=_LONGEST_STATUS_LINE)
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: glia-health\r\nConnection: close\r\n\r\n"
            writer.write(head.encode())
            line = await reader.readuntil(b"\n")
    except TimeoutError:
        return f"GET {path} was not answered within {_ANSWER_SECONDS:g} s"
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return f"GET {path} was not answered in HTTP"
    finally:
        writer.transport.abort()
    fields = line.split(None, 2)
    if len(fields) < 2 or not fields[0].startswith(b"HTTP/") or not fields[1].isdigit():
        return f"GET {path} was not answered in HTTP"
    return int(fields[1])


def problem_of(answer: int | str | None, path: str, *, must_listen: bool) -> str:
    """What is wrong, by the answer; empty when the program is well. A program that has no such path, or speaks
    something else at its port, is well unless it was said to answer there."""
    if answer is None:
        return "nothing listens at its port"
    if isinstance(answer, str):
        is_other = answer.endswith("in HTTP") and not must_listen
        return "" if is_other else answer
    if 200 <= answer < 400 or (answer in (401, 403, 404, 405, 501) and not must_listen):
        return ""
    return f"GET {path} answered {answer}"
