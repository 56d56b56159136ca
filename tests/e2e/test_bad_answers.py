"""Deciders that answer garbage or stop answering: it is counted, no packet is stuck, and the
identity holds."""

import time

import pytest
from deciders import ACCEPT, DROP, accept_all, mute, verdict
from namespaces import Network
from sluice.v1 import decision_pb2


def errors(decider, count=1):
    decider.wait(lambda: sum(len(s.errors) for s in decider.streams) >= count, what="the errors")
    return [e.error for s in decider.streams for e in s.errors]


def test_an_answer_for_a_packet_that_never_was_is_unknown(rig):
    def script(_, packet):
        stranger = decision_pb2.Verdict(
            transaction_id=packet.transaction_id + 1000, action=ACCEPT, reason="garbage"
        )
        return [stranger, verdict(packet)]

    agent = rig.agent(decider := rig.decider(script))
    assert rig.pinger().ping()
    total = agent.until(lambda s, t: t.unknown == 2)
    assert (total.accepted, total.dropped) == (2, 0)
    assert set(errors(decider, 2)) == {decision_pb2.VERDICT_ERROR_UNKNOWN}


def test_a_second_answer_is_a_duplicate_and_changes_nothing(rig):
    agent = rig.agent(decider := rig.decider(lambda _, p: [verdict(p), verdict(p, DROP)]))
    assert rig.pinger().ping()
    total = agent.until(lambda s, t: t.duplicate == 2)
    assert (total.accepted, total.dropped) == (2, 0)
    assert set(errors(decider, 2)) == {decision_pb2.VERDICT_ERROR_DUPLICATE}


def test_an_answer_for_another_streams_packet_is_ignored(rig):
    agent = rig.agent(decider := rig.decider(mute), queues={"count": 2}, deadline="60s")
    sent = rig.pinger().send()
    packet = decider.wait_for_packets(1)[0]
    owner, other = sorted(decider.wait_for_streams(2), key=lambda s: not s.packets)
    other.answer(verdict(packet, DROP))
    assert agent.until(lambda s, t: t.wrong_owner == 1).pending == 1
    assert errors(decider) == [decision_pb2.VERDICT_ERROR_WRONG_OWNER]
    decider.script = accept_all
    owner.answer(verdict(packet))
    rig.far.wait_for(lambda far: far.carrying(sent))
    assert agent.until(lambda s, t: t.accepted >= 1).dropped == 0


@pytest.mark.parametrize("fail_mode", ("closed", "open"))
def test_an_action_that_is_none_gets_the_fallback_and_is_told(rig, fail_mode):
    agent = rig.agent(
        decider := rig.decider(lambda _, p: [verdict(p, 99)]), fail_mode=fail_mode
    )
    sender = rig.datagrams()
    sent = sender.send(Network.SERVER[4], 9)
    total = agent.settle(1)
    counted = (total.invalid_verdict.dropped, total.invalid_verdict.accepted)
    assert counted == ((0, 1) if fail_mode == "open" else (1, 0))
    assert errors(decider) == [decision_pb2.VERDICT_ERROR_INVALID]
    rig.fence()
    assert len(rig.far.carrying(sent)) == counted[1]


def test_a_payload_that_was_not_announced_is_invalid(rig):
    agent = rig.agent(rig.decider(lambda _, p: [verdict(p, payload=b"not a packet")]))
    sent = rig.pinger().send()
    assert agent.settle(1).invalid_verdict.dropped == 1
    assert not rig.far.carrying(sent)


@pytest.mark.parametrize(
    "garbage",
    (
        decision_pb2.DecideResponse(),
        decision_pb2.DecideResponse(welcome=decision_pb2.DecideWelcome()),
        decision_pb2.DecideResponse(verdicts=decision_pb2.VerdictBatch(received_batch=1 << 60)),
        decision_pb2.DecideResponse(
            retune=decision_pb2.Retune(packet_options=decision_pb2.PacketOptions(copy_range=1 << 31))
        ),
        decision_pb2.DecideResponse(heartbeat=decision_pb2.Heartbeat(sequence=1 << 63)),
    ),
    ids=(
        "nothing", "second_welcome", "acks_the_future", "impossible_packet_options",
        "strange_heartbeat",
    ),
)
def test_a_message_that_breaks_the_conversation_does_not_break_the_agent(rig, garbage):
    agent = rig.agent(decider := rig.decider())
    pinger = rig.pinger()
    assert pinger.ping()
    decider.stream.outgoing.put(garbage)
    pinger.send()
    agent.settle(3)
    # Whether the agent kept the stream or dialled again, traffic goes on.
    agent.wait_for_decider()
    ping_until_answered(pinger)


@pytest.mark.parametrize(
    "garbage",
    (
        decision_pb2.DecideResponse(),
        decision_pb2.DecideResponse(verdicts=decision_pb2.VerdictBatch(received_batch=1)),
        decision_pb2.DecideResponse(
            welcome=decision_pb2.DecideWelcome(packet_options=decision_pb2.PacketOptions(copy_mode=9))
        ),
    ),
    ids=("nothing", "verdicts_before_the_welcome", "copy_mode_9"),
)
def test_a_decider_that_begins_with_garbage_decides_nothing(rig, garbage):
    agent = rig.new_agent(rig.decider(first=garbage)).start()
    agent.source.wait_for_streams(2)  # the agent left it, and dialled again
    sent = rig.pinger().send()
    assert agent.settle(1).no_decider.dropped == 1
    assert not rig.far.carrying(sent)


def test_a_decider_that_went_silent_is_left_within_a_second(rig):
    agent = rig.agent(decider := rig.decider(mute), deadline="60s")
    sent = rig.datagrams().send(Network.SERVER[4], 9)
    decider.wait_for_packets(1)
    decider.script = accept_all
    began = time.monotonic()
    decider.heartbeats = False
    decider.wait_for_streams(2)
    assert time.monotonic() - began < 3  # 600 ms, and time for a busy machine
    decider.heartbeats = True
    agent.wait_for_decider()
    assert rig.far.wait_for(lambda far: far.carrying(sent)), "it is asked about again"
    ping_until_answered(rig.pinger())


def test_packets_pending_when_the_decider_goes_away_are_asked_about_again(rig):
    agent = rig.agent(decider := rig.decider(mute), deadline="60s")
    sent = rig.datagrams().send(Network.SERVER[4], 9)
    decider.wait_for_packets(1)
    decider.stop()
    agent.source = rig.decider(accept_all)  # at the same address
    agent.wait_for_decider()
    assert rig.pinger().ping()
    total = agent.settle(3)
    assert (total.asked_again, total.accepted) == (1, 3)
    assert total.decider_connects == 2
    assert rig.far.carrying(sent)


def test_packets_pending_get_the_fallback_once_no_decider_can_be_reached(rig):
    agent = rig.agent(decider := rig.decider(mute), deadline="60s")
    sent = rig.datagrams().send(Network.SERVER[4], 9)
    decider.wait_for_packets(1)
    decider.stop()
    agent.process.wait_for_line("queue 0: .*No such file or directory")
    agent.source = rig.decider(accept_all)  # at the same address
    agent.wait_for_decider()
    assert rig.pinger().ping()
    total = agent.settle(3)
    assert (total.no_decider.dropped, total.accepted) == (1, 2)
    assert not rig.far.carrying(sent)


def ping_until_answered(pinger):
    end = time.monotonic() + 5
    while not pinger.ping(timeout=0.5):
        assert time.monotonic() < end, "traffic does not go on"
