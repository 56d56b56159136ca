"""A distant decider: a relay between agent and server delays every byte."""

import contextlib
import re
import signal
import time

import setups
import udp
from measurement import Column
from topology import DECIDER, BenchError, Program

TITLE = "A distant decider: round trips made by a relay, besides what the machine adds"
_ROUND_TRIPS = (0, 5, 30)  # milliseconds
_RATE = 20000
PHASES = {"throughput": "as fast as it goes", "latency": f"{_RATE}/s"}
CONFIGURATIONS = {f"{ms} ms/{phase}": f"{ms} ms, {text}"
                  for ms in _ROUND_TRIPS for phase, text in PHASES.items()}
PROGRAMS = udp.PROGRAMS + setups.SLUICE_PROGRAMS + ["tests/bench/programs/delay_relay"]
TOOLS = []
COLUMNS = [
    Column("packets_per_second", "packets/s", "{:.1f}k", 1e-3),
    Column("p50_us", "p50 ms", "{:.2f}", 1e-3),
    Column("p99_us", "p99 ms", "{:.2f}", 1e-3),
    Column("messages_per_second", "batches/s", "{:.0f}"),
    Column("packets_per_message", "packets each", "{:.1f}"),
]
RATIOS = []

_RELAY_PORT = 7653


class Relay(Program):
    """delay_relay in the decider's namespace, before the server."""

    def __init__(self, context, round_trip_ms):
        super().__init__(context.topology.decider, [
            context.binary("tests/bench/programs/delay_relay"), "--listen", f"{DECIDER}:{_RELAY_PORT}",
            "--to", setups.DECIDER_ADDRESS, "--delay-us", str(int(round_trip_ms * 500))])
        self._asked = 0

    def messages(self):
        """How many messages of the agent have passed."""
        self._asked += 1
        self._process.send_signal(signal.SIGUSR1)
        deadline = time.monotonic() + 5
        while len(said := re.findall(r"messages (\d+) \d+\n", self.log())) < self._asked:
            if time.monotonic() > deadline:
                raise BenchError("delay_relay does not say how many messages passed")
            time.sleep(0.005)
        return int(said[-1])


@contextlib.contextmanager
def _asking(context, round_trip_ms):
    config = {"servers": [f"{DECIDER}:{_RELAY_PORT}"],
              # Long, as staleness is no question here: at full speed packets also wait elsewhere.
              "deadline": "250ms"}
    with contextlib.ExitStack() as stack:
        relay = Relay(context, round_trip_ms)
        stack.callback(relay.stop)
        programs = stack.enter_context(setups.sluice(context, config=config))
        udp.wait_until_forwarding(context, programs)
        yield relay, programs


def measure_at(context, round_trip_ms):
    """{phase: numbers} at one round trip."""
    # Enough to keep the machine busy, although each probe takes two round trips.
    in_flight = context.in_flight + 120 * round_trip_ms
    result = {}
    with _asking(context, round_trip_ms) as (relay, programs):
        for phase, how in (("throughput", ("closed", "--in-flight", str(in_flight))),
                           ("latency", ("open", "--rate", str(_RATE // 2)))):
            packets, messages = context.topology.queue_counters()["packets"], relay.messages()
            began = time.monotonic()
            measured = udp.measure(context, "sluice", programs, how[0], context.seconds / 2,
                                   *how[1:])
            took = time.monotonic() - began
            messages = relay.messages() - messages
            packets = context.topology.queue_counters()["packets"] - packets
            result[phase] = {**measured, "messages_per_second": messages / took,
                             "packets_per_message": packets / messages}
    return result


def measure(context):
    result = {}
    with udp.echo(context):
        for ms in context.each(_ROUND_TRIPS):
            for phase, measured in measure_at(context, ms).items():
                result[f"{ms} ms/{phase}"] = measured
    return result
