"""Rules that ask another decider about real packets: sluice-server relays them."""

import json
import time

import pytest
from deciders import accept_all, mute, verdict
from namespaces import Network
from sluice.v1 import control_pb2, decision_pb2

SERVER = Network.SERVER[4]
# Datagrams to port 9 are asked about, those to port 10 are not.
RULES = """
from any to any udp port 9 ask "fraud" within {within} else reject;
from any to any udp port 10 accept;
default reject;
"""


def policy(*deciders, within="2s"):
    addresses = ", ".join(f'"{decider.address}"' for decider in deciders)
    return f'decider "fraud" at {addresses};' + RULES.format(within=within)


def until(wanted, timeout=10):
    """Waits until wanted() is true; returns its result."""
    end = time.monotonic() + timeout
    while not (result := wanted()):
        assert time.monotonic() < end, f"not within {timeout} s"
    return result


@pytest.fixture
def start(rig):
    """A server whose policy asks these deciders, all of them connected, and an agent."""

    def started(*deciders, **options):
        server = rig.server(policy(*deciders, **options))
        until(lambda: all(d.connected for d in server.deciders().values()))
        rig.agent(server, deadline="4s")
        return server

    return started


def arrives(rig, sent):
    return rig.far.wait_for(lambda far: far.carrying(sent))


def reasons(server, count):
    """The reasons of the decisions, once there are so many."""
    return [decision.reason for decision in server.decided(count)]


def adds_up(decider):
    return decider.asked == (
        decider.answered + decider.timed_out + decider.failed + decider.invalid + decider.waiting
    )


def test_the_answer_holds(rig, start):
    decider = rig.decider(
        lambda _stream, packet: [verdict(packet, reason="known")]
        if packet.original_length > 100
        else [verdict(packet, decision_pb2.ACTION_DROP, reason="unknown")]
    )
    server = start(decider)
    sender = rig.datagrams()
    dropped = sender.send(SERVER, 9)
    arrives(rig, sender.send(SERVER, 9, 200))
    assert not rig.far.carrying(dropped)
    assert reasons(server, 2) == ['asked "fraud": unknown', 'asked "fraud": known']
    assert decider.stream.hello.relay
    assert {batch.gateway for batch in decider.stream.batches} == {"gw"}
    said = server.deciders()[decider.address]
    assert (said.asked, said.answered, said.waiting) == (2, 2, 0) and adds_up(said)
    assert said.round_trip.ToNanoseconds() > 0
    code, table = server.sluicectl("deciders")
    assert code == 0 and decider.address in table and "up" in table
    code, line = server.sluicectl("deciders", "-o", "json")
    assert code == 0 and json.loads(line)["answered"] == "2"


def test_no_answer_in_time_is_what_the_rule_says(rig, start):
    decider = rig.decider(mute)
    server = start(decider, within="100ms")
    sender = rig.datagrams()
    rig.datagrams("server", port=10)
    began = time.monotonic()
    dropped = sender.send(SERVER, 9)
    passed = sender.send(SERVER, 10)  # neither asked about nor kept waiting
    arrives(rig, passed)
    assert reasons(server, 2)[1] == '"fraud" did not answer in time: rule 1, line 2'
    assert time.monotonic() - began >= 0.1
    assert not rig.far.carrying(dropped)
    # This answer is late: its packet is no longer pending.
    (packet,) = decider.packets
    decider.stream.answer(verdict(packet))
    said = until(lambda: (d := server.deciders()[decider.address]).late and d)
    assert (said.asked, said.timed_out, said.late) == (1, 1, 1) and adds_up(said)
    assert decider.wait(lambda: decider.stream.errors)[0].text


def test_the_pools_other_decider_takes_over(rig, start):
    dying, other = rig.decider(mute, "dying"), rig.decider(accept_all, "other")
    server = start(dying, other)
    sender = rig.datagrams()
    sent = [sender.send(SERVER, 9) for _ in range(10)]
    waiting = len(dying.wait_for_packets(1))
    dying.stop()
    for token in sent:
        arrives(rig, token)
    arrives(rig, sender.send(SERVER, 9))
    said = server.deciders()
    assert all(adds_up(d) for d in said.values())
    assert said[other.address].answered == 11
    assert not said[dying.address].connected
    assert said[dying.address].failed >= waiting


def test_another_policy_drops_the_connection(rig, start):
    decider = rig.decider(mute)
    server = start(decider, within="3s")
    dropped = rig.datagrams().send(SERVER, 9)
    decider.wait_for_packets(1)
    server.apply("default accept;")
    assert reasons(server, 1) == ['"fraud" went away: rule 1, line 2']
    assert not server.deciders()
    assert not rig.far.carrying(dropped)
    arrives(rig, rig.datagrams().send(SERVER, 9))
    assert len(decider.packets) == 1


def test_a_bad_answer_is_none(rig, start):
    # It rewrites a packet that was copied only in part.
    decider = rig.decider(lambda _stream, packet: [verdict(packet, payload=packet.payload)])
    server = start(decider)
    dropped = rig.datagrams().send(SERVER, 9, 600)
    assert reasons(server, 1) == ['"fraud" gave a bad answer: rule 1, line 2']
    said = server.deciders()[decider.address]
    assert said.invalid == 1 and adds_up(said)
    assert not rig.far.carrying(dropped)


def test_a_hold_is_passed_on(rig, start):
    def script(stream, packet):
        return [verdict(packet, decision_pb2.ACTION_HOLD, hold_for={"seconds": 3})]

    decider = rig.decider(script)
    server = start(decider, within="200ms")
    sent = rig.datagrams().send(SERVER, 9)
    (packet,) = decider.wait_for_packets(1)
    until(lambda: server.stats().queues[0].held == 1)
    end = time.monotonic() + 0.3  # longer than the rule's `within`
    while time.monotonic() < end:
        assert not rig.far.carrying(sent)
        assert server.deciders()[decider.address].waiting == 1
    decider.stream.answer(verdict(packet))
    arrives(rig, sent)
    assert server.stats().queues[0].stale.dropped == 0


def test_a_policy_that_asks_says_what_is_wrong_with_its_deciders(rig, start):
    server = start(rig.decider())
    request = control_pb2.CheckPolicyRequest(
        policy=control_pb2.PolicyText(text=RULES.format(within="1s"))
    )
    (problem,) = server.control.CheckPolicy(request, timeout=5).problems
    assert "fraud" in problem.message
