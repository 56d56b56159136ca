"""`match` decides live traffic, and `policy test` and `policy explain` say what the gateway did."""

import json
import struct

from capture import UDP
from namespaces import Network
from sluice.v1 import decision_pb2

# Tokens begin with "slui"; datagrams are padded with 0x2e. The agent copies 128 bytes.
POLICY = """
rule "expedited" from any to any udp port 5302 match "ip[1] = 0xb8" reject;
between any and host 10.0.2.2 udp port {5300, 5302} match "udp[8:4] = 0x736c7569" accept;
rule "beyond" from any to any udp port 5301 match "udp[300] = 0x2e" accept;
"""
SERVER, CLIENT = Network.SERVER[4], Network.CLIENT[4]


def write_capture(path, packets):
    """Writes a pcap file of Ethernet frames (draft-ietf-opsawg-pcap)."""
    with path.open("wb") as file:
        file.write(struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
        for second, packet in enumerate(packets, start=1_700_000_000):
            size = len(packet.frame)
            file.write(struct.pack("=IIII", second, 0, size, size) + packet.frame)


def send_some(rig):
    """Sends six datagrams, of which three pass; returns those three."""
    service = rig.datagrams("server", 4, 5300)
    rig.datagrams("server", 4, 5302)
    client, expedited = rig.datagrams("client"), rig.datagrams("client")
    passed = [client.send(SERVER, 5300)]
    assert service.receive_and_echo() == passed[0]
    assert client.receive() == passed[0]
    expedited.set_tos(0xB8)
    expedited.send(SERVER, 5302)
    passed.append(client.send(SERVER, 5302))
    payload = b"another word"
    header = struct.pack("!HHHH", 40000, 5300, 8 + len(payload), 0)
    rig.crafted().send(CLIENT, SERVER, UDP, header + payload)
    client.send(SERVER, 5301, size=400)
    return passed


def replayed(server, capture, *options):
    """(source port, destination port, action, rule) of each packet, and the summary."""
    code, said = server.sluicectl("policy", "test", capture, "-o", "json", *options)
    assert code == 0, said
    *packets, last = map(json.loads, said.splitlines())
    results = [
        (
            p["headers"]["sourcePort"],
            p["headers"]["destinationPort"],
            p["ruling"]["action"],
            p["ruling"]["reason"],
        )
        for p in packets
    ]
    return sorted(results), last["summary"]


def test_the_capture_gets_what_the_packets_got(rig):
    server = rig.server(POLICY)
    agent = rig.agent(server)
    passed = send_some(rig)
    total = agent.settle(6)
    assert (total.accepted, total.dropped) == (3, 3)
    assert [p.payload for p in rig.far.arrived(protocol=UDP)] == passed

    live = sorted(
        (
            d.decision.headers.source_port,
            d.decision.headers.destination_port,
            decision_pb2.Action.Name(d.decision.action),
            d.decision.reason,
        )
        for d in server.decisions()
    )
    assert {reason for *_, reason in live} == {
        'rule 1 "expedited", line 2',
        "rule 2, line 3",
        "rule 3, line 3",
        "default",
    }
    capture = rig.directory / "near.pcap"
    seen = rig.near.packets(protocol=UDP)
    write_capture(capture, seen)
    results, summary = replayed(server, capture, "--copy-range", "128")
    assert results == live
    assert (summary["packets"], summary["accepted"], summary["dropped"]) == ("6", "3", "3")
    # With whole packets, `match` also sees the bytes that the gateway did not have.
    results, summary = replayed(server, capture)
    assert [r[3] for r in results if r[1] == 5301] == ['rule 4 "beyond", line 4']
    assert summary["accepted"] == "4"


def test_a_capture_that_is_cut_off_is_tested_as_far_as_it_goes(rig):
    server = rig.server(POLICY)
    agent = rig.agent(server)
    send_some(rig)
    agent.settle(6)
    capture = rig.directory / "near.pcap"
    write_capture(capture, rig.near.packets(protocol=UDP))
    capture.write_bytes(capture.read_bytes()[:-50])
    code, said = server.sluicectl("policy", "test", capture)
    assert code == 1
    assert "5 packets: " in said
    assert "damaged or cut off behind 5 frames" in said


def test_explain_says_what_a_packet_gets(rig):
    server = rig.server(POLICY)
    agent = rig.agent(server)
    sender = rig.datagrams("client")
    sender.send(SERVER, 5303)
    agent.settle(1)
    (live,) = (d.decision for d in server.decisions())
    code, said = server.sluicectl(
        "policy", "explain", CLIENT, SERVER, "udp", "5303", "--src-port", str(sender.port)
    )
    assert code == 0, said
    assert f"drop: {live.reason}\n" in said
    assert 'rule "expedited" from any to any udp port 5302 match "ip[1] = 0xb8" reject;' in said
    assert "destination port 5303 is not 5302" in said
    # A rule that looks at bytes, which `explain` does not have.
    code, said = server.sluicectl("policy", "explain", CLIENT, SERVER, "udp", "5300")
    assert code == 0, said
    assert "drop: default" in said
    assert 'what match "udp[8:4] = 0x736c7569" looks at is not known' in said


def test_names_of_hosts_are_refused_in_an_expression(rig):
    server = rig.server(POLICY)
    policy = rig.directory / "names"
    policy.write_text('from any to any match "host mail.example.net" reject;\n')
    code, said = server.sluicectl("policy", "check", policy)
    assert code == 1
    assert "names:1:23: `mail.example.net` would be looked up as a host" in said
