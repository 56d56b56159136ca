#!/usr/bin/python3
"""Tests the arithmetic of the report, what measurements declare, and the size of the policy."""

import types
import unittest

import measurements
import report
import setups
from measurement import Column, Ratio


def _path(name, key="pps"):
    return ("m", name, key)


_MODULES = {"m": types.SimpleNamespace(
    TITLE="As fast as it goes",
    CONFIGURATIONS={"tuned": "tuned local", "sluice": "Sluice"},
    COLUMNS=[Column("pps", "packets/s", "{:.1f}k", 1e-3)],
    RATIOS=[
        Ratio("pps ÷ tuned", _path("sluice"), _path("tuned"), bound="min", reach=0.85, aim=0.95),
        Ratio("CPU ÷ tuned", _path("sluice", "cpu"), _path("tuned", "cpu"), bound="max",
              reach=1.25, aim=1.15),
        Ratio("added ÷ tuned", _path("sluice"), _path("tuned"), minus=_path("tuned")),
        Ratio("rate", _path("sluice"), bound="min", reach=1e3, aim=2e3),
    ])}


def _round(tuned, sluice, lost=0):
    def numbers(rate):
        return {"pps": rate, "cpu": 1e6 / rate, "sent": 1000, "lost": lost}
    return {"m": {"tuned": numbers(tuned), "sluice": numbers(sluice)}}


def _ratios(rounds, left_out=None):
    return {r["what"]: r for r in report.ratios(rounds, _MODULES, left_out or {})}


class RatioTest(unittest.TestCase):

    def test_ratios_are_formed_within_a_round(self):
        # The machine slowed down threefold after the first round; the ratio did not change.
        ratio = _ratios([_round(300e3, 270e3)] + 4 * [_round(100e3, 90e3)])["pps ÷ tuned"]
        for key in ("median", "min", "max"):
            self.assertAlmostEqual(ratio[key], 0.9)
        self.assertEqual(ratio["verdict"], "reached")

    def test_a_difference_is_divided_and_a_number_alone_is_not(self):
        ratios = _ratios(5 * [_round(100e3, 150e3)])
        self.assertAlmostEqual(ratios["added ÷ tuned"]["median"], 0.5)
        self.assertNotIn("verdict", ratios["added ÷ tuned"])
        self.assertEqual(ratios["rate"]["median"], 150e3)
        self.assertEqual(ratios["rate"]["verdict"], "reached, and the aim")

    def test_targets_bound_from_their_own_side(self):
        ratios = _ratios(5 * [_round(100e3, 40e3)])
        self.assertEqual(ratios["pps ÷ tuned"]["verdict"], "NOT reached")
        self.assertEqual(ratios["CPU ÷ tuned"]["verdict"], "NOT reached")
        ratios = _ratios(5 * [_round(100e3, 98e3)])
        self.assertEqual(ratios["pps ÷ tuned"]["verdict"], "reached, and the aim")
        self.assertEqual(ratios["CPU ÷ tuned"]["verdict"], "reached, and the aim")

    def test_a_lossy_rate_reaches_no_target(self):
        ratios = _ratios(4 * [_round(100e3, 98e3)] + [_round(100e3, 98e3, lost=1)])
        self.assertEqual(ratios["pps ÷ tuned"]["verdict"], "NOT reached: lost packets")

    def test_few_rounds_do_not_count(self):
        ratios = _ratios(4 * [_round(100e3, 98e3)])
        self.assertEqual(ratios["pps ÷ tuned"]["verdict"], "does not count: fewer than 5 rounds")

    def test_what_was_not_measured_says_why(self):
        rounds = 5 * [{"m": {"sluice": {"pps": 1.0}}}]
        ratio = _ratios(rounds, {("m", "tuned"): "no such tool"})["pps ÷ tuned"]
        self.assertEqual(ratio["not_measured"], "no such tool")
        self.assertNotIn("median", ratio)
        self.assertEqual(_ratios(rounds)["pps ÷ tuned"]["not_measured"], "needs m, tuned")
        ratio = _ratios(5 * [{}], {("m", None): "it failed"})["rate"]
        self.assertEqual(ratio["not_measured"], "it failed")
        self.assertEqual(_ratios(5 * [{}])["rate"]["not_measured"], "needs m")

    def test_one_round_without_a_number_is_no_ratio(self):
        ratios = _ratios(4 * [_round(100e3, 98e3)] + [{}])
        self.assertIn("not_measured", ratios["pps ÷ tuned"])


class TableTest(unittest.TestCase):

    def test_loss_stands_beside_the_rate(self):
        text = report.tables(5 * [_round(100e3, 90e3, lost=25)], _MODULES, {})
        self.assertIn("25 (most 25) of 1000", text)
        self.assertIn("90.0k (90.0k-90.0k)", text)

    def test_what_was_left_out_is_said(self):
        text = report.tables([{}], _MODULES, {("m", None): "it failed", ("m", "tuned"): "absent"})
        self.assertIn("NOT MEASURED: m: it failed", text)
        self.assertIn("NOT MEASURED: m, tuned: absent", text)

    def test_counts_what_began_on_a_busy_machine(self):
        self.assertEqual(report.disturbed([0.0, 0.5, 0.1]), 1)


class MeasurementsTest(unittest.TestCase):

    def test_ratios_are_of_what_is_measured(self):
        for module in measurements.ALL.values():
            for ratio in module.RATIOS:
                for measurement, configuration, _ in ratio.paths():
                    self.assertIn(measurement, measurements.ALL, ratio.what)
                    self.assertIn(configuration, measurements.ALL[measurement].CONFIGURATIONS,
                                  ratio.what)


class PolicyTest(unittest.TestCase):

    def test_has_100_rules_of_which_the_traffic_meets_the_last_two(self):
        lines = setups.policy().splitlines()
        rules = [line for line in lines if not line.startswith("default")]
        self.assertEqual(len(rules), 100)
        ends = (f"host {setups.CLIENT}", f"host {setups.SERVER}")
        meets = [i for i, line in enumerate(rules)
                 if all(end in line for end in ends) and " port " not in line]
        self.assertEqual(meets, [98, 99])


if __name__ == "__main__":
    unittest.main()
