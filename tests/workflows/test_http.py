"""Steps that send requests: what is sent, what comes back, and what may be sent again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from glia.identity.types import Principal
from glia.kit.db import Database
from glia.runs.types import RunStatus
from tests.conftest import DatabaseUrls
from tests.runs.rig import ScriptedModel, rig
from tests.workflows.stage import run, step


class Site:
    """Answers with what it is told to, one after another, the last for ever; notes what it was asked."""

    def __init__(self, *answers: tuple[int, str]) -> None:
        self.answers = list(answers)
        self.requests: list[tuple[str, dict[str, str], str]] = []
        self.port = 0
        self.seconds = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Site]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.requests.append((head[0].rpartition(" ")[0], headers, body.decode()))
        await asyncio.sleep(self.seconds)
        status, text = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if status:
            writer.write(
                f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nConnection: close\r\n"
                f"Content-Length: {len(text)}\r\n\r\n{text}".encode()
            )
        writer.close()


def send(site: Site, **more: Any) -> dict[str, Any]:
    return {"id": "send", "kind": "http", "url": f"{site.url}/orders", **more}


async def test_a_request_carries_what_the_references_say(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    async with (
        Site((200, '{"id": 7}')).open() as site,
        rig(db, database_urls.app, ScriptedModel(), allow=f"127.0.0.1:{site.port}") as house,
    ):
        done = await run(
            house,
            principal,
            send(
                site,
                method="POST",
                url=f"{site.url}/of/{{{{input.who}}}}",
                query={"tag": "{{input.tags}}", "none": None},
                headers={"X-For": "for {{input.who}}"},
                body={"n": "{{input.n}}"},
            ),
            input={"who": "a/../b?c", "tags": ["x", "y z"], "n": 3},
            output="{{steps.send.output.body.id}}",
        )

        assert done.output == 7, done.error
        [(line, headers, body)] = site.requests
        assert line == "POST /of/a%2F..%2Fb%3Fc?tag=x&tag=y+z"
        assert headers["x-for"] == "for a/../b?c"
        assert headers["idempotency-key"] == f"{done.id}:send"
        assert json.loads(body) == {"n": 3}
        assert step(done, "send").output == {"status": 200, "content_type": "application/json", "body": {"id": 7}}


async def test_a_failed_request_is_sent_again_if_the_step_says_so(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    retry = {"max_attempts": 3, "delay_seconds": 0}
    async with (
        Site((500, "oh"), (503, "no"), (200, "{}")).open() as site,
        rig(db, database_urls.app, ScriptedModel(), allow=f"127.0.0.1:{site.port}") as house,
    ):
        done = await run(house, principal, send(site, retry=retry))

        assert (done.status, step(done, "send").attempts, len(site.requests)) == (RunStatus.COMPLETED, 3, 3)
        assert len({headers["idempotency-key"] for _line, headers, _body in site.requests}) == 1


async def test_a_post_without_an_answer_is_unknown_and_not_sent_again(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    retry = {"max_attempts": 3, "delay_seconds": 0}
    for answer, seconds in (((0, ""), 0.0), ((200, "{}"), 3.0), ((504, "late"), 0.0)):
        async with (
            Site(answer).open() as site,
            rig(db, database_urls.app, ScriptedModel(), allow=f"127.0.0.1:{site.port}") as house,
        ):
            site.seconds = seconds
            post = send(site, method="POST", retry=retry, timeout_seconds=1)
            once = await run(house, principal, post)

            assert (step(once, "send").error or {})["code"] == "outcome_unknown"
            assert len(site.requests) == 1

            again = await run(house, principal, {**post, "effect": "idempotent"})

            assert step(again, "send").attempts == 3  # the control: what bears it is sent again
            assert len(site.requests) == 4


async def test_an_address_that_may_not_be_called_is_not_called(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    async with Site((200, "{}")).open() as site, rig(db, database_urls.app, ScriptedModel()) as house:
        done = await run(house, principal, send(site, url="{{input.url}}"), input={"url": f"{site.url}/x"})

        assert (step(done, "send").error or {})["code"] == "outbound_refused"
        assert site.requests == []
