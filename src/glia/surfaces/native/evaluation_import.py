"""POST /v1/evaluation-sets/{id}/import: cases as JSON lines, or as `{"cases": [...]}`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from glia.evaluations.service import LARGEST_IMPORT_BYTES
from glia.identity.service import IdempotentAnswers
from glia.kit.errors import InvalidRequest, UnsupportedMedia
from glia.kit.ids import parse_id
from glia.surfaces.shared.asgi import Request, Send, send_json
from glia.surfaces.shared.idempotency import answer_once
from glia.surfaces.shared.json_body import read_object
from glia.wiring import House

_LINES = frozenset({"", "application/x-ndjson", "application/jsonl", "application/x-jsonlines", "text/plain"})
_BY_DEFAULT_OF_CURL = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class CaseImport:
    house: House
    answers: IdempotentAnswers

    async def receive(self, request: Request, send: Send, evaluation_set: str) -> None:
        set_id = parse_id(evaluation_set, "evaluation set")
        request.principal.require("evaluations:write")
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        body = await request.body(LARGEST_IMPORT_BYTES)

        async def answer(send: Send) -> None:
            sets = self.house.evaluation_sets
            if media_type == "application/json":
                added = len(await sets.add_cases(request.principal, set_id, _cases(body)))
            elif media_type in _LINES or media_type == _BY_DEFAULT_OF_CURL:
                added = await sets.import_lines(request.principal, set_id, body)
            else:
                raise UnsupportedMedia(
                    f"The body is {media_type[:100]!r}; send JSON lines as `application/x-ndjson`, or JSON as"
                    " `application/json`."
                )
            await send_json(send, 201, {"added": added})

        await answer_once(self.answers, request, body, send, answer)


def _cases(body: bytes) -> list[object]:
    tree = read_object(body)
    for name in tree:
        if name != "cases":
            raise InvalidRequest(f"`{name[:100]}` is not a field of this request; there is `cases`.", field=name[:100])
    cases = tree.get("cases")
    if not isinstance(cases, list):
        raise InvalidRequest("`cases` must be a list of cases.", field="cases")
    return cast(list[object], cases)
