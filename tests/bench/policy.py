"""The policy engine alone: what a decision costs by the number of rules."""

import json

from measurement import Column, Ratio

TITLE = "The policy engine alone, one thread, no network"
_RULES = (10, 100, 1000, 10000, 100000)
CONFIGURATIONS = {str(rules): f"{rules:,} rules" for rules in _RULES}
PROGRAMS = ["tests/bench/programs/policy_bench"]
TOOLS = []
COLUMNS = [
    Column("decide_ns", "ns a decision"),
    Column("policy_bytes", "the policy takes MB", "{:.2f}", 1e-6),
]
RATIOS = [
    Ratio("policy: cost per decision with 10,000 rules ÷ with 10", ("policy", "10000", "decide_ns"),
          ("policy", "10", "decide_ns"), bound="max", reach=3, aim=1.5),
]


def measure(context):
    result = {}
    for _ in context.each(["decide"]):
        # In a namespace of the bench, so that it ends with the bench.
        output = context.topology.decider.run(
            [context.binary("tests/bench/programs/policy_bench"), "--benchmark_filter=^DecideSite/",
             "--benchmark_min_time=0.1", "--benchmark_format=json"], timeout=60)
        for entry in json.loads(output)["benchmarks"]:
            result[entry["name"].split("/")[1]] = {"decide_ns": entry["cpu_time"],
                                                   "policy_bytes": entry["bytes"]}
    return result
