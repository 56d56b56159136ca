"""Callers, and gateways that lie, who make the server keep or look at as much as they can: it costs
bounded memory, and no packet of others."""

import contextlib
import itertools
import queue

import grpc
import pytest
from http2_client import message, proto_field
from siege import MIB, Siege

from sluice.v1 import (
    command_pb2,
    command_pb2_grpc,
    conntrack_pb2,
    control_pb2,
    control_pb2_grpc,
    decision_pb2,
    event_pb2,
    event_pb2_grpc,
    observe_pb2,
    observe_pb2_grpc,
    packet_pb2,
    stats_pb2,
)

OBSERVERS = 16
NUMBERS = 30_000  # of a kind, in a filter: what a request may hold
TOO_MANY = 4_000_000  # what a message may hold
MEANWHILE = 10  # calls of the bystander

FLOWS = 110_000
FLOW_BYTES = 4000
EVENTS = 200  # in a batch
FLOWS_ROOM = 160 * MIB  # 44 MB of flows, the keys of 100,000, and what a batch takes

LISTS = 8
PARTS = 28  # of which the gateway's share holds 21; they must come before the lists are given up
PART_BYTES = 3 * MIB
LISTS_ROOM = 128 * MIB  # a gateway's share is 64 MiB
SMALL = 800_000  # empty verdicts: what fits into a message
SMALL_ROOM = 24 * MIB  # the message, and what it is put together from
RESOURCE_EXHAUSTED = 8

STALE = stats_pb2.CAUSE_STALE
TCP, UDP = 6, 17
SHOWN_WITHIN = 10  # seconds


@pytest.fixture
def channels(rig):
    """Makes channels to a server, each a connection of its own."""
    with contextlib.ExitStack() as stack:

        def make(server):
            options = [("grpc.use_local_subchannel_pool", 1)]
            return stack.enter_context(grpc.insecure_channel(server.local, options))

        yield make


class Stream:
    """A stream of an agent that says and sends what the test wants."""

    def __init__(self, method, hello):
        self._requests = queue.SimpleQueue()
        self._requests.put(hello)
        self._call = method(iter(self._requests.get, None))

    def send(self, request):
        self._requests.put(request)

    def receive(self, kind):
        """The next message of that kind."""
        return next(m for m in self._call if m.HasField(kind))

    def end(self):
        self._requests.put(None)
        self._call.cancel()


def liar(gateway):
    return decision_pb2.AgentIdentity(gateway=gateway, incarnation=1)


def watch(siege, channel, **decisions):
    """Observers of both kinds, as many as one peer may be."""
    stub = observe_pb2_grpc.ObserveServiceStub(channel)
    filters = {"filter": decisions["filter"]} if "filter" in decisions else {}
    calls = []
    for _ in range(OBSERVERS // 2):
        request = observe_pb2.ObserveDecisionsRequest(follow=True, **decisions)
        calls.append(stub.ObserveDecisions(request))
        request = observe_pb2.ObserveConnectionsRequest(follow=True, **filters)
        calls.append(stub.ObserveConnections(request))
    siege.bystander.wait_for_calls(MEANWHILE)
    return calls


@pytest.mark.parametrize("protocol", (TCP, UDP))
def test_filters_with_every_number_that_fits(rig, channels, protocol):
    """None of a ping's protocol, so that the whole filter is looked at for each decision."""
    wanted = observe_pb2.ObserveFilter(protocols=[protocol] * NUMBERS)
    with Siege(rig) as siege:
        calls = watch(siege, channels(siege.server), filter=wanted, causes=[STALE] * NUMBERS)
        siege.expect(not any(call.done() for call in calls), "an observer was refused")
        for call in calls:
            call.cancel()


def test_filters_with_millions_of_numbers(rig, channels):
    wanted = observe_pb2.ObserveFilter(protocols=[UDP] * TOO_MANY)
    with Siege(rig) as siege:
        calls = watch(siege, channels(siege.server), filter=wanted)
        codes = {call.code() for call in calls}
        siege.expect(codes == {grpc.StatusCode.RESOURCE_EXHAUSTED}, f"they got {codes}")


def flow(number):
    address = bytes((10, *number.to_bytes(3, "big")))
    original = conntrack_pb2.FlowTuple(
        source=address, destination=b"\x0a\0\0\1", protocol=TCP, source_port=1, destination_port=2
    )
    return event_pb2.Event(
        conntrack=event_pb2.ConntrackEvent(
            type=event_pb2.EVENT_TYPE_NEW,
            flow=conntrack_pb2.Flow(
                family=packet_pb2.FAMILY_IPV4,
                id=number,
                original=original,
                security_context="x" * FLOW_BYTES,
            ),
        )
    )


def test_flows_that_never_end(rig, channels):
    with Siege(rig, room=FLOWS_ROOM) as siege:
        channel = channels(siege.server)
        stream = Stream(
            event_pb2_grpc.EventServiceStub(channel).Report,
            event_pb2.ReportRequest(hello=event_pb2.ReportHello(agent=liar("liar"))),
        )
        stream.receive("welcome")
        for batch, first in enumerate(range(0, FLOWS, EVENTS), 1):
            events = [flow(number) for number in range(first, first + EVENTS)]
            stream.send(
                event_pb2.ReportRequest(events=event_pb2.EventBatch(batch=batch, events=events))
            )
            while stream.receive("ack").ack.batch < batch:
                pass
        stream.end()
        # What is kept is shown.
        wanted = observe_pb2.ObserveFilter(gateways=["liar"])
        request = observe_pb2.ObserveConnectionsRequest(filter=wanted, last=100)
        stub = observe_pb2_grpc.ObserveServiceStub(channel)
        shown = list(stub.ObserveConnections(request, timeout=SHOWN_WITHIN))
        siege.expect(len(shown) == 100, f"{len(shown)} connections are shown")


def serving(channel):
    stream = Stream(
        command_pb2_grpc.CommandServiceStub(channel).Serve,
        command_pb2.ServeRequest(hello=command_pb2.ServeHello(agent=liar("liar"))),
    )
    stream.receive("welcome")
    return stream


def part(number, verdicts, last=False):
    return command_pb2.ServeRequest(
        reply=command_pb2.CommandReply(
            id=number, last=last, remembered=command_pb2.RememberedVerdicts(verdicts=verdicts)
        )
    )


def asked_lists(siege, channel, stream, count):
    """Calls that ask for the liar's list, and the ids it is asked with."""
    control = control_pb2_grpc.ControlServiceStub(channel)
    request = control_pb2.ListRememberedRequest(gateway="liar")
    calls = [control.ListRemembered(request) for _ in range(count)]
    return calls, [stream.receive("command").command.id for _ in calls]


def test_lists_that_a_gateway_never_ends(rig, channels):
    with Siege(rig, room=LISTS_ROOM) as siege:
        stream = serving(channels(siege.server))
        calls, ids = asked_lists(siege, channels(siege.server), stream, LISTS)
        large = [command_pb2.RememberedVerdict(input_interface="x" * PART_BYTES)]
        for number in itertools.islice(itertools.cycle(ids), PARTS):
            stream.send(part(number, large))
        refused = [call for call in calls if call.code() == grpc.StatusCode.RESOURCE_EXHAUSTED]
        siege.expect(refused, "no list was given up")
        stream.end()


def test_lists_of_millions_of_empty_verdicts(rig, channels):
    """Parsed, they would take a hundred times the memory."""
    serve_hello = command_pb2.ServeRequest(hello=command_pb2.ServeHello(agent=liar("liar")))
    with Siege(rig, room=SMALL_ROOM) as siege:
        client = siege.client()
        stream = client.begin(
            "CommandService/Serve", serve_hello.SerializeToString(), more=True
        )
        assert client.wait(lambda: len(client.messages(stream)) == 1)  # the welcome
        control = control_pb2_grpc.ControlServiceStub(channels(siege.server))
        call = control.ListRemembered(control_pb2.ListRememberedRequest(gateway="liar"))
        assert client.wait(lambda: len(client.messages(stream)) == 2)
        response = command_pb2.ServeResponse.FromString(client.messages(stream)[1])
        verdicts = proto_field(1, b"") * SMALL
        reply = command_pb2.CommandReply(id=response.command.id).SerializeToString()
        client.upload(stream, message(proto_field(2, reply + proto_field(6, verdicts))))
        siege.expect_lost(client, stream)
        status = client.streams[stream].status
        siege.expect(status == RESOURCE_EXHAUSTED, f"the status is {status}")
        siege.expect(call.code() == grpc.StatusCode.UNAVAILABLE, f"the list: {call.code()}")
