"""What makes the agent forget remembered verdicts: all at once, verdicts under way included."""

import socket

from deciders import DROP, drop_all, mute
from namespaces import Network
from remembering import (
    CONNECTION,
    SOURCE,
    VERSIONS,
    Flow,
    remember,
    settled,
    settled_unasked,
    until_remembered,
)

from sluice.v1 import packet_pb2, stats_pb2


@VERSIONS
def test_another_policy_forgets_at_once(rig, version):
    """Under traffic: what the new policy rejects does not pass once the agent has heard of it."""
    decider = rig.decider(remember(CONNECTION), policy_version="1")
    agent = rig.agent(decider)
    flow = Flow(rig, version, port=9)
    until_remembered(flow, agent)
    asked = len(decider.packets)
    flooding = [True]

    def flood():
        while flooding[0]:
            flow.near.send(Network.SERVER[version], 9)
            rig.far.keep_up()

    flood_ends = rig.background(flood)
    agent.until(lambda s, t: s.remembered.accepted_connection > 100)
    assert len(decider.packets) == asked
    decider.script = drop_all
    decider.stream.retune(policy_version="2")
    agent.until(lambda s, t: s.remembered.forgotten == 1)
    sent = flow.near.send(Network.SERVER[version], 9)
    agent.until(lambda s, t: t.dropped > 20)
    flooding[0] = False
    flood_ends.result()
    assert not rig.far.carrying(sent)
    total = agent.settle(asked + 20)
    assert total.accepted == asked
    now = agent.stats()
    assert now.asked == total.numbered + total.kernel_queue_full


def test_the_same_policy_forgets_nothing(rig):
    decider = rig.decider(remember(CONNECTION), policy_version="1")
    agent = rig.agent(decider)
    flow = Flow(rig, port=9)
    until_remembered(flow, agent)
    asked = len(decider.packets)
    decider.stream.retune(policy_version="1", copy_range=64)
    for _ in range(10):
        flow.send()
    assert len(decider.packets) == asked
    assert agent.stats().remembered.forgotten == 0


def test_an_answer_of_the_policy_before_is_not_remembered(rig):
    """The first trap: a packet is presented before the change and answered after it."""
    decider = rig.decider(remember(CONNECTION), policy_version="1")
    agent = rig.agent(decider)
    until_remembered(Flow(rig, port=9), agent)
    decider.script = mute
    asked = len(decider.packets)
    flow = Flow(rig, port=9)
    flow.send()
    late = decider.wait_for_packets(asked + 1)[-1]
    decider.stream.retune(policy_version="2")
    agent.until(lambda s, t: s.remembered.forgotten == 1)
    decider.stream.answer(*remember(CONNECTION)(None, late))
    agent.until(lambda s, t: t.pending == 0)
    decider.script = remember(CONNECTION)
    flow.send()
    decider.wait_for_packets(asked + 2)
    agent.until(lambda s, t: t.pending == 0)
    for _ in range(10):
        flow.send()
    assert len(decider.packets) == asked + 2, "what the new policy says is remembered"


def test_marks_that_others_restore_are_forgotten_as_well(rig):
    """The second trap: CONNMARK --restore-mark and --save-mark without a mask."""
    mangle = ("iptables", "-t", "mangle", "-A")
    rig.network.gateway.run(*mangle, "PREROUTING", "-j", "CONNMARK", "--restore-mark")
    rig.network.gateway.run(*mangle, "FORWARD", "-j", "CONNMARK", "--save-mark")
    decider = rig.decider(remember(CONNECTION), policy_version="1")
    agent = rig.agent(decider)
    flow = Flow(rig, port=9)
    for _ in range(10):
        flow.send()
    agent.settle(len(decider.packets))
    decider.script = drop_all
    decider.stream.retune(policy_version="2")
    agent.until(lambda s, t: s.remembered.forgotten == 1)
    asked = len(decider.packets)
    for _ in range(10):
        flow.send()
    decider.wait_for_packets(asked + 10)
    assert agent.settle(asked + 10).dropped == 10


def test_another_mode_forgets(rig):
    decider = rig.decider(remember(CONNECTION))
    agent = rig.agent(decider)
    flow = Flow(rig, port=9)
    until_remembered(flow, agent)
    decider.set_mode(stats_pb2.MODE_SHADOW)
    asked, unasked = len(decider.packets), settled_unasked(agent)
    for _ in range(5):
        assert flow.passes(flow.send())
    decider.wait_for_packets(asked + 5)
    assert settled_unasked(agent) == unasked, "in mode shadow nothing is remembered"
    decider.set_mode(stats_pb2.MODE_ON)
    flow.send()
    decider.wait_for_packets(asked + 6)
    agent.until(lambda s, t: t.pending == 0)
    flow.send()
    agent.until(lambda s, t: settled(s.remembered) == unasked + 1)
    decider.set_mode(stats_pb2.MODE_OFF)
    assert decider.remembered() == []
    assert decider.forget_remembered() == 0
    decider.set_mode(stats_pb2.MODE_ON)
    flow.send()
    decider.wait_for_packets(asked + 7)


def test_forgetting_says_how_much(rig):
    def script(_, packet):
        scope = CONNECTION if packet.family == packet_pb2.FAMILY_IPV4 else SOURCE
        return remember(scope)(None, packet)

    decider = rig.decider(script)
    agent = rig.agent(decider)
    until_remembered(first := Flow(rig, 4, port=9), agent)
    until_remembered(second := Flow(rig, 6, port=9), agent)
    listed = decider.remembered()
    assert sorted(v.scope for v in listed) == [CONNECTION, SOURCE]
    connection = next(v for v in listed if v.scope == CONNECTION)
    assert connection.source_port == first.near.port
    assert connection.source == socket.inet_aton(Network.CLIENT[4])
    assert not connection.HasField("expires_in")
    assert len(decider.remembered(limit=1)) == 1
    assert decider.forget_remembered() == 2
    assert decider.remembered() == []
    asked = len(decider.packets)
    first.send()
    second.send()
    decider.wait_for_packets(asked + 2)
    now = agent.stats().remembered
    assert now.forgotten == 1


def test_the_next_agent_remembers_nothing(rig):
    decider = rig.decider(remember(CONNECTION), policy_version="1")
    agent = rig.agent(decider)
    flow = Flow(rig, port=9)
    until_remembered(flow, agent)
    agent.process.kill()
    decider.script = drop_all
    again = rig.agent(decider)
    sent = flow.send()
    again.settle(1)
    assert not rig.far.carrying(sent)
    assert decider.remembered() == []
    decider.script = remember(CONNECTION)
    until_remembered(flow, again)


def test_a_table_that_was_thrown_away_comes_back_empty(rig):
    decider = rig.decider(remember(SOURCE, DROP))
    agent = rig.agent(decider, older_kernel=True)
    flow = Flow(rig, port=9)
    until_remembered(flow, agent)
    before = agent.stats()
    rig.network.gateway.nft("flush ruleset")
    agent.until(lambda s, t: s.hook_lost == 1)
    asked = len(decider.packets)
    flow.send()
    decider.wait_for_packets(asked + 1)
    until_remembered(flow, agent)
    assert agent.stats().remembered.dropped_address > before.remembered.dropped_address
