"""The agent crashes, stands still, is upgraded or stopped on purpose: what packets get meanwhile,
and that in closed mode nothing passes undecided."""

import time

import pytest
from deciders import mute
from namespaces import Network
from steady import ALLOWED, POLICY, DROPPED, Steady, decide

both_modes = pytest.mark.parametrize("fail_mode", ("closed", "open"))
DEADLINE = 0.2  # seconds, where it matters


def one_agent_after_another(rig, fail_mode, end):
    """No agent runs for a while: in closed mode packets are dropped, in open mode they pass."""
    agent = rig.agent(rig.decider(decide), fail_mode=fail_mode)
    steady = Steady(rig)
    steady.passes(0)
    end(agent)
    ended = time.monotonic()
    launched = steady.sends(100)
    agent.start()
    resumed = steady.resumes(time.monotonic())
    steady.sends(50)
    steady.stop()
    total = agent.settle(1)
    if fail_mode == "closed":
        assert not steady.passed(DROPPED)
        assert not steady.passed(ALLOWED) & steady.sent(ALLOWED, ended, launched)
    else:
        assert not steady.lost(ALLOWED, ended, launched)
        assert not steady.lost(DROPPED, ended, launched)
        assert not steady.passed(DROPPED) & steady.sent(DROPPED, resumed)
        # The kernel drops what is queued when the new agent replaces the old table by its own.
        assert not steady.lost(ALLOWED, ended), total
    assert total.mode_off.accepted == total.mode_off.dropped == 0


@both_modes
def test_agent_killed(rig, fail_mode):
    one_agent_after_another(rig, fail_mode, lambda agent: agent.kill())


@both_modes
def test_agent_upgraded(rig, fail_mode):
    one_agent_after_another(rig, fail_mode, lambda agent: agent.stop())


@both_modes
@pytest.mark.parametrize("end", ("kill", "stop"))
@pytest.mark.parametrize("queues", ({}, {"gso": False}), ids=("gso", "segments"))
def test_what_became_of_packets_while_no_agent_ran(rig, fail_mode, end, queues):
    """The rules count them, and the next agent reports exactly how many, whatever is unknown."""
    server = rig.server("default accept;\n")
    exempt = [{"source": f"{Network.CLIENT[6]}/128", "protocol": "icmpv6"}]
    agent = rig.agent(server, fail_mode=fail_mode, queues=queues, exempt=exempt)
    assert rig.pinger().ping() and rig.pinger(6).ping()
    stats = agent.stats()
    assert (stats.asked, stats.asked_before, stats.exempted) == (2, 0, 2)
    unheard = 0
    for number in range(1, 4):
        getattr(agent, end)()
        sent = [rig.datagrams().send(Network.SERVER[4], ALLOWED) for _ in range(3)]
        rig.fence()
        passed = [token for token in sent if rig.far.carrying(token)]
        unheard += 3
        assert passed == (sent if fail_mode == "open" else [])
        agent.start().wait_for_decider()
        assert rig.pinger().ping() and rig.pinger(6).ping()
        stats = agent.stats()
        assert stats.asked == 2 * (number + 1) + unheard
        assert stats.asked_before == stats.asked - 2
        assert stats.exempted == 2 * (number + 1)
        accepted, dropped = (unheard, 0) if fail_mode == "open" else (0, unheard)
        assert (stats.unheard.accepted, stats.unheard.dropped) == (accepted, dropped)
        assert stats.guard_dropped == 0
        _, said = server.sluicectl("stat", "gw")
        lost = "unknown" if queues else "0"
        assert f"nobody listened {unheard}, lost {lost}\n" in said, said


@both_modes
def test_agent_stopped_and_continued(rig, fail_mode):
    """Packets whose deadline passed in the kernel meanwhile are stale at once."""
    agent = rig.agent(rig.decider(decide), fail_mode=fail_mode, deadline=f"{DEADLINE}s")
    steady = Steady(rig)
    steady.passes(0)
    with rig.paused(agent):
        paused = time.monotonic()
        continued = steady.sends_for(3 * DEADLINE)
    steady.resumes(time.monotonic())
    total = steady.balance(agent, fail_mode == "open")
    aged = [steady.sent(port, paused, continued - DEADLINE) for port in (ALLOWED, DROPPED)]
    assert aged[0] and aged[1]
    if fail_mode == "closed":
        assert total.stale.dropped >= len(aged[0]) + len(aged[1])
        assert not steady.passed(ALLOWED) & aged[0] and not steady.passed(DROPPED)
    else:
        assert total.stale.accepted >= len(aged[0]) + len(aged[1])
        assert not steady.lost(ALLOWED) and aged[1] <= steady.passed(DROPPED)


def test_agent_given_up_by_the_server_while_stopped(rig):
    """The server ends the streams of a silent agent, which dials again when it goes on."""
    agent = rig.agent(rig.server(POLICY))
    steady = Steady(rig)
    steady.passes(0)
    with rig.paused(agent):
        while agent.source.gateways()["gw"].connected:
            pass
        steady.sends_for(1)  # the server watches each stream by itself
    steady.resumes(time.monotonic())
    total = steady.balance(agent)
    assert total.decider_connects == 2
    assert not steady.passed(DROPPED)


@both_modes
def test_agent_stopped_on_purpose_releasing(rig, fail_mode):
    """Everything passes from then on; pending packets get the fallback."""
    decider = rig.decider(mute)
    agent = rig.agent(decider, fail_mode=fail_mode, on_stop="release", deadline="60s")
    steady = Steady(rig)
    decider.wait_for_packets(50, timeout=30)
    began = time.monotonic()
    agent.stop()
    stopped = time.monotonic()
    assert "inet sluice" not in rig.network.gateway.run("nft", "list", "tables")
    steady.passes(stopped)
    steady.stop()
    for port in (ALLOWED, DROPPED):
        assert not steady.lost(port, stopped)
        if fail_mode == "closed":
            assert not steady.passed(port) & steady.sent(port, until=began)
        else:
            assert not steady.lost(port)
