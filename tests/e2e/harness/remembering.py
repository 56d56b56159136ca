"""What tests of remembered verdicts share: verdicts to remember, flows, and waiting for them."""

import pytest
from deciders import ACCEPT, verdict
from google.protobuf import duration_pb2
from namespaces import Network

from sluice.v1 import decision_pb2

CONNECTION, PEER, SOURCE = (
    decision_pb2.SCOPE_CONNECTION,
    decision_pb2.SCOPE_PEER,
    decision_pb2.SCOPE_SOURCE,
)
WIDER = pytest.mark.parametrize("scope", (PEER, SOURCE), ids=decision_pb2.Scope.Name)
EVERY = pytest.mark.parametrize("scope", (CONNECTION, PEER, SOURCE), ids=decision_pb2.Scope.Name)
VERSIONS = pytest.mark.parametrize("version", (4, 6))


def remember(scope, action=ACCEPT, seconds=60, **fields):
    """A script that answers every packet with this verdict to be remembered."""
    lifetime = duration_pb2.Duration(seconds=seconds)
    return lambda _, packet: [verdict(packet, action, scope=scope, lifetime=lifetime, **fields)]


class Flow:
    """Datagrams of one connection to the server, by default to its echo service."""

    def __init__(self, rig, version=4, port=7):
        self.rig, self.version, self.port = rig, version, port
        self.near = rig.datagrams("client", version)
        self.sent = 0
        self._fence = rig.pinger(to=Network.GATEWAY[4])

    def send(self):
        """Sends one; returns its token once the gateway has forwarded, dropped or queued it."""
        sent = self.near.send(Network.SERVER[self.version], self.port)
        assert self._fence.ping()
        self.sent += 1
        return sent

    def passes(self, sent):
        return bool(self.rig.far.wait_for(lambda far: far.carrying(sent)))


def until_remembered(flow, agent, count=100):
    """Sends until a datagram is settled without asking; returns its token. Verdicts of a kind that
    is new to the agent are not remembered before the table knows the kind."""
    for _ in range(count):
        asked = agent.until(lambda s, t: t.pending == 0).received
        unasked = settled_unasked(agent)
        sent = flow.send()
        total = agent.until(
            lambda s, t: t.pending == 0
            and t.received + settled(s.remembered) > asked + unasked
        )
        if total.received == asked:
            return sent
    raise AssertionError(f"asked about all {count} packets")


def settled(remembered):
    return (
        remembered.accepted_connection
        + remembered.accepted_address
        + remembered.dropped_connection
        + remembered.dropped_address
    )


def settled_unasked(agent):
    return settled(agent.stats().remembered)
