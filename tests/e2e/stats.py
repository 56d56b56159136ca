"""A gateway's counters: reading them until they say something, and the identity."""

import time

from sluice.v1 import stats_pb2

CAUSES = (
    "stale", "table_full", "no_decider", "family_unasked", "badsync", "malformed",
    "invalid_verdict", "send_failed", "flushed", "mode_off",
)  # fmt: skip


def settled(queue):
    """Packets of a queue that got their answer, whatever it was."""
    plain = queue.accepted + queue.dropped + queue.requeued + queue.repeated_hook
    causes = (getattr(queue, cause) for cause in CAUSES)
    return plain + sum(cause.accepted + cause.dropped for cause in causes)


def total(stats):
    """All queues of a gateway as one."""
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
    """THE IDENTITY: each packet that was received is accounted for once."""
    for queue in stats.queues:
        assert queue.received == settled(queue) + queue.pending, f"the identity fails:\n{queue}"


def until(read, wanted, timeout=5, what="the counters"):
    """Reads GatewayStats until wanted(stats, their total) is true; the stats.

    The identity must hold in each reading on the way.
    """
    end = time.monotonic() + timeout
    while True:
        stats = read()
        assert_identity(stats)
        if wanted(stats, total(stats)):
            return stats
        assert time.monotonic() < end, f"{what}: not within {timeout} s:\n{stats}"
