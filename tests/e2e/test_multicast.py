"""Packets to many, flooded by a bridge or routed to several interfaces. In the kernel their copies
share one connection, and while it is new the kernel queues no copy."""

import ipaddress
import socket
import struct

import pytest
import traffic
from capture import Capture
from deciders import accept_all, drop_all
from namespaces import Namespace

VERSIONS = pytest.mark.parametrize("version", (4, 6))
MODES = pytest.mark.parametrize("mode", ("on", "open", "shadow"))
BROADCAST_MAC = b"\xff" * 6
IPV4, IPV6 = b"\x08\x00", b"\x86\xdd"
PORT = 5000


def config_of(mode):
    return {
        "mode_at_start": "off" if mode == "shadow" else "on",
        "fail_mode": "open" if mode == "open" else "closed",
    }


def started(rig, decider, mode, **config):
    agent = rig.agent(decider, **config_of(mode), **config)
    if mode == "shadow":
        from sluice.v1 import stats_pb2

        decider.set_mode(stats_pb2.MODE_SHADOW)
        agent.until(lambda s, t: s.mode == stats_pb2.MODE_SHADOW)
    return agent


HOSTS = ("h1", "h2", "h3")


def none_is_lost_before_a_queue(agent):
    # Hosts send multicasts of their own at any time, and the agent reads the table's counters
    # before those of the queues.
    agent.until(lambda s, t: s.asked == t.numbered)


class Hosts:
    """Three hosts of the gateway: namespaces h1 to h3, behind gateway devices of these names."""

    def __init__(self, rig):
        self.rig = rig
        self.gateway = rig.network.gateway
        self.hosts = {name: rig.keep(Namespace(name)) for name in HOSTS}
        for name, host in self.hosts.items():
            self.gateway.ip(f"link add {name} type veth peer name eth0 netns {host.path}")

    def capture(self):
        self.captures = {
            name: self.rig.keep(Capture(self.hosts[name], "eth0")) for name in HOSTS[1:]
        }

    def both_get(self, token):
        for capture in self.captures.values():
            assert len(capture.wait_for(lambda it: it.carrying(token))) == 1

    def none_gets(self, token):
        """To be called once the gateway has settled all copies."""
        for name, capture in self.captures.items():
            assert not capture.carrying(token), name


@pytest.fixture
def bridged(rig):
    """Hosts behind one bridge of the gateway, which shows its packets to the rules."""
    made = Hosts(rig)
    made.gateway.ip(
        "link add br0 type bridge mcast_snooping 0",
        *(f"link set {name} master br0 up" for name in HOSTS),
        "address add 10.0.9.254/24 dev br0",
        "link set br0 up",
    )
    for family in ("ip", "ip6"):
        made.gateway.sysctl(f"net/bridge/bridge-nf-call-{family}tables", 1)
    for number, (name, host) in enumerate(made.hosts.items(), 1):
        host.ip(
            f"address add 10.0.9.{number}/24 dev eth0",
            f"address add fd00:9::{number}/64 dev eth0 nodad",
            "link set eth0 up",
        )
    made.capture()
    return made


def udp(version, source, destination, body, source_port=40000):
    """An IP packet that holds a UDP datagram."""
    length = 8 + len(body)
    header = struct.pack("!HHHH", source_port, PORT, length, 0)
    source = ipaddress.ip_address(source).packed
    destination = ipaddress.ip_address(destination).packed
    if version == 6:
        pseudo = source + destination + struct.pack("!II", length, 17)
        header = header[:6] + struct.pack("!H", traffic.checksum(pseudo + header + body))
        return struct.pack("!IHBB", 6 << 28, length, 17, 8) + source + destination + header + body
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 7, 0, 8, 17, 0) + source + destination
    head = head[:10] + struct.pack("!H", traffic.checksum(head)) + head[12:]
    return head + header + body


def frame(version, link_destination, packet):
    return link_destination + b"\x02\0\0\0\0\x0a" + (IPV4 if version == 4 else IPV6) + packet


MANY = {
    "limited broadcast": (4, "255.255.255.255", BROADCAST_MAC),
    "the network's broadcast": (4, "10.0.9.255", BROADCAST_MAC),
    "multicast": (4, "239.1.2.3", bytes.fromhex("01005e010203")),
    "local multicast": (4, "224.0.0.251", bytes.fromhex("01005e0000fb")),
    "IPv6 multicast": (6, "ff05::1234", bytes.fromhex("333300001234")),
    "IPv6 local multicast": (6, "ff02::fb", bytes.fromhex("3333000000fb")),
}


def source_of(version):
    return "10.0.9.1" if version == 4 else "fd00:9::1"


def send(hosts, what, token, source_port=40000):
    version, destination, link = MANY[what]
    packet = udp(version, source_of(version), destination, token, source_port)
    traffic.send_frame(hosts.hosts["h1"], frame(version, link, packet))


@MODES
@pytest.mark.parametrize("what", MANY)
def test_a_bridge_floods_the_first_packet_too(rig, bridged, mode, what):
    agent = started(rig, decider := rig.decider(), mode)
    before = agent.stats().untracked
    for number in range(3):
        token = traffic.token()
        send(bridged, what, token, source_port=40000 + number)  # another flow each
        bridged.both_get(token)
    agent.until(lambda s, t: t.pending == 0)
    carried = [p for p in decider.packets if p.headers.source_port >= 40000]
    assert len(carried) == 6, "each copy is asked about"
    assert agent.stats().untracked >= before + 3
    none_is_lost_before_a_queue(agent)


@pytest.mark.parametrize("what", MANY)
def test_what_is_dropped_reaches_nobody(rig, bridged, what):
    agent = started(rig, decider := rig.decider(drop_all), "on")
    token = traffic.token()
    send(bridged, what, token)
    decider.wait(
        lambda: sum(p.headers.source_port == 40000 for p in decider.packets) == 2,
        what="both copies",
    )
    agent.until(lambda s, t: t.pending == 0)
    bridged.none_gets(token)


@VERSIONS
@MODES
def test_one_address_in_a_broadcast_frame_is_no_broadcast(rig, bridged, version, mode):
    """It is tracked and decided as any other; the kernel drops all copies of a new connection."""
    agent = started(rig, decider := rig.decider(drop_all), mode)
    destination = "10.0.9.2" if version == 4 else "fd00:9::2"
    before = agent.stats()
    for number in range(1, 4):
        token = traffic.token()
        packet = udp(version, source_of(version), destination, token)
        traffic.send_frame(bridged.hosts["h1"], frame(version, BROADCAST_MAC, packet))
        agent.until(
            lambda s, t, number=number: t.pending == 0 and s.asked >= before.asked + 2 * number
        )
        if mode != "shadow":
            bridged.none_gets(token)
    carried = [p for p in decider.packets if p.headers.source_port >= 40000]
    assert {ipaddress.ip_address(p.headers.destination) for p in carried} <= {
        ipaddress.ip_address(destination)
    }
    assert carried, "somebody was asked"
    tracked = rig.network.gateway.run("conntrack", "-L", "-f", f"ipv{version}", "-p", "udp")
    assert f"dport={PORT}" in tracked


# Multicast routing, by hand: a multicast router's socket and a route from h1 to h2 and h3.
_IPPROTO_IP, _MRT_INIT, _MRT_ADD_VIF, _MRT_ADD_MFC = 0, 200, 202, 204
_VIFF_USE_IFINDEX = 8
_MRT6_INIT, _MRT6_ADD_MIF, _MRT6_ADD_MFC = 200, 202, 204


def route_multicast(hosts, version, source, group):
    gateway, index = hosts.gateway, {}
    for name in HOSTS:
        index[name] = gateway.call(socket.if_nametoindex, name)
    if version == 4:
        router = gateway.call(socket.socket, socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_IGMP)
        router.setsockopt(_IPPROTO_IP, _MRT_INIT, 1)
        for number, name in enumerate(HOSTS):
            vif = struct.pack("@HBBIi4s", number, _VIFF_USE_IFINDEX, 1, 0, index[name], bytes(4))
            router.setsockopt(_IPPROTO_IP, _MRT_ADD_VIF, vif)
        mfc = socket.inet_aton(source) + socket.inet_aton(group) + struct.pack("@H", 0)
        mfc += bytes([0, 1, 1]).ljust(32, b"\0")
        router.setsockopt(_IPPROTO_IP, _MRT_ADD_MFC, mfc.ljust(60, b"\0"))
        return router
    router = gateway.call(socket.socket, socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    router.setsockopt(socket.IPPROTO_IPV6, _MRT6_INIT, 1)
    for number, name in enumerate(HOSTS):
        mif = struct.pack("@HBBHI", number, 0, 1, index[name], 0)
        router.setsockopt(socket.IPPROTO_IPV6, _MRT6_ADD_MIF, mif)
    end = lambda address: struct.pack("@HHI16sI", socket.AF_INET6, 0, 0,
                                      socket.inet_pton(socket.AF_INET6, address), 0)
    mfc = end(source) + end(group) + struct.pack("@H", 0) + bytes(2)
    mfc += struct.pack("@8I", 0b110, *([0] * 7))
    router.setsockopt(socket.IPPROTO_IPV6, _MRT6_ADD_MFC, mfc)
    return router


@pytest.fixture
def routed(rig):
    made = Hosts(rig)
    for number, (name, host) in enumerate(made.hosts.items(), 1):
        made.gateway.ip(
            f"address add 10.1.{number}.254/24 dev {name}",
            f"address add fd01:{number}::fe/64 dev {name} nodad",
            f"link set {name} up multicast on",
        )
        host.ip(
            f"address add 10.1.{number}.1/24 dev eth0",
            f"address add fd01:{number}::1/64 dev eth0 nodad",
            "link set eth0 up",
        )
    made.gateway.sysctl("net/ipv6/conf/all/forwarding", 1)
    made.capture()
    return made


GROUPS = {4: ("10.1.1.1", "239.5.5.5", "01005e050505"), 6: ("fd01:1::1", "ff0e::55", "333300000055")}


@VERSIONS
@MODES
def test_multicast_routed_to_two_is_asked_about_from_its_first_packet_on(
    rig, routed, version, mode
):
    source, group, link = GROUPS[version]
    rig.keep(route_multicast(routed, version, source, group))
    agent = started(rig, decider := rig.decider(accept_all), mode)
    for number in range(3):
        token = traffic.token()
        packet = udp(version, source, group, token, 40000 + number)
        traffic.send_frame(routed.hosts["h1"], frame(version, bytes.fromhex(link), packet))
        routed.both_get(token)
    agent.until(lambda s, t: t.pending == 0)
    carried = [p for p in decider.packets if p.headers.source_port >= 40000]
    assert sorted(p.output_interface for p in carried) == ["h2"] * 3 + ["h3"] * 3
    assert agent.stats().untracked >= 3
    none_is_lost_before_a_queue(agent)
