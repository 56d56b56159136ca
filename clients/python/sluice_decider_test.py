"""Plays the agent's part to sluice_decider.py, in one process.

Needs the stubs on PYTHONPATH; `bazel test //clients/python/...` makes them by itself.
"""

import tempfile
import threading
import time
import unittest

import grpc
from google.protobuf.duration_pb2 import Duration

from decider_test import PATIENCE, Agent, packet
from sluice.v1 import decision_pb2 as pb
from sluice_decider import Decider


def batch(number, *ids, seconds=PATIENCE):
    packets = [packet(i, 17, source_port=i) for i in ids]
    return pb.PacketBatch(batch=number, packets=packets, time_left=Duration(seconds=seconds))


class SluiceDeciderTest(unittest.TestCase):
    def start(self, **options):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        address = f"unix:{folder.name}/decider"
        self.decider = Decider(address, **options)
        self.addCleanup(self.decider.close)
        self.channel = grpc.insecure_channel(address)
        self.addCleanup(self.channel.close)
        self.agent = Agent(self.channel)
        return self.agent.greet().welcome

    def present(self, number, *ids, **options):
        """Sends a batch, which must be acknowledged at once; returns its packets as the decider
        reads them."""
        self.agent.say(packets=batch(number, *ids, **options))
        self.assertEqual(self.agent.hear().verdicts, pb.VerdictBatch(received_batch=number))
        return [self.decider.next(PATIENCE) for _ in ids]

    def verdict(self):
        verdicts = self.agent.hear().verdicts
        self.assertEqual(len(verdicts.verdicts), 1)
        return verdicts.verdicts[0]

    def test_says_its_packet_options(self):
        welcome = self.start(policy_version="7", rewrite=True, ordering=pb.ORDERING_STRICT)
        packet_options = pb.PacketOptions(rewrite=True, ordering=pb.ORDERING_STRICT)
        wanted = pb.DecideWelcome(
            packet_options=packet_options, policy_token=b"7", policy_label="7"
        )
        self.assertEqual(welcome, wanted)

    def test_shows_whose_packets_a_server_relays(self):
        self.start()
        for number, gateway in enumerate(("gw2", "gw3"), 1):
            relayed = batch(number, number)
            relayed.gateway = gateway
            self.agent.say(packets=relayed)
            self.assertEqual(self.decider.next(PATIENCE).gateway, gateway)

    def test_waits_no_longer_than_it_is_told(self):
        self.start()
        began = time.monotonic()
        self.assertIsNone(self.decider.next(timeout=0))
        self.assertLess(time.monotonic() - began, 0.1)
        self.assertIsNone(self.decider.next(timeout=0.2))
        self.assertGreaterEqual(time.monotonic() - began, 0.2)
        one, two = self.present(1, 1, 2)
        self.assertEqual((one.transaction_id, two.transaction_id), (1, 2))
        self.assertIsNone(self.decider.next(timeout=0))
        self.agent.say(packets=batch(2, 3))  # No timeout: waits until there is one.
        self.assertEqual(self.decider.next().transaction_id, 3)

    def test_close_ends_the_wait(self):
        self.start()
        ended = []
        reader = threading.Thread(target=lambda: ended.append(list(self.decider)))
        reader.start()
        self.decider.close()
        reader.join(PATIENCE)
        self.assertEqual(ended, [[]])

    def test_shows_packets_with_their_stream(self):
        self.start()
        (one,) = self.present(1, 9)
        self.assertEqual(one.headers.source_port, 9)
        self.assertEqual(one.hello.agent.gateway, "gw1")
        self.assertEqual(one.gateway, "gw1")
        self.assertAlmostEqual(one.expires - time.monotonic(), PATIENCE, delta=1)

    def test_answers_in_any_order(self):
        self.start()
        one, two, three = self.present(1, 1, 2, 3)
        three.accept("fine", mark=5)
        verdict = pb.Verdict(transaction_id=3, action=pb.ACTION_ACCEPT, reason="fine")
        verdict.mark, verdict.mark_mask = 5, 0xFFFFFFFF
        self.assertEqual(self.verdict(), verdict)
        one.drop("no", notify="tcp-reset")
        verdict = pb.Verdict(transaction_id=1, action=pb.ACTION_DROP, reason="no")
        verdict.notify = pb.NOTIFY_TCP_RESET
        self.assertEqual(self.verdict(), verdict)
        two.accept(payload=b"E")
        verdict = pb.Verdict(transaction_id=2, action=pb.ACTION_ACCEPT, reason="accepted")
        verdict.payload, verdict.fix_checksums = b"E", True
        self.assertEqual(self.verdict(), verdict)

    def test_holds_repeats_and_requeues(self):
        self.start()
        one, two = self.present(1, 1, 2)
        one.hold(1.5)
        held = self.verdict()
        self.assertEqual((held.action, held.hold_for.ToMilliseconds()), (pb.ACTION_HOLD, 1500))
        one.repeat(mark=1, mark_mask=3)
        again = self.verdict()
        self.assertEqual((again.action, again.mark, again.mark_mask), (pb.ACTION_REPEAT, 1, 3))
        two.requeue(7)
        moved = self.verdict()
        self.assertEqual((moved.action, moved.requeue_to), (pb.ACTION_REQUEUE, 7))

    def test_a_packet_is_answered_once(self):
        self.start()
        (one,) = self.present(1, 1)
        with self.assertRaises(ValueError):
            one.drop(notify="tcp reset")
        one.accept()
        with self.assertRaises(RuntimeError):
            one.drop()

    def test_passes_over_packets_whose_time_is_up(self):
        self.start()
        self.agent.say(packets=batch(1, 1, seconds=0))
        self.agent.say(packets=batch(2, 2))
        self.assertEqual(self.decider.next(PATIENCE).transaction_id, 2)

    def test_retunes_every_stream(self):
        self.start()
        other = Agent(self.channel)
        other.greet()
        self.decider.retune("8", copy_mode=pb.COPY_MODE_META)
        retune = pb.Retune(
            packet_options=pb.PacketOptions(copy_mode=pb.COPY_MODE_META),
            policy_token=b"8",
            policy_label="8",
        )
        for agent in (self.agent, other):
            self.assertEqual(agent.hear().retune, retune)

    def test_echoes_heartbeats_and_logs_errors(self):
        self.start()
        entry = pb.VerdictErrors.Entry(transaction_id=7, error=pb.VERDICT_ERROR_LATE)
        with self.assertLogs("sluice_decider", "WARNING") as logs:
            self.agent.say(errors=pb.VerdictErrors(entries=[entry]))
            self.agent.say(heartbeat=pb.Heartbeat(sequence=3))
            self.assertEqual(self.agent.hear().heartbeat.sequence, 3)
        self.assertIn("VERDICT_ERROR_LATE", logs.output[0])

    def test_many_packets_of_many_streams(self):
        self.start()
        agents = [self.agent] + [Agent(self.channel) for _ in range(7)]
        for agent in agents[1:]:
            agent.greet()
        for agent in agents:
            for number in range(1, 11):
                agent.say(packets=batch(number, *range(number * 100, number * 100 + 50)))
        for _ in range(8 * 10 * 50):
            self.decider.next(PATIENCE).accept()
        for agent in agents:
            answered, received = set(), 0
            while len(answered) < 500:
                said = agent.hear().verdicts
                answered.update(v.transaction_id for v in said.verdicts)
                received = said.received_batch
            self.assertEqual(received, 10)


if __name__ == "__main__":
    unittest.main()
