"""NeuAIs over gRPC, by a client whose stubs are made from the published proto."""

from __future__ import annotations

import asyncio
import importlib
import re
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import grpc
import grpc_tools
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_tools import protoc

from glia.front import Front
from glia.surfaces.neuais import rpc
from glia.surfaces.neuais.rpc.server import GrpcPortTaken, GrpcServer
from glia.surfaces.neuais.rpc.table import BINDINGS
from glia.wiring import House
from tests.failures.process import free_port
from tests.surfaces.conftest import Client, Server

from .conftest import PROGRAM, Neuais, Written

PROTO = Path(rpc.__file__).with_name("neuais.proto")

SAME = {
    "AgentOut": "Agent",
    "ConfigOut": "Config",
    "LineOut": "LogLine",
    "MetricsOut": "GetMetricsResponse",
    "ServiceStatusOut": "ServiceStatus",
    "UserOut": "User",
    "UsedOut": "UsedAmounts",
    "CostOut": "Cost",
    "InvoiceWithLinesOut": "Invoice",
    "InvoiceLineOut": "InvoiceLine",
    "WebhookOut": "Webhook",
    "DeliveryWithAttemptsOut": "Delivery",
    "AttemptOut": "Attempt",
    "AgentBody": "CreateAgentRequest",
    "UserBody": "CreateUserRequest",
    "UserBodyChanges": "UpdateUserRequest",
    "WebhookBody": "CreateWebhookRequest",
}
"""What the HTTP API calls its bodies and answers, and which message is the same."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ModuleType, ModuleType]]:
    """Messages and stubs, as a client makes them."""
    folder = tmp_path_factory.mktemp("stubs")
    places = [f"-I{PROTO.parent}", f"-I{Path(grpc_tools.__file__).parent / '_proto'}"]
    command = ["", *places, f"--python_out={folder}", f"--pyi_out={folder}", f"--grpc_python_out={folder}"]
    assert protoc.main([*command, PROTO.name]) == 0
    for name in ("neuais_pb2.py", "neuais_pb2.pyi"):
        assert (folder / name).read_text() == PROTO.with_name(name).read_text(), f"{name} is to be made anew by protoc."
    sys.path.insert(0, str(folder))
    try:
        yield importlib.import_module("neuais_pb2"), importlib.import_module("neuais_pb2_grpc")
    finally:
        sys.path.remove(str(folder))


@pytest.fixture(scope="module")
def port(server: Server) -> Iterator[int]:
    port = free_port()

    async def begin(house: House) -> tuple[asyncio.Event, asyncio.Task[None]]:
        stop = asyncio.Event()
        serving = GrpcServer(house, Front(house), host="127.0.0.1", port=port, http_port=server.port)
        return stop, asyncio.create_task(serving.run(stop))

    stop, task = server.do(begin)
    deadline = time.monotonic() + 60
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        assert time.monotonic() < deadline
        time.sleep(0.02)
    yield port

    async def end(_house: House) -> None:
        stop.set()
        await task

    server.do(end)


class Theirs:
    """A client with a key: `call("AgentService.GetAgent", id=...)`."""

    def __init__(self, port: int, made: tuple[ModuleType, ModuleType], key: str | None) -> None:
        self.messages, self._stubs = made
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        self.metadata = [("authorization", f"Bearer {key}")] if key else []

    def __call__(self, call: str, /, *, metadata: Sequence[tuple[str, str]] = (), **fields: Any) -> Any:
        service, _, method = call.partition(".")
        stub = getattr(self._stubs, f"{service}Stub")(self.channel)
        taken = next(one for one in self.messages.DESCRIPTOR.services_by_name[service].methods if one.name == method)
        request = getattr(self.messages, taken.input_type.name)(**fields)
        return getattr(stub, method)(request, metadata=[*self.metadata, *metadata], timeout=30)

    def refused(self, call: str, /, **fields: Any) -> tuple[grpc.StatusCode, dict[str, str], str]:
        """The code, the trailing metadata and the message."""
        with pytest.raises(grpc.RpcError) as caught:
            self(call, **fields)
        error: Any = caught.value
        return error.code(), dict(error.trailing_metadata()), error.details()


@pytest.fixture
def theirs(port: int, made: tuple[ModuleType, ModuleType], neuais: Neuais) -> Iterator[Theirs]:
    client = Theirs(port, made, neuais.key)
    with client.channel:
        yield client


def test_an_agent_is_made_changed_and_deleted(theirs: Theirs, neuais: Neuais) -> None:
    agent = theirs(
        "AgentService.CreateAgent",
        name="counter",
        **PROGRAM,
        config=theirs.messages.Config(cpu="0.5", memory="64Mi", replicas=2, command=["main.py", "--quick"]),
        environment={"LOG_LEVEL": "info"},
    )

    shown = neuais.get(f"/v1/agents/{agent.id}").json
    assert (agent.name, agent.status, agent.replicas) == ("counter", "deploying", 2)
    assert shown["config"] | {"cpu": "0.5", "command": ["main.py", "--quick"]} == shown["config"]
    assert list(agent.endpoints) == shown["endpoints"]
    assert agent.created_at.ToJsonString() == shown["created_at"]

    none = theirs.messages.Environment()
    changed = theirs("AgentService.UpdateAgent", id=agent.id, environment=none)
    assert list(changed.environment_names) == []
    assert theirs("AgentService.ScaleAgent", id=agent.id, replicas=0).replicas == 0
    assert theirs("AgentService.StopAgent", id=agent.id).status == "stopped"
    assert theirs("AgentService.DeleteAgent", id=agent.id).message == "Agent deleted successfully"
    assert neuais.get(f"/v1/agents/{agent.id}").status == 404


def test_lists_are_filtered_sorted_and_cut(theirs: Theirs, neuais: Neuais) -> None:
    for name in ("a-one", "b-two", "c-three"):
        neuais.agent(name)

    page = theirs("AgentService.ListAgents", limit=2, sort="name:desc", fields="id,name", status="deploying")

    assert [agent.name for agent in page.agents] == ["c-three", "b-two"]
    assert (page.total, page.has_more, page.agents[0].status) == (3, True, "")


def test_lines_are_read_and_followed(theirs: Theirs, neuais: Neuais, written: Written) -> None:
    agent = neuais.agent()
    replica = written.lines(agent, [("info", "one"), ("error", "two"), ("info", "three")])

    lines = theirs("AgentService.GetLogs", id=agent["id"], tail=2).logs
    assert [(line.message, line.level, line.replica) for line in lines] == [
        ("two", "error", replica),
        ("three", "info", replica),
    ]

    followed = theirs("AgentService.StreamLogs", id=agent["id"], after=lines[0].id)
    assert next(followed).message == "three"
    written.lines(agent, [("warn", "four \n\n data: {}")])
    assert next(followed).message == "four \n\n data: {}"
    followed.cancel()


def test_a_followed_agent_that_is_deleted_ends_the_stream(theirs: Theirs, neuais: Neuais) -> None:
    agent = neuais.agent()
    followed = theirs("AgentService.StreamLogs", id=agent["id"])
    next(iter(followed.initial_metadata()))

    neuais.delete(f"/v1/agents/{agent['id']}")

    assert list(followed) == []


def test_a_revoked_key_ends_its_stream_and_says_so(
    port: int, made: tuple[ModuleType, ModuleType], client: Client, neuais: Neuais
) -> None:
    agent, key = neuais.agent(), client.made("/v1/keys", {"name": "Reader", "role": "read-only"})
    reader = Theirs(port, made, key["key"])
    with reader.channel:
        followed = reader("AgentService.StreamLogs", id=agent["id"])
        next(iter(followed.initial_metadata()))

        assert client.delete(f"/v1/keys/{key['id']}").status == 204

        with pytest.raises(grpc.RpcError) as caught:
            next(followed)
        assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED  # type: ignore[attr-defined]


def test_faults_have_their_codes_and_name_the_field(theirs: Theirs, neuais: Neuais) -> None:
    neuais.agent("taken")
    wrong = theirs.messages.Config(cpu="many")

    code, told, message = theirs.refused("AgentService.CreateAgent", name="x", **PROGRAM, config=wrong)
    assert (code, told["error-code"], told["error-field"]) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "invalid_request",
        "cpu",
    )
    assert told["error-reason"] in message
    code, told, _ = theirs.refused("AgentService.CreateAgent", name="taken", **PROGRAM)
    assert (code, told["error-code"]) == (grpc.StatusCode.ALREADY_EXISTS, "conflict")
    code, told, _ = theirs.refused("AgentService.GetAgent", id="agt_none")
    assert (code, told["error-code"]) == (grpc.StatusCode.NOT_FOUND, "not_found")
    code, told, message = theirs.refused("AgentService.GetAgent")
    assert (code, told["error-field"]) == (grpc.StatusCode.INVALID_ARGUMENT, "id")
    assert "route" not in message
    code, told, _ = theirs.refused("WebhookService.GetDelivery", webhook_id="whk_none")
    assert (code, told["error-field"]) == (grpc.StatusCode.INVALID_ARGUMENT, "id")
    code, told, _ = theirs.refused("AgentService.ScaleAgent", id="agt_none/../..")
    assert code in {grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT}


def test_who_has_no_key_or_anothers_gets_nothing(
    port: int, made: tuple[ModuleType, ModuleType], neuais: Neuais, neuais_stranger: Neuais
) -> None:
    agent = neuais.agent()
    nobody, stranger = Theirs(port, made, None), Theirs(port, made, neuais_stranger.key)
    with nobody.channel, stranger.channel:
        assert nobody.refused("AgentService.ListAgents")[0] == grpc.StatusCode.UNAUTHENTICATED
        assert stranger.refused("AgentService.GetAgent", id=agent["id"])[0] == grpc.StatusCode.NOT_FOUND
        with pytest.raises(grpc.RpcError) as caught:
            next(stranger("AgentService.StreamLogs", id=agent["id"]))
        assert caught.value.code() == grpc.StatusCode.NOT_FOUND  # type: ignore[attr-defined]


def test_a_password_gives_a_token_that_works(port: int, made: tuple[ModuleType, ModuleType], neuais: Neuais) -> None:
    user = neuais.made("/v1/users", {"email": "ops@example.org", "password": "correct horse battery"})
    nobody = Theirs(port, made, None)
    with nobody.channel:
        token = nobody("AuthService.GetToken", email=user["email"], password="correct horse battery")
        nobody.metadata = [("authorization", f"Bearer {token.access_token}")]
        assert nobody("UserService.GetUser", id=user["id"]).role == "developer"
    assert token.expires_in == 3600


def test_one_key_is_used_once(theirs: Theirs) -> None:
    once = [("idempotency-key", "the-first")]

    first = theirs("AgentService.CreateAgent", metadata=once, name="once", **PROGRAM)
    second = theirs("AgentService.CreateAgent", metadata=once, name="once", **PROGRAM)

    assert first.id == second.id


def test_limits_are_told_with_every_call(theirs: Theirs) -> None:
    stub = theirs.channel.unary_unary(
        "/neuais.v1.AgentService/ListAgents",
        theirs.messages.ListAgentsRequest.SerializeToString,
        theirs.messages.ListAgentsResponse.FromString,
    )
    _, call = stub.with_call(theirs.messages.ListAgentsRequest(), metadata=theirs.metadata, timeout=30)
    told = dict(call.initial_metadata())
    assert {"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "x-request-id"} <= set(told)


def test_health_and_reflection_tell_of_every_service(theirs: Theirs) -> None:
    health = health_pb2_grpc.HealthStub(theirs.channel)
    names = [service.full_name for service in theirs.messages.DESCRIPTOR.services_by_name.values()]
    for name in ("", *names):
        told = health.Check(health_pb2.HealthCheckRequest(service=name), timeout=30)
        assert told.status == health_pb2.HealthCheckResponse.SERVING
    with pytest.raises(grpc.RpcError) as caught:
        health.Check(health_pb2.HealthCheckRequest(service="neuais.v1.Nobody"), timeout=30)
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND  # type: ignore[attr-defined]

    reflected = ProtoReflectionDescriptorDatabase(theirs.channel)
    assert set(names) <= set(reflected.get_services())
    assert b"StreamLogs" in reflected.FindFileContainingSymbol("neuais.v1.AgentService").SerializeToString()


def test_every_operation_of_the_surface_has_its_call_and_every_field_its_place(
    neuais: Neuais, made: tuple[ModuleType, ModuleType]
) -> None:
    document = neuais.get("/openapi.json").json
    operations = {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods}
    paths = {_shape(target.partition("?")[0]) for target in BINDINGS.values()}
    assert {_shape(one) for one in operations} - {"GET /v1/ws"} == paths

    fields = {name: set(one.fields_by_name) for name, one in made[0].DESCRIPTOR.message_types_by_name.items()}
    schemas = document["components"]["schemas"]
    for ours, message in SAME.items():
        assert set(schemas[ours]["properties"]) <= fields[message], (ours, message)


def _shape(operation: str) -> str:
    return re.sub(r"\{\w+\}", "{}", operation)


def test_a_port_in_use_is_told(server: Server, port: int) -> None:
    async def again(house: House) -> None:
        with pytest.raises(GrpcPortTaken, match=str(port)):
            GrpcServer(house, Front(house), host="127.0.0.1", port=port, http_port=server.port)

    server.do(again)
