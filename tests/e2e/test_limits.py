"""Deadlines, and a full pending table, kernel queue or receive buffer."""

import json
import time

import pytest
import stats
from deciders import accept_all, mute, verdict
from namespaces import Network
from sluice.v1 import decision_pb2


def kernel_queue(rig, number=0):
    """What the kernel itself says about a queue (nfnetlink_queue of proc(5))."""
    for line in rig.network.gateway.read("/proc/net/netfilter/nfnetlink_queue").splitlines():
        names = (
            "number", "port_id", "waiting", "copy_mode", "copy_range",
            "queue_dropped", "user_dropped", "id_sequence",
        )  # fmt: skip
        queue = dict(zip(names, map(int, line.split())))
        if queue["number"] == number:
            return queue
    raise AssertionError(f"nobody listens on queue {number}")


def test_a_packet_not_answered_in_time_is_stale_and_its_answer_late(rig):
    agent = rig.agent(decider := rig.decider(mute), deadline="200ms")
    pinger = rig.pinger()
    began = time.monotonic()
    sent = [pinger.send() for _ in range(3)]
    total = agent.until(lambda s, t: t.stale.dropped == 3)
    assert time.monotonic() - began >= 0.2
    decider.stream.answer(*(verdict(p) for p in decider.wait_for_packets(3)))
    total = agent.until(lambda s, t: t.late == 3)
    assert (total.received, total.pending, total.accepted) == (3, 0, 0)
    decider.wait(lambda: len(decider.stream.errors) >= 3)
    assert {e.error for e in decider.stream.errors} == {decision_pb2.VERDICT_ERROR_LATE}
    assert not [token for token in sent if rig.far.carrying(token)]
    decider.script = accept_all
    assert pinger.ping()


def test_the_decider_is_told_how_much_time_is_left(rig):
    rig.agent(decider := rig.decider(), deadline="300ms")
    assert rig.pinger().ping()
    assert decider.stream.hello.deadline.ToMilliseconds() == 300
    for batch in decider.stream.batches:
        assert 0 < batch.time_left.ToMicroseconds() <= 300_000


def test_open_a_packet_not_answered_in_time_is_forwarded_and_counted(rig):
    agent = rig.agent(rig.decider(mute), deadline="100ms", fail_mode="open")
    sent = rig.pinger().send()
    rig.far.wait_for(lambda far: far.carrying(sent))
    assert agent.until(lambda s, t: t.stale.accepted >= 1).stale.dropped == 0


def test_packets_beyond_the_pending_table_are_dropped_and_counted(rig):
    agent = rig.agent(decider := rig.decider(mute), deadline="60s", max_pending=2)
    sender = rig.datagrams()
    for _ in range(5):
        sender.send(Network.SERVER[4], 9)
    total = agent.until(lambda s, t: t.received == 5)
    assert (total.table_full.dropped, total.pending, total.pending_peak) == (3, 2, 2)
    decider.stream.answer(*(verdict(p) for p in decider.wait_for_packets(2)))
    rig.far.wait_for(lambda far: len(far.arrived(protocol=17)) == 2)
    assert agent.until(lambda s, t: t.accepted == 2).pending == 0


def test_packets_beyond_the_kernels_queue_are_dropped_and_counted(rig):
    agent = rig.agent(rig.decider(), queues={"max_length": 2})
    sender = rig.datagrams()
    with rig.paused(agent):
        for _ in range(5):
            sender.send(Network.SERVER[4], 9)
        rig.fence()
        queue = kernel_queue(rig)
        assert (queue["waiting"], queue["queue_dropped"]) == (2, 3)
    total = agent.until(lambda s, t: t.kernel_queue_full == 3 and t.accepted == 2)
    assert (total.received, total.numbered) == (2, 2)
    assert agent.stats().asked == 5
    assert len(rig.far.arrived(protocol=17)) == 2


def test_what_the_kernel_drops_is_nobuffer_in_screenstats_words(rig):
    agent = rig.agent(server := rig.server("default accept;\n"), queues={"max_length": 2})
    sender = rig.datagrams()
    with rig.paused(agent):
        for _ in range(5):
            sender.send(Network.SERVER[4], 9)
        rig.fence()
    agent.until(lambda s, t: t.kernel_queue_full == 3 and t.accepted == 2)
    code, said = server.sluicectl("stat", "gw")
    assert code == 0, said
    words, numbers = (line.split() for line in said.splitlines()[2:4])
    screenstat = dict(zip(words, map(int, numbers)))
    assert (screenstat["packets"], screenstat["nobuffer"], screenstat["accept"]) == (5, 3, 2), said


def test_an_overrun_receive_buffer_is_counted_packet_by_packet(rig):
    agent = rig.agent(rig.decider(), queues={"receive_buffer": "4KiB"})
    sender = rig.datagrams()
    with rig.paused(agent):
        for _ in range(500):
            sender.send(Network.SERVER[4], 9)
        rig.fence()
        queue = kernel_queue(rig)
        lost = queue["user_dropped"]
        assert lost > 0 and queue["id_sequence"] == 500
    total = agent.until(lambda s, t: t.receive_overrun == lost and t.accepted == 500 - lost)
    assert (total.numbered, total.received) == (500, 500 - lost)
    rig.far.wait_for(lambda far: len(far.arrived(protocol=17)) == 500 - lost)
    sender.send(Network.SERVER[4], 9)  # and the reader goes on
    assert agent.settle(501 - lost).accepted == 501 - lost


def test_the_counters_are_the_kernels(rig):
    agent = rig.agent(decider := rig.decider(mute), deadline="60s", queues={"first": 5})
    sender = rig.datagrams()
    for _ in range(3):
        sender.send(Network.SERVER[4], 9)
    total = agent.until(lambda s, t: t.pending == 3)
    queue = kernel_queue(rig, 5)
    assert queue["waiting"] == total.pending
    assert queue["id_sequence"] == total.numbered
    assert (queue["copy_mode"], queue["copy_range"]) == (2, 128)
    decider.stream.answer(*(verdict(p) for p in decider.wait_for_packets(3)))
    agent.settle(3)
    assert kernel_queue(rig, 5)["waiting"] == 0


def test_sluicectl_lists_the_queues_as_the_kernel_does(rig):
    server = rig.server("default accept;")
    agent = rig.agent(server, queues={"count": 2, "max_length": 77})
    assert rig.pinger().ping()
    agent.settle(2)
    code, said = server.sluicectl("queue", "gw", "-o", "json")
    assert code == 0, said
    for number, line in enumerate(said.splitlines()):
        queue, kernel = json.loads(line), kernel_queue(rig, number)
        listed = queue["kernel"]
        assert (listed["portId"], listed["waiting"]) == (kernel["port_id"], kernel["waiting"])
        assert listed["copyMode"] == "COPY_MODE_PACKET" and kernel["copy_mode"] == 2
        assert (listed["copyRange"], listed["maxLength"]) == (kernel["copy_range"], 77)
        assert int(queue["numbered"]) == kernel["id_sequence"]
    code, said = server.sluicectl("queue", "gw")
    assert code == 0 and "128 bytes" in said, said


def test_packets_pending_in_a_killed_agent_are_dropped_by_the_kernel(rig):
    agent = rig.agent(decider := rig.decider(mute), deadline="60s")
    sent = rig.pinger().send()
    decider.wait_for_packets(1)
    agent.kill()
    agent.start().wait_for_decider()
    decider.script = accept_all
    assert rig.pinger().ping()
    assert not rig.far.carrying(sent)


def test_packets_of_a_device_that_went_down_are_flushed(rig):
    agent = rig.agent(decider := rig.decider(mute), deadline="60s")
    sent = rig.pinger().send()
    packet = decider.wait_for_packets(1)[0]
    rig.network.gateway.ip("link set server down")
    decider.stream.answer(verdict(packet))
    total = agent.until(lambda s, t: t.pending == 0)
    assert (total.flushed.dropped, total.accepted) == (1, 0)
    assert not rig.far.carrying(sent)


@pytest.mark.parametrize("fail_mode, passes", (("closed", False), ("open", True)))
def test_without_a_listener_packets_get_what_the_fail_mode_says(rig, fail_mode, passes):
    agent = rig.agent(rig.decider(), fail_mode=fail_mode)
    agent.kill()
    sent = [rig.pinger(version).send() for version in (4, 6)]
    rig.fence()
    assert [bool(rig.far.carrying(token)) for token in sent] == [passes] * 2


def test_open_packets_beyond_the_kernels_queue_are_forwarded(rig):
    agent = rig.agent(rig.decider(), fail_mode="open", queues={"max_length": 2})
    sender = rig.datagrams()
    with rig.paused(agent):
        for _ in range(5):
            sender.send(Network.SERVER[4], 9)
        rig.far.wait_for(lambda far: len(far.arrived(protocol=17)) == 3)
    rig.far.wait_for(lambda far: len(far.arrived(protocol=17)) == 5)
    agent.settle(2)


def test_the_identity_survives_a_flood(rig):
    """Many packets, a decider that answers two of three, a small table: many causes at once."""
    agent = rig.agent(
        decider := rig.decider(mute), deadline="50ms", max_pending=64, queues={"max_length": 256}
    )

    def script(stream, packet):
        decider.flooded = getattr(decider, "flooded", 0) + 1
        return [verdict(packet, decider.flooded % 3)] if decider.flooded % 3 else []

    decider.script = script
    sender = rig.datagrams()
    for _ in range(5000):
        sender.send(Network.SERVER[4], 9)
    rig.fence()
    total = agent.until(
        lambda s, t: t.numbered == t.received and t.pending == 0
        and t.received + t.kernel_queue_full == 5000
    )  # fmt: skip
    assert total.dropped and total.accepted and total.stale.dropped
    assert len(rig.far.arrived(protocol=17)) == total.accepted
    assert stats.settled(total) == total.received
