"""Packet options: what a decider asks for in its welcome, and changes later (Retune)."""

import os

from agents import BY_HAND
from deciders import accept_all, mute, verdict
from namespaces import Namespace, Network
from sluice.v1 import decision_pb2, packet_pb2
from traffic import Pinger


def test_packets_of_families_nobody_asked_for_get_the_fallback(rig):
    decider = rig.decider(packet_options={"families": [packet_pb2.FAMILY_IPV4]})
    agent = rig.agent(decider)
    assert rig.pinger(4).ping()
    sent = rig.pinger(6).send()
    total = agent.settle(3)
    assert (total.accepted, total.family_unasked.dropped) == (2, 1)
    assert not rig.far.carrying(sent)


def test_packet_options_change_while_the_stream_runs(rig):
    agent = rig.agent(decider := rig.decider(packet_options={"families": [packet_pb2.FAMILY_IPV4]}))
    assert rig.pinger(4).ping()
    connects = agent.settle(2).decider_connects
    decider.stream.retune(copy_mode=decision_pb2.COPY_MODE_PACKET, copy_range=48)
    pinger = rig.pinger(6)
    while not pinger.ping(timeout=0.2):
        pass  # until the retune has arrived
    last = decider.packets[-1]
    assert len(last.payload) == 48 and last.original_length > 48
    decider.stream.retune(ordering=decision_pb2.ORDERING_STRICT)
    while len(decider.packets[-1].payload) == 48:  # until it has arrived; 128 is the agent's own
        assert pinger.ping() and pinger.send(size=500)
    agent.until(lambda s, t: t.pending == 0)
    decider.script = mute
    sender = rig.datagrams()
    before = len(decider.packets)
    first = sender.send(Network.SERVER[4], 9, size=500)
    decider.wait_for_packets(before + 1)
    second = sender.send(Network.SERVER[4], 9, size=500)
    packets = decider.wait_for_packets(before + 2)[before:]
    decider.stream.answer(verdict(packets[1]))
    total = agent.until(lambda s, t: t.badsync.dropped == 1 and t.pending == 0)
    assert total.decider_connects == connects
    assert rig.far.wait_for(lambda far: far.carrying(second)) and not rig.far.carrying(first)


def test_a_retune_that_cannot_be_honoured_ends_the_stream(rig):
    agent = rig.agent(decider := rig.decider())
    decider.stream.retune(copy_mode=decision_pb2.COPY_MODE_NONE)
    agent.process.wait_for_line("COPY_MODE_NONE")
    decider.wait_for_streams(2)
    agent.wait_for_decider()
    assert rig.pinger().ping()


def test_a_family_there_is_not_ends_the_stream(rig):
    agent = rig.agent(decider := rig.decider())
    decider.stream.retune(families=[packet_pb2.FAMILY_IPV4, 7])
    agent.process.wait_for_line("families: 7 is no address family")
    decider.wait_for_streams(2)
    agent.wait_for_decider()
    assert rig.pinger().ping()


def test_rewriting_turns_merged_segments_off_and_on(rig):
    """One flag of the queue, set as the decider asks."""
    agent = rig.agent(decider := rig.decider())
    listener = rig.listener()
    connection = rig.connect()
    accepted = rig.keep(listener.accept())

    def largest():
        before = len(decider.packets)
        connection.sendall(b"x" * 300_000)
        left = 300_000
        while left:
            left -= len(accepted.recv(left))
        return max(packet.original_length for packet in decider.packets[before:])

    assert largest() > 1500
    decider.stream.retune(rewrite=True)
    while largest() > 1500:
        pass  # until the retune has arrived
    decider.stream.retune()
    while largest() <= 1500:
        pass
    # The last acknowledgements may still be on their way.
    agent.until(lambda s, t: t.pending == 0 and t.accepted == len(decider.packets))


def test_packets_from_this_host_say_whose_they_are(rig):
    """User and group are known at OUTPUT, where the rules are the operator's."""
    gateway = rig.network.gateway
    gateway.run("iptables", "-A", "OUTPUT", "-p", "udp", "--dport", "9", "-j", "NFQUEUE")
    agent = rig.agent(decider := rig.decider(), **BY_HAND)
    sender = rig.datagrams("gateway")
    sender.send(Network.SERVER[4], 9)
    packet = decider.wait_for_packets(1)[0]
    assert packet.hook == packet_pb2.HOOK_OUTPUT
    assert packet.HasField("uid") and packet.uid == os.getuid()
    assert packet.HasField("gid") and packet.gid == os.getgid()
    assert not packet.input_interface and packet.output_interface == "server"
    assert agent.settle(1).accepted == 1


def test_forwarded_packets_have_no_user(rig):
    agent = rig.agent(decider := rig.decider())
    assert rig.pinger().ping()
    agent.settle(2)
    assert not any(p.HasField("uid") or p.HasField("gid") for p in decider.packets)


def test_bridged_packets_name_their_physical_devices(rig):
    """Packets of a bridge on the gateway, which br_netfilter hands to the FORWARD hook."""
    gateway = rig.network.gateway
    left, right = (rig.keep(Namespace(name)) for name in ("left", "right"))
    gateway.ip("link add br0 type bridge", "link set br0 up")
    for number, end in ((1, left), (2, right)):
        gateway.ip(
            f"link add {end.name} type veth peer name eth0 netns {end.path}",
            f"link set {end.name} master br0 up",
        )
        end.ip(f"address add 10.0.9.{number}/24 dev eth0", "link set eth0 up")
    gateway.sysctl("net/bridge/bridge-nf-call-iptables", 1)
    agent = rig.agent(decider := rig.decider())
    pinger = rig.keep(Pinger(left, 4, "10.0.9.2"))
    while not pinger.ping(timeout=0.2):
        pass  # until the bridge forwards
    packet = decider.packets[-2]
    assert (packet.physical_input_interface, packet.physical_output_interface) == ("left", "right")
    assert packet.input_interface == packet.output_interface == "br0"
    agent.until(lambda s, t: t.pending == 0)


def test_packets_name_the_trust_groups_of_their_interfaces(rig):
    """A group has interfaces by name or by the beginning of a name; others have no group."""
    groups = [
        {"name": "inside", "interfaces": ["clien*"]},
        {"name": "outside", "interfaces": ["eth9", "server"]},
    ]
    agent = rig.agent(decider := rig.decider(), groups=groups)
    assert rig.pinger().ping()
    agent.settle(2)
    there, back = decider.packets
    assert (there.input_group, there.output_group) == ("inside", "outside")
    assert (back.input_group, back.output_group) == ("outside", "inside")
    rig.network.gateway.ip("link set server down", "link set server name dmz", "link set dmz up")
    pinger = rig.pinger()
    while not pinger.ping(timeout=0.2):
        pass  # until the link is up again
    assert decider.packets[-2].output_interface == "dmz" and not decider.packets[-2].output_group
    agent.until(lambda s, t: t.pending == 0)


def test_the_priority_of_a_packet_is_told_where_the_kernel_sends_it(rig):
    """Forwarded packets get theirs from the TOS byte (ip(7), IP_TOS)."""
    agent = rig.agent(decider := rig.decider(accept_all))
    sender = rig.datagrams()
    sender.set_tos(0x10)
    sender.send(Network.SERVER[4], 9)
    agent.settle(1)
    packet = decider.packets[0]
    assert packet.headers.traffic_class == 0x10
    assert packet.HasField("priority") and packet.priority == 6  # TC_PRIO_INTERACTIVE
    assert packet.skb_info == packet.skb_info & 7
