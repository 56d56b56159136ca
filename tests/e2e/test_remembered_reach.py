"""How far remembered verdicts reach: not beyond what they were given for."""

import socket
import struct

import pytest
import traffic
from capture import ICMP, ICMPV6, UDP
from deciders import ACCEPT, DROP, verdict
from namespaces import Namespace, Network
from remembering import CONNECTION, EVERY, PEER, SOURCE, VERSIONS, Flow, remember, until_remembered

ESP = 50
ECHO = {4: 8, 6: 128}
# Timestamp request; node information query.
OTHER = {4: 13, 6: 139}


@pytest.fixture
def guests(rig):
    """Another network of the gateway, whose device there is `guests`; in the network it is eth0."""
    made = rig.keep(Namespace("guests"))
    gateway = rig.network.gateway
    gateway.ip(
        f"link add guests type veth peer name eth0 netns {made.path}",
        "address add 10.0.3.1/24 dev guests",
        "address add fd00:3::1/64 dev guests nodad",
        "link set guests up",
    )
    made.ip(
        "address add 10.0.3.2/24 dev eth0",
        "address add fd00:3::2/64 dev eth0 nodad",
        "link set eth0 up",
        "route add default via 10.0.3.1",
        "route add default via fd00:3::1",
    )
    for device in ("all", "client", "guests"):
        gateway.sysctl(f"net/ipv4/conf/{device}/rp_filter", 0)
    return made


def datagram(version, source_port, port, body):
    """A UDP header and its body; IPv6 requires a checksum."""
    length = 8 + len(body)
    header = struct.pack("!HHHH", source_port, port, length, 0)
    if version == 6:
        pseudo = socket.inet_pton(socket.AF_INET6, Network.CLIENT[6])
        pseudo += socket.inet_pton(socket.AF_INET6, Network.SERVER[6])
        pseudo += struct.pack("!II", length, UDP)
        header = header[:6] + struct.pack("!H", traffic.checksum(pseudo + header + body))
    return header + body


def pretend(rig, guests, version, source_port, port=9):
    """Sends a datagram from the guests' network under the client's address; returns its token."""
    token = traffic.token()
    crafted = rig.keep(traffic.Crafted(guests, version))
    crafted.send(
        Network.CLIENT[version], Network.SERVER[version], UDP,
        datagram(version, source_port, port, token),
    )  # fmt: skip
    return token


@VERSIONS
def test_what_a_group_may_do_no_other_may_under_its_address(rig, version, guests):
    server = rig.server(
        "from group inside any to any udp port 9 accept for 60s; default reject;"
    )
    agent = rig.agent(
        server,
        groups=[
            {"name": "inside", "interfaces": ["client"]},
            {"name": "guests", "interfaces": ["guests"]},
        ],
    )
    flow = Flow(rig, version, port=9)
    until_remembered(flow, agent)
    before = agent.until(lambda s, t: t.pending == 0)
    token = pretend(rig, guests, version, flow.near.port)
    after = agent.until(lambda s, t: t.pending == 0 and t.received == before.received + 1)
    assert after.dropped == before.dropped + 1
    assert not rig.far.carrying(token)
    code, listed = server.sluicectl("remembered", "gw")
    assert code == 0 and "client>server" in listed and "guests" not in listed


@VERSIONS
@EVERY
def test_what_is_dropped_inside_is_asked_about_elsewhere(rig, version, scope, guests):
    decider = rig.decider(remember(scope, DROP))
    agent = rig.agent(decider)
    flow = Flow(rig, version, port=9)
    until_remembered(flow, agent)
    asked = len(decider.packets)
    decider.script = lambda _, packet: [verdict(packet, ACCEPT)]
    token = pretend(rig, guests, version, flow.near.port)
    decider.wait_for_packets(asked + 1)
    assert decider.packets[-1].input_interface == "guests"
    assert rig.far.wait_for(lambda far: far.carrying(token))
    for entry in decider.remembered():
        assert (entry.input_interface, entry.zone) == ("client", 0)
        assert entry.output_interface == ("" if scope == SOURCE else "server")
    agent.until(lambda s, t: t.pending == 0)


@VERSIONS
def test_twenty_esp_packets_are_one_peer(rig, version):
    decider = rig.decider(remember(PEER))
    agent = rig.agent(decider)
    until_remembered(Flow(rig, version, port=9), agent)
    crafted = rig.crafted(version)
    for spi in range(20):
        crafted.send(
            Network.CLIENT[version], Network.SERVER[version], ESP,
            struct.pack("!II", spi << 24 | spi << 8, spi) + bytes(16),
        )  # fmt: skip
        rig.fence()
        agent.until(lambda s, t: t.pending == 0)
    assert len(rig.far.wait_for(lambda far: far.arrived(protocol=ESP))) == 20
    assert sum(p.headers.protocol == ESP for p in decider.packets) == 1
    listed = [v for v in decider.remembered() if v.protocol == ESP]
    assert [v.HasField("destination_port") for v in listed] == [False]


@VERSIONS
def test_an_accepted_echo_lets_no_other_icmp_type_pass(rig, version):
    protocol = ICMP if version == 4 else ICMPV6
    decider = rig.decider(
        lambda _, packet: remember(PEER)(None, packet)
        if packet.headers.icmp_type == ECHO[version] or packet.headers.protocol == UDP
        else [verdict(packet, DROP)]
    )
    agent = rig.agent(decider)
    until_remembered(Flow(rig, version, port=9), agent)
    pinger = rig.pinger(version)
    for _ in range(3):
        pinger.send()
        rig.fence()
        agent.until(lambda s, t: t.pending == 0)
    asked = len(decider.packets)
    pinger.send()
    rig.fence()
    listed = [v for v in decider.remembered() if v.protocol == protocol]
    assert {(v.icmp_type, v.icmp_code) for v in listed} == {(ECHO[version], 0)}
    requests = [p for p in decider.packets[asked:] if p.headers.icmp_type == ECHO[version]]
    assert not requests
    asked = len(decider.packets)
    message = struct.pack("!BBHHH", OTHER[version], 0, 0, 7, 7) + bytes(12)
    message = message[:2] + struct.pack("!H", traffic.checksum(message)) + message[4:]
    rig.crafted(version).send(
        Network.CLIENT[version], Network.SERVER[version], protocol, message
    )  # fmt: skip
    decider.wait(
        lambda: any(p.headers.icmp_type == OTHER[version] for p in decider.packets[asked:]),
        what="the question about another type",
    )
    agent.until(lambda s, t: t.pending == 0)
    assert not rig.far.arrived(protocol=protocol, source_port=OTHER[version])


def test_the_zone_of_tracking_is_part_of_it(rig):
    rig.network.gateway.nft(
        "table ip theirs {\n"
        " chain zones { type filter hook prerouting priority raw;\n"
        "  udp sport 40007 ct zone set 7\n"
        "  udp sport 40007 udp dport 40007 accept\n }\n}"
    )
    decider = rig.decider(remember(PEER))
    agent = rig.agent(decider)
    flow = Flow(rig, port=9)
    until_remembered(flow, agent)
    asked = len(decider.packets)
    in_zone = rig.datagrams(port=40007)
    for _ in range(2):
        in_zone.send(Network.SERVER[4], 9)
        rig.fence()
        agent.until(lambda s, t: t.pending == 0)
    assert len(decider.packets) == asked + 1
    assert {v.zone for v in decider.remembered()} == {0, 7}


def test_a_verdict_on_an_error_decides_that_error_alone(rig):
    """The error has the mark of the connection it is about."""
    decider = rig.decider()
    agent = rig.agent(decider)
    closed = rig.datagrams()
    closed.send(Network.SERVER[4], 19)  # nobody listens: port unreachable comes back
    rig.near.wait_for(lambda near: near.arrived(protocol=ICMP, source_port=3))
    decider.script = (
        lambda _, packet: remember(CONNECTION)(None, packet)
        if packet.headers.protocol == ICMP
        else [verdict(packet, ACCEPT)]
    )
    for errors in (2, 3):
        asked = len(decider.packets)
        closed.send(Network.SERVER[4], 19)
        decider.wait_for_packets(asked + 2)  # the datagram, and the error about it
        rig.near.wait_for(lambda near: len(near.arrived(protocol=ICMP, source_port=3)) == errors)
    agent.until(lambda s, t: t.pending == 0)
    assert agent.stats().remembered.saved == 0
