"""A decider is lost while packets wait for it, and another is configured: the agent asks that one
about them, under the ids they have."""

import time

import pytest
from deciders import mute
from steady import ALLOWED, POLICY, DROPPED, Steady, decide
from test_network import NOTICED_WITHIN, SILENCE, cut

both_modes = pytest.mark.parametrize("fail_mode", ("closed", "open"))


def two_deciders(rig, first=None, **config):
    """An agent that is connected to the first of two deciders."""
    first = first or rig.decider(decide, name="first")
    second = rig.decider(decide, name="second")
    agent = rig.agent(first, servers=[first.address, second.address], **config)
    return first, second, agent


def ids(packets):
    return {packet.transaction_id for packet in packets}


def nothing_is_lost(steady, agent):
    """Asserts that each packet got a verdict; returns the agent's counters."""
    total = steady.balance(agent)
    assert not steady.lost(ALLOWED) and not steady.passed(DROPPED)
    assert total.accepted + total.dropped == total.received
    assert total.decider_connects == 2
    return total


def test_decider_killed_with_packets_pending(rig):
    first, second, agent = two_deciders(rig, deadline="60s")
    steady = Steady(rig)
    steady.passes(0)
    unanswered = []

    def keep(_, packet):
        unanswered.append(packet)
        return []

    first.script = keep
    first.wait(lambda: len(unanswered) >= 100, timeout=30, what="100 packets")
    first.stop()
    agent.source = second
    steady.resumes(time.monotonic())
    total = nothing_is_lost(steady, agent)
    assert ids(unanswered) <= ids(second.packets)
    # More may have been on their way to the first decider.
    assert len(unanswered) <= total.asked_again <= len(unanswered) + 100
    assert ids(second.packets) - ids(unanswered)


def test_network_cut_silently_with_packets_pending(rig):
    """Packets whose deadline is longer than the silence are not lost."""
    _, second, agent = two_deciders(rig, rig.server(POLICY), deadline="5s")
    steady = Steady(rig)
    steady.passes(0)
    with cut(rig, "drop"):
        began = time.monotonic()
        agent.source = second
        second.wait_for_packets(1)
        assert time.monotonic() - began < NOTICED_WITHIN + 0.2  # it is dialled within 100 ms
        steady.resumes(time.monotonic())
        total = nothing_is_lost(steady, agent)
    halfway = steady.sent(ALLOWED, began, began + SILENCE / 2)
    # All packets of the first half of the silence had been presented to the one that was cut off.
    assert total.asked_again >= len(halfway) > 0


def test_decider_that_answers_nothing_in_time_is_left_for_the_next(rig):
    first, second, agent = two_deciders(rig, deadline="100ms")
    steady = Steady(rig)
    steady.passes(0)
    first.script, began = mute, time.monotonic()
    agent.process.wait_for_line("answered nothing in time for two seconds")
    assert 2 <= time.monotonic() - began < 3
    steady.resumes(time.monotonic())
    total = steady.balance(agent)
    assert total.decider_connects == 2 and second.packets
    assert total.stale.dropped >= steady.both(began, began + 1.5)
    assert not steady.passed(DROPPED)


@both_modes
def test_all_deciders_gone_and_one_back(rig, fail_mode):
    """Neither pending nor new packets wait for their deadline."""
    first, second, agent = two_deciders(rig, deadline="60s", fail_mode=fail_mode)
    steady = Steady(rig)
    steady.passes(0)
    first.script = mute
    first.wait_for_packets(len(first.packets) + 100, timeout=30)
    said = agent.process.line_count()
    second.stop()
    first.stop()
    gone = time.monotonic()
    agent.process.wait_for_line("queue 0: .*second.sock", after=said)
    back = steady.sends(100)
    agent.source = rig.decider(decide, name="second")
    steady.resumes(time.monotonic())
    total = steady.balance(agent, fail_mode == "open")
    if fail_mode == "closed":
        assert total.no_decider.dropped >= 200
        assert not steady.passed(DROPPED)
        assert not steady.passed(ALLOWED) & steady.sent(ALLOWED, gone, back)
    else:
        assert total.no_decider.accepted >= 200
        assert not steady.lost(ALLOWED)
    assert total.stale.dropped + total.stale.accepted == 0
    assert total.decider_connects == 2
