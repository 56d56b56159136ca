"""A second agent is started beside the first: it names the first and ends, and the first does not
notice."""

import pytest
from agents import BY_HAND
from steady import ALLOWED, DROPPED, Steady, decide
from test_limits import kernel_queue


def refused(agent):
    """Starts an agent that must end with an error; returns what it printed."""
    agent.launch()
    assert agent.process.wait() == 1, agent.process.output
    return agent.process.output


def second_agent(rig, first, number=0, **config):
    return rig.new_agent(servers=[first.source.address], gateway=f"second{number}", **config)


def names(said, agent):
    return f"process {agent.process.pid}, gateway gw, configuration {agent.config}" in said


@pytest.mark.parametrize("queue", (0, 5), ids=("one_queue", "two_queues"))
@pytest.mark.parametrize("on_stop", ("keep", "release"))
def test_two_agents_in_one_namespace(rig, queue, on_stop):
    """Not even the rules of the first are touched, whatever the second is to do when it stops."""
    first = rig.agent(rig.decider(decide))
    steady = Steady(rig)
    steady.passes(0)
    for number in range(3):
        second = second_agent(rig, first, number, on_stop=on_stop, queues={"first": queue})
        said = refused(second)
        assert names(said, first), said
    steady.sends(50)
    total = steady.balance(first)
    assert not steady.lost(ALLOWED) and not steady.passed(DROPPED)
    assert total.accepted + total.dropped == total.received
    assert total.decider_connects == 1 and first.stats().hook_lost == 0


def test_a_second_agent_is_refused_in_mode_off_too(rig):
    first = rig.agent(rig.decider(), mode_at_start="off")
    second = second_agent(rig, first, mode_at_start="off", queues={"first": 5})
    assert names(refused(second), first)


def test_a_second_agent_may_start_when_the_first_has_died(rig):
    first = rig.agent(rig.decider())
    second = second_agent(rig, first, queues={"first": 5})
    refused(second)
    first.kill()
    second.source = first.source
    second.start().wait_for_decider()
    assert rig.pinger().ping()


def test_agents_that_leave_the_rules_to_the_operator_share_no_queue(rig):
    first = rig.agent(rig.decider(), **BY_HAND)
    said = refused(second_agent(rig, first, **BY_HAND))
    assert "queue 0" in said and str(kernel_queue(rig)["port_id"]) in said
    second_agent(rig, first, 1, **BY_HAND, queues={"first": 5}).start()
