"""POST /v1/knowledge-bases/{id}/documents: a file goes to disk as it arrives, then into the knowledge base."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import msgspec

from glia.identity.service import IdempotentAnswers
from glia.kit.errors import InvalidRequest
from glia.kit.ids import parse_id
from glia.knowledge.service import Knowledge
from glia.surfaces.native.knowledge import document_out
from glia.surfaces.shared.asgi import Request, Send, ignored_header, send_bytes
from glia.surfaces.shared.idempotency import answer_once, key_of
from glia.surfaces.shared.json_body import Fields
from glia.surfaces.shared.multipart import Upload, received_file

_FIELDS = frozenset(("path", "metadata"))


def _metadata(text: str) -> dict[str, object]:
    if not text.strip():
        return {}
    try:
        return msgspec.json.decode(text, type=dict[str, object])
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"`metadata` is no JSON object: {error}.", field="metadata") from None


@dataclass(frozen=True)
class Uploads:
    """spool: the folder that holds uploads while they arrive."""

    knowledge: Knowledge
    answers: IdempotentAnswers
    spool: Path
    largest_bytes: int
    is_strict: bool = False

    async def upload(self, request: Request, send: Send, knowledge_base: str) -> None:
        base_id = parse_id(knowledge_base, "knowledge base")
        principal = request.principal
        principal.require("knowledge:write")
        key_of(request)
        if principal.allows("knowledge:read"):
            await self.knowledge.get(principal, base_id)  # so that nobody uploads 100 MB in vain
        async with received_file(request, self.spool, largest_bytes=self.largest_bytes, wanted=_FIELDS) as upload:
            Fields(self.is_strict).ignore(upload.ignored)

            async def answer(send: Send) -> None:
                await self._add(request, send, base_id, upload)

            # Not the bytes as they came: a client that tries again draws another boundary.
            content = f"{upload.sha256} {upload.name} {sorted(upload.fields.items())}".encode()
            await answer_once(self.answers, request, content, send, answer)

    async def _add(self, request: Request, send: Send, base_id: UUID, upload: Upload) -> None:
        if not upload.name:
            raise InvalidRequest('The file has no name; send one, as `filename="report.pdf"`.', field="file")
        document = await self.knowledge.add(
            request.principal,
            base_id,
            upload.path,
            name=upload.name,
            media_type=upload.media_type,
            folder=upload.fields.get("path", ""),
            metadata=_metadata(upload.fields.get("metadata", "")),
        )
        body = document_out(document).model_dump_json().encode()
        await send_bytes(send, 202, body, b"application/json", ignored_header(upload.ignored))
