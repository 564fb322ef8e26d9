"""An event stream that outlives its connections."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from typing import Any, cast

from neuais._async.transport import AsyncTransport
from neuais._decoding import decode
from neuais._requests import get, page_of, pause_before
from neuais.errors import ApiError, ConnectionFailed, NotFound, Unauthorized
from neuais.models import LogLine

_MOST_FAILURES = 10
_LONG_SECONDS = 10.0
"""A connection that lasted so long was one, even if nothing came over it but heartbeats."""


async def followed_lines(
    transport: AsyncTransport, path: str, after: int | None, *, tail: int | None, since: str | None, level: str | None
) -> AsyncGenerator[LogLine]:
    """Raises NeuaisError when the server refuses, or has not been reached ten times in a row."""
    if tail == 0 and after is None:
        # Where to go on if the connection breaks before the first line.
        last = page_of(LogLine, "logs", await transport.call(get(path, tail=1)))
        after = (last[0].id if last else None) or 0
    call = get(path, follow=True, tail=tail, since=since, level=level)
    last_id, failures, was_open = after, 0, False
    while True:
        error: ApiError | ConnectionFailed | None = None
        began = time.monotonic()
        try:
            async with transport.stream(call, last_id) as events:
                was_open = True
                async for event in events:
                    failures = 0
                    last_id = int(event.id) if event.id else last_id
                    if event.data:
                        yield _line(event.data, last_id)
        except NotFound:
            if was_open:
                return  # it was deleted while it was followed
            raise
        except Unauthorized as refused:
            if failures or not await transport.credentials.renewed(transport):
                raise
            error = refused
        except (ApiError, ConnectionFailed) as broken:
            error = broken
        failures = 1 if time.monotonic() - began > _LONG_SECONDS else failures + 1
        refusal = error if isinstance(error, ApiError) and not isinstance(error, Unauthorized) else None
        pause = pause_before(failures, refusal)
        if error is not None and (pause is None or failures > _MOST_FAILURES):
            raise error
        await asyncio.sleep(pause or 0)


def _line(data: str, id: int | None) -> LogLine:
    return decode(LogLine, {**cast("dict[str, Any]", json.loads(data)), "id": id})
