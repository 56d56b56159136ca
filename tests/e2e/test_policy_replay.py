"""`policy test` says about a capture what the gateway did: it follows connection states and
reassembles fragments as the gateway's kernel does."""

import json
import socket
import struct

import pytest
from capture import ICMP, ICMPV6, TCP
from namespaces import Network
from test_match import write_capture
from traffic import checksum

POLICY = """
rule "invalid" from any to any state invalid reject;
rule "related" from any to any state related accept;
rule "established" from any to any state established accept;
rule "new" from any to any state new accept;
"""
FIN, SYN, ACK = 1, 2, 16


def segment(version, ports, flags):
    """A TCP segment from the client, in which a kernel finds no fault."""
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    pseudo = socket.inet_pton(family, Network.CLIENT[version])
    pseudo += socket.inet_pton(family, Network.SERVER[version])
    pseudo += struct.pack("!IBBBB", 20, 0, 0, 0, TCP)
    header = struct.pack("!HHIIBBHHH", *ports, 1, 1, 0x50, flags, 1000, 0, 0)
    return header[:16] + struct.pack("!H", checksum(pseudo + header)) + header[18:]


def send_of_every_state(rig, version):
    """Sends packets of every state; returns how many packets the gateway has to decide."""
    assert rig.pinger(version).ping()
    service = rig.datagrams("server", version, 5300)
    client = rig.datagrams("client", version)
    # The second goes and comes back in fragments. Not in IPv6, where the gateway writes new
    # fragment headers into memory that this capture shares.
    for size in (20, 3000) if version == 4 else (20, 30):
        sent = client.send(Network.SERVER[version], 5300, size=size)
        assert service.receive_and_echo() == sent
        assert client.receive() == sent
    client.send(Network.SERVER[version], 5399)  # Nobody listens: an ICMP error comes back.
    icmp = ICMP if version == 4 else ICMPV6
    # Only from there, as neighbour discovery is ICMPv6, too.
    there = Network.SERVER[version]
    rig.near.wait_for(lambda near: len(near.arrived(protocol=icmp, source=there)) == 2)
    crafted = rig.crafted(version)
    for ports, flags in (
        ((40001, 5400), ACK),  # As if within a connection; a reset comes back.
        ((40002, 5400), SYN | ACK),
        ((40003, 5400), FIN | ACK),
        ((40004, 5400), FIN | SYN),
        ((40005, 5400), SYN),  # A reset comes back.
    ):
        crafted.send(
            Network.CLIENT[version], Network.SERVER[version], TCP, segment(version, ports, flags)
        )
    rig.near.wait_for(lambda near: len(near.arrived(protocol=TCP, source=there)) == 2)
    return 2 + 4 + 2 + 5 + 2


def shown(protocol, source_port, destination_port, icmp_type, reason):
    """A row that can be sorted: -1 stands for a missing number."""
    numbers = (protocol, source_port, destination_port, icmp_type)
    return *(-1 if n is None else n for n in numbers), reason.split(",")[0]


@pytest.mark.parametrize("version", (4, 6))
def test_a_capture_gets_what_each_state_got(rig, version):
    server = rig.server(POLICY)
    agent = rig.agent(server)
    agent.settle(send_of_every_state(rig, version))
    live = sorted(
        shown(
            h.protocol,
            *(
                getattr(h, field) if h.HasField(field) else None
                for field in ("source_port", "destination_port", "icmp_type")
            ),
            reason,
        )
        for h, reason in ((d.decision.headers, d.decision.reason) for d in server.decisions())
    )
    states = {"invalid": 1, "related": 2, "established": 3, "new": 4}
    assert {reason for *_, reason in live} == {f'rule {n} "{s}"' for s, n in states.items()}

    ends = {Network.CLIENT[version], Network.SERVER[version]}
    packets = [p for p in rig.near.packets() if {p.source, p.destination} == ends]
    capture = rig.directory / "near.pcap"
    write_capture(capture, packets)
    code, said = server.sluicectl("policy", "test", capture, "-o", "json")
    assert code == 0, said
    *results, last = map(json.loads, said.splitlines())
    assert last["summary"]["incompleteDatagrams"] == "0"
    replayed = sorted(
        shown(
            r["headers"]["protocol"],
            *(r["headers"].get(field) for field in ("sourcePort", "destinationPort", "icmpType")),
            r["ruling"]["reason"],
        )
        for r in results
    )
    assert replayed == live
    # `--state` gives all packets the same state and prints only the summary.
    code, said = server.sluicectl(
        "policy", "test", capture, "--state", "invalid", "--summary", "-o", "json"
    )
    assert code == 0, said
    (summary,) = map(json.loads, said.splitlines())
    assert summary["summary"]["dropped"] == str(len(live))
