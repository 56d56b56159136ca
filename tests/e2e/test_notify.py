"""Who is refused is told (S14): by the kernel's own reject in the agent's table, whatever the
tables of others would have made of the packet."""

import pytest
from capture import ICMP, ICMPV6, TCP
from deciders import DROP, verdict
from namespaces import Network

from sluice.v1 import decision_pb2

# Accepts everything between our chains.
THEIRS = "table inet theirs { chain c { type filter hook forward priority -154; accept; } ; }"
# Type and code of the message the client gets, by the version of IP.
UNREACHABLE = {
    decision_pb2.NOTIFY_HOST_UNREACHABLE: {4: (3, 1), 6: (1, 3)},
    decision_pb2.NOTIFY_ADMIN_PROHIBITED: {4: (3, 13), 6: (1, 1)},
    decision_pb2.NOTIFY_PORT_UNREACHABLE: {4: (3, 3), 6: (1, 4)},
    # For what is not TCP.
    decision_pb2.NOTIFY_TCP_RESET: {4: (3, 3), 6: (1, 4)},
}


def refuse(notify):
    return lambda _stream, packet: [verdict(packet, DROP, notify=notify)]


@pytest.mark.parametrize("version", (4, 6))
@pytest.mark.parametrize("notify", UNREACHABLE, ids=decision_pb2.Notify.Name)
@pytest.mark.parametrize("fail_mode", ("closed", "open"))
def test_the_sender_of_a_datagram_is_told(rig, version, notify, fail_mode):
    rig.network.gateway.nft(THEIRS)
    agent = rig.agent(rig.decider(refuse(notify)), fail_mode=fail_mode)
    sent = rig.datagrams("client", version).send(Network.SERVER[version], 9)
    kind, code = UNREACHABLE[notify][version]
    told = rig.near.wait_for(
        lambda near: near.arrived(
            protocol=ICMP if version == 4 else ICMPV6, source_port=kind, destination_port=code
        )
    )
    assert [sent in message.payload for message in told] == [True]
    total = agent.settle(1)
    assert (total.accepted, total.dropped) == (0, 1)
    assert not rig.far.carrying(sent)


@pytest.mark.parametrize("version", (4, 6))
def test_a_connection_is_reset(rig, version):
    rig.network.gateway.nft(THEIRS)
    agent = rig.agent(rig.decider(refuse(decision_pb2.NOTIFY_TCP_RESET)))
    rig.listener(version, 80)
    with pytest.raises(ConnectionRefusedError):
        rig.connect(version, 80)
    assert agent.settle(1).dropped == 1
    assert not rig.far.arrived(protocol=TCP)


def test_notify_with_accept_is_ignored(rig):
    agent = rig.agent(
        rig.decider(
            lambda _stream, packet: [
                verdict(packet, notify=decision_pb2.NOTIFY_HOST_UNREACHABLE)
            ]
        )
    )
    assert rig.pinger(4).ping()
    assert agent.settle(2).accepted == 2


def test_the_hello_names_what_can_be_told(rig):
    decider = rig.decider()
    rig.agent(decider)
    assert list(decider.streams[0].hello.capabilities.notifies) == list(UNREACHABLE)
