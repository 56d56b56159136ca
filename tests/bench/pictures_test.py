#!/usr/bin/python3
"""Tests pictures.py and document.py."""

import sys
import unittest
import xml.etree.ElementTree

sys.dont_write_bytecode = True

import document  # noqa: E402
import pictures  # noqa: E402
import setups  # noqa: E402

_SVG = "{http://www.w3.org/2000/svg}"


def spread(median):
    return {"median": median, "min": median / 2, "max": median * 2}


def rate(p50, p99, lost=0):
    return {"p50_us": spread(p50), "p99_us": spread(p99),
            "lost": {"median": lost, "min": 0, "max": lost}}


def drawn(picture, kind):
    return [e for e in xml.etree.ElementTree.fromstring(picture).iter(_SVG + kind)]


class Pictures(unittest.TestCase):
    def setUp(self):
        self.summary = {
            "latency": {"sluice/2000": rate(100, 300), "plain/2000": rate(50, 80),
                        "sluice/20000": rate(200, 900, lost=4), "plain/20000": rate(60, 90)},
            "policy": {"10": {"decide_ns": spread(50)}, "10000": {"decide_ns": spread(100)},
                       "1000": {"decide_ns": spread(70)}}}

    def test_a_line_for_each_percentile_of_each_setup(self):
        lines = [e.get("points") for e in drawn(pictures.latency(self.summary), "polyline")]
        self.assertEqual(len(lines), 4)
        for line in lines:
            (x1, y1), (x2, y2) = (map(float, place.split(",")) for place in line.split())
            self.assertLess(x1, x2, "by rate")
            self.assertGreater(y1, y2, "longer is higher")

    def test_what_lost_packets_is_hollow(self):
        circles = drawn(pictures.latency(self.summary), "circle")
        self.assertEqual([c.get("class") for c in circles].count("lossy"), 2)
        self.assertEqual(len(circles), 8)

    def test_rules_are_in_order_of_their_number(self):
        (line,) = drawn(pictures.policy(self.summary), "polyline")
        places = [float(place.split(",")[0]) for place in line.get("points").split()]
        self.assertEqual(len(places), 3)
        self.assertEqual(places, sorted(places))

    def test_everything_is_inside(self):
        for picture in (pictures.latency(self.summary), pictures.policy(self.summary)):
            width, height = map(float, xml.etree.ElementTree.fromstring(picture)
                                .get("viewBox").split()[2:])
            for circle in drawn(picture, "circle"):
                self.assertTrue(0 < float(circle.get("cx")) < width)
                self.assertTrue(0 < float(circle.get("cy")) < height)

    def test_every_setup_has_a_colour(self):
        for setup in setups.LABELS:
            self.assertEqual(pictures.latency(self.summary).count(f".{setup} {{ color: "), 2,
                             "light and dark")

    def test_one_rate_is_enough_and_none_is_no_picture(self):
        one = {"latency": {"sluice/2000": rate(100, 300)}}
        self.assertEqual(len(drawn(pictures.latency(one), "circle")), 2)
        self.assertIsNone(pictures.latency({}))
        self.assertIsNone(pictures.policy({}))


class Document(unittest.TestCase):
    measured = {
        "commit": "abc", "machine": {"processors": 2, "kernel": "6.18"}, "options": {"rounds": 5},
        "background_processors": [0.0, 0.9],
        "ratios": [{"what": "pps ÷ plain", "bound": "min", "reach": 0.85, "aim": 0.95,
                    "median": 0.9, "min": 0.8, "max": 1.0, "verdict": "reached"},
                   {"what": "bulk", "not_measured": "no iperf3"}]}

    def test_only_what_is_between_the_marks_is_replaced(self):
        page = f"one\n{document.BEGIN}\nold\n{document.END}\ntwo\n"
        result = document.with_results(page, self.measured)
        self.assertTrue(result.startswith("one\n" + document.BEGIN))
        self.assertTrue(result.endswith(document.END + "\ntwo\n"))
        self.assertNotIn("old", result)
        self.assertIn("| pps ÷ plain | 0.90 (0.80-1.00) | ≥ 0.85 | ≥ 0.95 | reached |", result)
        self.assertIn("before 1 of 2 measurements", result)
        self.assertIn("| bulk | not measured |  |  | no iperf3 |", result)
        self.assertEqual(document.with_results(result, self.measured), result)

    def test_a_page_without_the_marks_is_refused(self):
        for page in ("", document.BEGIN, document.END):
            with self.assertRaises(ValueError):
                document.with_results(page, self.measured)


if __name__ == "__main__":
    unittest.main()
