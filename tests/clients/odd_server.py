"""A server that misbehaves as it is told: it answers from a script, says nothing, or hangs up."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Said:
    """One answer, after so many seconds. chunks: sent one by one, then the line is cut unless `is_whole`."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    chunks: tuple[str, ...] | None = None
    is_whole: bool = True
    seconds: float = 0.0


HANGS_UP = Said(status=0)


@dataclass
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class OddServer:
    """script: answers in order; the last one is given again and again."""

    url: str
    script: list[Said] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)

    def says(self, *script: Said) -> None:
        self.script, self.asked = list(script), []


def refused(status: int, code: str, headers: dict[str, str] | None = None, **details: str) -> Said:
    return Said(status, {"error": {"code": code, "message": f"It is {code}.", "details": details}}, headers or {})


@contextmanager
def odd_server() -> Iterator[OddServer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("content-length", 0))
            content = self.rfile.read(length)
            body = json.loads(content) if content else None
            found.asked.append(Asked(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            said = found.script.pop(0) if len(found.script) > 1 else found.script[0]
            time.sleep(said.seconds)
            if said.status:
                self._say(said)
            self.close_connection = True

        do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 - the framework's names

        def _say(self, said: Said) -> None:
            with suppress(ConnectionError):  # whoever asked may not have waited
                self._try_to_say(said)

        def _try_to_say(self, said: Said) -> None:
            content = b"" if said.body is None else json.dumps(said.body).encode()
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            if said.chunks is None:
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
                return
            self.send_header("content-type", "text/event-stream")
            if not said.is_whole:
                self.send_header("content-length", "1000000")
            self.end_headers()
            for chunk in said.chunks:
                self.wfile.write(chunk.encode())
                self.wfile.flush()

        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found = OddServer(f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield found
        finally:
            server.shutdown()
