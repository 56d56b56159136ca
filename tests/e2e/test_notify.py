"""Senders of dropped packets get a notice, by the kernel's own reject in the agent's table,
whatever the tables of others would have done with the packet."""

import struct

import pytest
import traffic
from agents import BY_HAND
from capture import ICMP, ICMPV6, TCP, Capture
from deciders import DROP, verdict
from namespaces import Namespace, Network

from sluice.v1 import decision_pb2

# A chain of others, between ours, that accepts everything.
THEIRS = "table inet theirs { chain c { type filter hook forward priority -154; accept; } ; }"
# Type and code of the notice the client gets, by IP version.
UNREACHABLE = {
    decision_pb2.NOTIFY_HOST_UNREACHABLE: {4: (3, 1), 6: (1, 3)},
    decision_pb2.NOTIFY_ADMIN_PROHIBITED: {4: (3, 13), 6: (1, 1)},
    decision_pb2.NOTIFY_PORT_UNREACHABLE: {4: (3, 3), 6: (1, 4)},
    # For packets that are not TCP.
    decision_pb2.NOTIFY_TCP_RESET: {4: (3, 3), 6: (1, 4)},
}


def drop_with(notify):
    return lambda _stream, packet: [verdict(packet, DROP, notify=notify)]


@pytest.mark.parametrize("version", (4, 6))
@pytest.mark.parametrize("notify", UNREACHABLE, ids=decision_pb2.Notify.Name)
@pytest.mark.parametrize("fail_mode", ("closed", "open"))
def test_the_sender_of_a_datagram_is_told(rig, version, notify, fail_mode):
    rig.network.gateway.nft(THEIRS)
    agent = rig.agent(rig.decider(drop_with(notify)), fail_mode=fail_mode)
    sent = rig.datagrams("client", version).send(Network.SERVER[version], 9)
    kind, code = UNREACHABLE[notify][version]
    told = rig.near.wait_for(
        lambda near: near.arrived(
            protocol=ICMP if version == 4 else ICMPV6, source_port=kind, destination_port=code
        )
    )
    assert [sent in message.payload for message in told] == [True]
    total = agent.settle(1)
    assert (total.accepted, total.dropped) == (0, 1)
    assert not rig.far.carrying(sent)


@pytest.mark.parametrize("version", (4, 6))
def test_a_connection_is_reset(rig, version):
    rig.network.gateway.nft(THEIRS)
    agent = rig.agent(rig.decider(drop_with(decision_pb2.NOTIFY_TCP_RESET)))
    rig.listener(version, 80)
    with pytest.raises(ConnectionRefusedError):
        rig.connect(version, 80)
    assert agent.settle(1).dropped == 1
    assert not rig.far.arrived(protocol=TCP)


def test_notify_with_accept_is_ignored(rig):
    agent = rig.agent(
        rig.decider(
            lambda _stream, packet: [
                verdict(packet, notify=decision_pb2.NOTIFY_HOST_UNREACHABLE)
            ]
        )
    )
    assert rig.pinger(4).ping()
    assert agent.settle(2).accepted == 2


def test_the_hello_names_what_can_be_told(rig):
    decider = rig.decider()
    rig.agent(decider)
    assert list(decider.streams[0].hello.capabilities.notifies) == list(UNREACHABLE)


def notices(agent):
    return agent.stats().notices


def wait_for_drops(agent, count):
    """Waits until so many packets were dropped by verdicts and none is pending."""
    agent.until(lambda s, t: t.pending == 0 and t.dropped == count)


@pytest.mark.parametrize("version", (4, 6))
def test_what_the_kernels_limits_keep_back_is_counted(rig, version):
    rig.network.gateway.sysctl("net/ipv4/icmp_ratelimit", 1000)
    rig.network.gateway.sysctl("net/ipv6/icmp/ratelimit", 1000)
    agent = rig.agent(rig.decider(drop_with(decision_pb2.NOTIFY_HOST_UNREACHABLE)))
    client = rig.datagrams("client", version)
    for port in range(1000, 1050):
        client.send(Network.SERVER[version], port)
    wait_for_drops(agent, 50)
    rig.fence()
    kind = UNREACHABLE[decision_pb2.NOTIFY_HOST_UNREACHABLE][version][0]
    told = rig.near.arrived(protocol=ICMP if version == 4 else ICMPV6, source_port=kind)
    now = notices(agent)
    assert (now.told, now.none_due, now.no_way_back) == (50, 0, 0)
    assert now.HasField("rate_limited")
    assert len(told) < 50
    assert now.rate_limited == 50 - len(told)


@pytest.mark.parametrize("address", (True, False), ids=("address", "no address"))
def test_a_bridge_without_an_address_has_no_way_back(rig, address):
    gateway = rig.network.gateway
    hosts = [rig.keep(Namespace(name)) for name in ("left", "right")]
    for host in hosts:
        gateway.ip(f"link add {host.name} type veth peer name eth0 netns {host.path}")
    gateway.ip(
        "link add br0 type bridge",
        *(f"link set {host.name} master br0 up" for host in hosts),
        *(["address add 10.0.9.254/24 dev br0"] if address else []),
        "link set br0 up",
    )
    gateway.sysctl("net/bridge/bridge-nf-call-iptables", 1)
    gateway.sysctl("net/bridge/bridge-nf-call-ip6tables", 0)  # Hosts send IPv6 multicast.
    for number, host in enumerate(hosts, 1):
        host.ip(f"address add 10.0.9.{number}/24 dev eth0", "link set eth0 up")
    near = rig.keep(Capture(hosts[0]))
    agent = rig.agent(rig.decider(drop_with(decision_pb2.NOTIFY_PORT_UNREACHABLE)))
    sender = rig.keep(traffic.Datagrams(hosts[0], 4))
    sender.send("10.0.9.2", 9)
    wait_for_drops(agent, 1)
    now = notices(agent)
    assert (now.told, now.no_way_back, now.none_due) == ((1, 0, 0) if address else (0, 1, 0))
    if address:
        assert near.wait_for(lambda it: it.arrived(protocol=ICMP, source_port=3))
    else:
        assert not near.arrived(protocol=ICMP)


def test_directed_broadcasts_draw_no_error(rig):
    for device in ("all", "client"):
        rig.network.gateway.sysctl(f"net/ipv4/conf/{device}/bc_forwarding", 1)
    agent = rig.agent(rig.decider(drop_with(decision_pb2.NOTIFY_HOST_UNREACHABLE)))
    client = rig.datagrams()
    client.broadcast()
    client.send("10.0.2.255", 9)
    wait_for_drops(agent, 1)
    rig.fence()
    now = notices(agent)
    assert (now.told, now.no_way_back, now.none_due) == (0, 0, 1)
    assert not rig.near.arrived(protocol=ICMP, source_port=3)


def test_errors_and_resets_are_not_answered(rig):
    agent = rig.agent(rig.decider(drop_with(decision_pb2.NOTIFY_TCP_RESET)))
    crafted = rig.crafted()
    reset = struct.pack("!HHIIBBHHH", 1000, 80, 1, 0, 0x50, 0x04, 1024, 0, 0)
    error = struct.pack("!BBHI", 3, 1, traffic.checksum(b"\x03\x01"), 0)
    for protocol, payload in ((TCP, reset), (ICMP, error)):
        crafted.send(Network.CLIENT[4], Network.SERVER[4], protocol, payload)
    wait_for_drops(agent, 2)
    now = notices(agent)
    assert (now.told, now.none_due) == (0, 2)


def test_where_the_rules_are_the_operators_nobody_is_told_and_that_is_counted(rig):
    rig.network.gateway.run(
        "iptables", "-t", "mangle", "-A", "FORWARD", "-p", "udp", "--dport", "9",
        "-j", "NFQUEUE", "--queue-num", "0",
    )  # fmt: skip
    decider = rig.decider(drop_with(decision_pb2.NOTIFY_PORT_UNREACHABLE))
    agent = rig.agent(decider, **BY_HAND)
    assert not decider.stream.hello.capabilities.notifies
    rig.datagrams().send(Network.SERVER[4], 9)
    total = agent.settle(1)
    assert (total.dropped, total.unnotified) == (1, 1)
    assert not agent.stats().HasField("notices")
    assert not rig.near.arrived(protocol=ICMP, source_port=3)
