"""Plays the agent's part to examples/decider.py, started as its own process.

Needs the stubs on PYTHONPATH; `bazel test //clients/python/...` makes them by itself.
"""

import pathlib
import queue
import subprocess
import sys
import tempfile
import unittest

import grpc

from sluice.v1 import decision_pb2, decision_pb2_grpc, packet_pb2

DECIDER = pathlib.Path(__file__).resolve().parent / "examples" / "decider.py"
PATIENCE = 10  # seconds; only reached when something is broken


class Agent:
    """One Decide stream. Say(**message) speaks, hear() waits for the decider's next message."""

    def __init__(self, channel):
        self._said = queue.SimpleQueue()
        self._heard = decision_pb2_grpc.DecisionServiceStub(channel).Decide(
            iter(self._said.get, None), timeout=PATIENCE
        )

    def say(self, **message):
        self._said.put(decision_pb2.DecideRequest(**message))

    def hear(self):
        return next(self._heard)

    def hang_up(self):
        """The messages that the decider still sends."""
        self._said.put(None)
        return list(self._heard)

    def greet(self):
        identity = decision_pb2.AgentIdentity(gateway="gw1", incarnation=1, agent_version="test")
        self.say(hello=decision_pb2.DecideHello(agent=identity))
        return self.hear()


def packet(transaction_id, protocol, **headers):
    return packet_pb2.Packet(
        transaction_id=transaction_id,
        family=packet_pb2.FAMILY_IPV4,
        headers=packet_pb2.Headers(
            source=bytes([10, 0, 1, 1]),
            destination=bytes([10, 0, 2, 2]),
            protocol=protocol,
            **headers,
        ),
    )


class DeciderTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        address = f"unix:{folder.name}/decider"
        process = subprocess.Popen([sys.executable, DECIDER, address])
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        channel = grpc.insecure_channel(
            address, options=[("grpc.initial_reconnect_backoff_ms", 50)]
        )
        self.addCleanup(channel.close)
        grpc.channel_ready_future(channel).result(timeout=PATIENCE)
        self.agent = Agent(channel)

    def test_welcomes(self):
        self.assertTrue(self.agent.greet().HasField("welcome"))
        self.assertEqual(self.agent.hang_up(), [])

    def test_echoes_heartbeats(self):
        self.agent.greet()
        for sequence in (1, 2, 3):
            self.agent.say(heartbeat=decision_pb2.Heartbeat(sequence=sequence))
            self.assertEqual(self.agent.hear().heartbeat.sequence, sequence)
        self.assertEqual(self.agent.hang_up(), [])

    def test_answers_every_packet_of_a_batch_once(self):
        self.agent.greet()
        telnet = packet(1, 6, source_port=40000, destination_port=23, tcp_flags=2)
        web = packet(2, 6, source_port=40001, destination_port=80, tcp_flags=2)
        cut = packet(3, 6, cut_short=True)
        udp = packet(4, 17, source_port=40002, destination_port=23)
        ping = packet(5, 1, icmp_type=8, icmp_code=0)
        batch = decision_pb2.PacketBatch(batch=1, packets=[telnet, web, cut, udp, ping])
        self.agent.say(packets=batch)

        answer = self.agent.hear().verdicts

        self.assertEqual(answer.received_batch, 1)
        accept, drop = decision_pb2.ACTION_ACCEPT, decision_pb2.ACTION_DROP
        self.assertEqual(
            [(v.transaction_id, v.action) for v in answer.verdicts],
            [(1, drop), (2, accept), (3, drop), (4, accept), (5, accept)],
        )
        for verdict in answer.verdicts:
            dropped = verdict.action == drop
            self.assertEqual(
                verdict.notify,
                decision_pb2.NOTIFY_ADMIN_PROHIBITED if dropped else 0,
            )
            self.assertTrue(verdict.reason)
        self.assertEqual(self.agent.hang_up(), [])

    def test_acknowledges_each_batch(self):
        self.agent.greet()
        for number in range(1, 6):
            batch = decision_pb2.PacketBatch(batch=number, packets=[packet(number, 17)])
            self.agent.say(packets=batch)
            answer = self.agent.hear().verdicts
            self.assertEqual(answer.received_batch, number)
            self.assertEqual([v.transaction_id for v in answer.verdicts], [number])

    def test_reported_errors_need_no_answer(self):
        self.agent.greet()
        entry = decision_pb2.VerdictErrors.Entry(
            transaction_id=7, error=decision_pb2.VERDICT_ERROR_LATE
        )
        self.agent.say(errors=decision_pb2.VerdictErrors(entries=[entry]))
        self.assertEqual(self.agent.hang_up(), [])


if __name__ == "__main__":
    unittest.main()
