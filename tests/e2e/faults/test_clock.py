"""The wall clock is stepped: no deadline, no heartbeat and no connection depends on it."""

import time

import pytest
from clock import Clock
from steady import ALLOWED, POLICY, DROPPED, Steady

STEPS = (3600, -3600, 0, 30 * 86400, 0.5, -0.5, 0)  # seconds from the machine's clock


@pytest.mark.parametrize("whose", ("agent", "server"))
def test_clock_stepped(rig, whose):
    clock = Clock(rig.directory)
    server = rig.server(POLICY)
    if whose == "server":
        assert server.stop() == 0
        server.start(clock.env)
    agent = rig.new_agent(server, deadline="2s")
    agent.start(clock.env if whose == "agent" else None).wait_for_decider()
    steady = Steady(rig)
    steady.passes(0)
    for step in STEPS:
        clock.step(step)
        steady.resumes(time.monotonic())
        # The agent reports whole seconds.
        assert abs(clock_of(whose, server) - time.time() - step) < 1.5
        # Longer than the silence that ends a stream.
        steady.sends_for(0.7)
    steady.resumes(time.monotonic())
    total = steady.balance(agent)
    assert not steady.lost(ALLOWED) and not steady.passed(DROPPED)
    assert total.accepted + total.dropped == total.received
    assert total.decider_connects == 1
    assert total.hold_time.max_us < 2_000_000


def clock_of(whose, server):
    """Seconds since the epoch, as that program has it."""
    if whose == "agent":
        return server.stats().time.ToNanoseconds() / 1e9
    (latest,) = server.decisions(last=1)
    return latest.decision.time.ToNanoseconds() / 1e9
