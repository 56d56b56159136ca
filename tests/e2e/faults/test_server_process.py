"""The server crashes, stands still, is restarted: packets get the fallback until it is back."""

import time

import pytest
from steady import ALLOWED, POLICY, DROPPED, Steady
from test_network import NOTICED_WITHIN, SILENCE

both_modes = pytest.mark.parametrize("fail_mode", ("closed", "open"))
DEADLINE = 0.05  # seconds; the preset


def without_a_server(rig, fail_mode, cause, mend):
    """The server is away for more than a second. Returns how long the agent took to notice, and its
    counters in the end."""
    server = rig.server(POLICY)
    agent = rig.agent(server, fail_mode=fail_mode, deadline=f"{DEADLINE}s")
    steady = Steady(rig)
    steady.passes(0)
    said = agent.process.line_count()
    cause(server)
    began = time.monotonic()
    agent.process.wait_for_line(r"queue 0: server .*; trying again", after=said)
    noticed = time.monotonic()
    ending = steady.sends_for(1)
    mend(server)
    steady.resumes(time.monotonic())
    total = steady.balance(agent, fail_mode == "open")
    if fail_mode == "closed":
        assert not steady.passed(DROPPED)
        assert not steady.passed(ALLOWED) & steady.sent(ALLOWED, began, ending - DEADLINE)
        assert total.no_decider.accepted == total.stale.accepted == 0
    else:
        assert not steady.lost(ALLOWED)
        assert not steady.lost(DROPPED, began, ending - DEADLINE)
        assert total.no_decider.dropped == total.stale.dropped == 0
    # Once it was noticed, nothing counts as stale.
    assert total.no_decider.dropped + total.no_decider.accepted >= steady.both(
        noticed, ending - DEADLINE
    )
    assert total.decider_connects == 2
    return noticed - began, total


@both_modes
def test_server_killed(rig, fail_mode):
    """The kernel tells at once that it is gone."""
    took, _ = without_a_server(
        rig, fail_mode, lambda server: server.kill(), lambda server: server.start()
    )
    assert took < SILENCE


@both_modes
def test_server_ended_in_good_order(rig, fail_mode):
    took, _ = without_a_server(
        rig, fail_mode, lambda server: server.stop(), lambda server: server.start()
    )
    assert took < SILENCE


@both_modes
def test_server_stopped_and_continued(rig, fail_mode):
    """It is taken for dead after 600 ms; until then packets wait for their deadline."""
    took, total = without_a_server(
        rig, fail_mode, lambda server: server.process.pause(), lambda server: server.process.go_on()
    )
    assert took < NOTICED_WITHIN
    assert total.stale.dropped + total.stale.accepted > 0
