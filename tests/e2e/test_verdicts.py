"""Every verdict there is, on real packets."""

import pytest
from agents import BY_HAND
from deciders import ACCEPT, DROP, accept_all, mute, verdict
from google.protobuf import duration_pb2
from namespaces import Network
from sluice.v1 import decision_pb2

REPEAT, REQUEUE = decision_pb2.ACTION_REPEAT, decision_pb2.ACTION_REQUEUE
HOLD = decision_pb2.ACTION_HOLD


def hold(packet, seconds):
    return verdict(packet, HOLD, hold_for=duration_pb2.Duration(nanos=int(seconds * 1e9)))


def test_the_hello_names_what_can_be_done(rig):
    rig.agent(decider := rig.decider())
    hello = decider.stream.hello
    assert set(hello.capabilities.actions) == {ACCEPT, DROP, REPEAT, REQUEUE, HOLD}
    assert hello.capabilities.rewrite
    assert hello.hold_limit.seconds == 5
    assert hello.repeat_limit == 7


@pytest.mark.parametrize("version", (4, 6))
def test_repeat_brings_the_packet_back_under_a_new_id(rig, version):
    seen = []

    def script(_, packet):
        seen.append(packet.transaction_id)
        return [verdict(packet, REPEAT if len(seen) < 4 else ACCEPT)]

    agent = rig.agent(rig.decider(script))
    sent = rig.datagrams(version=version).send(Network.SERVER[version], 9)
    total = agent.settle(4)
    assert (total.repeated, total.accepted) == (3, 1)
    assert len(set(seen)) == 4
    assert rig.far.wait_for(lambda far: far.carrying(sent))
    assert len(rig.far.carrying(sent)) == 1


def test_repeat_without_end_is_ended(rig):
    agent = rig.agent(decider := rig.decider(lambda _, p: [verdict(p, REPEAT)]))
    sent = rig.datagrams().send(Network.SERVER[4], 9)
    total = agent.settle(8)
    assert (total.repeated, total.invalid_verdict.dropped) == (7, 1)
    decider.wait(lambda: decider.stream.errors, what="the error")
    assert "7 times" in decider.stream.errors[0].text
    assert not rig.far.carrying(sent)


def test_how_often_a_packet_was_repeated_is_not_seen_outside(rig):
    """Neither by the decider nor, on the way out, by the rules of others."""
    rig.network.gateway.nft(
        """
        table inet theirs {
          chain late {
            type filter hook postrouting priority 500;
            meta l4proto udp meta mark != 0 counter drop
          }
        }
        """
    )
    answers = [REPEAT, REPEAT, ACCEPT]
    agent = rig.agent(
        decider := rig.decider(lambda _, packet: [verdict(packet, answers.pop(0))])
    )
    sent = rig.datagrams().send(Network.SERVER[4], 9)
    agent.settle(3)
    assert rig.far.wait_for(lambda far: far.carrying(sent))
    assert [packet.mark for packet in decider.packets] == [0, 0, 0]


def test_requeue_to_another_queue_of_the_agent(rig):
    """It comes back on that queue's stream, under a new id."""

    def script(stream, packet):
        other = 3 + (stream.hello.queue == 3)
        return [verdict(packet, REQUEUE, requeue_to=other)] if len(decider.packets) < 2 else [
            verdict(packet)
        ]

    decider = rig.decider(script)
    agent = rig.agent(decider, queues={"first": 3, "count": 2})
    sent = rig.datagrams().send(Network.SERVER[4], 9)
    total = agent.settle(2)
    assert (total.requeued, total.accepted) == (1, 1)
    first, second = decider.wait_for_packets(2)
    assert first.transaction_id >> 56 != second.transaction_id >> 56
    assert first.payload == second.payload
    assert rig.far.wait_for(lambda far: far.carrying(sent))


def test_requeue_in_circles_is_ended(rig):
    agent = rig.agent(
        rig.decider(lambda stream, p: [verdict(p, REQUEUE, requeue_to=7 - stream.hello.queue)]),
        queues={"first": 3, "count": 2},
    )
    sent = rig.datagrams().send(Network.SERVER[4], 9)
    total = agent.settle(8)
    assert (total.requeued, total.invalid_verdict.dropped) == (7, 1)
    assert not rig.far.carrying(sent)


def test_requeue_hands_the_packet_to_another_program(rig):
    """Its verdict stands, despite the guard. Here that program is an agent by hand."""
    first = rig.agent(rig.decider(lambda _, p: [verdict(p, REQUEUE, requeue_to=8)]))
    other = rig.new_agent(
        second := rig.decider(accept_all, name="second"),
        gateway="gw2", queues={"first": 8}, **BY_HAND,
    ).start()  # fmt: skip
    other.wait_for_decider()
    sent = rig.datagrams().send(Network.SERVER[4], 9)
    assert first.settle(1).requeued == 1
    assert other.settle(1).accepted == 1
    assert rig.far.wait_for(lambda far: far.carrying(sent))
    second.script = lambda _, packet: [verdict(packet, DROP)]
    sent = rig.datagrams().send(Network.SERVER[4], 9)
    assert other.settle(2).dropped == 1
    assert not rig.far.carrying(sent)


@pytest.mark.parametrize("fail_mode, passes", (("closed", False), ("open", True)))
def test_requeue_to_a_queue_nobody_has_gets_what_the_fail_mode_says(rig, fail_mode, passes):
    agent = rig.agent(
        rig.decider(lambda _, p: [verdict(p, REQUEUE, requeue_to=4711)]), fail_mode=fail_mode
    )
    sent = rig.datagrams().send(Network.SERVER[4], 9)
    assert agent.settle(1).requeued == 1
    if passes:
        assert rig.far.wait_for(lambda far: far.carrying(sent))
    else:
        rig.fence()
        assert not rig.far.carrying(sent)


def test_a_packet_on_hold_outlives_its_deadline_and_is_then_accepted(rig):
    agent = rig.agent(
        decider := rig.decider(lambda _, p: [hold(p, 0.9)]), deadline="300ms", hold_limit="5s"
    )
    sent = rig.datagrams().send(Network.SERVER[4], 9)
    agent.until(lambda s, t: t.held == 1)
    held = decider.wait_for_packets(1)[0]
    # A second packet, not held, says when the deadline of the first would have come.
    decider.script = mute
    rig.datagrams().send(Network.SERVER[4], 9)
    agent.until(lambda s, t: t.stale.dropped == 1)
    assert not rig.far.carrying(sent)
    decider.stream.answer(verdict(held))
    total = agent.settle(2)
    assert (total.accepted, total.stale.dropped, total.held) == (1, 1, 1)
    assert rig.far.wait_for(lambda far: far.carrying(sent))


def test_a_hold_ends_at_the_agents_limit(rig):
    agent = rig.agent(
        decider := rig.decider(lambda _, p: [hold(p, 0.9), hold(p, 0.9)]),
        deadline="100ms", hold_limit="400ms",
    )  # fmt: skip
    rig.datagrams().send(Network.SERVER[4], 9)
    total = agent.settle(1)
    assert (total.held, total.stale.dropped) == (2, 1)
    waited = [e.packet.waited_us for e in decider.events if e.HasField("packet")]
    assert 400_000 <= waited[0] < 800_000


def test_a_hold_for_no_time_is_invalid(rig):
    agent = rig.agent(rig.decider(lambda _, p: [hold(p, 0)]))
    rig.datagrams().send(Network.SERVER[4], 9)
    assert agent.settle(1).invalid_verdict.dropped == 1


def test_strict_order_drops_older_packets_as_badsync(rig):
    """Of three packets, the third is answered first; one of the older two is on hold."""
    decider = rig.decider(mute, packet_options={"ordering": decision_pb2.ORDERING_STRICT})
    agent = rig.agent(decider)
    sender = rig.datagrams()
    sent = [sender.send(Network.SERVER[4], 9) for _ in range(3)]
    packets = decider.wait_for_packets(3)
    decider.stream.answer(hold(packets[1], 0.9))
    decider.stream.answer(verdict(packets[2]))
    total = agent.settle(3)
    assert (total.badsync.dropped, total.accepted, total.held) == (2, 1, 1)
    assert rig.far.wait_for(lambda far: far.carrying(sent[2]))
    assert not rig.far.carrying(sent[0]) and not rig.far.carrying(sent[1])
    decider.stream.answer(verdict(packets[0]))
    assert agent.until(lambda s, t: t.late == 1).badsync.dropped == 2
