"""`Idempotency-Key` on POST: the same key gives the first answer again.

Only answers that say something was done are kept. After an error nothing was done, so the key is free again.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable

from glia.identity.service import LARGEST_KEPT_BYTES, Answer, Claim, IdempotentAnswers
from glia.identity.types import Principal
from glia.kit.errors import InvalidRequest
from glia.surfaces.shared.asgi import App, Message, Receive, Request, Scope, Send
from glia.surfaces.shared.json_body import replay

HEADER = "idempotency-key"
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_KEPT_HEADERS = frozenset({"content-type", "x-ignored-fields", "location"})
REPLAYED = (b"idempotency-replayed", b"true")


def key_of(request: Request) -> str | None:
    """The request's key, or None. Raises InvalidRequest for one that cannot be kept."""
    key = request.headers.get(HEADER)
    if key is not None and not _KEY.fullmatch(key):
        raise InvalidRequest(
            "`Idempotency-Key` must have between 1 and 255 visible ASCII characters, such as a UUID.",
            field="Idempotency-Key",
        )
    return key


async def claimed(answers: IdempotentAnswers, request: Request, content: bytes) -> Claim | None:
    """The request's key, claimed for this content; None when the request has no key.

    For routes that keep something other than their whole answer; they call `keep` or `release` themselves.
    """
    key = key_of(request)
    if key is None:
        return None
    digest = hashlib.sha256(request.scope.get("query_string", b"") + b"\n" + content).digest()
    return await answers.claim(request.principal, key, f"{request.method} {request.path}", digest)


class Idempotency:
    """In front of an app whose answers are short; what it streams, or answers with an error, is not kept."""

    def __init__(self, app: App, answers: IdempotentAnswers) -> None:
        self._app = app
        self._answers = answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        principal: Principal | None = scope["state"].get("principal")
        if request.method != "POST" or principal is None or key_of(request) is None:
            return await self._app(scope, receive, send)
        body = await request.body()

        async def answer(send: Send) -> None:
            await self._app(scope, replay(body, receive), send)

        return await answer_once(self._answers, request, body, send, answer)


async def answer_once(
    answers: IdempotentAnswers,
    request: Request,
    content: bytes,
    send: Send,
    answer: Callable[[Send], Awaitable[bool | None]],
    *,
    is_streamed: bool = False,
) -> None:
    """Sends the first answer to this content again, or has it answered and keeps that.

    answer: says False when nothing was done although the status says otherwise, as of a stream that broke off.
    is_streamed: each piece is sent at once, and kept once all are.
    """
    claim = await claimed(answers, request, content)
    if claim is None:
        await answer(send)
        return None
    if claim.answer is not None:
        return await _send_again(send, claim.answer)
    recorder = _Recorder(send, holds=not is_streamed)
    try:
        is_done = await answer(recorder)
    except BaseException:
        await answers.release(request.principal, claim)
        raise
    if recorder.kept is None or is_done is False:
        await answers.release(request.principal, claim)
    else:
        await answers.keep(request.principal, claim, recorder.kept)
    return await recorder.flush()


async def _send_again(send: Send, answer: Answer) -> None:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers.items()]
    if answer.status != 204:
        headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": [*headers, REPLAYED]})
    await send({"type": "http.response.body", "body": answer.body})


class _Recorder:
    """Holds an answer back until it is whole, so that it is kept before anybody has seen it. A long one is let go.

    holds: False for one that is sent while it is recorded.
    """

    def __init__(self, send: Send, *, holds: bool = True) -> None:
        self._send = send
        self._holds = holds
        self._held: list[Message] = []
        self._size = 0
        self._is_whole = False

    @property
    def kept(self) -> Answer | None:
        if not self._held or not self._is_whole:
            return None
        start, *bodies = self._held
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in start["headers"]}
        if not 200 <= start["status"] < 300:
            return None
        shown = {name: value for name, value in headers.items() if name in _KEPT_HEADERS}
        return Answer(start["status"], shown, b"".join(message.get("body", b"") for message in bodies))

    async def __call__(self, message: Message) -> None:
        if not self._holds:
            await self._send(message)
        self._held.append(message)
        self._size += len(message.get("body", b""))
        if message["type"] == "http.response.body":
            self._is_whole = not message.get("more_body", False)
        if self._size > LARGEST_KEPT_BYTES:
            await self.flush()

    async def flush(self) -> None:
        held, self._held = self._held, []
        for message in held if self._holds else ():
            await self._send(message)
