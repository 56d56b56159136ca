"""Conntrack events on their way to the server: none is invented, and losses are marked."""

import ipaddress
import socket

import pytest
from namespaces import Network
from sluice.v1 import event_pb2

NEW, UPDATE = event_pb2.EVENT_TYPE_NEW, event_pb2.EVENT_TYPE_UPDATE
DESTROY, SNAPSHOT = event_pb2.EVENT_TYPE_DESTROY, event_pb2.EVENT_TYPE_SNAPSHOT

# A rule of others that makes the gateway track connections, as most gateways have one.
TRACKED = "table inet theirs { chain c { type filter hook forward priority 0; ct state new ; } ; }"


@pytest.fixture
def server(rig):
    rig.network.gateway.nft(TRACKED)
    return rig.server("default accept;\n")


def is_of(flow, client):
    """Whether the flow is that of this UDP socket."""
    return flow.original.protocol == 17 and flow.original.source_port == client.port


def follow(rig, server):
    """A call that gives the events from now on; it has begun when this returns."""
    first = rig.datagrams()
    first.send(Network.SERVER[4], 9)
    call = server.connections(follow=True)
    for seen in call:
        if is_of(seen.flow, first):
            return call


def end(rig, client):
    """Ends a connection in the gateway's table."""
    rig.network.gateway.run("conntrack", "-D", "-p", "udp", "--sport", str(client.port))


@pytest.mark.parametrize("version", (4, 6))
def test_a_connection_is_reported_from_its_beginning_to_its_end(rig, server, version):
    rig.agent(server)
    call = follow(rig, server)
    service = rig.datagrams("server", version, 5300)
    client = rig.datagrams("client", version)
    client.send(Network.SERVER[version], 5300)
    service.receive_and_echo()
    client.receive()
    if version == 6:
        rig.network.gateway.run("conntrack", "-D", "-f", "ipv6", "-p", "udp", "--sport",
                                str(client.port))  # fmt: skip
    else:
        end(rig, client)
    types = []
    for seen in call:
        if is_of(seen.flow, client):
            assert seen.gateway == "gw"
            assert ipaddress.ip_address(seen.flow.original.source) == ipaddress.ip_address(
                Network.CLIENT[version]
            )
            assert ipaddress.ip_address(seen.flow.original.destination) == ipaddress.ip_address(
                Network.SERVER[version]
            )
            assert seen.flow.original.destination_port == 5300
            assert seen.flow.reply.source_port == 5300
            types.append(seen.type)
            if seen.type == DESTROY:
                break
    assert types[0] == NEW and UPDATE in types
    assert not seen.end_unseen
    call.cancel()


def test_connections_older_than_the_agent_are_known(rig, server):
    """The kernel never reports these: the agent reads them from the kernel's table."""
    old = rig.datagrams()
    old.send(Network.SERVER[4], 9)
    rig.far.wait_for(lambda far: far.arrived(protocol=17))
    rig.agent(server)
    for seen in server.connections(follow=True):
        if is_of(seen.flow, old):
            assert seen.type == SNAPSHOT
            break


def test_connections_older_than_the_agent_end_unseen(rig, server):
    """The kernel does not report the end of these, either."""
    timeout = "net/netfilter/nf_conntrack_udp_timeout"
    events = "net/netfilter/nf_conntrack_events"
    rig.network.gateway.sysctl(events, 0)  # Another program may listen.
    preset = rig.network.gateway.sysctl(timeout)
    rig.network.gateway.sysctl(timeout, 8)
    old = rig.datagrams()
    old.send(Network.SERVER[4], 9)
    rig.far.wait_for(lambda far: far.arrived(protocol=17))
    rig.network.gateway.sysctl(timeout, preset)
    staying = rig.datagrams()
    staying.send(Network.SERVER[4], 9)
    rig.network.gateway.sysctl(events, 2)
    rig.agent(server)
    types = []
    for seen in server.connections(follow=True):
        if is_of(seen.flow, old):
            types.append(seen.type)
            if seen.type == DESTROY:
                break
        assert not (is_of(seen.flow, staying) and seen.type == DESTROY)
    assert set(types[:-1]) == {SNAPSHOT} and seen.end_unseen
    assert seen.flow.original.destination_port == 9 and seen.flow.HasField("reply")
    known = list(server.connections())
    assert [c.type for c in known if is_of(c.flow, old)] == [DESTROY]
    assert [c.type for c in known if is_of(c.flow, staying)] == [SNAPSHOT]


def test_a_restarted_server_learns_what_lives(rig, server):
    agent = rig.agent(server)
    client = rig.datagrams()
    client.send(Network.SERVER[4], 9)
    agent.settle(1)
    server.kill()
    server.start()
    for seen in server.connections(follow=True):
        if is_of(seen.flow, client):
            assert seen.type == SNAPSHOT
            break


def test_what_is_lost_in_an_overrun_is_marked_and_made_good(rig, server):
    agent = rig.agent(server, conntrack={"receive_buffer": "2KiB"})
    call = follow(rig, server)
    early = rig.datagrams()
    early.send(Network.SERVER[4], 9)
    for seen in call:
        if is_of(seen.flow, early):
            break
    with rig.paused(agent):
        flows_of_the_gateway(rig)
        end(rig, early)
    gaps = []
    for seen in call:
        if seen.HasField("gap"):
            gaps.append(seen.gap.cause)
        if seen.HasField("resync_done") and event_pb2.GAP_CAUSE_KERNEL_OVERRUN in gaps:
            break
    assert agent.stats().conntrack_gaps >= 1
    ends = [c for c in server.connections() if is_of(c.flow, early)]
    assert [e.type for e in ends] == [DESTROY] and ends[0].end_unseen
    call.cancel()


def flows_of_the_gateway(rig, count=500):
    """Makes connections of the gateway's own, which nobody is asked about."""
    sender = rig.keep(rig.network.gateway.call(socket.socket, socket.AF_INET, socket.SOCK_DGRAM))
    for port in range(20000, 20000 + count):
        sender.sendto(b"x", (Network.SERVER[4], port))
