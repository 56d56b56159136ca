"""Names and texts that are not UTF-8: of interfaces, of policies and their authors, and from peers
that must not send them. Nothing stops because of them, and different names stay different."""

import json
import os
import subprocess

import grpc
import pytest
from deciders import RawDecider
from namespaces import Namespace, Network

from sluice.v1 import decision_pb2, event_pb2, packet_pb2

NAMES = (b"caf\xe9", b"caf\xe8", "café".encode())


@pytest.fixture
def rooms(rig):
    """A namespace behind a gateway interface of each of these names. Their addresses are 10.0.N.2,
    with N from 10 on."""
    made = []
    for number, name in enumerate(NAMES, 10):
        room = Namespace(f"room{number}")
        made.append(room)
        gateway, device = rig.network.gateway, os.fsdecode(name)
        for command in (
            ["link", "add", device, "type", "veth", "peer", "name", "eth0", "netns", room.path],
            ["address", "add", f"10.0.{number}.1/24", "dev", device],
            ["link", "set", device, "up"],
        ):
            gateway.run("ip", *command)
        room.ip(
            f"address add 10.0.{number}.2/24 dev eth0",
            "link set eth0 up",
            f"route add default via 10.0.{number}.1",
        )
    yield made
    for room in made:
        room.close()


def ping(room, address):
    """Whether a ping is answered."""
    argv = room.enter(["ping", "-c1", "-W2", address])
    return subprocess.run(argv, stdout=subprocess.DEVNULL, check=False).returncode == 0


def test_packets_of_every_interface_are_decided(rig, rooms):
    """A bad interface name must not end the stream on which all packets are asked about."""
    server = rig.server(
        "from group bar any to any accept;\nbetween 10.0.1.0/24 and any accept;\n"
        "from any to 10.0.10.0/24 accept;\ndefault reject;\n"
    )
    agent = rig.agent(server, groups=[{"name": "bar", "interfaces": [r"caf\xe9"]}])
    assert rig.pinger().ping()
    assert ping(rooms[0], Network.SERVER[4])
    assert not ping(rooms[1], Network.SERVER[4])
    assert not ping(rooms[2], Network.SERVER[4])
    assert rig.pinger().ping()
    seen = {d.decision.input_interface for d in server.decisions() if d.HasField("decision")}
    assert {r"caf\xe9", r"caf\xe8", "café", "client"} <= seen
    code, said = server.sluicectl("observe", "decisions", "--last", "100")
    assert code == 0 and r"caf\xe9>server" in said and r"caf\xe8>server" in said
    total = agent.until(lambda s, t: t.pending == 0)
    assert total.no_decider.dropped == total.stale.dropped == 0
    assert server.gateways()["gw"].decide_streams == 1


def test_policies_that_are_not_utf8(rig):
    """They decide, and all that is printed about them can be read."""
    folder = os.fsencode(rig.directory) + b"/b\xfcro"
    os.mkdir(folder)
    first, second = folder + b"/caf\xe9.policy", folder + b"/zwei.policy"
    for path, text in (
        (first, b"# caf\xe9\ninclude \"list\";\ndefault reject; # \xff\n"),
        (folder + b"/list", b"# \xe9\nfrom any to any proto icmp accept;\n"),
        (second, b"# \xa7 2\ndefault accept;\n"),
    ):
        with open(path, "wb") as file:
            file.write(text)
    server = rig.server(
        options=["--policy", os.fsdecode(first), "--state", rig.directory / "state"]
    )
    rig.agent(server)
    assert rig.pinger().ping()

    def ctl(*argv):
        code, said = server.sluicectl("policy", *argv)
        assert code == 0, said
        return said

    assert r"caf\xe9.policy" in ctl("apply", os.fsdecode(second), "--author", os.fsdecode(b"\xe5sa"))
    assert r"# \xa7 2" in ctl("show")
    assert r"# caf\xe9" in ctl("show", "1")
    files = json.loads(ctl("show", "1", "-o", "json"))["files"]
    assert files == [{"name": "list", "text": "# \\xe9\nfrom any to any proto icmp accept;\n"}]
    history = ctl("history")
    assert r"\xe5sa" in history and r"b\xfcro/caf\xe9.policy" in history
    code, said = server.sluicectl("policy", "diff")
    assert code == 1 and r"-# caf\xe9" in said and r"+# \xa7 2" in said
    code, said = server.sluicectl("policy", "diff", os.fsdecode(second))
    assert (code, said) == (0, "")
    assert "now version 3" in ctl("rollback")
    assert rig.pinger().ping()
    # What the server kept before it was restarted can be read, too.
    assert server.stop() == 0
    server.start()
    assert r"caf\xe9" in ctl("show", "1")
    assert "now version 4" in ctl("apply", os.fsdecode(first))


def field(number, payload):
    """A field of type bytes, as on the wire."""
    assert len(payload) < 128
    return bytes([number << 3 | 2, len(payload)]) + payload


@pytest.mark.parametrize("stream", ("Decide", "Report"))
def test_a_peer_that_sends_what_is_not_utf8_loses_its_own_stream(rig, stream):
    server = rig.server("default accept;\n")
    rig.agent(server)
    if stream == "Decide":
        hello = decision_pb2.DecideRequest()
        hello.hello.agent.gateway, hello.hello.agent.incarnation = "bad", 1
        path = "/sluice.v1.DecisionService/Decide"
        interface = field(packet_pb2.Packet.INPUT_INTERFACE_FIELD_NUMBER, b"caf\xe9")
        packets = field(decision_pb2.PacketBatch.PACKETS_FIELD_NUMBER, interface)
        bad = field(decision_pb2.DecideRequest.PACKETS_FIELD_NUMBER, packets)
    else:
        hello = event_pb2.ReportRequest()
        hello.hello.agent.gateway, hello.hello.agent.incarnation = "bad", 1
        path = "/sluice.v1.EventService/Report"
        bad = field(event_pb2.ReportRequest.STATS_FIELD_NUMBER, field(1, b"caf\xe9"))
    with grpc.insecure_channel(server.local) as channel:
        call = channel.stream_stream(path)(iter([hello.SerializeToString(), bad]), timeout=10)
        with pytest.raises(grpc.RpcError) as ended:
            for _ in call:
                pass
    assert ended.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "not UTF-8" in ended.value.details()
    assert rig.pinger().ping()
    assert server.gateways()["gw"].decide_streams == 1


def test_a_decider_that_sends_what_is_not_utf8_is_left(rig):
    """The agent says why, and asks the next decider."""

    def decide(requests, _context):
        next(requests)
        yield decision_pb2.DecideResponse(welcome={}).SerializeToString()
        verdict = field(decision_pb2.Verdict.REASON_FIELD_NUMBER, b"caf\xe9")
        batch = field(decision_pb2.VerdictBatch.VERDICTS_FIELD_NUMBER, verdict)
        yield field(decision_pb2.DecideResponse.VERDICTS_FIELD_NUMBER, batch)
        for _ in requests:
            pass

    bad = rig.keep(RawDecider(rig.directory / "bad.sock", decide))
    decider = rig.decider()
    agent = rig.new_agent(decider, servers=[bad.address, decider.address]).start()
    agent.process.wait_for_line("bad.sock: sent a message that cannot be read: .* not UTF-8")
    agent.wait_for_decider()
    assert rig.pinger().ping()
