"""A full kernel queue, a full receive buffer or table of pending packets in the agent, and a device
that goes down with packets pending."""

import time

import pytest
from deciders import mute
from namespaces import Network
from steady import ALLOWED, DROPPED, Steady, decide
from test_limits import kernel_queue
from traffic import Pinger

both_modes = pytest.mark.parametrize("fail_mode", ("closed", "open"))


def overrun(rig, agent, steady):
    """The agent stands still while too many packets come; returns the kernel's queue by then."""
    steady.passes(0)
    with rig.paused(agent):
        steady.sends(200)
        queue = kernel_queue(rig)
    steady.resumes(time.monotonic())
    return queue


@both_modes
def test_kernel_queue_full(rig, fail_mode):
    agent = rig.agent(rig.decider(decide), fail_mode=fail_mode, queues={"max_length": 20})
    steady = Steady(rig)
    queue = overrun(rig, agent, steady)
    assert queue["waiting"] == 20
    total = steady.balance(agent, fail_mode == "open")
    assert total.numbered == total.received
    if fail_mode == "closed":
        assert total.kernel_queue_full >= 170
        assert agent.stats().asked == total.numbered + total.kernel_queue_full
        assert len(steady.lost(ALLOWED)) + len(steady.lost(DROPPED)) == (
            total.kernel_queue_full + total.dropped
        )
        assert not steady.passed(DROPPED)
    else:
        # The kernel counts nowhere what it lets pass for want of room; the ask rule counts it.
        assert agent.stats().asked - total.numbered >= 170
        assert not steady.lost(ALLOWED)
        assert len(steady.passed(DROPPED)) >= 80


@both_modes
def test_receive_overrun(rig, fail_mode):
    agent = rig.agent(rig.decider(decide), fail_mode=fail_mode, queues={"receive_buffer": "4KiB"})
    steady = Steady(rig)
    queue = overrun(rig, agent, steady)
    total = steady.balance(agent, fail_mode == "open")
    unread = total.numbered - total.received
    assert unread > 100
    if fail_mode == "closed":
        assert total.receive_overrun == unread
        assert queue["user_dropped"] > 100
        assert len(steady.lost(ALLOWED)) + len(steady.lost(DROPPED)) == unread + total.dropped
        assert not steady.passed(DROPPED)
    else:
        assert total.receive_overrun == 0  # the kernel let them pass
        assert not steady.lost(ALLOWED)
        assert len(steady.passed(DROPPED)) > 50


@both_modes
def test_pending_table_full(rig, fail_mode):
    """The decider answers nothing for a while."""
    decider = rig.decider(mute)
    agent = rig.agent(decider, fail_mode=fail_mode, deadline="60s", max_pending=20)
    steady = Steady(rig)
    decider.wait_for_packets(20, timeout=30)
    steady.sends(100)
    full = agent.until(lambda s, t: t.table_full.dropped + t.table_full.accepted >= 100)
    assert full.pending == full.pending_peak == 20
    decider.script = decide
    decider.stream.answer(*(v for packet in decider.packets for v in decide(None, packet)))
    steady.resumes(time.monotonic())
    total = steady.balance(agent, fail_mode == "open")
    settled = total.accepted + total.dropped
    if fail_mode == "closed":
        assert total.table_full.dropped == total.received - settled
        assert not steady.passed(DROPPED)
    else:
        assert total.table_full.accepted == total.received - settled
        assert not steady.lost(ALLOWED)


@both_modes
def test_device_down_with_packets_pending(rig, fail_mode):
    """The kernel drops the packets that would leave by it, in open mode too."""
    decider = rig.decider(mute)
    agent = rig.agent(decider, fail_mode=fail_mode, deadline="60s")
    steady = Steady(rig)
    decider.wait_for_packets(100, timeout=30)
    rig.network.gateway.ip("link set server down")
    # Without a route no more are forwarded, so none are asked about.
    steady.sends(100)
    pending = agent.stats().queues[0].pending
    decider.wait_for_packets(pending)
    decider.script = decide
    decider.stream.answer(*(v for packet in decider.packets for v in decide(None, packet)))
    total = agent.until(lambda s, t: t.pending == 0)
    assert total.flushed.dropped == total.received == pending
    assert total.flushed.accepted == 0
    rig.network.gateway.ip("link set server up")
    neighbour = rig.keep(Pinger(rig.network.gateway, 4, Network.SERVER[4]))
    while not neighbour.ping(timeout=0.1):  # until the link carries packets, and ARP has asked
        pass
    steady.resumes(time.monotonic())
    steady.stop()
    total = agent.until(lambda s, t: t.pending == 0)
    assert total.flushed.dropped + total.accepted + total.dropped == total.received
    rig.far.wait_for(lambda _: len(steady.passed(ALLOWED)) >= total.accepted)
    assert len(steady.passed(ALLOWED)) == total.accepted and not steady.passed(DROPPED)
