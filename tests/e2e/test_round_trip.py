"""Decisions from far away: the round trip determines how many batches are under way."""

import pytest
from deciders import accept_all
from namespaces import Network
from relay import Relay

PORT = 9


@pytest.fixture
def far_decider(rig):
    """A decider that an agent reaches through a relay of this round trip, in seconds."""

    def made(round_trip):
        decider = rig.decider()
        path = rig.directory / "relay.sock"
        rig.keep(Relay(path, decider.address, round_trip / 2))
        decider.address = f"unix:{path}"
        return decider

    return made


# The fewest batches that may be under way: as many as are sent in two round trips, one every 1/32
# of a round trip, but at least 250 microseconds apart. The way through the machine only adds.
@pytest.mark.parametrize("round_trip, under_way", ((0.005, 40), (0.03, 64)))
def test_as_many_batches_are_under_way_as_the_round_trip_asks_for(
    rig, far_decider, round_trip, under_way
):
    decider = far_decider(round_trip)
    agent = rig.agent(decider, deadline="30s")
    sender = rig.datagrams()
    # This one is answered, so that the agent knows the round trip.
    first = sender.send(Network.SERVER[4], PORT)
    rig.far.wait_for(lambda far: far.carrying(first))
    # From now on no batch is acknowledged, so all that the decider sees is under way at once. Each
    # packet is a batch of its own, as it is sent when the one before has been seen.
    decider.silent = True
    stream = decider.stream
    sent = []
    for number in range(2, under_way + 2):
        sent.append(sender.send(Network.SERVER[4], PORT))
        decider.wait(lambda n=number: len(stream.batches) >= n, what=f"batch {number}")
    assert len(stream.packets) == under_way + 1
    decider.silent = False
    stream.answer(*(v for p in stream.packets[1:] for v in accept_all(stream, p)))
    for token in sent:
        rig.far.wait_for(lambda far, token=token: far.carrying(token))
    total = agent.settle(under_way + 1)
    assert total.accepted == under_way + 1
    assert total.stale.dropped == 0
