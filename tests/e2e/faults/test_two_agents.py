"""A second agent is started for the queue of the first, which does not notice."""

import pytest
from steady import ALLOWED, REFUSED, Steady, decide
from test_limits import kernel_queue


@pytest.mark.parametrize("on_stop", ("keep", "release"))
def test_two_agents_on_one_queue(rig, on_stop):
    """Not even the rules of the first are touched, whatever the second would do at its end."""
    first = rig.agent(rig.decider(decide))
    steady = Steady(rig)
    steady.passes(0)
    owner = str(kernel_queue(rig)["port_id"])
    for number in range(3):
        second = rig.new_agent(
            servers=[first.source.address], gateway=f"second{number}", on_stop=on_stop
        )
        second.launch()
        assert second.process.wait() == 1
        assert "queue 0" in second.process.output and owner in second.process.output
    steady.sends(50)
    total = steady.balance(first)
    assert not steady.lost(ALLOWED) and not steady.passed(REFUSED)
    assert total.accepted + total.dropped == total.received
    assert total.decider_connects == 1 and first.stats().hook_lost == 0
