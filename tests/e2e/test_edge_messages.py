"""Messages that are compressed, or longer than their method takes: refused before they cost
memory."""

import gzip
import time

import pytest
from http2_client import DATA, END_STREAM, Stream, frame, message
from siege import MIB, Siege
from sluice.v1 import control_pb2

ATTACKS = 20  # at the same time, each over a connection of its own
UNFOLDED = 60 * MIB  # of a compressed message; less than the longest policy, so it is let in today
SENT_AT_MOST = 65_000  # bytes; that much needs no leave of flow control
UNIMPLEMENTED = 12

SMALL_METHODS_TAKE = MIB  # at most; what they really take are some kilobytes
GIB_4 = 0xFFFFFFFF

UPLOADS = 30
UPLOADED = 32 * MIB  # each, so together a gigabyte
UPLOAD_SECONDS = 15
UPLOAD_ROOM = 400 * MIB  # of a peer: a few policies of the largest size

ASKED = "ControlService/GetServer"
WITH_POLICY = "ControlService/CheckPolicy"
STREAM = "DecisionService/Decide"


def answer(client, stream):
    """A call's status and the encodings that the server says it takes."""
    seen = client.streams.get(stream, Stream())
    return seen.status, seen.fields.get("grpc-accept-encoding")


@pytest.mark.parametrize("method", (WITH_POLICY, STREAM), ids=("unary", "stream"))
def test_compressed_messages(rig, method):
    small = gzip.compress(bytes(UNFOLDED))
    assert len(small) < SENT_AT_MOST
    with Siege(rig) as siege:
        calls = {}
        for number in range(ATTACKS):
            client = siege.client()
            calls[number] = client, client.begin(method, small, flag=1, grpc_encoding="gzip")
        siege.expect_all_lost(calls)
        answers = {answer(client, stream) for client, stream in calls.values()}
        siege.expect(answers == {(UNIMPLEMENTED, "identity")}, f"the answers are {answers}")


# By name, the flag of the message and the encoding its call declares.
FLAGS = {"without_an_encoding": (1, None), "of_no_encoding": (1, "identity"), "unknown": (6, None)}


@pytest.mark.parametrize("flag, encoding", FLAGS.values(), ids=FLAGS)
def test_flags_that_say_nothing(rig, flag, encoding):
    with Siege(rig) as siege:
        client = siege.client()
        stream = client.begin(ASKED, b"", flag=flag, grpc_encoding=encoding)
        siege.expect_lost(client, stream)


def test_an_encoding_that_changes_nothing_is_served(rig):
    """The control of both."""
    with Siege(rig) as siege:
        stream = siege.client().call(ASKED, grpc_encoding="identity")
        siege.expect(stream.status == 0, f"it got {stream}")


# By method, what a message claims to have.
TOO_LONG = {
    "4_gib_unary": (ASKED, GIB_4),
    "4_gib_of_a_policy": (WITH_POLICY, GIB_4),
    "4_gib_in_a_stream": (STREAM, GIB_4),
    "more_than_a_call_takes": (ASKED, SMALL_METHODS_TAKE + 1),
    "more_than_a_list_takes": ("ObserveService/ObserveDecisions", SMALL_METHODS_TAKE + 1),
}


@pytest.mark.parametrize("method, length", TOO_LONG.values(), ids=TOO_LONG)
def test_messages_that_claim_too_much(rig, method, length):
    """Their calls end at once: nobody waits for the rest, or makes room for it."""
    with Siege(rig) as siege:
        calls = {}
        for number in range(ATTACKS):
            client = siege.client()
            calls[number] = client, client.open(method)
            client.send(frame(DATA, 0, calls[number][1], message(b"a part", length=length)))
        siege.expect_all_lost(calls)


def test_a_message_in_the_smallest_parts_is_served(rig):
    """The control: it is not the frames but their content that is refused."""
    with Siege(rig) as siege:
        client = siege.client()
        stream = client.open(WITH_POLICY)
        policy = control_pb2.PolicyText(text="default accept;\n")
        request = control_pb2.CheckPolicyRequest(policy=policy).SerializeToString()
        for byte in message(request):
            client.send(frame(DATA, 0, stream, bytes([byte])))
        client.send(frame(DATA, END_STREAM, stream))
        client.wait(lambda: stream in client.streams and client.streams[stream].ended)
        siege.expect(client.streams[stream].status == 0, f"it got {client.fate(stream)}")


def test_messages_that_are_never_complete(rig):
    """Each is of a size that its method takes; together they are more than anybody may leave."""
    with Siege(rig, room=UPLOAD_ROOM) as siege:
        client = siege.client()
        streams = [client.open(WITH_POLICY) for _ in range(UPLOADS)]
        end = time.monotonic() + UPLOAD_SECONDS
        part = bytes(MIB)
        head = message(part, length=UPLOADED + 1)
        for stream in streams:
            client.upload(stream, head, timeout=1)
        for _ in range(UPLOADED // MIB - 1):
            for stream in streams:
                if not client.fate(stream) and time.monotonic() < end:
                    client.upload(stream, part, timeout=1)
