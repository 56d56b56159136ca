"""Messages of an agent that arrive together: one answer does for all, and a bad one costs none of
the answers to those before it."""

import pytest
from http2_client import DATA, Http2Client, Stream, dial, frame, message, proto_field
from siege import MIB, Siege

from sluice.v1 import decision_pb2

DECIDE = "DecisionService/Decide"
INVALID_ARGUMENT, RESOURCE_EXHAUSTED = 3, 8
TOO_MANY = 2_000_000  # what a message of 4 MiB may hold
BATCH_ROOM = 24 * MIB  # the message, and what it is put together from


def hello():
    request = decision_pb2.DecideRequest()
    request.hello.agent.gateway = "raw"
    request.hello.deadline.seconds = 1
    request.hello.max_pending = 1000
    return request


def batch(number, *ids):
    request = decision_pb2.DecideRequest()
    request.packets.batch = number
    request.packets.time_left.seconds = 1
    for transaction_id in ids:
        request.packets.packets.add(transaction_id=transaction_id)
    return request


class DecideStream:
    """A Decide stream whose messages arrive when the test says so."""

    def __init__(self, client):
        self._client = client
        self._stream = client.begin(DECIDE, hello().SerializeToString(), more=True)
        self.wait(self.responses)
        assert self.responses()[0].HasField("welcome")

    def send(self, *requests):
        """All in one segment."""
        parts = (message(request.SerializeToString()) for request in requests)
        self._client.send(b"".join(frame(DATA, 0, self._stream, part) for part in parts))

    def wait(self, wanted):
        assert self._client.wait(wanted), self._seen()

    def responses(self):
        return [
            decision_pb2.DecideResponse.FromString(body)
            for body in self._client.messages(self._stream)
        ]

    def verdicts(self):
        """Of each batch of verdicts, what it acknowledges and whom it decides."""
        return [
            (r.verdicts.received_batch, [v.transaction_id for v in r.verdicts.verdicts])
            for r in self.responses()
            if r.HasField("verdicts")
        ]

    def status(self):
        return self._seen().status

    def _seen(self):
        return self._client.streams.get(self._stream, Stream())


def decide(rig, server):
    return DecideStream(rig.keep(Http2Client(dial(None, server.local))))


class Raw:
    """A request of these bytes."""

    def __init__(self, data):
        self._data = data

    def SerializeToString(self):  # noqa: N802  (as protobuf names it)
        return self._data


def test_batches_that_arrive_together_are_answered_together(rig):
    stream = decide(rig, rig.server("default accept;\n"))
    stream.send(batch(1, 11, 12), batch(2), batch(3, 31))
    stream.wait(lambda: stream.verdicts())
    assert stream.verdicts() == [(3, [11, 12, 31])]
    stream.send(batch(4, 41))
    stream.wait(lambda: len(stream.verdicts()) == 2)
    assert stream.verdicts()[1] == (4, [41])


def test_a_bad_message_costs_no_answer_to_those_before_it(rig):
    server = rig.server("default accept;\n")
    beat = decision_pb2.DecideRequest()
    beat.heartbeat.sequence = 7
    # The last is no UTF-8: packets, a packet, its input_interface.
    for bad in (batch(3), hello(), Raw(b"\x12\x07\x08\x02\x1a\x03\x5a\x01\xff")):
        stream = decide(rig, server)
        stream.send(beat, batch(1, 11), beat, bad, batch(2, 21))
        stream.wait(lambda: stream.status() is not None)
        assert (stream.verdicts(), stream.status()) == ([(1, [11])], INVALID_ARGUMENT)
        beats = [r for r in stream.responses() if r.HasField("heartbeat")]
        assert [r.heartbeat.sequence for r in beats] == [7, 7]


def test_a_batch_that_only_protobuf_reads_is_decided(rig):
    stream = decide(rig, rig.server("from 10.0.0.1 to any reject;\ndefault accept;\n"))
    odd = batch(1, 11, 12)
    odd.packets.packets[0].input_interface = "büro"
    for packet, last in zip(odd.packets.packets, b"\1\2"):
        packet.headers.source = b"\x0a\0\0" + bytes([last])
        packet.headers.destination = b"\x0a\0\0\3"
    stream.send(odd)
    stream.wait(stream.verdicts)
    actions = [v.action for v in stream.responses()[1].verdicts.verdicts]
    assert actions == [decision_pb2.ACTION_DROP, decision_pb2.ACTION_ACCEPT]


def packets(*fields):
    """A DecideRequest of these fields of a batch."""
    return proto_field(2, b"".join(fields))


EMPTY, HALF = b"\x1a\x00" * TOO_MANY, b"\x1a\x05"
NOT_ASCII = b"\x1a\x04\x5a\x02\xc3\xa9"  # a packet's input_interface; left to protobuf
TOO_MANY_PACKETS = {
    "plain": packets(b"\x08\x01", EMPTY),
    "not_ascii": packets(NOT_ASCII, EMPTY),
    "merged": packets(NOT_ASCII) + packets(EMPTY),
    "unreadable": packets(EMPTY, HALF),
    "behind_a_group": b"\x7b\x7c" + packets(EMPTY),
    "not_known": b"\xfa\x3f\x00" * (TOO_MANY // 2),
}


@pytest.mark.parametrize("request_bytes", TOO_MANY_PACKETS.values(), ids=TOO_MANY_PACKETS)
def test_a_batch_of_too_many_packets_costs_no_memory(rig, request_bytes):
    with Siege(rig, room=BATCH_ROOM) as siege:
        client = siege.client()
        stream = client.begin(DECIDE, hello().SerializeToString(), more=True)
        client.upload(stream, message(request_bytes))
        siege.expect_lost(client, stream)
        status = client.streams[stream].status
        siege.expect(status == RESOURCE_EXHAUSTED, f"the status is {status}")
