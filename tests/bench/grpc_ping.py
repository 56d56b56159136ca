"""gRPC alone, one message at a time over TCP: the yardstick for the latency that asking adds."""

import json

from measurement import Column, Ratio
from topology import DECIDER, Program

TITLE = "gRPC alone, one message there and back at a time, from the gateway to the decider"
CONFIGURATIONS = {"tcp": "bidirectional stream over TCP"}
PROGRAMS = ["tests/bench/programs/grpc_ping"]
TOOLS = []
COLUMNS = [Column("p50_us", "p50 µs"), Column("p99_us", "p99 µs")]
# A round trip of a latency probe asks two questions, one after the other.
RATIOS = [
    Ratio("added p50 over tuned local at 20 kpps ÷ gRPC ping-pong",
          ("latency", "sluice/20000", "p50_us"), ("grpc_ping", "tcp", "p50_us"),
          minus=("latency", "tuned/20000", "p50_us"), bound="max", reach=1.2, aim=1.0),
]
_ADDRESS = f"{DECIDER}:7700"


def measure(context):
    program = context.binary("tests/bench/programs/grpc_ping")
    result = {}
    for name in context.each(CONFIGURATIONS):
        with Program(context.topology.decider, [program, "serve", _ADDRESS]):
            result[name] = json.loads(context.topology.gateway.run(
                [program, "ask", _ADDRESS, "--seconds", str(context.seconds)],
                timeout=context.seconds + 15))
    return result
