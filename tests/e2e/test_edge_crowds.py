"""A peer that takes all there is of something: connections, descriptors, streams, observers, tests.
The others still get theirs."""

import os
import resource

from http2_client import MAX_CONCURRENT_STREAMS
from siege import BYSTANDER, Siege
from sluice.v1 import observe_pb2

ALLOWED = 512  # connections in all, of which one peer may have half
CONNECTIONS = 300  # of one peer
DESCRIPTORS = 60  # left for connections, of which the attacker opens twice as many
FEWEST_DESCRIPTORS = 256  # that a server starts with
STREAMS = 2000  # of one connection, if the server does not say what it allows
STREAMS_BEYOND = 50
OBSERVERS = 64  # the most there were for everybody together, as of
TESTS = 16  # policy tests
ANSWER_SECONDS = 5

STREAM = "DecisionService/Decide"
OBSERVE = "ObserveService/ObserveDecisions"
TEST = "ControlService/TestPolicy"
FOLLOW = observe_pb2.ObserveDecisionsRequest(last=10, follow=True).SerializeToString()


def test_connections_of_one_peer(rig):
    with Siege(rig, options=["--max-connections", ALLOWED]) as siege:
        attackers = connect(siege, CONNECTIONS)
        siege.bystander.wait_for_calls(5)
        for attacker in attackers:
            attacker.wait(lambda: attacker.lost, 0.001)
        siege.expect(any(attacker.lost for attacker in attackers), "it may keep them all")


def connect(siege, count):
    """Connections that do nothing; it may be that some are refused or already lost."""
    made = []
    for _ in range(count):
        try:
            made.append(siege.client(greets=False))
        except OSError:
            pass
    return made


def test_connections_beyond_a_low_limit_of_descriptors(rig):
    """CVE-2023-4785. Started with few, the server knows what it can hold, and keeps some for
    others."""
    with Siege(rig, open_files=FEWEST_DESCRIPTORS) as siege:
        attackers = connect(siege, 2 * FEWEST_DESCRIPTORS)
        siege.bystander.wait_for_calls(5)
        for attacker in attackers:
            attacker.close()


def test_no_descriptor_is_left(rig):
    """The same where the limit came too late to be known: nobody new is served then, but as soon
    as there are descriptors again."""
    with Siege(rig, shuts_out=True) as siege:
        pid = siege.server.process.pid
        opened = max(int(number) for number in os.listdir(f"/proc/{pid}/fd")) + 1
        _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (opened + DESCRIPTORS, hard))
        attackers = connect(siege, 2 * DESCRIPTORS)
        siege.bystander.wait_for_calls(2)
        for attacker in attackers:
            attacker.close()


def test_streams_of_one_connection(rig):
    with Siege(rig) as siege:
        attacker = siege.client()
        allowed = attacker.settings.get(MAX_CONCURRENT_STREAMS, STREAMS)
        siege.expect(allowed < STREAMS, f"{allowed} streams are allowed")
        streams = [attacker.open(STREAM) for _ in range(allowed + STREAMS_BEYOND)]
        beyond = streams[allowed:]
        attacker.wait(lambda: all(map(attacker.fate, beyond)), ANSWER_SECONDS)
        kept = [stream for stream in beyond if not attacker.fate(stream)]
        siege.expect(not kept, f"{len(kept)} of {len(beyond)} streams too many live")


def first_answer(client, stream):
    """Whether its call is answered at all, and lives."""
    client.wait(lambda: stream in client.streams, ANSWER_SECONDS)
    return stream in client.streams and not client.fate(stream)


def test_observers_of_one_peer(rig):
    with Siege(rig) as siege:
        attacker = siege.client(window=0)
        for _ in range(OBSERVERS):
            attacker.begin(OBSERVE, FOLLOW)
        siege.bystander.wait_for_calls(2)
        other = siege.client(BYSTANDER)
        stream = other.begin(OBSERVE, FOLLOW)
        siege.expect(first_answer(other, stream), f"another observer got {other.fate(stream)}")


def test_policy_tests_of_one_peer(rig):
    with Siege(rig) as siege:
        attacker = siege.client()
        for _ in range(TESTS):
            attacker.begin(TEST, b"", more=True)
        siege.bystander.wait_for_calls(2)
        other = siege.client(BYSTANDER)
        stream = other.begin(TEST, b"", more=True)
        siege.expect(first_answer(other, stream), f"another's test got {other.fate(stream)}")
