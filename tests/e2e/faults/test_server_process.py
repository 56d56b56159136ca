"""The server crashes, stands still, is restarted: packets get the fallback until it is back."""

import time

import pytest
from steady import ALLOWED, POLICY, REFUSED, Steady

both_modes = pytest.mark.parametrize("fail_mode", ("closed", "open"))
DEADLINE = 0.05  # seconds; the preset


def without_a_server(rig, fail_mode, cause, mend):
    """The server is away for more than a second; the agent's counters after that."""
    server = rig.server(POLICY)
    agent = rig.agent(server, fail_mode=fail_mode, deadline=f"{DEADLINE}s")
    steady = Steady(rig)
    steady.passes(0)
    cause(server)
    began = time.monotonic()
    steady.sends(600)
    ending = time.monotonic()
    mend(server)
    steady.resumes(time.monotonic())
    total = steady.balance(agent, fail_mode == "open")
    if fail_mode == "closed":
        assert not steady.passed(REFUSED)
        assert not steady.passed(ALLOWED) & steady.sent(ALLOWED, began, ending - DEADLINE)
        assert total.no_decider.accepted == total.stale.accepted == 0
    else:
        assert not steady.lost(ALLOWED)
        assert not steady.lost(REFUSED, began, ending - DEADLINE)
        assert total.no_decider.dropped == total.stale.dropped == 0
    assert total.decider_connects == 2
    return total


@both_modes
def test_server_killed(rig, fail_mode):
    """The kernel tells at once that it is gone: nothing has to wait for its deadline."""
    total = without_a_server(
        rig, fail_mode, lambda server: server.kill(), lambda server: server.start()
    )
    assert total.no_decider.dropped + total.no_decider.accepted >= 500


@both_modes
def test_server_ended_in_good_order(rig, fail_mode):
    total = without_a_server(
        rig, fail_mode, lambda server: server.stop(), lambda server: server.start()
    )
    assert total.no_decider.dropped + total.no_decider.accepted >= 500


@both_modes
def test_server_stopped_and_continued(rig, fail_mode):
    """It is taken for dead after 600 ms; until then packets wait for their deadline."""
    total = without_a_server(
        rig, fail_mode, lambda server: server.process.pause(), lambda server: server.process.go_on()
    )
    assert total.stale.dropped + total.stale.accepted > 0
    assert total.no_decider.dropped + total.no_decider.accepted > 0
