"""gRPC's own services: the server's health, and its description for tools that have no proto."""

import subprocess

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from processes import REPOSITORY

PATIENCE = 10  # seconds
SERVING, SERVICE_UNKNOWN = 1, 3  # health.proto
NOT_FOUND, INVALID_ARGUMENT = 5, 3  # google.rpc.Code
SERVICES = (
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
    "sluice.v1.CommandService",
    "sluice.v1.ControlService",
    "sluice.v1.DecisionService",
    "sluice.v1.EventService",
    "sluice.v1.ObserveService",
)
VERSIONS = pytest.mark.parametrize("version", ("v1", "v1alpha"))


class Messages:
    """Message classes from descriptors."""

    def __init__(self):
        self._pool = descriptor_pool.DescriptorPool()
        self._known = set()

    def add(self, file):
        if file.name not in self._known:
            self._pool.Add(file)
            self._known.add(file.name)

    def __getitem__(self, name):
        descriptor = self._pool.FindMessageTypeByName(name)
        return message_factory.MessageFactory(self._pool).GetPrototype(descriptor)

    def unary(self, channel, method, request, response):
        return channel.unary_unary(
            method,
            request_serializer=self[request].SerializeToString,
            response_deserializer=self[response].FromString,
        )


@pytest.fixture(scope="module")
def standard(tmp_path_factory):
    """The messages of gRPC's services."""
    protos = REPOSITORY / "third_party/grpc_services"
    out = tmp_path_factory.mktemp("standard") / "set"
    files = [str(path.relative_to(protos)) for path in protos.rglob("*.proto")]
    subprocess.run(["protoc", f"-I{protos}", f"--descriptor_set_out={out}", *files], check=True)
    messages = Messages()
    for file in descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file:
        messages.add(file)
    return messages


@pytest.fixture
def channel(rig):
    with grpc.insecure_channel(rig.server("default accept;\n").local) as channel:
        yield channel


HEALTH = "grpc.health.v1.HealthCheck"


def health(standard, channel, service):
    check = standard.unary(
        channel, "/grpc.health.v1.Health/Check", f"{HEALTH}Request", f"{HEALTH}Response"
    )
    return check(standard[f"{HEALTH}Request"](service=service), timeout=PATIENCE).status


@pytest.mark.parametrize("service", ("", *SERVICES))
def test_health_of_the_server_and_its_services(standard, channel, service):
    assert health(standard, channel, service) == SERVING


@pytest.mark.parametrize("service", ("nobody", "sluice.v1", "sluice.v1.ControlService/", "ü" * 999))
def test_health_of_what_is_not_there(standard, channel, service):
    with pytest.raises(grpc.RpcError) as error:
        health(standard, channel, service)
    assert error.value.code() == grpc.StatusCode.NOT_FOUND
    assert service in error.value.details()


@pytest.mark.parametrize(("service", "status"), (("", SERVING), ("nobody", SERVICE_UNKNOWN)))
def test_health_is_watched_until_the_server_ends(rig, standard, service, status):
    server = rig.server("default accept;\n")
    with grpc.insecure_channel(server.local) as channel:
        watch = channel.unary_stream(
            "/grpc.health.v1.Health/Watch",
            request_serializer=standard[f"{HEALTH}Request"].SerializeToString,
            response_deserializer=standard[f"{HEALTH}Response"].FromString,
        )
        call = watch(standard[f"{HEALTH}Request"](service=service), timeout=PATIENCE)
        assert next(call).status == status
        assert server.stop() == 0
        with pytest.raises(grpc.RpcError) as error:
            next(call)
        assert error.value.code() == grpc.StatusCode.UNAVAILABLE


class Reflection:
    """A stream that asks what the server is."""

    def __init__(self, standard, channel, version):
        package = f"grpc.reflection.{version}."
        self.request = standard[f"{package}ServerReflectionRequest"]
        response = standard[f"{package}ServerReflectionResponse"]
        self._method = channel.stream_stream(
            f"/{package}ServerReflection/ServerReflectionInfo",
            request_serializer=self.request.SerializeToString,
            response_deserializer=response.FromString,
        )

    def ask(self, *questions):
        requests = [self.request(**question) for question in questions]
        answers = list(self._method(iter(requests), timeout=PATIENCE))
        assert [answer.original_request for answer in answers] == requests
        return answers

    def files(self, **question):
        (answer,) = self.ask(question)
        files = answer.file_descriptor_response.file_descriptor_proto
        return [descriptor_pb2.FileDescriptorProto.FromString(file) for file in files]


@VERSIONS
def test_reflection_lists_the_services(standard, channel, version):
    (answer,) = Reflection(standard, channel, version).ask({"list_services": "*"})
    assert tuple(sorted(s.name for s in answer.list_services_response.service)) == SERVICES


@VERSIONS
def test_a_client_without_protos_calls_what_reflection_describes(standard, channel, version):
    described = Messages()
    reflection = Reflection(standard, channel, version)
    for service in SERVICES:  # Those that a file imports come before it.
        for file in reflection.files(file_containing_symbol=service):
            described.add(file)
    call = described.unary(
        channel,
        "/sluice.v1.ControlService/GetServer",
        "sluice.v1.GetServerRequest",
        "sluice.v1.GetServerResponse",
    )
    assert call(described["sluice.v1.GetServerRequest"](), timeout=PATIENCE).ListFields()


@VERSIONS
def test_reflection_finds_files_methods_and_messages(standard, channel, version):
    reflection = Reflection(standard, channel, version)
    by_name = reflection.files(file_by_filename="sluice/v1/decision.proto")
    assert by_name[-1].name == "sluice/v1/decision.proto"
    for symbol in (
        "sluice.v1.DecisionService",
        "sluice.v1.DecisionService.Decide",
        "sluice.v1.DecideRequest",
        "sluice.v1.AgentIdentity.gateway",
    ):
        assert reflection.files(file_containing_symbol=symbol) == by_name


@VERSIONS
def test_reflection_says_what_it_cannot_tell_and_goes_on(standard, channel, version):
    answers = Reflection(standard, channel, version).ask(
        {"file_by_filename": "nobody.proto"},
        {"file_containing_symbol": "sluice.v1.Nobody"},
        {"file_containing_symbol": "x" * 100_000},
        {},
        {"host": "any", "list_services": ""},
    )
    assert [a.error_response.error_code for a in answers] == [*[NOT_FOUND] * 3, INVALID_ARGUMENT, 0]
    assert len(answers[-1].list_services_response.service) == len(SERVICES)
