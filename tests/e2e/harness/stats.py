"""A gateway's counters: waiting for values of them, and the identity."""

import time

from sluice.v1 import stats_pb2

_SETTLED = stats_pb2.Settled.DESCRIPTOR
CAUSES = tuple(
    field.name
    for field in stats_pb2.QueueStats.DESCRIPTOR.fields
    if field.message_type is _SETTLED
)


def settled(queue):
    """How many packets of a queue were settled, by a verdict or by the fallback."""
    plain = queue.accepted + queue.dropped + queue.requeued + queue.repeated
    causes = (getattr(queue, cause) for cause in CAUSES)
    return plain + sum(cause.accepted + cause.dropped for cause in causes)


def total(stats):
    """The sum of all queues of a gateway."""
    result = stats_pb2.QueueStats()
    for queue in stats.queues:
        for field, value in queue.ListFields():
            if field.name in CAUSES:
                into = getattr(result, field.name)
                into.accepted += value.accepted
                into.dropped += value.dropped
            elif field.cpp_type == field.CPPTYPE_UINT64:
                setattr(result, field.name, getattr(result, field.name) + value)
    result.decider_connected = all(q.decider_connected for q in stats.queues)
    return result


def assert_identity(stats):
    """The identity: each received packet is accounted for exactly once."""
    for queue in stats.queues:
        assert queue.received == settled(queue) + queue.pending, f"the identity fails:\n{queue}"


def until(read, wanted, timeout=5, what="the counters"):
    """Reads GatewayStats until wanted(stats, their total) is true; returns the stats.

    The identity must hold in each reading on the way.
    """
    end = time.monotonic() + timeout
    while True:
        stats = read()
        assert_identity(stats)
        if wanted(stats, total(stats)):
            return stats
        assert time.monotonic() < end, f"{what}: not within {timeout} s:\n{stats}"
