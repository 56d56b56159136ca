"""An error of a gateway's kernel travels as gRPC's libraries expect it: as a google.rpc.Status in
grpc-status-details-bin. The test reads it with a google.rpc.Status of its own."""

import queue

import grpc
import pytest
from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory

from sluice.v1 import command_pb2, command_pb2_grpc, stats_pb2


def google_rpc_status():
    """The message class, built as googleapis' google/rpc/status.proto defines it."""
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(any_pb2.DESCRIPTOR.serialized_pb)
    file = descriptor_pb2.FileDescriptorProto(
        name="google/rpc/status.proto",
        package="google.rpc",
        syntax="proto3",
        dependency=["google/protobuf/any.proto"],
    )
    fields = descriptor_pb2.FieldDescriptorProto
    file.message_type.add(name="Status").field.extend(
        [
            fields(name="code", number=1, type=fields.TYPE_INT32, label=fields.LABEL_OPTIONAL),
            fields(name="message", number=2, type=fields.TYPE_STRING, label=fields.LABEL_OPTIONAL),
            fields(
                name="details",
                number=3,
                type=fields.TYPE_MESSAGE,
                type_name=".google.protobuf.Any",
                label=fields.LABEL_REPEATED,
            ),
        ]
    )
    pool.Add(file)
    descriptor = pool.FindMessageTypeByName("google.rpc.Status")
    return message_factory.MessageFactory(pool).GetPrototype(descriptor)


@pytest.fixture
def refusing(rig):
    """A server with a gateway whose kernel refuses every change of mode, with this message."""

    def start(message):
        server = rig.server()
        said = queue.SimpleQueue()
        hello = command_pb2.ServeRequest()
        hello.hello.agent.gateway, hello.hello.agent.incarnation = "gw", 1
        said.put(hello)

        def requests():
            while True:
                try:
                    yield said.get(timeout=0.2)
                except queue.Empty:
                    yield command_pb2.ServeRequest(heartbeat={})

        def serve(channel):
            for response in command_pb2_grpc.CommandServiceStub(channel).Serve(requests()):
                if response.HasField("command"):
                    reply = command_pb2.ServeRequest()
                    reply.reply.id, reply.reply.last = response.command.id, True
                    reply.reply.error.code = grpc.StatusCode.PERMISSION_DENIED.value[0]
                    reply.reply.error.message = message
                    reply.reply.error.system.number = 1
                    reply.reply.error.system.name = "EPERM"
                    reply.reply.error.system.text = "Operation not permitted"
                    said.put(reply)

        channel = rig.keep(grpc.insecure_channel(server.local))
        rig.background(serve, channel)
        while "gw" not in server.gateways() or not server.gateways()["gw"].connected:
            pass
        return server

    return start


@pytest.mark.parametrize("message", ("the kernel refused", "é" * 5000), ids=("short", "long"))
def test_the_kernels_error_is_a_google_rpc_status(refusing, message):
    server = refusing(message)
    with pytest.raises(grpc.RpcError) as failed:
        server.set_mode(stats_pb2.MODE_ON)
    error = failed.value
    assert error.code() == grpc.StatusCode.PERMISSION_DENIED
    trailer = {pair.key: pair.value for pair in error.trailing_metadata()}
    status = google_rpc_status().FromString(trailer["grpc-status-details-bin"])
    assert status.code == grpc.StatusCode.PERMISSION_DENIED.value[0]
    assert status.message == error.details()
    assert status.message and message.startswith(status.message)
    (detail,) = status.details
    assert detail.type_url == "type.googleapis.com/sluice.v1.SystemError"
    system = command_pb2.SystemError.FromString(detail.value)
    assert (system.number, system.name) == (1, "EPERM")
    code, said = server.sluicectl("mode", "gw", "on")
    assert code == 1
    assert "the gateway's system says: Operation not permitted (EPERM, errno 1)" in said
