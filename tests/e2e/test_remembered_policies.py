"""Policies that have verdicts remembered, with sluice-server and sluicectl."""

import re
import time

import pytest
import traffic
from namespaces import Network
from remembering import Flow, settled_unasked, until_remembered

VERSIONS = pytest.mark.parametrize("version", (4, 6))


def asked(agent):
    return agent.until(lambda s, t: t.pending == 0).received


@VERSIONS
def test_an_accepted_connection_stays_local_until_another_policy(rig, version):
    server = rig.server("from any to any udp port 9 accept for connection; default reject;")
    agent = rig.agent(server)
    flow = Flow(rig, version, port=9)
    until_remembered(flow, agent)
    before = asked(agent)
    for _ in range(20):
        assert flow.passes(flow.send())
    assert asked(agent) == before
    server.apply("from any to any udp port 9 reject; default accept;")
    agent.until(lambda s, t: s.remembered.forgotten == 1)
    sent = flow.send()
    assert agent.until(lambda s, t: t.pending == 0 and t.received == before + 1).dropped == 1
    assert not rig.far.carrying(sent)


def test_a_rejected_source_stays_rejected_for_its_time(rig):
    server = rig.server("from any to any udp port 9 reject from source for 2s; default accept;")
    agent = rig.agent(server)
    flow = Flow(rig, port=9)
    until_remembered(flow, agent)
    pinger = rig.pinger()
    assert not pinger.ping(timeout=0.2), "whatever it sends"
    end = time.monotonic() + 10
    while not pinger.ping(timeout=0.2):
        assert time.monotonic() < end


def test_a_trusted_peer_is_asked_about_once(rig):
    server = rig.server("from any to any udp port 9 accept for 60s; default reject;")
    agent = rig.agent(server)
    until_remembered(Flow(rig, port=9), agent)
    before = asked(agent)
    other = Flow(rig, port=9)
    assert other.passes(other.send())
    assert asked(agent) == before


def test_rules_look_at_the_state_of_connections(rig):
    """Replies pass, connections from the other side do not."""
    server = rig.server(
        f"from any to any state established accept; from {Network.CLIENT[4]} to any accept; "
        "default reject;"
    )
    rig.agent(server)
    rig.listener(port=80)
    client = rig.connect(port=80)
    client.close()
    rig.keep(traffic.Listener(rig.network.client, 4, 81))
    with pytest.raises(TimeoutError):
        traffic.connect(rig.network.server, 4, Network.CLIENT[4], 81, timeout=1)


def test_a_restarted_server_makes_the_agent_forget(rig):
    """It may have another policy under the same number."""
    server = rig.server("from any to any udp port 9 accept for connection; default reject;")
    agent = rig.agent(server)
    flow = Flow(rig, port=9)
    until_remembered(flow, agent)
    assert server.stop() == 0
    unasked = flow.send()
    assert flow.passes(unasked), "what is remembered needs no decider"
    (rig.directory / "policy").write_text("default reject;")
    server.start()
    agent.until(lambda s, t: t.decider_connected and s.remembered.forgotten == 1, timeout=10)
    assert not rig.far.carrying(flow.send())


def test_sluicectl_lists_and_forgets(rig):
    server = rig.server("from any to any udp port 9 accept for connection; default reject;")
    agent = rig.agent(server)
    flow = Flow(rig, port=9)
    until_remembered(flow, agent)
    code, listed = server.sluicectl("remembered", "gw")
    assert code == 0
    assert f"{Network.CLIENT[4]}:{flow.near.port}" in listed and "connection" in listed
    code, page = server.sluicectl("stat", "gw")
    assert code == 0
    assert f"remembered       hits {settled_unasked(agent)}," in page
    assert server.sluicectl("remembered", "gw", "forget") == (
        0, "gw: 1 forgotten; their packets are asked about again"
    )  # fmt: skip
    assert server.sluicectl("remembered", "gw", "list", "-o", "json") == (0, "")
    before = asked(agent)
    flow.send()
    agent.until(lambda s, t: t.received == before + 1)
    code, said = server.sluicectl("remembered", "nobody")
    assert code == 1 and "nobody" in said


def test_sluicectl_lists_thousands(rig):
    server = rig.server("default accept for 60s;")
    agent = rig.agent(server)
    until_remembered(Flow(rig, port=9), agent)
    client = rig.datagrams()
    for port in range(10000, 15000):
        client.send(Network.SERVER[4], port)
    rig.fence()
    entries = agent.until(lambda s, t: t.pending == 0) and agent.stats().remembered.entries
    assert entries > 4096
    code, listed = server.sluicectl("remembered", "gw")
    assert code == 0
    assert len(listed.splitlines()) == entries + 1


def test_a_long_list_does_not_cost_the_agent_its_stream(rig, tmp_path):
    """Making the list takes longer than the server waits for a heartbeat."""
    count = 200_000
    with open("/proc/sys/net/netfilter/nf_conntrack_max", encoding="ascii") as file:
        if int(file.read()) <= count:
            pytest.skip("this machine tracks fewer connections than it takes")
    server = rig.server("from any to any udp port 9 accept for connection; default accept;")
    agent = rig.agent(server, conntrack={"events": False})
    flow = Flow(rig, port=9)
    until_remembered(flow, agent)
    marks = rig.network.gateway.run("conntrack", "-L", "-p", "udp", "--dport", "9")
    mark = re.search(r"mark=([1-9]\d*)", marks).group(1)
    flows = tmp_path / "flows"
    with flows.open("w", encoding="ascii") as file:
        for i in range(count):
            client, port = f"10.77.{i // 50_000}.1", 10_000 + i % 50_000
            file.write(f"-A -t 600 -s {client} -d 10.88.0.1 -r 10.88.0.1 -q {client} -p udp "
                       f"--sport {port} --dport 9 --reply-port-src 9 --reply-port-dst {port} "
                       f"--mark {mark}\n")
    rig.network.gateway.run("conntrack", "--load-file", str(flows))
    connects = agent.process.output.count("commands: server")
    code, listed = server.sluicectl("remembered", "gw")
    assert code == 0
    assert len(listed.splitlines()) > count
    assert agent.process.output.count("commands: server") == connects == 1
