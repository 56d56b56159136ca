"""Remembered verdicts: which packets they settle without asking, and for how long."""

import socket
import struct
import time

import pytest
import traffic
from capture import ICMP, ICMPV6, TCP
from deciders import ACCEPT, DROP, accept_all
from namespaces import Network
from remembering import (
    CONNECTION,
    EVERY,
    PEER,
    SOURCE,
    VERSIONS,
    WIDER,
    Flow,
    remember,
    settled_unasked,
    until_remembered,
)

from sluice.v1 import decision_pb2, packet_pb2


def test_the_hello_says_what_can_be_remembered(rig):
    rig.agent(decider := rig.decider())
    assert list(decider.stream.hello.capabilities.scopes) == [
        decision_pb2.SCOPE_PACKET, CONNECTION, PEER, SOURCE
    ]  # fmt: skip


def test_by_hand_and_without_connection_marks_less_can_be(rig):
    rig.agent(
        first := rig.decider(name="first"), hook={"manage": False}, mode_at_start="off",
        queues={"first": 1},
    )  # fmt: skip
    assert list(first.stream.hello.capabilities.scopes) == [decision_pb2.SCOPE_PACKET]
    second = rig.decider(remember(CONNECTION), name="second")
    agent = rig.agent(
        second, hook={"connection_mark_mask": 0}, conntrack={"events": False}, gateway="gw2"
    )
    assert list(second.stream.hello.capabilities.scopes) == [
        decision_pb2.SCOPE_PACKET, PEER, SOURCE
    ]  # fmt: skip
    flow = Flow(rig, port=9)
    for _ in range(5):
        assert flow.passes(flow.send())
    assert agent.settle(5).accepted == 5, "it decides the packet, as it cannot be remembered"
    assert {p.connection_state for p in second.packets} == {0}


@VERSIONS
@pytest.mark.parametrize("fail_mode", ("closed", "open"))
def test_an_accepted_connection_passes_both_ways_unasked(rig, version, fail_mode):
    """The first verdict is enough, once the agent knows which policy the decider follows."""
    echo = rig.datagrams("server", version, 7)
    decider = rig.decider(remember(CONNECTION))
    agent = rig.agent(decider, fail_mode=fail_mode)
    until_remembered(Flow(rig, version, port=9), agent)
    asked, before = len(decider.packets), agent.stats().remembered
    client = rig.datagrams("client", version)
    for _ in range(20):
        sent = client.send(Network.SERVER[version], 7)
        assert echo.receive_and_echo() == sent
        assert client.receive() == sent
    assert len(decider.packets) == asked + 1
    now = agent.stats().remembered
    assert now.accepted_connection == before.accepted_connection + 39
    assert now.saved == before.saved + 1
    assert (now.no_room, now.dropped_connection, now.entries) == (0, 0, 0)


@VERSIONS
def test_a_tcp_connection_is_asked_about_once(rig, version):
    listener = rig.listener(version, 80)
    decider = rig.decider(remember(CONNECTION))
    agent = rig.agent(decider)
    until_remembered(Flow(rig, version, port=9), agent)
    asked = len(decider.packets)
    client = rig.connect(version, 80)
    with listener.accept() as server:
        client.sendall(b"x" * 100_000)
        got = b""
        while len(got) < 100_000:
            got += server.recv(65536)
        server.sendall(b"y")
        assert client.recv(1) == b"y"
    assert len(decider.packets) == asked + 1
    assert decider.packets[-1].connection_state == packet_pb2.CONNECTION_STATE_NEW
    other = rig.connect(version, 80)
    assert len(decider.packets) == asked + 2
    other.close()


@VERSIONS
@WIDER
def test_accepted_addresses_pass_unasked(rig, version, scope):
    rig.datagrams("server", version, 10)  # receives what is sent there
    decider = rig.decider(remember(scope))
    agent = rig.agent(decider)
    sent = until_remembered(Flow(rig, version, port=9), agent)
    assert rig.far.wait_for(lambda far: far.carrying(sent))
    asked = len(decider.packets)
    another = Flow(rig, version, port=9)
    assert another.passes(another.send())
    assert len(decider.packets) == asked, "from another port, to the same"
    other = Flow(rig, version, port=10)
    assert other.passes(other.send())
    agent.until(lambda s, t: t.pending == 0)
    assert len(decider.packets) == asked + (scope == PEER)
    assert agent.stats().remembered.entries >= 1
    listed = decider.remembered()
    assert {v.scope for v in listed} == {scope}
    assert {v.action for v in listed} == {ACCEPT}
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    assert {v.source for v in listed} == {socket.inet_pton(family, Network.CLIENT[version])}
    assert all(50 < v.expires_in.ToMilliseconds() / 1000 <= 60 for v in listed)


UNREACHABLE = {
    decision_pb2.NOTIFY_UNSPECIFIED: None,
    decision_pb2.NOTIFY_HOST_UNREACHABLE: {4: (3, 1), 6: (1, 3)},
    decision_pb2.NOTIFY_ADMIN_PROHIBITED: {4: (3, 13), 6: (1, 1)},
    decision_pb2.NOTIFY_PORT_UNREACHABLE: {4: (3, 3), 6: (1, 4)},
    decision_pb2.NOTIFY_TCP_RESET: {4: (3, 3), 6: (1, 4)},
}


@VERSIONS
@EVERY
@pytest.mark.parametrize("notify", UNREACHABLE, ids=decision_pb2.Notify.Name)
def test_remembered_drops_send_the_same_notice(rig, version, scope, notify):
    # The kernel limits how many errors a second it sends to a host, which is not tested here.
    rig.network.gateway.sysctl("net/ipv4/icmp_ratelimit", 0)
    rig.network.gateway.sysctl("net/ipv6/icmp/ratelimit", 0)
    decider = rig.decider(remember(scope, DROP, notify=notify))
    agent = rig.agent(decider)
    flow = Flow(rig, version, port=9)
    sent = until_remembered(flow, agent)
    asked = len(decider.packets)
    last = flow.send()
    assert len(decider.packets) == asked
    assert not rig.far.carrying(sent) and not rig.far.carrying(last)
    if UNREACHABLE[notify]:
        kind, code = UNREACHABLE[notify][version]
        assert rig.near.wait_for(
            lambda near: [
                message
                for message in near.arrived(
                    protocol=ICMP if version == 4 else ICMPV6,
                    source_port=kind, destination_port=code,
                )
                if last in message.payload
            ]
        )  # fmt: skip
    now = agent.stats()
    dropped = now.remembered.dropped_connection + now.remembered.dropped_address
    assert dropped + len(decider.packets) == flow.sent
    assert bool(now.remembered.dropped_connection) == (scope == CONNECTION)
    assert now.guard_dropped == 0
    assert [v.notify for v in decider.remembered()] == [notify]


@VERSIONS
def test_a_dropped_peer_is_reset_again(rig, version):
    rig.listener(version, 80)
    decider = rig.decider(remember(PEER, DROP, notify=decision_pb2.NOTIFY_TCP_RESET))
    agent = rig.agent(decider)
    end = time.monotonic() + 10
    while settled_unasked(agent) < 3:
        with pytest.raises(ConnectionRefusedError):
            rig.connect(version, 80)
        assert time.monotonic() < end
    assert not rig.far.arrived(protocol=TCP)
    assert len(decider.packets) < 10


@VERSIONS
def test_a_connection_dropped_on_its_way_is_dropped_both_ways(rig, version):
    echo = rig.datagrams("server", version, 7)
    decider = rig.decider()
    agent = rig.agent(decider)
    client = rig.datagrams("client", version)
    sent = client.send(Network.SERVER[version], 7)
    assert echo.receive_and_echo() == sent
    assert client.receive() == sent
    decider.script = remember(CONNECTION, DROP)
    flow = Flow(rig, version, port=7)
    flow.near = client
    until_remembered(flow, agent)
    asked = len(decider.packets)
    before = agent.stats().remembered.dropped_connection
    echo._socket.sendto(b"back", (Network.CLIENT[version], client.port))
    agent.until(lambda s, t: s.remembered.dropped_connection == before + 1)
    assert len(decider.packets) == asked


def test_a_dropped_ping_is_a_connection_too(rig):
    decider = rig.decider(remember(CONNECTION, DROP))
    agent = rig.agent(decider)
    pinger = rig.pinger()
    end = time.monotonic() + 10
    while settled_unasked(agent) < 5:
        pinger.send()
        rig.fence()
        assert time.monotonic() < end
    assert len(decider.packets) < 50


def test_lifetimes_run_out(rig):
    decider = rig.decider(remember(SOURCE, DROP, seconds=1))
    agent = rig.agent(decider)
    flow = Flow(rig, port=9)
    until_remembered(flow, agent)
    began, asked = time.monotonic(), len(decider.packets)
    while len(decider.packets) == asked:
        flow.send()
        assert time.monotonic() < began + 10
    assert time.monotonic() - began > 0.5


def test_a_dropped_connection_is_remembered_until_it_is_silent(rig):
    """Its lifetime begins anew with each of its packets."""
    decider = rig.decider(remember(CONNECTION, DROP, seconds=1))
    agent = rig.agent(decider)
    flow = Flow(rig, port=9)
    until_remembered(flow, agent)
    began, asked = time.monotonic(), len(decider.packets)
    while time.monotonic() < began + 2.5:
        flow.send()
    assert len(decider.packets) == asked
    listed = decider.remembered()
    assert [v.scope for v in listed] == [CONNECTION]
    assert listed[0].destination_port == 9
    assert listed[0].source_port == flow.near.port
    end = time.monotonic() + 10
    while decider.remembered():
        assert time.monotonic() < end


def test_what_a_connection_announces_is_one_of_its_own(rig):
    """A third trap: the kernel copies a connection's mark to the connections it announces."""
    rig.network.gateway.run(
        "iptables", "-t", "raw", "-A", "PREROUTING", "-p", "tcp", "--dport", "21",
        "-j", "CT", "--helper", "ftp",
    )  # fmt: skip
    decider = rig.decider(remember(CONNECTION))
    agent = rig.agent(decider)
    until_remembered(Flow(rig, port=9), agent)
    listener = rig.listener(4, 21)
    client = rig.connect(4, 21)
    rig.keep(traffic.Listener(rig.network.client, 4, 51201))
    with listener.accept() as server:
        for line in (b"USER anonymous\r\n", b"PORT 10,0,1,2,200,1\r\n"):
            client.sendall(line)
            assert server.recv(100) == line
        asked = len(decider.packets)
        decider.script = accept_all
        data = traffic.connect(rig.network.server, 4, Network.CLIENT[4], 51201)
        with data:
            assert decider.packets[asked].connection_state == packet_pb2.CONNECTION_STATE_RELATED
            data.sendall(b"x")
        decider.wait_for_packets(asked + 4)  # all packets of it


def test_what_does_not_fit_is_asked_about(rig):
    decider = rig.decider(remember(CONNECTION, DROP))
    agent = rig.agent(decider, hook={"remembered_limit": 16})
    until_remembered(Flow(rig, port=9), agent)
    flows = [Flow(rig, port=9) for _ in range(20)]
    for flow in flows:
        flow.send()
    agent.until(lambda s, t: t.pending == 0 and s.remembered.no_room == 5)
    asked = len(decider.packets)
    for flow in flows:
        flow.send()
    decider.wait_for_packets(asked + 5)
    now = agent.until(lambda s, t: t.pending == 0) and agent.stats().remembered
    assert len(decider.packets) == asked + 5
    assert (now.entries, now.no_room) == (16, 10)


def test_kinds_without_end_are_not_remembered_and_counted(rig):
    lifetimes = iter(range(1, 1000))
    decider = rig.decider(
        lambda _, packet: remember(PEER, DROP, seconds=next(lifetimes))(None, packet)
    )
    agent = rig.agent(decider)
    client = rig.datagrams()
    for port in range(1000, 1300):
        client.send(Network.SERVER[4], port)
        rig.fence()
    now = agent.until(lambda s, t: t.pending == 0) and agent.stats().remembered
    assert now.no_room > 0
    assert agent.stats().guard_dropped == 0


def test_a_verdict_that_changes_the_packet_is_not_remembered(rig):
    decider = rig.decider(remember(CONNECTION, mark=1, mark_mask=1))
    agent = rig.agent(decider)
    flow = Flow(rig, port=9)
    for _ in range(5):
        flow.send()
    assert agent.settle(5).accepted == 5
    assert agent.stats().remembered.saved == 0


def test_only_accept_and_drop_can_be_remembered(rig):
    decider = rig.decider(remember(SOURCE, decision_pb2.ACTION_REPEAT))
    agent = rig.agent(decider)
    rig.datagrams().send(Network.SERVER[4], 9)
    assert agent.settle(1).invalid_verdict.dropped == 1
    decider.script = remember(SOURCE, DROP, seconds=0)
    rig.datagrams().send(Network.SERVER[4], 9)
    assert agent.settle(2).invalid_verdict.dropped == 2
    decider.wait(lambda: len(decider.stream.errors) == 2, what="the errors")
    assert [error.text.split(":")[0] for error in decider.stream.errors] == ["scope", "lifetime"]


@VERSIONS
def test_the_decider_is_told_the_state_of_the_connection(rig, version):
    listener = rig.listener(version, 80)
    decider = rig.decider()
    rig.agent(decider)
    client = rig.connect(version, 80)
    with listener.accept() as server:
        client.sendall(b"x")
        assert server.recv(1) == b"x"
    states = [p.connection_state for p in decider.packets]
    assert states[0] == packet_pb2.CONNECTION_STATE_NEW
    assert set(states[1:]) == {packet_pb2.CONNECTION_STATE_ESTABLISHED}
    assert {p.mark for p in decider.packets} == {0}
    if version == 4:
        wrong = struct.pack("!HHIIBBHHH", 1000, 80, 1, 0, 0x50, 0x02, 1024, 0x1234, 0)
        rig.crafted().send(Network.CLIENT[4], Network.SERVER[4], TCP, wrong)
        decider.wait(
            lambda: decider.packets[-1].connection_state
            == packet_pb2.CONNECTION_STATE_INVALID,
            what="an invalid packet",
        )
