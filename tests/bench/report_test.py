#!/usr/bin/python3
"""Checks the arithmetic of the report, and the size of the policy."""

import unittest

import report
import setups


def _round(tuned, sluice, lost=0):
    def phases(rate):
        return {"throughput": {"packets_per_second": rate, "cpu_us_per_packet": 1e6 / rate,
                               "cpu_busy": 2.0, "sent": 1000, "lost": lost},
                "latency": {"p50_us": 1e7 / rate, "p99_us": 2e7 / rate,
                            "cpu_us_per_packet": 20.0, "sent": 1000, "lost": 0}}
    return {"tuned": phases(tuned), "sluice": phases(sluice)}


class ReportTest(unittest.TestCase):

    def test_ratios_are_formed_within_a_round(self):
        # The machine slowed down threefold after the first round; the ratio did not change.
        rounds = [_round(300e3, 270e3), _round(100e3, 90e3), _round(100e3, 90e3)]
        ratio = {r["what"]: r for r in report.ratios(rounds)}["pps ÷ tuned local"]
        for key in ("median", "min", "max"):
            self.assertAlmostEqual(ratio[key], 0.9)
        self.assertEqual(ratio["verdict"], "reached")

    def test_targets_bound_from_their_own_side(self):
        verdicts = {r["what"]: r.get("verdict")
                    for r in report.ratios([_round(100e3, 40e3)])}
        self.assertEqual(verdicts["pps ÷ tuned local"], "NOT reached")
        self.assertEqual(verdicts["CPU per packet ÷ tuned local"], "NOT reached")
        self.assertIsNone(verdicts["p50 ÷ tuned local"])
        verdicts = {r["what"]: r.get("verdict")
                    for r in report.ratios([_round(100e3, 98e3)])}
        self.assertEqual(verdicts["pps ÷ tuned local"], "reached, and the aim")
        self.assertEqual(verdicts["CPU per packet ÷ tuned local"], "reached, and the aim")

    def test_a_lossy_rate_reaches_no_target(self):
        ratio = report.ratios([_round(100e3, 98e3, lost=1)])[0]
        self.assertEqual(ratio["verdict"], "NOT reached: lost packets")

    def test_setups_left_out_leave_their_ratios_out(self):
        whats = [r["what"] for r in report.ratios([_round(100e3, 90e3)])]
        self.assertNotIn("pps ÷ naive local", whats)
        self.assertNotIn("pps ÷ plain", whats)

    def test_counts_what_began_on_a_busy_machine(self):
        rounds = [_round(100e3, 90e3), _round(100e3, 90e3)]
        self.assertEqual(report.disturbed(rounds), (0, 8))
        rounds[1]["tuned"]["latency"]["background_processors"] = 0.5
        self.assertEqual(report.disturbed(rounds), (1, 8))

    def test_loss_stands_in_the_table(self):
        text = report.tables([_round(100e3, 90e3, lost=25)], 512, 20000)
        self.assertIn("25 = 2.50%", text)
        self.assertIn("Sluice, remote decision", text)
        self.assertIn("111 (111-111)", text)


class PolicyTest(unittest.TestCase):

    def test_has_100_rules_of_which_the_traffic_meets_the_last_two(self):
        lines = setups.policy().splitlines()
        rules = [line for line in lines if not line.startswith("default")]
        self.assertEqual(len(rules), 100)
        meets = [i for i, line in enumerate(rules) if f"udp port {setups.ECHO_PORT} " in line
                 or f"udp port {setups.ECHO_PORT};" in line]
        self.assertEqual(meets, [98, 99])


if __name__ == "__main__":
    unittest.main()
