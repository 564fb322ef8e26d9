"""POST /v1/chat/completions: OpenAI's protocol, answered by the surface that speaks it, with errors in our words."""

from __future__ import annotations

from typing import Annotated, Any, Final, NoReturn, cast

import orjson
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from glia.identity.types import Principal
from glia.kit.errors import NotFound
from glia.kit.pages import Window
from glia.memory.types import Scope as Whose
from glia.models.errors import ModelNotFound
from glia.surfaces.neuralhub.scopes import SCOPES, require, rights_within
from glia.surfaces.neuralhub.words import shown_status
from glia.surfaces.shared.asgi import App, Message, Request, Scope, Send, send_json
from glia.surfaces.shared.json_body import replay
from glia.wiring import House

router = APIRouter(prefix="/v1/chat", tags=["chat"])

LARGEST_BODY_BYTES = 32 * 1024 * 1024
"""Conversations with pictures are large."""

# Who may chat may chat with agents: these find the agent, open a session with it and start its run.
_IMPLIED: Final = ("agents:read", "runs:write", "runs:read", "sessions:write", "sessions:read")
_WORKSPACE: Final = "workspaceId"
# Names that clients of NeuralHub write, as its own upstream calls them. Where no provider has the model, the server's
# default model answers and says so, so that such a client works on a server without any key; other names are a 404.
_VENDORS: Final = frozenset(
    {
        "amazon",
        "anthropic",
        "cohere",
        "deepseek",
        "google",
        "meta-llama",
        "microsoft",
        "minimax",
        "mistralai",
        "moonshotai",
        "nvidia",
        "openai",
        "perplexity",
        "qwen",
        "x-ai",
        "z-ai",
    }
)
_MOST_MEMORIES, _MOST_PASSAGES, _MOST_BASES = 8, 4, 50
_SCOPE_OF: Final = {right: scope for scope in SCOPES for right in rights_within(scope)}


class Chat:
    def __init__(self, house: House, openai: App) -> None:
        """openai: the surface that speaks the protocol; it finds who asks in the request's state."""
        self._house = house
        self._openai = openai

    async def complete(self, request: Request, send: Send) -> None:
        principal = require(request.principal, "chat:write", *_IMPLIED)
        body = await request.body(LARGEST_BODY_BYTES)
        asked, answering = await self._by_what_is_there(await self._with_context(principal, body))
        state = {**request.scope["state"], "principal": principal}
        length = (b"content-length", str(len(asked)).encode())
        headers = [*(pair for pair in request.scope["headers"] if pair[0] != b"content-length"), length]
        scope: Scope = {**request.scope, "state": state, "headers": headers}

        await self._openai(scope, replay(asked, request.receive), _InOurWords(send, answering))

    async def _by_what_is_there(self, body: bytes) -> tuple[bytes, str | None]:
        """The request, and the model that answers it when it is not the one that was named."""
        tree = _object(body)
        model = None if tree is None else tree.get("model")
        if tree is None or not isinstance(model, str) or model.partition("/")[0] not in _VENDORS:
            return body, None
        try:
            await self._house.models.resolve(model)
        except ModelNotFound:
            tree["model"] = (await self._house.models.resolve(None)).id
            return orjson.dumps(tree), tree["model"]
        return body, None

    async def _with_context(self, principal: Principal, body: bytes) -> bytes:
        """The request with what the workspace knows about it, when it names its workspace."""
        if b'"workspaceId"' not in body:
            return body
        tree = _object(body)
        if tree is None or _WORKSPACE not in tree:
            return body
        given = tree.pop(_WORKSPACE)
        if given is not None:
            if str(given).lower() != str(principal.workspace_id):
                raise NotFound(f"There is no workspace {str(given)[:100]!r} that this key opens.", field=_WORKSPACE)
            await self._add_context(principal, tree)
        return orjson.dumps(tree)

    async def _add_context(self, principal: Principal, tree: dict[str, Any]) -> None:
        messages = tree.get("messages")
        question = _last_question(messages)
        if not isinstance(messages, list) or not question:
            return
        known = [*await self._memories(principal, question), *await self._passages(principal, question)]
        if known:
            text = "What this workspace knows that may help:\n" + "\n".join(f"- {each}" for each in known)
            tree["messages"] = [{"role": "system", "content": text}, *cast(list[Any], messages)]

    async def _memories(self, principal: Principal, question: str) -> list[str]:
        """Only what is everybody's: a chat has no agent whose memory it could be."""
        reader = _reading(principal, "memory:read")
        recall = await self._house.memories.search(reader, question, Whose(is_narrow=True), limit=_MOST_MEMORIES)
        return [] if recall.is_fallback else [memory.content for memory in recall.memories if memory.agent_id is None]

    async def _passages(self, principal: Principal, question: str) -> list[str]:
        reader = _reading(principal, "knowledge:read")
        page = await self._house.knowledge.list(reader, Window(_MOST_BASES))
        if not page.items:
            return []
        bases = [base.id for base in page.items]
        hits = await self._house.knowledge.search(reader, bases, question[:2_000], limit=_MOST_PASSAGES)
        return [f"{hit.document_name}: {hit.chunk.text}" for hit in hits]


class _InOurWords:
    """Turns an error of OpenAI's shape into ours; everything else goes through as it comes."""

    def __init__(self, send: Send, answering: str | None) -> None:
        """answering: the model in place of the one that was named, for the header `X-Model-Substituted`."""
        self._send = send
        self._answering = answering
        self._refused: Message | None = None
        self._body = bytearray()

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            # The gate of this surface names the request.
            message["headers"] = [pair for pair in message["headers"] if pair[0] != b"x-request-id"]
            if self._answering is not None:
                message["headers"].append((b"x-model-substituted", self._answering.encode("latin-1", "replace")))
            if message["status"] >= 400:
                self._refused = message
                return
        elif self._refused is not None:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._refuse(self._refused)
            return
        await self._send(message)

    async def _refuse(self, start: Message) -> None:
        error = (_object(bytes(self._body)) or {}).get("error")
        fields = cast(dict[str, Any], error) if isinstance(error, dict) else {}
        code = fields.get("code") or fields.get("type") or "upstream_failed"
        said = fields.get("message") or (
            error if isinstance(error, str) else "The model's provider refused the request."
        )
        told = {"error": {"code": str(code), "message": _in_our_scopes(str(said))}}
        kept = [pair for pair in start["headers"] if pair[0] not in {b"content-type", b"content-length"}]
        await send_json(self._send, shown_status(start["status"]), told, kept)


def _in_our_scopes(text: str) -> str:
    for right, scope in _SCOPE_OF.items():
        text = text.replace(f"the scope `{right}`", f"the scope `{scope}`")
    return text


def _reading(principal: Principal, right: str) -> Principal:
    return Principal(principal.workspace_id, principal.project_id, principal.scopes | {right}, principal.user_id)


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        tree: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return cast(dict[str, Any], tree) if isinstance(tree, dict) else None


def _last_question(messages: object) -> str:
    """The text of the user's last message."""
    for message in reversed(cast(list[Any], messages) if isinstance(messages, list) else []):
        if isinstance(message, dict) and cast(dict[str, Any], message).get("role") == "user":
            content = cast(dict[str, Any], message).get("content")
            if isinstance(content, str):
                return content
            parts = cast(list[Any], content) if isinstance(content, list) else []
            texts = [cast(dict[str, Any], part).get("text") for part in parts if isinstance(part, dict)]
            return "\n".join(text for text in texts if isinstance(text, str))
    return ""


class ChatMessage(BaseModel):
    model_config = ConfigDict(extra="allow")

    role: str
    content: Any = None


class ChatBody(BaseModel):
    """OpenAI's request; every field of it goes to the model. workspaceId: adds what that workspace knows."""

    model_config = ConfigDict(extra="allow")

    model: str
    messages: list[ChatMessage]
    stream: bool = False
    tools: list[dict[str, Any]] | None = None
    workspaceId: Annotated[str | None, Field(description="The key's own workspace.")] = None  # noqa: N815


class Completion(BaseModel):
    model_config = ConfigDict(extra="allow")

    id: str
    object: str
    choices: list[dict[str, Any]]


@router.post(
    "/completions",
    response_model=Completion,
    responses={
        200: {
            "content": {"text/event-stream": {}},
            "description": "The completion; with `stream`, its chunks as server-sent events and `[DONE]`.",
        }
    },
)
async def complete(body: ChatBody) -> NoReturn:
    """Ask a model, or an agent as `agent:<name>`, by OpenAI's protocol: tools, streams, images, formats, usage."""
    raise LookupError(body.model)  # answered before the framework sees it
