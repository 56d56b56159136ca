"""Several queues, and who owns them."""

import pathlib
import time

from agents import BY_HAND
from deciders import mute, verdict
from namespaces import Network
from test_limits import kernel_queue

UDP = 17


def test_several_queues_share_the_load_by_flow(rig):
    """Each queue has a stream; all packets between two hosts stay on one."""
    agent = rig.agent(decider := rig.decider(), queues={"first": 10, "count": 3})
    assert sorted(s.hello.queue for s in decider.wait_for_streams(3)) == [10, 11, 12]
    crafted = rig.crafted()
    datagram = b"\x10\x00\x00\x09\x00\x0c\x00\x00four"
    sources = [f"10.0.1.{n}" for n in range(10, 50)]
    for source in sources * 3:
        crafted.send(source, Network.SERVER[4], UDP, datagram)
    agent.settle(3 * len(sources))
    queues_of = {}
    for stream in decider.streams:
        for packet in stream.packets:
            queues_of.setdefault(packet.headers.source, set()).add(stream.hello.queue)
    hosts = [queues for source, queues in queues_of.items() if source[:3] == b"\x0a\x00\x01"]
    assert len(hosts) == len(sources)
    assert all(len(queues) == 1 for queues in hosts)
    assert len(set.union(*hosts)) > 1
    rig.far.wait_for(lambda far: len(far.arrived(protocol=UDP)) == 3 * len(sources))
    counted = {q.queue: q.received for q in agent.stats().queues}
    assert counted == {s.hello.queue: len(s.packets) for s in decider.streams}


def test_the_queue_is_in_the_top_byte_of_the_transaction_id(rig):
    agent = rig.agent(decider := rig.decider(mute), queues={"first": 10, "count": 2})
    crafted = rig.crafted()
    for n in range(10, 50):
        crafted.send(f"10.0.1.{n}", Network.SERVER[4], UDP, b"\x10\x00\x00\x09\x00\x08\x00\x00")
    decider.wait_for_packets(40)
    for stream in decider.streams:
        tops = {p.transaction_id >> 56 for p in stream.packets}
        assert tops == {stream.hello.queue - 10}
        stream.answer(*(verdict(p) for p in stream.packets))
    assert agent.settle(40).accepted == 40


def test_threads_that_look_before_they_sleep_answer_and_still_sleep(rig):
    server = rig.server("default accept;\n", options=("--busy-poll", "300"))
    agent = rig.agent(server, queues={"count": 2, "busy_poll": "300us"})
    pinger = rig.pinger()
    for _ in range(20):
        assert pinger.ping()
    assert agent.settle(40).accepted == 40
    for program in (agent.process, server.process):
        end = time.monotonic() + 5
        while "R" in (states := states_of_threads(program.pid)):
            assert time.monotonic() < end, states


def states_of_threads(pid):
    """As proc(5) says: S sleeps, R runs."""
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return [(task / "stat").read_text().rpartition(")")[2].split()[0] for task in tasks]


def test_a_queue_taken_by_another_is_a_clear_error_that_names_the_owner(rig):
    first = rig.agent(rig.decider(), queues={"first": 3})
    # By hand: otherwise the second would fail earlier, as the first has the table.
    servers = [first.source.address]
    second = rig.new_agent(servers=servers, gateway="second", queues={"first": 3}, **BY_HAND)
    second.launch()
    assert second.process.wait() == 1
    said = second.process.output
    assert "queue 3" in said
    assert str(kernel_queue(rig, 3)["port_id"]) in said, said
    assert rig.pinger().ping()  # and the first goes on
