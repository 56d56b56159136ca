"""Packets a decider holds: they outlive their deadline but not the agent's limit, and delay no
others."""

import time

import pytest
from deciders import verdict
from sluice.v1 import decision_pb2
from steady import ALLOWED, DROPPED, Steady, decide

DEADLINE, LIMIT = 0.2, 1.0  # seconds


@pytest.mark.parametrize("fail_mode", ("closed", "open"))
def test_packets_held_for_too_long(rig, fail_mode):
    def hold_what_decide_would_drop(stream, packet):
        if packet.headers.destination_port == ALLOWED:
            return decide(stream, packet)
        return [verdict(packet, decision_pb2.ACTION_HOLD, hold_for={"seconds": 60})]

    agent = rig.agent(
        decider := rig.decider(hold_what_decide_would_drop),
        fail_mode=fail_mode,
        deadline=f"{DEADLINE}s",
        hold_limit=f"{LIMIT}s",
    )
    steady = Steady(rig)
    steady.passes(0)
    steady.sends_for(1.2 * LIMIT)
    total = agent.until(lambda s, t: t.stale.dropped + t.stale.accepted > 0)
    # More packets wait than came within two deadlines.
    assert total.pending > len(steady.sent(DROPPED, time.monotonic() - 2 * DEADLINE))
    if fail_mode == "open":
        # No packet passed before its time was up.
        assert not steady.passed(DROPPED) & steady.sent(DROPPED, time.monotonic() - LIMIT)
    steady.resumes(time.monotonic())
    steady.stop()
    total = agent.until(lambda s, t: t.pending == 0)
    stale = total.stale.accepted if fail_mode == "open" else total.stale.dropped
    assert total.held == stale == len(steady.sent(DROPPED))
    assert not steady.lost(ALLOWED)
    assert not (steady.lost(DROPPED) if fail_mode == "open" else steady.passed(DROPPED))
    assert len(decider.packets) == total.received == total.accepted + stale
