"""Verdicts that carry payload: packets replaced on their way."""

import array
import fcntl
import socket
import struct

import pytest
from deciders import ACCEPT, DROP, accept_all, verdict
from namespaces import Network
from traffic import checksum

FAMILY_HEADER = {4: 20, 6: 40}
NEW = {"longer": b"rewritten and quite a bit longer than it was ever before", "shorter": b"tiny"}


@pytest.fixture(autouse=True)
def far_side_verifies(rig):
    """Turns receive offload off (ethtool -K rx off), else a veth takes every checksum for good."""
    siocethtool, ethtool_srxcsum = 0x8946, 0x15
    off = array.array("I", [ethtool_srxcsum, 0])
    request = struct.pack("16sP", b"eth0", off.buffer_info()[0])
    with rig.network.server.call(socket.socket, socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, siocethtool, request.ljust(40, b"\0"))


def rewriting(change, **fields):
    """A script that accepts every packet with the payload change(version, packet's bytes)."""

    def script(_, packet):
        version = packet.payload[0] >> 4
        return [verdict(packet, ACCEPT, payload=change(version, packet.payload), **fields)]

    return script


def with_body(version, packet, header, body):
    """The packet with `body` after its `header` bytes of transport header; its length is right."""
    start = FAMILY_HEADER[version] + header
    made = bytearray(packet[:start] + body)
    if version == 4:
        made[2:4] = struct.pack("!H", len(made))
    else:
        made[4:6] = struct.pack("!H", len(made) - 40)
    return made


def udp_body(body):
    def change(version, packet):
        made = with_body(version, packet, 8, body)
        at = FAMILY_HEADER[version] + 4
        made[at : at + 2] = struct.pack("!H", 8 + len(body))
        return bytes(made)

    return change


def icmp_body(body):
    return lambda version, packet: bytes(with_body(version, packet, 8, body))


@pytest.mark.parametrize("version", (4, 6))
@pytest.mark.parametrize("body", NEW.values(), ids=NEW)
def test_datagrams_grow_and_shrink(rig, version, body):
    decider = rig.decider(rewriting(udp_body(body), fix_checksums=True), packet_options={"rewrite": True})
    agent = rig.agent(decider)
    receiver = rig.datagrams("server", version, 4000)
    rig.datagrams(version=version).send(Network.SERVER[version], 4000)
    # A socket receives only datagrams with the right checksum.
    assert receiver.receive() == body[:16]
    assert agent.settle(1).accepted == 1


def test_a_checksum_that_is_not_repaired_is_the_deciders_business(rig):
    """The packet leaves as it was written, and its receiver discards it."""
    wrong = b"with a checksum of before"
    decider = rig.decider(rewriting(udp_body(wrong)), packet_options={"rewrite": True})
    agent = rig.agent(decider)
    receiver = rig.datagrams("server", 4, 4000)
    sender = rig.datagrams()
    sender.send(Network.SERVER[4], 4000, size=len(wrong))
    rig.far.wait_for(lambda far: far.carrying(wrong))
    decider.script = accept_all
    second = sender.send(Network.SERVER[4], 4000, size=16)
    assert receiver.receive() == second
    assert agent.settle(2).accepted == 2
    errors = rig.network.server.read("/proc/net/snmp")
    names, values = (line.split()[1:] for line in errors.splitlines() if line.startswith("Udp:"))
    assert dict(zip(names, values))["InCsumErrors"] == "1"


@pytest.mark.parametrize("version", (4, 6))
def test_pings_are_answered_with_what_the_decider_wrote(rig, version):
    body = b"not what was sent"

    def script(_, packet):
        outgoing = packet.output_interface == "server"
        if not outgoing:
            return [verdict(packet)]
        payload = icmp_body(body)(packet.payload[0] >> 4, packet.payload)
        return [verdict(packet, payload=payload, fix_checksums=True)]

    agent = rig.agent(rig.decider(script, packet_options={"rewrite": True}))
    pinger = rig.pinger(version)
    pinger.send(size=100)
    assert pinger.answered(body, 5), "the far side answers only what has the right checksum"
    assert agent.settle(2).accepted == 2


@pytest.mark.parametrize("version", (4, 6))
def test_a_tcp_stream_is_rewritten_byte_by_byte(rig, version):
    """The sender merges segments; with rewriting, each comes by itself."""

    def script(_, packet):
        assert not packet.gso and len(packet.payload) == packet.original_length
        if packet.output_interface != "server":
            return [verdict(packet)]
        start = FAMILY_HEADER[version]
        start += (packet.payload[start + 12] >> 4) * 4
        payload = packet.payload[:start] + packet.payload[start:].replace(b"a", b"b")
        return [verdict(packet, payload=payload, fix_checksums=True)]

    agent = rig.agent(rig.decider(script, packet_options={"rewrite": True}))
    listener = rig.listener(version)
    connection = rig.connect(version)
    accepted = rig.keep(listener.accept())
    connection.sendall(b"a" * 100_000)
    connection.shutdown(1)
    received = b""
    while chunk := accepted.recv(1 << 16):
        received += chunk
    assert received == b"b" * 100_000
    assert agent.until(lambda s, t: t.pending == 0).invalid_verdict.dropped == 0


@pytest.mark.parametrize(
    "change, says",
    (
        (lambda version, packet: b"", "whole packet"),
        (lambda version, packet: packet[:-1], "whole packet"),
        (lambda version, packet: packet + b"!", "whole packet"),
        (lambda version, packet: b"\x60" + packet[1:], "whole packet"),
    ),
    ids=("empty", "too_short", "too_long", "other_family"),
)
@pytest.mark.parametrize("fail_mode", ("closed", "open"))
def test_what_is_no_packet_is_invalid_and_said(rig, change, says, fail_mode):
    decider = rig.decider(rewriting(change), packet_options={"rewrite": True})
    agent = rig.agent(decider, fail_mode=fail_mode)
    sent = rig.datagrams().send(Network.SERVER[4], 9)
    total = agent.settle(1)
    settled = total.invalid_verdict
    assert (settled.dropped, settled.accepted) == ((1, 0) if fail_mode == "closed" else (0, 1))
    decider.wait(lambda: decider.stream.errors, what="the error")
    assert says in decider.stream.errors[0].text
    if fail_mode == "open":
        assert rig.far.wait_for(lambda far: far.carrying(sent)), "as it was"
    else:
        assert not rig.far.carrying(sent)


def test_the_checksum_covers_the_last_stop_of_a_source_route(rig):
    """The packet goes to the server's second address, from there to its first, which checks it."""
    first, second = Network.SERVER[4], "10.0.2.3"
    rig.network.server.ip(f"address add {second}/24 dev eth0")
    for namespace, devices in (
        (rig.network.gateway, ("all", "client", "server")),
        (rig.network.server, ("all", "eth0")),
    ):
        for device in devices:
            namespace.sysctl(f"net/ipv4/conf/{device}/accept_source_route", 1)

    def change(_, packet):
        made = bytearray(packet[:36] + NEW["longer"])
        made[2:4] = struct.pack("!H", len(made))
        made[32:34] = struct.pack("!H", len(made) - 28)
        return bytes(made)

    rig.agent(rig.decider(rewriting(change, fix_checksums=True), packet_options={"rewrite": True}))
    service = rig.keep(rig.network.server.call(socket.socket, socket.AF_INET, socket.SOCK_DGRAM))
    service.bind((first, 5300))
    service.settimeout(5)
    options = bytes([1, 131, 7, 4]) + socket.inet_aton(first)
    packet = struct.pack(
        "!BBHHHBBH4s4s", 0x47, 0, 40, 1, 0, 64, 17, 0,
        socket.inet_aton(Network.CLIENT[4]), socket.inet_aton(second),
    )  # fmt: skip
    packet += options + struct.pack("!HHHH", 40000, 5300, 12, 0) + b"sent"
    raw = rig.network.client.call(
        socket.socket, socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW
    )
    rig.keep(raw).sendto(packet, (second, 0))
    assert service.recv(1 << 16) == NEW["longer"]


def test_a_packet_not_copied_whole_cannot_be_rewritten(rig):
    decider = rig.decider(
        rewriting(lambda _, packet: packet), packet_options={"rewrite": True, "copy_range": 40}
    )
    agent = rig.agent(decider)
    sent = rig.datagrams().send(Network.SERVER[4], 9, size=200)
    assert agent.settle(1).invalid_verdict.dropped == 1
    assert not rig.far.carrying(sent)


def test_the_payload_of_a_dropped_packet_is_ignored(rig):
    agent = rig.agent(
        rig.decider(lambda _, p: [verdict(p, DROP, payload=b"junk")], packet_options={"rewrite": True}),
        fail_mode="open",
    )
    sent = rig.datagrams().send(Network.SERVER[4], 9)
    assert agent.settle(1).dropped == 1
    assert not rig.far.carrying(sent)


def test_the_checksum_the_decider_sees_is_filled_in(rig):
    """Virtual links leave it to the network card; a decider that rewrites must see what arrives."""
    decider = rig.decider(packet_options={"rewrite": True})
    agent = rig.agent(decider)
    rig.datagrams().send(Network.SERVER[4], 9, size=301)
    agent.settle(1)
    packet = decider.packets[0].payload
    pseudo = packet[12:20] + struct.pack("!BBH", 0, 17, len(packet) - 20)
    assert checksum(pseudo + packet[20:]) == 0
