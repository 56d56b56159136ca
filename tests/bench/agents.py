"""Many agents on one server, simulated by sluice-loadgen: how much it decides, and what each costs.

`run` puts one load on a new server and returns loadgen's figures under loadgen's names (see
`sluice-loadgen --help` and its --json); tests/bench/run calls `measure`.
"""

import contextlib
import json
import os
import tempfile

import setups
from measurement import Column, Ratio
from topology import BenchError, Program

TITLE = "Many agents on one server, each with two batches of 8 packets unanswered"
CONFIGURATIONS = {
    "16": "16 agents",
    "128": "128 agents",
    "1000": "1,000 agents",
}
PROGRAMS = ["clients/loadgen/sluice-loadgen", "server/sluice-server"]
TOOLS = []
COLUMNS = [
    Column("decisions_per_second", "decisions/s", "{:.0f}k", 1e-3),
    Column("cpu_us_per_decision", "server µs/decision", "{:.2f}"),
    Column("p50_us", "round trip p50 µs"),
    Column("p99_us", "p99 µs"),
    Column("busy_bytes_per_agent", "server kB/agent, busy", "{:.0f}", 1e-3),
    Column("idle_bytes_per_agent", "idle", "{:.0f}", 1e-3),
    Column("idle_processors", "processors, idle", "{:.2f}"),
    Column("idle_cpu_us_per_agent_second", "µs/agent and second, idle"),
]
RATIOS = [
    Ratio("server: decisions/s with 128 agents ÷ with 16",
          ("agents", "128", "decisions_per_second"), ("agents", "16", "decisions_per_second"),
          bound="min", reach=0.8, aim=0.95),
    Ratio("server: decisions/s with 1,000 agents ÷ with 16",
          ("agents", "1000", "decisions_per_second"), ("agents", "16", "decisions_per_second")),
]

_BATCH = 8
_IN_FLIGHT = 2
# loadgen's packets are accepted by the last two rules, or meet none.
_MATCHING = ["from 10.64.0.0/16 to 198.51.100.0/24 tcp port 443 accept;",
             "from 10.64.0.0/16 to 198.51.100.0/24 udp port 53 accept;"]


def policy():
    """The policy of 100 rules that meets loadgen's packets."""
    *rules, default = setups.policy().splitlines()
    return "\n".join([*rules[:-2], *_MATCHING, default]) + "\n"


def numbers(found):
    """Those of loadgen's figures that are numbers, and `lost`: packets not answered once, and
    agents refused or lost.
    """
    return {**{key: value for key, value in found.items() if isinstance(value, (int, float))},
            "lost": sum(found[key] for key in ("refused", "lost", "stale", "unknown"))}


def measure(context):
    return {name: run(context, int(name), "--in-flight", str(_IN_FLIGHT))
            for name in context.each(CONFIGURATIONS)}


def run(context, agents, *load):
    """Runs agents that are idle for context.seconds and then, with --in-flight N or --rate
    PACKETS, busy for the same time. Returns loadgen's `numbers`. The server is in the decider's
    namespace, loadgen in the gateway's.
    """
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="sluice-bench-"))
        figures = f"{folder}/figures"
        with open(f"{folder}/policy", "w", encoding="ascii") as file:
            file.write(policy())
        server = stack.enter_context(Program(
            context.topology.decider,
            [context.binary("server/sluice-server"), "--listen", setups.DECIDER_ADDRESS,
             "--policy", f"{folder}/policy"]))
        try:
            context.topology.gateway.run(
                [context.binary("clients/loadgen/sluice-loadgen"),
                 "--server", setups.DECIDER_ADDRESS, "--agents", str(agents),
                 "--batch", str(_BATCH), *load, "--seconds", str(context.seconds),
                 "--json", figures],
                timeout=2 * context.seconds + 60)
        except BenchError:
            # It also fails if something was lost; then there are figures.
            if not os.path.exists(figures) or os.path.getsize(figures) == 0:
                raise
        server.check_running()
        with open(figures, encoding="ascii") as file:
            return numbers(json.load(file))
