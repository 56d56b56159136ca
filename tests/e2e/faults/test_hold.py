"""Packets a decider holds: they outlive their deadline, not the agent's limit, and are in nobody's
way."""

import time

import pytest
from deciders import verdict
from sluice.v1 import decision_pb2
from steady import ALLOWED, REFUSED, Steady, decide

DEADLINE, LIMIT = 0.2, 1.0  # seconds


@pytest.mark.parametrize("fail_mode", ("closed", "open"))
def test_packets_held_for_too_long(rig, fail_mode):
    def hold_what_decide_would_refuse(stream, packet):
        if packet.headers.destination_port == ALLOWED:
            return decide(stream, packet)
        return [verdict(packet, decision_pb2.ACTION_HOLD, hold_for={"seconds": 60})]

    agent = rig.agent(
        decider := rig.decider(hold_what_decide_would_refuse),
        fail_mode=fail_mode,
        deadline=f"{DEADLINE}s",
        hold_limit=f"{LIMIT}s",
    )
    steady = Steady(rig)
    steady.passes(0)
    steady.sends_for(1.2 * LIMIT)
    total = agent.until(lambda s, t: t.stale.dropped + t.stale.accepted > 0)
    # More wait than came within their deadline.
    assert total.pending > len(steady.sent(REFUSED, time.monotonic() - 2 * DEADLINE))
    if fail_mode == "open":
        # None passed before its time was up.
        assert not steady.passed(REFUSED) & steady.sent(REFUSED, time.monotonic() - LIMIT)
    steady.resumes(time.monotonic())
    steady.stop()
    total = agent.until(lambda s, t: t.pending == 0)
    stale = total.stale.accepted if fail_mode == "open" else total.stale.dropped
    assert total.held == stale == len(steady.sent(REFUSED))
    assert not steady.lost(ALLOWED)
    assert not (steady.lost(REFUSED) if fail_mode == "open" else steady.passed(REFUSED))
    assert len(decider.packets) == total.received == total.accepted + stale
