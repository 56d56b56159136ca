"""A server that sends commands and reads no reply: it costs the agent neither memory nor time."""

import itertools
import threading

from deciders import ACCEPT, DROP, Decider, verdict
from google.protobuf import duration_pb2
from namespaces import Network
from processes import LITTLE_QUARANTINE
from remembering import PEER
from traffic import UDP

from sluice.v1 import command_pb2, decision_pb2, stats_pb2

LISTS = 900
REMEMBERED = 2000
DISCARD = 9


class Greedy(Decider):
    """Once `greedy` is set it reads no more replies, but still sends heartbeats."""

    def __init__(self, path, script):
        self.greedy = threading.Event()
        self._ended = threading.Event()
        super().__init__(path, script)

    def stop(self):
        self._ended.set()
        super().stop()

    def close(self):
        self.stop()

    def _serve(self, requests, outgoing):
        super()._serve(self._read(requests), outgoing)

    def _read(self, requests):
        for request in requests:
            if self.greedy.is_set():
                self._ended.wait()
            yield request

    def beat(self):
        for number in itertools.count(1):
            heartbeat = decision_pb2.Heartbeat(sequence=number)
            self._serving.put(command_pb2.ServeResponse(heartbeat=heartbeat))
            if self._ended.wait(0.2):
                return

    def ask(self, number, **command):
        command = command_pb2.Command(id=number, **command)
        self._serving.put(command_pb2.ServeResponse(command=command))


def drop_datagrams(_stream, packet):
    """These drops are remembered, except on port DISCARD."""
    headers = packet.headers
    if headers.protocol != UDP:
        return [verdict(packet, ACCEPT)]
    if headers.destination_port == DISCARD:
        return [verdict(packet, DROP)]
    return [verdict(packet, DROP, scope=PEER, lifetime=duration_pb2.Duration(seconds=3600))]


def test_lists_that_are_not_read_cost_little_and_delay_no_mode_change(rig):
    decider = rig.keep(Greedy(rig.directory / "greedy.sock", drop_datagrams))
    agent = rig.new_agent(decider).start(LITTLE_QUARANTINE)
    agent.wait_for_decider()
    near = rig.datagrams("client", 4)
    ports = itertools.count(10000)
    while len(decider.remembered()) < REMEMBERED:
        for port in itertools.islice(ports, 100):
            near.send(Network.SERVER[4], port)
        rig.fence()
        agent.until(lambda s, t: t.pending == 0)
    before = agent.process.peak_memory()

    decider.greedy.set()
    beating = rig.background(decider.beat)
    for number in range(LISTS):
        decider.ask(number + 100_000, list_remembered=command_pb2.ListRememberedCommand())
    off = command_pb2.SetModeCommand(mode=stats_pb2.MODE_OFF)
    decider.ask(200_000, set_mode=off)
    agent.process.wait_for_line("mode off")
    token = near.send(Network.SERVER[4], DISCARD)
    assert rig.far.wait_for(lambda far: far.carrying(token))
    assert agent.process.peak_memory() - before < 16 << 20
    agent.stop()
    decider.stop()
    beating.result(5)
