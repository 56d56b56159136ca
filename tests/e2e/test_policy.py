"""sluice-server's policy decides real traffic. Captures on both sides of the gateway show that no
dropped packet leaks and no accepted packet is lost."""

import grpc
import pytest
from namespaces import Network
from sluice.v1 import control_pb2, decision_pb2, stats_pb2
from traffic import PROTOCOLS

# Ports 80 and 5300 of the server are open, 81 and 5301 are not; its second address answers no
# ping. `between` lets the answers back.
POLICY = """
between any and host 10.0.2.2 tcp port 80 accept;
between any and host fd00:2::2 tcp port 80 accept;
between any and host 10.0.2.2 udp port 5300 accept;
between any and host fd00:2::2 udp port 5300 accept;
between host 10.0.1.2 and host 10.0.2.2 proto 1 accept;
between host fd00:1::2 and host fd00:2::2 proto 58 accept;
default reject;
"""
SECOND = {4: "10.0.2.3", 6: "fd00:2::3"}
EACH = 20


@pytest.fixture
def agent(rig):
    rig.network.server.ip(
        f"address add {SECOND[4]}/24 dev eth0",
        # Not used for what the server sends of its own accord.
        f"address add {SECOND[6]}/64 dev eth0 nodad preferred_lft 0",
    )
    return rig.agent(rig.server(POLICY))


def nothing_dropped_leaked(rig, dropped):
    arrived = b"".join(p.payload for p in rig.far.arrived())
    assert not [token for token in dropped if token in arrived]


@pytest.mark.parametrize("version", (4, 6))
def test_pings_get_what_the_policy_says(rig, agent, version):
    open_host, closed_host = rig.pinger(version), rig.pinger(version, to=SECOND[version])
    dropped = []
    for _ in range(EACH):
        dropped.append(closed_host.send())
        assert open_host.ping()
    total = agent.settle(3 * EACH)
    assert (total.accepted, total.dropped) == (2 * EACH, EACH)
    protocol = PROTOCOLS["ping"][version]
    assert len(rig.far.arrived(protocol=protocol, destination=Network.SERVER[version])) == EACH
    assert not rig.far.arrived(protocol=protocol, destination=SECOND[version])
    nothing_dropped_leaked(rig, dropped)


@pytest.mark.parametrize("version", (4, 6))
def test_datagrams_get_what_the_policy_says(rig, agent, version):
    service = rig.datagrams("server", version, 5300)
    closed = rig.datagrams("server", version, 5301)
    client = rig.datagrams("client", version)
    dropped = []
    for _ in range(EACH):
        dropped.append(client.send(Network.SERVER[version], closed.port))
        sent = client.send(Network.SERVER[version], service.port)
        assert service.receive_and_echo() == sent
        assert client.receive() == sent
    total = agent.settle(3 * EACH)
    assert (total.accepted, total.dropped) == (2 * EACH, EACH)
    assert len(rig.far.arrived(protocol=17, destination_port=5300)) == EACH
    nothing_dropped_leaked(rig, dropped)


@pytest.mark.parametrize("version", (4, 6))
def test_connections_get_what_the_policy_says(rig, agent, version):
    service, closed = rig.listener(version, 80), rig.listener(version, 81)
    for _ in range(EACH):
        rig.begin_connect(version, 81).close()
        connection = rig.connect(version, 80)
        accepted = service.accept()
        connection.sendall(b"a question")
        assert accepted.recv(100) == b"a question"
        accepted.sendall(b"its answer")
        assert connection.recv(100) == b"its answer"
        accepted.close()
        connection.close()
    total = agent.settle(EACH)
    assert total.dropped == EACH
    assert not rig.far.arrived(protocol=6, destination_port=81)
    # Each packet of a connection that passed one side has passed the other, in the same order.
    # Packets of different connections may overtake each other anywhere, as the client sends them
    # from different processors.
    rig.far.wait_for(lambda far: closing(far.packets(protocol=6)) >= 2 * EACH)
    # Both sides may close at once; the acknowledgement then comes after the last FIN.
    rig.far.wait_for(lambda far: len(to_service(far)) >= len(to_service(rig.near)))
    sent, arrived = (by_connection(to_service(side)) for side in (rig.near, rig.far))
    assert len(sent) == EACH
    assert arrived == sent
    closed.close()


def to_service(capture):
    return capture.packets(protocol=6, destination_port=80)


def by_connection(packets):
    """The last ten bytes of each packet, in their order, by source port."""
    connections = {}
    for p in packets:
        connections.setdefault(p.source_port, []).append(p.packet[-10:])
    return connections


def closing(packets):
    """How many packets have the FIN flag."""
    return sum(p.packet[(20 if p.version == 4 else 40) + 13] & 1 for p in packets)


def test_a_download_arrives_whole(rig, agent):
    service = rig.listener(4, 80)
    connection = rig.connect(4, 80)
    accepted = service.accept()
    data = bytes(range(256)) * 4096
    sending = rig.background(accepted.sendall, data)
    received = bytearray()
    while len(received) < len(data):
        received += connection.recv(1 << 16)
    sending.result(10)
    accepted.close()
    assert received == data


def test_without_a_policy_everything_is_dropped(rig):
    agent = rig.agent(rig.server())
    dropped = [rig.pinger(version).send() for version in (4, 6)]
    assert agent.settle(2).dropped == 2
    nothing_dropped_leaked(rig, dropped)


def test_a_policy_is_replaced_at_once_and_the_old_one_returned(rig):
    server = rig.server(POLICY)
    agent = rig.agent(server)
    assert rig.pinger().ping()
    answer = server.apply("default reject;\n")
    assert answer.previous.text == POLICY
    assert answer.current.version == answer.previous.version + 1
    dropped = rig.pinger().send()
    assert agent.settle(3).dropped == 1
    nothing_dropped_leaked(rig, [dropped])
    server.apply("default accept;\n")
    assert rig.pinger().ping()


def test_a_broken_policy_is_refused_and_the_old_one_stays(rig):
    server = rig.server("default accept;\n")
    rig.agent(server)
    broken = "default accept;\nfrom any to nowhere-in-particular reject;\n"
    with pytest.raises(grpc.RpcError) as raised:
        server.apply(broken)
    assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "2:" in raised.value.details()
    problems = server.control.CheckPolicy(control_pb2.CheckPolicyRequest(policy=control_pb2.PolicyText(text=broken))).problems
    assert [(p.line, p.message != "") for p in problems] == [(2, True)]
    assert rig.pinger().ping()
    assert server.control.GetPolicy(control_pb2.GetPolicyRequest()).policy.text == (
        "default accept;\n"
    )


def test_each_decision_is_remembered_with_its_rule(rig, agent):
    assert rig.pinger().ping()
    rig.begin_connect(4, 81).close()
    agent.settle(3)
    request, reply, dropped = (d.decision for d in agent.source.decisions())
    assert request.action == reply.action == decision_pb2.ACTION_ACCEPT
    assert request.cause == stats_pb2.CAUSE_VERDICT
    assert "line 6" in request.reason
    assert (request.input_interface, request.output_interface) == ("client", "server")
    assert (reply.input_interface, reply.output_interface) == ("server", "client")
    assert dropped.action == decision_pb2.ACTION_DROP
    assert "default" in dropped.reason
    assert (dropped.headers.protocol, dropped.headers.destination_port) == (6, 81)
