"""Servers and asked deciders that attack whoever calls them: the agent and sluice-server, whose
calls go out through gRPC. They are no strangers, but may be taken over."""

import itertools
import struct
import threading
import time

import pytest
from http2_client import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    FRAME_SIZE,
    GOAWAY,
    HEADERS,
    PING,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    endless,
    field,
    frame,
    header_frames,
    integer,
    message,
)
from http2_server import OK, Http2Server, answer, data
from namespaces import Network
from siege import MIB, Pings, Siege
from sluice.v1 import decision_pb2
from test_edge_headers import bomb

CONFIG = {"fail_mode": "open", "deadline": "500ms"}
PINGS = 50  # until what an attack costs is judged
ROUNDS = 2  # of all attacks, shared out among an agent's three streams
LONGEST = 3  # seconds
ATTACK_TIMEOUT = 30  # seconds
OTHERS_CALLS = 5  # of the bystander, while the last attack is under way
LATEST = 3  # seconds; a stalled thread is set free sooner
# gRPC keeps of a header what a server sends in the second that it has for its welcome, and a parsed
# verdict takes a hundred times its bytes: this is no bound that it promises.
ROOM = 4096 * MIB
LONG = 1 << 20
MANY = 20_000
_ENDLESS_FIELD = b"\0\1x" + integer(1 << 30, 7)


def after(beginning, then):
    return itertools.chain((beginning,), then)


def continued(begun, goes_on):
    def attack(stream):
        return after(
            frame(HEADERS, 0, stream, OK + begun), endless(frame(CONTINUATION, 0, stream, goes_on))
        )

    return attack


def resets(stream):
    yield frame(RST_STREAM, 0, stream, struct.pack("!I", 7))


def promises(stream):
    for promised in itertools.count(2, 2):
        yield frame(PUSH_PROMISE, END_HEADERS, stream, struct.pack("!I", promised) + OK)


def informs(stream):
    return endless(frame(HEADERS, END_HEADERS, stream, field(":status", "100")))


def messages(body, flag=0, length=None):
    def attack(stream):
        return after(answer(stream), endless(data(stream, message(body, flag, length))))

    return attack


def once(*parts):
    return lambda stream: [part(stream) for part in parts]


def decide(**fields):
    return decision_pb2.DecideResponse(**fields).SerializeToString()


WELCOME = decide(welcome=decision_pb2.DecideWelcome())
HEARTBEAT = decide(heartbeat=decision_pb2.Heartbeat(sequence=1 << 60))
VERDICTS = decide(
    verdicts=decision_pb2.VerdictBatch(
        verdicts=[decision_pb2.Verdict(transaction_id=1 << 60)] * 1000
    )
)
EMPTY = decide(
    verdicts=decision_pb2.VerdictBatch(verdicts=[decision_pb2.Verdict()] * 7_000_000)
)


def welcomed(then, between=lambda stream: b""):
    def attack(stream):
        welcome = answer(stream) + data(stream, message(WELCOME)) + between(stream)
        return after(welcome, then(stream))

    return attack


# By name, what comes once the caller has opened a stream.
ATTACKS = {
    "nothing": lambda stream: [],
    "no_http": lambda stream: endless(b"?"),
    "header_by_nothing": continued(b"", b""),
    "header_by_fields": continued(b"", field("x-endless", b"x" * 4096)),
    "header_by_a_field_without_end": continued(_ENDLESS_FIELD, b"x" * FRAME_SIZE),
    "header_by_a_field_byte_by_byte": continued(_ENDLESS_FIELD, b"x"),
    "header_with_a_long_value": once(lambda s: header_frames(s, OK + field("x-long", b"x" * LONG))),
    "header_with_many_fields": once(
        lambda s: header_frames(s, OK + b"".join(field(f"x-{n}", b"") for n in range(MANY)))
    ),
    "header_bomb": once(lambda s: header_frames(s, OK + bomb())),
    "long_trailers": once(answer, lambda s: header_frames(s, field("grpc-message", b"x" * LONG))),
    "resets": resets,
    "goaway": once(lambda s: frame(GOAWAY, 0, 0, struct.pack("!II", 0, 11) + b"x" * 1000)),
    "promises": promises,
    "informs": informs,
    "pings": lambda stream: endless(frame(PING, 0, 0, bytes(8))),
    "answers_to_no_ping": lambda stream: endless(frame(PING, ACK, 0, bytes(8))),
    "settings": lambda stream: endless(frame(SETTINGS)),
    "priorities": lambda stream: endless(frame(PRIORITY, 0, 1001, bytes(5))),
    "empty_data": lambda stream: after(answer(stream), endless(frame(DATA, 0, stream))),
    "room": lambda stream: endless(frame(WINDOW_UPDATE, 0, stream, b"\0\0\0\1")),
    "unknown_frames": lambda stream: endless(frame(0xF0, 0, 0, b"?")),
    "empty_messages": messages(b""),
    "garbage_messages": messages(b"\xff" * 1000),
    "compressed_messages": messages(b"\x1f\x8b" * 100, flag=1),
    "a_message_of_4_GiB": messages(b"x", length=(1 << 32) - 1),
    "welcomed_then_empty_messages": welcomed(lambda s: endless(data(s, message(b"")))),
    "welcomed_then_heartbeats": welcomed(lambda s: endless(data(s, message(HEARTBEAT)))),
    "welcomed_then_verdicts_for_nobody": welcomed(lambda s: endless(data(s, message(VERDICTS)))),
    "welcomed_then_millions_of_empty_verdicts": welcomed(lambda s: [data(s, message(EMPTY))] * 50),
    "welcomed_then_long_trailers": welcomed(
        lambda s: endless(frame(CONTINUATION, 0, s, b"x" * FRAME_SIZE)),
        lambda s: frame(HEADERS, 0, s, _ENDLESS_FIELD),
    ),
    "welcomed_then_silence": welcomed(lambda s: []),
}
# Those that kept gRPC's thread for as long as they lasted.
HELD = ("header_by_nothing", "header_by_a_field_byte_by_byte", "pings", "priorities")


class Turns:
    """Attacks with one after the other, a stream each, again and again. It goes away after LONGEST:
    who is welcomed and talks on need not be given up."""

    def __init__(self):
        self._attacks = itertools.cycle(ATTACKS.items())
        self._next = threading.Lock()
        self.log = []  # A line each.

    def __call__(self, stream):
        with self._next:
            name, attack = next(self._attacks)
        self.log.append(f"{time.strftime('%T')} {name}")
        end = time.monotonic() + LONGEST
        return itertools.takewhile(lambda _: time.monotonic() < end, attack(stream))


@pytest.mark.parametrize("attack", HELD)
def test_an_agent_goes_on_to_its_next_server(rig, attack):
    """Meanwhile packets pass as the fail mode says, late at worst."""
    hostile = rig.keep(rig.network.gateway.call(Http2Server, ATTACKS[attack]))
    decider = rig.decider()
    agent = rig.new_agent(decider, servers=[hostile.address, decider.address], **CONFIG).start()
    hostile.wait_for_streams(1)
    pings = Pings(rig, apart=True)
    decider.wait_for_packets(PINGS)
    pings.stop()
    assert not pings.lost(within=LATEST)
    agent.stop()


def test_an_agent_that_has_no_other_server(rig):
    turns = Turns()
    hostile = rig.keep(rig.network.gateway.call(Http2Server, turns))
    agent = rig.new_agent(servers=[hostile.address], **CONFIG).start()
    pings = Pings(rig, apart=True)
    hostile.wait_for_streams(ROUNDS * len(ATTACKS), timeout=ATTACK_TIMEOUT)
    pings.stop()
    assert agent.process.running, turns.log
    assert not pings.lost(within=LATEST), turns.log
    agent.stop()


def test_an_asked_decider_costs_no_packet_that_others_are_asked_about(rig):
    turns = Turns()
    hostile = rig.keep(rig.network.server.call(Http2Server, turns))
    honest = rig.decider()
    policy = f"""
        decider "hostile" at "{hostile.address}";
        decider "honest" at "{honest.address}";
        from any to any udp port 9 ask "hostile" within 1s else reject;
        from any to any udp port 10 ask "honest" within 1s else reject;
        default accept;
    """
    with Siege(rig, policy, room=ROOM) as siege:
        asked = rig.datagrams()
        lost, passed = [], []
        for _ in range(len(ATTACKS)):
            hostile.wait_for_streams(1, timeout=ATTACK_TIMEOUT)
            lost.append(asked.send(Network.SERVER[4], 9))
            passed.append(asked.send(Network.SERVER[4], 10))
        siege.bystander.wait_for_calls(OTHERS_CALLS)
        siege.expect(not any(map(rig.far.carrying, lost)), "what was asked about passed")
        # The honest one answers from this busy process: not always in time, but it is asked.
        through = sum(map(bool, map(rig.far.carrying, passed)))
        siege.expect(through >= len(passed) // 3, f"the other answered {through} of {len(passed)}")
