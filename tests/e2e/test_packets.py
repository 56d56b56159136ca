"""What a decider sees of a packet, and what its answer does."""

import socket
import struct
import time

import pytest
from deciders import ACCEPT, accept_all, mute, verdict
from namespaces import Network
from sluice.v1 import decision_pb2, packet_pb2

FAMILY = {4: packet_pb2.FAMILY_IPV4, 6: packet_pb2.FAMILY_IPV6}
ETHERTYPE = {4: 0x0800, 6: 0x86DD}
HEADER = {4: 20, 6: 40}




@pytest.mark.parametrize("version", (4, 6))
def test_the_record_is_the_packet_on_the_wire(rig, version):
    """It has the first 128 bytes (the preset) and the whole length; compared with the capture."""
    rig.agent(decider := rig.decider())
    pinger = rig.pinger(version)
    for size in (0, 90, 500):
        assert pinger.answered(pinger.send(size), 5)
    wire = [p for p in rig.far.packets() if p.protocol in (1, 58) and p.source_port in
            (8, 0, 128, 129)]  # fmt: skip
    asked = decider.packets
    assert len(asked) == len(wire) == 6
    for packet, seen in zip(asked, wire):
        if not seen.outgoing:  # replies are captured before the gateway lowers their hop limit
            assert packet.payload == seen.packet[:128]
        assert packet.original_length == len(seen.packet)
        assert packet.family == FAMILY[version]
        assert packet.headers.protocol == seen.protocol
        assert packet.headers.icmp_type == seen.source_port
        assert not packet.headers.cut_short
    assert len({p.transaction_id for p in asked}) == len(asked)


@pytest.mark.parametrize("version", (4, 6))
def test_the_record_says_where_the_packet_is(rig, version):
    rig.network.gateway.nft(
        "table inet theirs { chain c { type filter hook prerouting priority -200;"
        " meta mark set 0x42 ; } ; }"
    )
    rig.agent(decider := rig.decider())
    client = rig.datagrams("client", version)
    client.send(Network.SERVER[version], 9)
    packet = decider.wait_for_packets(1)[0]
    frame = rig.near.packets(protocol=17)[0].frame
    assert packet.hook == packet_pb2.HOOK_FORWARD
    assert packet.mark == 0x42
    assert (packet.input_interface, packet.output_interface) == ("client", "server")
    assert packet.input_ifindex != packet.output_ifindex
    assert packet.hw_protocol == ETHERTYPE[version]
    assert packet.hw_type == 1
    assert packet.hw_address == frame[6:12]
    assert packet.headers.source_port == client.port
    assert packet.headers.destination_port == 9
    assert packet.headers.hop_limit == 63
    assert not packet.HasField("uid")
    assert packet.waited_us < 5_000_000


def test_the_arrival_time_is_the_kernels(rig):
    rig.agent(decider := rig.decider())
    before = time.time_ns()
    assert rig.pinger().ping()
    packet = decider.packets[0]
    assert packet.arrival_clock == packet_pb2.ARRIVAL_CLOCK_KERNEL
    assert before <= packet.arrival_time_ns <= time.time_ns()


def test_the_decider_says_how_much_it_wants_to_see(rig):
    packet_options = {"copy_mode": decision_pb2.COPY_MODE_PACKET, "copy_range": 40}
    rig.agent(decider := rig.decider(packet_options=packet_options))
    rig.datagrams().send(Network.SERVER[4], 9, size=54 - 28)
    packet = decider.wait_for_packets(1)[0]
    assert (len(packet.payload), packet.original_length) == (40, 54)


@pytest.mark.parametrize("copy_range", (1, 19, 22))
def test_headers_are_read_beyond_what_the_decider_asks_to_see(rig, copy_range):
    agent = rig.agent(decider := rig.decider(packet_options={"copy_range": copy_range}))
    rig.datagrams().send(Network.SERVER[4], 9)
    packet = decider.wait_for_packets(1)[0]
    assert len(packet.payload) == copy_range
    assert packet.headers.destination_port == 9 and not packet.headers.cut_short
    assert packet.headers.source == socket.inet_aton(Network.CLIENT[4])
    assert agent.settle(1).accepted == 1


def test_a_copy_that_ends_before_the_ports_is_not_a_malformed_packet(rig):
    """UDP behind destination options that are longer than the copy."""
    agent = rig.agent(decider := rig.decider())
    options = bytes([17, 14]) + bytes([1, 116]) + bytes(116)
    rig.crafted(6).send(
        Network.CLIENT[6], Network.SERVER[6], 60, options + struct.pack("!HHHH", 1, 9, 8, 0)
    )
    headers = decider.wait_for_packets(1)[0].headers
    assert headers.cut_short and headers.protocol == 17
    assert not headers.HasField("destination_port")
    assert agent.settle(1).accepted == 1


def test_the_whole_packet_is_copied_where_the_agent_is_configured_so(rig):
    rig.agent(decider := rig.decider(), copy_range=0)
    rig.datagrams().send(Network.SERVER[4], 9, size=1400)
    packet = decider.wait_for_packets(1)[0]
    assert len(packet.payload) == packet.original_length == 1428


def test_metadata_only(rig):
    agent = rig.agent(
        decider := rig.decider(packet_options={"copy_mode": decision_pb2.COPY_MODE_META})
    )
    assert rig.pinger().ping()
    packet = decider.packets[0]
    assert not packet.payload and not packet.HasField("headers") and not packet.original_length
    assert packet.family == FAMILY[4]
    assert (packet.input_interface, packet.output_interface) == ("client", "server")
    assert agent.settle(2).accepted == 2


def test_a_copy_mode_that_copies_nothing_is_refused(rig):
    """With it, packets would be dropped and no counter of the queue would move."""
    decider = rig.decider(packet_options={"copy_mode": decision_pb2.COPY_MODE_NONE})
    agent = rig.new_agent(decider).start()
    agent.process.wait_for_line("(?i)copy.?mode.*none|COPY_MODE_NONE")
    sent = rig.pinger().send()
    assert agent.settle(1).no_decider.dropped == 1
    stats = agent.stats()
    assert stats.asked == 1 and stats.queues[0].numbered == 1
    assert not rig.far.carrying(sent)


def test_an_answer_without_an_action_drops(rig):
    agent = rig.agent(rig.decider(lambda _, packet: [verdict(packet, action=0)]))
    sent = rig.pinger().send()
    assert agent.settle(1).dropped == 1
    assert not rig.far.carrying(sent)


def test_answers_may_come_in_any_order(rig):
    # Untracked, as conntrack lets only one of several first packets of an ICMP connection pass.
    agent = rig.agent(
        decider := rig.decider(mute), conntrack={"events": False},
        hook={"connection_mark_mask": 0},
    )
    pinger = rig.pinger()
    sent = [pinger.send() for _ in range(5)]
    packets = decider.wait_for_packets(5)
    for packet in reversed(packets):
        decider.stream.answer(verdict(packet))
    rig.far.wait_for(lambda far: len(far.arrived(protocol=1)) == 5)
    arrived = [p.payload for p in rig.far.arrived(protocol=1)]
    assert arrived == sent[::-1]
    decider.script = accept_all
    for packet in decider.wait_for_packets(10)[5:]:
        decider.stream.answer(verdict(packet))
    assert agent.settle(10).accepted >= 10


def test_a_verdicts_mark_is_set_and_the_agents_own_bits_are_protected(rig):
    """The mark as the rules of others see it: after the verdict, as the packet leaves."""
    rig.network.gateway.nft(
        """
        table inet theirs {
          chain early { type filter hook prerouting priority -200; meta mark set 0x00ff0011; }
          chain late {
            type filter hook postrouting priority 500;
            meta l4proto != udp accept
            meta mark 0x00ff0021 counter accept comment "masked"
            meta mark 0x00ffffff counter accept comment "all bits but ours"
            counter comment "anything else"
          }
        }
        """
    )

    def counts():
        rules = rig.network.gateway.run("nft", "list", "chain", "inet", "theirs", "late")
        return [
            int(line.split("packets ")[1].split()[0])
            for line in rules.splitlines()
            if "packets" in line
        ]

    marks = iter(((0x25, 0xF0), (0xFFFFFFFF, 0xFFFFFFFF)))

    def script(_, packet):
        mark, mask = next(marks)
        return [verdict(packet, ACCEPT, mark=mark, mark_mask=mask)]

    agent = rig.agent(rig.decider(script))
    sender = rig.datagrams()
    for settled in (1, 2):
        sender.send(Network.SERVER[4], 9)
        agent.settle(settled)
    rig.far.wait_for(lambda far: len(far.arrived(protocol=17)) == 2)
    assert counts() == [1, 1, 0]
