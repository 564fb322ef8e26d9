"""Whoever a waiting step names is told of it, with links to decide."""

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.mail import Mail, MailConfig
from glia.kit.outbound import Outbound, OutboundPolicy
from glia.memory.jobs import nothing_to_undo
from glia.runs.types import RunStatus
from glia.runs.work import JobKind
from glia.wiring.ground import StartJob
from glia.workflows.notices import KIND, Notifier
from tests.conftest import DatabaseUrls
from tests.runs.rig import ScriptedModel, rig
from tests.workflows.stage import ended, make, waits


class Receiver(HTTPServer):
    """Keeps what it is sent. The first answer is a failure."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.enough = threading.Event()
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.got.append(body)
        self.send_response(500 if len(self.server.got) == 1 else 204)
        self.send_header("Content-Length", "0")
        self.end_headers()
        if len(self.server.got) > 1:
            self.server.enough.set()

    def log_message(self, format: str, *args: object) -> None:
        del format, args


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


async def test_whoever_is_named_gets_the_request_with_links_and_is_tried_again(
    db: Database,
    database_urls: DatabaseUrls,
    principal: Principal,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("glia.workflows.notices._PAUSES_SECONDS", (0.05, 0.05, 0.0))
    allow = f"127.0.0.1:{receiver.server_port}"
    notifier = Notifier(Outbound(OutboundPolicy.from_setting(allow)), Mail(MailConfig()), "https://glia.example/")
    jobs = {KIND: JobKind(notifier.work, nothing_to_undo)}
    links = {"approve": "/decide/{approval_id}/yes"}
    notice = {"to": f"http://{allow}/told", "subject": "Please", "links": links}
    ask = {"id": "ask", "kind": "wait_approval", "message": "May {{input.who}} go?", "notify": [notice]}
    async with rig(db, database_urls.app, ScriptedModel(), allow=allow, jobs=jobs) as house:
        start_job = house.workflows._crew.start_job = StartJob()
        start_job.runs = house.runs
        workflow = await make(house, principal, ask)
        accepted = await house.workflows.start(principal, workflow.id, {"who": "Ada"})
        await waits(house, principal, workflow, accepted)
        assert await asyncio.to_thread(receiver.enough.wait, 15)
        id = receiver.got[-1]["approval_id"]
        await house.approvals.decide(principal, id, "approved")
        done = await ended(house, principal, workflow, accepted)

    assert [one["message"] for one in receiver.got] == ["May Ada go?"] * 2
    assert receiver.got[-1]["links"] == {"approve": f"https://glia.example/decide/{id}/yes"}
    assert (receiver.got[-1]["step"], receiver.got[-1]["subject"]) == ("ask", "Please")
    assert done.status is RunStatus.COMPLETED
