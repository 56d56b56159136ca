"""Truncated and malformed packets, as far as the kernel forwards them: each is counted, and in both
fail modes none that cannot be read is forwarded."""

import struct

import pytest
from deciders import accept_all
from namespaces import Network
from traffic import send_frame

CUT_OFF = {
    "empty_tcp": (6, b""),
    "half_a_tcp_header": (6, b"\x10\x00\x00\x50\0\0"),
    "tcp_header_longer_than_the_packet": (6, struct.pack("!HHIIBBHHH", 1, 2, 3, 4, 0xF0, 2, 0, 0, 0)),
    "tcp_header_shorter_than_one": (6, struct.pack("!HHIIBBHHH", 1, 2, 3, 4, 0x10, 2, 0, 0, 0)),
    "half_a_udp_header": (17, b"\x10\x00\x00"),
    "udp_longer_than_the_packet": (17, b"\x10\x00\x00\x09\xff\xff\x00\x00"),
    "one_byte_of_icmp": (1, b"\x08"),
}  # fmt: skip
CUT_OFF_6 = {
    "one_byte_of_icmpv6": (58, b"\x80"),
    "extension_header_longer_than_the_packet": (60, b"\x3b\xff\0\0\0\0\0\0"),
    "routing_header_cut_off": (43, b"\x3b"),
    "fragment_header_cut_off": (44, b"\x3b\0\0\0"),
}


@pytest.mark.parametrize(
    "offset, byte",
    ((0, 0x55), (0, 0x44), (0, 0x4F), (2, 0xFF), (10, 0x5A)),
    ids=("version_5", "header_too_short", "header_too_long", "longer_than_the_frame", "checksum"),
)
def test_packets_with_a_wrong_network_header_never_reach_the_agent(rig, offset, byte):
    agent = rig.agent(rig.decider())
    assert rig.pinger().ping()
    good = rig.near.packets(outgoing=True, protocol=1)[0].frame
    send_frame(rig.network.client, good[: 14 + offset] + bytes([byte]) + good[15 + offset :])
    send_frame(rig.network.client, good[:20])  # and one cut off
    rig.fence()
    assert rig.pinger().ping()
    assert agent.settle(4).received == 4


def ends(version):
    return Network.CLIENT[version], Network.SERVER[version]


def packets(version):
    return CUT_OFF | CUT_OFF_6 if version == 6 else CUT_OFF


@pytest.mark.parametrize("fail_mode", ("closed", "open"))
@pytest.mark.parametrize("version", (4, 6))
def test_cut_off_packets_are_settled_and_counted_each(rig, version, fail_mode):
    agent = rig.agent(decider := rig.decider(), fail_mode=fail_mode)
    crafted = rig.crafted(version)
    for protocol, payload in packets(version).values():
        if not (version == 6 and protocol == 1):
            crafted.send(*ends(version), protocol, payload)
    rig.fence()
    assert rig.pinger(version).ping()
    stats = agent.stats()
    total = agent.settle(stats.asked)
    # Malformed packets were dropped in both modes; the rest were asked about.
    assert total.malformed.accepted == 0
    assert total.malformed.dropped >= 5
    assert total.accepted == len(decider.packets)
    assert total.received == total.accepted + total.malformed.dropped


@pytest.mark.parametrize("version", (4, 6))
def test_fragments_are_asked_about_as_the_packet_they_were(rig, version):
    agent = rig.agent(decider := rig.decider(accept_all))
    pinger = rig.pinger(version)
    assert pinger.answered(pinger.send(size=4000), 5)
    # One packet each way: the kernel reassembles the fragments before the hook.
    assert agent.settle(2).accepted == 2
    request, reply = decider.packets
    for packet in (request, reply):
        assert packet.original_length > 4000
        assert not packet.headers.more_fragments and packet.headers.fragment_offset == 0
    assert request.headers.source == reply.headers.destination


@pytest.mark.parametrize("version", (4, 6))
def test_unknown_protocols_are_packets_too(rig, version):
    agent = rig.agent(decider := rig.decider())
    rig.crafted(version).send(*ends(version), 253, b"an experiment (RFC 3692)")
    rig.far.wait_for(lambda far: far.arrived(protocol=253))
    assert decider.packets[0].headers.protocol == 253
    # The far host may answer that it does not know the protocol.
    assert agent.settle(1).dropped == 0
