"""Peers that take their time, or for whom nothing is ever read: they are given up, and what waits
for them is bounded."""

import struct
import time

from http2_client import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    INITIAL_WINDOW,
    PREFACE,
    WINDOW_UPDATE,
    call_block,
    frame,
    message,
    settings,
)
from siege import MIB, Siege

GIVEN_UP_WITHIN = 30  # seconds; every time limit of the edge is expected to be below
PACE = 1  # seconds between two bytes of those who send a byte at a time

BIG = 2 * MIB  # of a policy
UNREAD = 400  # answers of that size
READ = 40  # answers of a client that reads them
CONNECTIONS = 8
ASK_SECONDS = 10
UNREAD_ROOM = 128 * MIB  # of one peer
UNREAD_BUFFER = 4096  # the kernel holds few answers for a peer that reads none
MOST_WINDOW = 1 << 30
CALLS_MEANWHILE = 10  # of the bystander, while nothing is read
READ_SECONDS = 0.5  # of each connection, until what it lost should be seen
CALL_SECONDS = 3
CALLS_AT_ONCE = 100

ASKED = "ControlService/GetServer"
BIG_ANSWER = "ControlService/GetPolicy"
_GREETED = PREFACE + settings({})


def beginnings():
    """By name, bytes that promise more."""
    asked = frame(HEADERS, END_HEADERS, 1, call_block(ASKED))
    return {
        "nothing": b"",
        "half a preface": PREFACE[:12],
        "no settings": PREFACE,
        "half a frame": _GREETED + asked[:20],
        "half a header": _GREETED + frame(HEADERS, 0, 1, call_block(ASKED)),
        "no message": _GREETED + asked,
        "half a prefix": _GREETED + asked + frame(DATA, 0, 1, message(b"")[:3]),
        "half a message": _GREETED + asked + frame(DATA, 0, 1, message(b"x" * 9, length=10)),
        "half of HTTP/1.1": b"GET / HTTP/1.1\r\nHost: x\r\n",
    }


def trickles():
    """By name, what is sent at once and what comes a byte at a time."""
    asked = _GREETED + frame(HEADERS, END_HEADERS, 1, call_block(ASKED))
    slow_header = frame(HEADERS, END_HEADERS, 1, call_block(ASKED, x_slow="x" * 1000))
    slow = message(bytes(1000))
    return {
        "a preface": (b"", PREFACE * 2),
        "a header": (_GREETED, slow_header),
        "HTTP/1.1": (b"GET / HTTP/1.1\r\nX-Slow: ", b"x" * 1000),
        "a message in one frame": (asked, frame(DATA, 0, 1, slow)),
        "a message in many": (asked, [frame(DATA, 0, 1, bytes([byte])) for byte in slow]),
    }


def test_those_who_do_not_go_on(rig):
    """Beside them the control: a client that says nothing, but owes nothing, may stay."""
    with Siege(rig) as siege:
        honest = siege.client()
        slow = {}
        for name, sent in beginnings().items():
            slow[name] = siege.client(greets=False)
            slow[name].send(sent)
        pending = {}
        for name, (sent, rest) in trickles().items():
            slow[f"a byte at a time: {name}"] = trickling = siege.client(greets=False)
            trickling.send(sent)
            each = rest if isinstance(rest, list) else [bytes([byte]) for byte in rest]
            pending[trickling] = iter(each)
        end = time.monotonic() + GIVEN_UP_WITHIN
        while time.monotonic() < end and not all(client.fate(1) for client in slow.values()):
            for client in slow.values():
                if not client.fate(1) and client in pending:
                    client.send(next(pending[client]))
            honest.wait(lambda: honest.lost, PACE)
            for client in slow.values():
                client.wait(lambda: client.fate(1), 0.001)
        siege.expect_all_lost({name: (client, 1) for name, client in slow.items()}, within=0)
        siege.expect(honest.call(ASKED).status == 0, f"an idle client is gone: {honest.lost}")


def big_policy():
    line = "# nothing that decides anything\n"
    return line * (BIG // len(line)) + "default accept;\n"


def ask_for_big_answers(siege):
    """Connections in whose streams the server may send nothing yet, each with calls that it has
    begun to answer, as far as it does."""
    clients = [siege.client(window=0, receive_buffer=UNREAD_BUFFER) for _ in range(CONNECTIONS)]
    end = time.monotonic() + ASK_SECONDS
    for client in clients * (UNREAD // CONNECTIONS):
        stream = client.begin(BIG_ANSWER, b"")
        client.wait(lambda: stream in client.streams, max(0, end - time.monotonic()))
    return clients


def any_lost(clients):
    """Whether any of them lost a call or its connection, once it reads what came."""
    for client in clients:
        client.reads = True
        client.wait(lambda: any(map(client.fate, client.streams)), READ_SECONDS)
    return any(client.lost or any(map(client.fate, client.streams)) for client in clients)


def test_answers_there_is_no_window_for(rig):
    """The peer reads, but flow control lets the server send nothing."""
    with Siege(rig, big_policy(), UNREAD_ROOM) as siege:
        attackers = ask_for_big_answers(siege)
        siege.expect(any_lost(attackers), "no attacker lost anything")


def test_answers_that_are_not_read(rig):
    """The server may send them all, but the peer's kernel takes no more of them."""
    with Siege(rig, big_policy(), UNREAD_ROOM) as siege:
        attackers = ask_for_big_answers(siege)
        for attacker in attackers:
            attacker.reads = False
            window = struct.pack("!I", MOST_WINDOW)
            attacker.send(settings({INITIAL_WINDOW: MOST_WINDOW}))
            attacker.send(frame(WINDOW_UPDATE, 0, 0, window))
        siege.bystander.wait_for_calls(CALLS_MEANWHILE)
        siege.expect(any_lost(attackers), "no attacker lost anything")


def test_answers_that_are_read_are_all_served(rig):
    """The control of both."""
    with Siege(rig, big_policy(), UNREAD_ROOM) as siege:
        client = siege.client(window=MOST_WINDOW)
        for _ in range(READ):
            stream = client.call(BIG_ANSWER)
            siege.expect(stream.status == 0 and len(stream.data) > BIG, "it was not served")
            client.streams.clear()


def calls(method):
    block = call_block(method)
    for first in range(1, 1 << 30, 2 * CALLS_AT_ONCE):
        yield b"".join(
            frame(HEADERS, END_HEADERS, stream, block)
            + frame(DATA, END_STREAM, stream, message(b""))
            for stream in range(first, first + 2 * CALLS_AT_ONCE, 2)
        )


def test_calls_without_end_and_no_answer_read(rig):
    with Siege(rig, room=UNREAD_ROOM) as siege:
        attacker = siege.client(window=MOST_WINDOW, receive_buffer=UNREAD_BUFFER)
        attacker.reads = False
        attacker.flood(calls("ControlService/ListPolicies"), CALL_SECONDS)
        siege.expect_gone(attacker, GIVEN_UP_WITHIN)
