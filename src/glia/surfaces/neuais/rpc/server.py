"""The gRPC server: each call asks the HTTP surface, as `table.py` says; with health and reflection."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Final, NoReturn
from urllib.parse import quote, urlencode

import grpc
import structlog
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc.aio import ServicerContext
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from glia.kit.errors import Conflict, InvalidRequest
from glia.surfaces.neuais.rpc import neuais_pb2
from glia.surfaces.neuais.rpc.calls import Answer, Asked, ask
from glia.surfaces.neuais.rpc.table import BINDINGS
from glia.surfaces.neuais.words import neuais_error
from glia.surfaces.shared.asgi import App
from glia.wiring import House

log = structlog.get_logger(__name__)

STATUSES: Final = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    409: grpc.StatusCode.FAILED_PRECONDITION,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
}
_MOST_CALLS: Final = 4096
_HEALTH_SECONDS: Final = 5
_GRACE_SECONDS: Final = 3
_PASSED_ON: Final = ("authorization", "idempotency-key", "traceparent", "tracestate", "x-request-id", "user-agent")
_SHOWN: Final = (
    "retry-after",
    "x-ignored-fields",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-request-id",
)


_AsyncHealth: Any = vars(health)["aio"]  # its type stubs lack it


class GrpcPortTaken(Conflict):
    code = "port_taken"


@dataclass(frozen=True)
class Call:
    """One method of one service, and the operation over HTTP that it is."""

    method: MethodDescriptor
    http_method: str
    path: str
    query: str

    @property
    def makes(self) -> bool:
        """Whether it makes something, so that a conflict is with what exists."""
        return self.http_method == "POST" and "{" not in self.path

    def asked(self, request: Message, headers: Mapping[str, str], client: tuple[str, int]) -> Asked:
        """Raises InvalidRequest when a name that belongs into the path is empty: that would be another operation."""
        fields: dict[str, Any] = MessageToDict(request, preserving_proto_field_name=True)
        path, body = self.path, b""
        for name in [field.name for field in self.method.input_type.fields if f"{{{field.name}}}" in path]:
            if not fields.get(name):
                raise InvalidRequest(f"`{name}` is empty.", field=name, reason="is empty")
            path = path.replace(f"{{{name}}}", quote(str(fields.pop(name)), safe=""))
        if self.http_method in {"GET", "DELETE"}:
            query = "&".join(part for part in (self.query, urlencode(fields)) if part)
        else:
            for field in self.method.input_type.fields:
                if field.name in fields and field.message_type is neuais_pb2.Environment.DESCRIPTOR:
                    fields[field.name] = fields[field.name].get("variables", {})
            query, body = self.query, json.dumps(fields).encode()
            headers = {**headers, "content-type": "application/json", "content-length": str(len(body))}
        return Asked(self.http_method, f"/neuais{path}", query.encode(), headers, body, client)


class GrpcServer:
    """Made inside the event loop that serves it."""

    def __init__(self, house: House, app: App, *, host: str, port: int, http_port: int) -> None:
        """app: all surfaces. http_port: where they are, for the addresses of agents. Raises GrpcPortTaken."""
        self._house = house
        self._app = app
        self._origin = f"{_named(host)}:{http_port}"
        self._health: Any = _AsyncHealth.HealthServicer()
        self._server = grpc.aio.server(
            maximum_concurrent_rpcs=_MOST_CALLS,
            options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", 10 * 1024 * 1024)],
        )
        self._services = self._add_services()
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            self._server.add_insecure_port(address)
        except RuntimeError:
            raise GrpcPortTaken(f"Cannot listen on {address} for gRPC. Choose another port with --listen.") from None

    def _add_services(self) -> list[str]:
        names: list[str] = []
        for service in neuais_pb2.DESCRIPTOR.services_by_name.values():
            handlers = {method.name: self._handler(_call(method)) for method in service.methods}
            self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service.full_name, handlers),))
            names.append(service.full_name)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)  # pyright: ignore[reportUnknownMemberType]  # untyped
        reflection.enable_server_reflection([*names, health.SERVICE_NAME, reflection.SERVICE_NAME], self._server)
        return names

    def _handler(self, call: Call) -> grpc.RpcMethodHandler[Any, Any]:
        answer_type = GetMessageClass(call.method.output_type)
        coders: dict[str, Callable[..., Any]] = {
            "request_deserializer": GetMessageClass(call.method.input_type).FromString,
            "response_serializer": answer_type.SerializeToString,
        }

        async def answer(request: Message, context: ServicerContext[Message, Message]) -> Message:
            async with ask(self._app, await self._asked(call, request, context)) as given:
                await _begin(call, given, context)
                return ParseDict(json.loads(await given.whole()), answer_type(), ignore_unknown_fields=True)

        async def stream(request: Message, context: ServicerContext[Message, Message]) -> AsyncGenerator[Message]:
            asked = await self._asked(call, request, context)
            async with ask(self._app, asked) as given:
                await _begin(call, given, context)
                async with aclosing(_events(given)) as events:
                    async for event in events:
                        yield ParseDict(event, answer_type(), ignore_unknown_fields=True)
            # A stream of server-sent events just ends, whether the agent is gone or the caller may read no more.
            async with ask(self._app, replace(asked, query=b"tail=0")) as given:
                if given.status in {401, 403}:
                    await _begin(call, given, context)

        if call.method.server_streaming:
            return grpc.unary_stream_rpc_method_handler(stream, **coders)
        return grpc.unary_unary_rpc_method_handler(answer, **coders)

    async def _asked(self, call: Call, request: Message, context: ServicerContext[Message, Message]) -> Asked:
        """Ends the call when it names nothing that could be asked for."""
        told = {str(name): str(value) for name, value in context.invocation_metadata() or ()}
        headers = {name: told[name] for name in _PASSED_ON if name in told} | {"host": self._origin}
        try:
            return call.asked(request, headers, _client_of(context.peer()))
        except InvalidRequest as error:
            await _refuse(call, 400, neuais_error(error, "")["error"], (), context)

    async def run(self, stop: asyncio.Event) -> None:
        """Serves until told to stop, then gives open calls three seconds to finish."""
        await self._server.start()
        watching = asyncio.create_task(self._tell_health())
        await stop.wait()
        watching.cancel()
        await self._health.enter_graceful_shutdown()
        await self._server.stop(_GRACE_SECONDS)

    async def _tell_health(self) -> None:
        """Well while the database answers."""
        while True:
            is_well = await self._house.db.is_reachable()
            told = health_pb2.HealthCheckResponse.SERVING if is_well else health_pb2.HealthCheckResponse.NOT_SERVING
            for name in ("", *self._services):
                await self._health.set(name, told)
            await asyncio.sleep(_HEALTH_SECONDS)


def _call(method: MethodDescriptor) -> Call:
    http_method, _, target = BINDINGS[f"{method.containing_service.name}.{method.name}"].partition(" ")
    path, _, query = target.partition("?")
    return Call(method, http_method, path, query)


async def _begin(call: Call, given: Answer, context: ServicerContext[Message, Message]) -> None:
    """Sends what headers tell; ends the call when the answer is an error."""
    shown = tuple((name, given.headers[name]) for name in _SHOWN if name in given.headers)
    if given.status < 400:
        await context.send_initial_metadata(shown)
        return
    await _refuse(call, given.status, json.loads(await given.whole())["error"], shown, context)


async def _refuse(
    call: Call, status: int, error: Any, shown: tuple[tuple[str, str], ...], context: ServicerContext[Message, Message]
) -> NoReturn:
    """error: as the surface tells it, `{code, message, details}`. shown: what headers tell."""
    details: dict[str, str] = error["details"]
    told = {"error-code": error["code"], "error-field": details.get("field"), "error-reason": details.get("reason")}
    faults = tuple((name, value.encode("ascii", "backslashreplace").decode()) for name, value in told.items() if value)
    code = STATUSES.get(status, grpc.StatusCode.INTERNAL)
    if status == 409 and call.makes:
        code = grpc.StatusCode.ALREADY_EXISTS
    await context.abort(code, error["message"], shown + faults)


async def _events(given: Answer) -> AsyncGenerator[dict[str, Any]]:
    """The objects of server-sent events, with their ids."""
    rest = b""
    async with aclosing(given.pieces) as pieces:
        async for piece in pieces:
            *events, rest = (rest + piece).split(b"\n\n")
            for event in events:
                fields = dict(line.split(b": ", 1) for line in event.split(b"\n") if not line.startswith(b":"))
                if b"data" in fields:
                    yield {**json.loads(fields[b"data"]), "id": int(fields.get(b"id", b"0"))}


def _client_of(peer: str) -> tuple[str, int]:
    """From `ipv4:127.0.0.1:50000` or `ipv6:[::1]:50000`; a Unix socket has no address."""
    kind, _, address = peer.partition(":")
    host, _, port = address.rpartition(":")
    return (host.strip("[]"), int(port)) if kind.startswith("ipv") and port.isdigit() else ("", 0)


def _named(host: str) -> str:
    """A host that clients of this machine can ask."""
    if host in {"0.0.0.0", "::", ""}:  # noqa: S104 - compared, not bound
        return "localhost"
    return f"[{host}]" if ":" in host else host
