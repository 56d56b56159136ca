"""Deciders that misbehave while traffic goes on: what they do wrong is counted, and harms no
packet except those they leave unanswered."""

import random
import time

import pytest
from deciders import ACCEPT, DROP, mute, verdict
from sluice.v1 import decision_pb2
from steady import ALLOWED, DROPPED, Steady, decide

both_modes = pytest.mark.parametrize("fail_mode", ("closed", "open"))
DEADLINE = 0.2  # seconds


def left_unanswered(steady, total, fail_mode, began, ended):
    """Packets sent in between were stale and got the fallback."""
    undecided = [steady.sent(port, began, ended - DEADLINE) for port in (ALLOWED, DROPPED)]
    assert undecided[0] and undecided[1]
    if fail_mode == "closed":
        assert total.stale.dropped >= len(undecided[0]) + len(undecided[1])
        assert total.stale.accepted == 0
        assert not steady.passed(DROPPED) and not steady.passed(ALLOWED) & undecided[0]
    else:
        assert total.stale.accepted >= len(undecided[0]) + len(undecided[1])
        assert total.stale.dropped == 0
        assert not steady.lost(ALLOWED) and undecided[1] <= steady.passed(DROPPED)


@both_modes
def test_decider_mute(rig, fail_mode):
    agent = rig.agent(
        decider := rig.decider(decide), fail_mode=fail_mode, deadline=f"{DEADLINE}s"
    )
    steady = Steady(rig)
    steady.passes(0)
    began, decider.script = time.monotonic(), mute
    ended = steady.sends_for(3 * DEADLINE)
    decider.script = decide
    steady.resumes(ended)
    total = steady.balance(agent, fail_mode == "open")
    left_unanswered(steady, total, fail_mode, began, ended)
    assert total.late == 0


@both_modes
def test_decider_slow(rig, fail_mode):
    """Its answers come, but after the deadline."""
    agent = rig.agent(
        decider := rig.decider(decide), fail_mode=fail_mode, deadline=f"{DEADLINE}s"
    )
    steady = Steady(rig)
    steady.passes(0)
    kept = []

    def keep(_, packet):
        kept.append(packet)
        return []

    began, decider.script = time.monotonic(), keep
    ended = steady.sends_for(3 * DEADLINE)
    decider.script = decide
    steady.resumes(ended)
    agent.until(lambda s, t: t.stale.dropped + t.stale.accepted >= len(kept))
    decider.stream.answer(*(v for packet in kept for v in decide(None, packet)))
    total = agent.until(lambda s, t: t.late >= len(kept))
    assert total.late == len(kept) == total.stale.dropped + total.stale.accepted
    left_unanswered(steady, steady.balance(agent, fail_mode == "open"), fail_mode, began, ended)


def nothing_went_wrong(steady, agent):
    """Each packet got its verdict and no other."""
    total = steady.balance(agent)
    assert not steady.lost(ALLOWED) and not steady.passed(DROPPED)
    assert total.accepted == len(steady.sent(ALLOWED))
    assert total.dropped == len(steady.sent(DROPPED))
    assert total.accepted + total.dropped == total.received
    return total


def test_decider_too_fast(rig):
    """It answers packets that have not come yet, always with the wrong action."""

    def script(stream, packet):
        early = decision_pb2.Verdict(
            transaction_id=packet.transaction_id + 1000,
            action=DROP if packet.headers.destination_port == ALLOWED else ACCEPT,
            reason="guessed",
        )
        return [early, *decide(stream, packet)]

    agent = rig.agent(decider := rig.decider(script))
    steady = Steady(rig)
    decider.wait_for_packets(1500, timeout=60)  # so that the packets guessed at have come
    total = nothing_went_wrong(steady, agent)
    assert total.unknown == total.received


def test_decider_answers_twice(rig):
    """The second answer says the opposite of the first."""

    def script(stream, packet):
        first = decide(stream, packet)[0]
        return [first, verdict(packet, DROP if first.action == ACCEPT else ACCEPT)]

    agent = rig.agent(decider := rig.decider(script))
    steady = Steady(rig)
    decider.wait_for_packets(500, timeout=60)
    total = nothing_went_wrong(steady, agent)
    assert total.duplicate == total.received


def test_decider_answers_others_packets(rig):
    """Each stream gives wrong answers for the other's packets, before the owner answers."""
    agent = rig.agent(decider := rig.decider(mute), queues={"count": 2})
    one, other = decider.wait_for_streams(2)

    def script(stream, packet):
        right = decide(stream, packet)[0]
        wrong = verdict(packet, DROP if right.action == ACCEPT else ACCEPT)
        (other if stream is one else one).answer(wrong)
        return [right]

    decider.script = script
    steady = Steady(rig)
    decider.wait_for_packets(500, timeout=60)
    total = nothing_went_wrong(steady, agent)
    assert total.wrong_owner == total.received


def test_decider_floods(rig):
    """Thousands of answers for packets that never existed, beside the right ones."""
    agent = rig.agent(decider := rig.decider(decide))
    steady = Steady(rig)
    steady.passes(0)
    stream, batches, a_batch = decider.stream, 200, 500
    numbers = random.Random(1)
    for _ in range(batches):
        # The top byte is the queue's index, the rest far from what will ever be used.
        garbage = (numbers.randrange(1 << 40, 1 << 56) for _ in range(a_batch))
        stream.answer(
            *(
                decision_pb2.Verdict(transaction_id=n, action=ACCEPT, reason="garbage")
                for n in garbage
            )
        )
    total = agent.until(lambda s, t: t.unknown == batches * a_batch, timeout=60)
    assert total.decider_connects == 1
    steady.resumes(time.monotonic())
    total = nothing_went_wrong(steady, agent)
    assert (total.unknown, total.decider_connects) == (batches * a_batch, 1)
