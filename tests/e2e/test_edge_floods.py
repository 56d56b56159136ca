"""Floods of frames, each of them legal: whoever sends one loses the connection, and nobody else
notices."""

import itertools
import struct

import pytest
from http2_client import (
    ACK,
    AT_ONCE,
    CANCEL,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    FRAME_SIZE,
    HEADERS,
    PING,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    call_block,
    endless,
    field,
    frame,
    integer,
    message,
)
from siege import LOST_WITHIN, Siege
from sluice.v1 import observe_pb2

FLOOD_SECONDS = 2
UNREAD_BUFFER = 4096  # of an attacker that reads nothing: the kernel holds few answers for it
STREAMS_AT_ONCE = 500

# What an honest client may do within a second, with room to spare.
HONEST_PINGS = 10
HONEST_SETTINGS = 5
HONEST_RESETS = 20
HONEST_WINDOW_UPDATES = 50
HONEST_CONTINUATIONS = 3
HONEST_FIELD = 1500  # bytes; four such are less than the 8 KiB of headers that gRPC sends at most

ASKED = "ControlService/GetServer"
LONG_LIVED = "DecisionService/Decide"


def test_without_an_attack(rig):
    """The control of all attacks: what everybody else is promised holds on this machine."""
    with Siege(rig) as siege:
        client = siege.client()
        client.wait(lambda: client.lost, FLOOD_SECONDS + LOST_WITHIN)
        siege.expect(siege.keeps(client), "an idle client lost its connection")
        siege.expect(client.call(ASKED).status == 0, f"an idle client is not served {client.lost}")


def test_an_honest_client_is_not_taken_for_an_attacker(rig):
    with Siege(rig) as siege:
        client = siege.client()
        client.send(frame(PING, 0, 0, bytes(8)) * HONEST_PINGS)
        client.send(frame(SETTINGS) * HONEST_SETTINGS)
        client.send(frame(WINDOW_UPDATE, 0, 0, struct.pack("!I", 1)) * HONEST_WINDOW_UPDATES)
        for _ in range(HONEST_RESETS):
            client.send(frame(RST_STREAM, 0, client.open(LONG_LIVED), CANCEL))
        stream = 2 * HONEST_RESETS + 1
        parts = [call_block(ASKED)]
        parts += [field(f"x-{i}", b"x" * HONEST_FIELD) for i in range(HONEST_CONTINUATIONS)]
        client.send(frame(HEADERS, 0, stream, parts[0]))
        client.send(b"".join(frame(CONTINUATION, 0, stream, part) for part in parts[1:-1]))
        client.send(frame(CONTINUATION, END_HEADERS, stream, parts[-1]))
        client.send(frame(DATA, END_STREAM, stream, message(b"")))
        client.wait(lambda: stream in client.streams and client.streams[stream].ended)
        seen = client.streams.get(stream)
        siege.expect(seen and seen.status == 0, f"it got {client.fate(stream)} {client.lost}")


# CVE-2023-33953. By name, how the header goes on: the server may not wait for its end.
ENDLESS_FIELD = b"\0\1x" + integer(1 << 30, 7)
CONTINUATIONS = {
    "by_nothing": (b"", b""),
    "by_fields": (b"", field("x-endless", b"x" * 4096)),
    "by_a_field_without_end": (ENDLESS_FIELD, b"x" * FRAME_SIZE),
    "by_a_field_without_end_byte_by_byte": (ENDLESS_FIELD, b"x"),
}


@pytest.mark.parametrize("begun, goes_on", CONTINUATIONS.values(), ids=CONTINUATIONS)
def test_a_header_continued_without_end(rig, begun, goes_on):
    with Siege(rig) as siege:
        attacker = siege.client()
        attacker.send(frame(HEADERS, 0, 1, call_block(ASKED) + begun))
        attacker.flood(endless(frame(CONTINUATION, 0, 1, goes_on)), FLOOD_SECONDS)
        siege.expect_lost(attacker)


def flood_of_all_settings(_stream):
    """As many as a frame holds, of numbers that nobody knows."""
    many = b"".join(struct.pack("!HI", 100 + n, n) for n in range(FRAME_SIZE // 6))
    return endless(frame(SETTINGS, 0, 0, many))


def flood_of_priorities(_stream):
    """Of streams that are never opened."""
    streams = itertools.count(1001, 2)
    while True:
        each = itertools.islice(streams, AT_ONCE // 14)
        yield b"".join(frame(PRIORITY, 0, stream, bytes(4) + b"\x10") for stream in each)


# By the stream of a call that is under way.
FLOODS = {
    "pings": lambda _: endless(frame(PING, 0, 0, bytes(8))),
    "answers_to_no_ping": lambda _: endless(frame(PING, ACK, 0, bytes(8))),
    "settings": lambda _: endless(frame(SETTINGS)),
    "many_settings": flood_of_all_settings,
    "priorities": flood_of_priorities,
    "empty_data": lambda stream: endless(frame(DATA, 0, stream)),
    "room_in_a_stream": lambda stream: endless(frame(WINDOW_UPDATE, 0, stream, b"\0\0\0\1")),
    "room": lambda _: endless(frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\1")),
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
def test_frames_that_cost_the_server_work(rig, flood):
    with Siege(rig) as siege:
        attacker = siege.client()
        attacker.flood(flood(attacker.open(LONG_LIVED)), FLOOD_SECONDS)
        siege.expect_lost(attacker)


def test_frames_that_mean_nothing(rig):
    """Of a type that nobody knows: they must be ignored, which may go on for ever."""
    with Siege(rig) as siege:
        siege.client().flood(endless(frame(0xF0, 0, 0, b"?")), FLOOD_SECONDS)


def test_frames_over_a_unix_socket(rig):
    with Siege(rig) as siege:
        attacker = siege.local_client()
        attacker.flood(FLOODS["pings"](attacker.open(LONG_LIVED)), FLOOD_SECONDS)
        siege.expect_lost(attacker)


# Each of these asks for an answer, and the attacker reads none: where do they all go?
ANSWERED = ("pings", "settings")


@pytest.mark.parametrize("flood", ANSWERED)
def test_answers_that_nobody_reads(rig, flood):
    with Siege(rig) as siege:
        attacker = siege.client(receive_buffer=UNREAD_BUFFER)
        attacker.reads = False
        attacker.flood(FLOODS[flood](0), FLOOD_SECONDS)
        siege.expect_gone(attacker)


# CVE-2023-44487, and CVE-2025-8671 where the server itself is made to reset the streams. By the
# number of a stream, what is sent in it.
def reset_at_once(method, *bodies):
    block = call_block(method)
    data = b"".join(message(body) for body in bodies)

    def frames(stream):
        asked = frame(HEADERS, END_HEADERS, stream, block)
        if data:
            asked += frame(DATA, END_STREAM, stream, data)
        return asked + frame(RST_STREAM, 0, stream, CANCEL)

    return frames


def reset_by_the_server(stream):
    """No room at all is an error of the stream."""
    asked = frame(HEADERS, END_HEADERS, stream, call_block(LONG_LIVED))
    return asked + frame(WINDOW_UPDATE, 0, stream, bytes(4))


RESETS = {
    "of_streams": reset_at_once(LONG_LIVED),
    "of_unary_calls": reset_at_once("ControlService/GetPolicy", b""),
    "of_followers": reset_at_once(
        "ObserveService/ObserveDecisions",
        observe_pb2.ObserveDecisionsRequest(last=100, follow=True).SerializeToString(),
    ),
    "of_nothing_there": reset_at_once("NoService/NoMethod"),
    "by_the_server": reset_by_the_server,
}


@pytest.mark.parametrize("reset", RESETS.values(), ids=RESETS)
def test_resets(rig, reset):
    def chunks():
        for first in range(1, 1 << 30, 2 * STREAMS_AT_ONCE):
            streams = range(first, first + 2 * STREAMS_AT_ONCE, 2)
            yield b"".join(reset(stream) for stream in streams)

    with Siege(rig) as siege:
        attacker = siege.client()
        attacker.flood(chunks(), FLOOD_SECONDS)
        siege.expect_lost(attacker)
