"""Messages of an agent that arrive together: one answer does for all, and a bad one costs none of
the answers to those before it."""

import struct

from http2_client import DATA, Http2Client, Stream, dial, frame, message
from siege import MIB, Siege

from sluice.v1 import decision_pb2

DECIDE = "DecisionService/Decide"
INVALID_ARGUMENT = 3
EMPTY_PACKETS = 2_000_000  # what a message of 4 MiB may hold
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
        client.wait(lambda: len(self.responses()) == 1)
        assert self.responses()[0].HasField("welcome")

    def send(self, *requests):
        """All in one segment."""
        parts = (message(request.SerializeToString()) for request in requests)
        self._client.send(b"".join(frame(DATA, 0, self._stream, part) for part in parts))

    def wait(self, wanted):
        assert self._client.wait(wanted), self._seen()

    def responses(self):
        """Those that are whole."""
        data, found = bytes(self._seen().data), []
        while len(data) >= 5:
            _, length = struct.unpack_from("!BI", data)
            if len(data) < 5 + length:
                break
            found.append(decision_pb2.DecideResponse.FromString(data[5 : 5 + length]))
            data = data[5 + length :]
        return found

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
    # The last is no UTF-8: packets, a packet, its input_interface.
    for bad in (batch(3), hello(), Raw(b"\x12\x07\x08\x02\x1a\x03\x5a\x01\xff")):
        stream = decide(rig, server)
        stream.send(batch(1, 11), bad, batch(2, 21))
        stream.wait(lambda: stream.status() is not None)
        assert (stream.verdicts(), stream.status()) == ([(1, [11])], INVALID_ARGUMENT)


def test_a_batch_of_too_many_packets_costs_no_memory(rig):
    packets = b"\x08\x01" + b"\x1a\x00" * EMPTY_PACKETS
    size = len(packets)
    request = b"\x12" + bytes([size & 127 | 128, size >> 7 & 127 | 128, size >> 14 & 127 | 128,
                               size >> 21]) + packets  # fmt: skip
    with Siege(rig, room=BATCH_ROOM) as siege:
        client = siege.client()
        stream = client.begin(DECIDE, hello().SerializeToString(), more=True)
        client.upload(stream, message(request))
        siege.expect_lost(client, stream)
        status = client.streams[stream].status
        siege.expect(status == INVALID_ARGUMENT, f"the status is {status}")
