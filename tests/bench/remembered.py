"""Connections the kernel remembers as accepted: UDP and bulk TCP, beside plain forwarding."""

import contextlib

import bulk
import setups
import udp
from measurement import Column, Ratio
from topology import BenchError

TITLE = "Connections remembered as accepted"
CONFIGURATIONS = {
    "plain": "plain forwarding",
    "stateful": "one nftables rule: ct state established accept",
    "remembered": "Sluice, accept for connection",
}
PROGRAMS = udp.PROGRAMS + setups.SLUICE_PROGRAMS
TOOLS = [("iperf3", "iperf3"), ("nft", "nftables")]
COLUMNS = [
    Column("packets_per_second", "UDP packets/s", "{:.1f}k", 1e-3),
    Column("cpu_us_per_packet", "CPU µs/packet", "{:.2f}"),
    Column("bits_per_second", "TCP Gbit/s", "{:.2f}", 1e-9),
    Column("queued", "asked about"),
]


def _path(name, key):
    return ("remembered", name, key)


RATIOS = [
    Ratio(f"{what} ÷ {text}, connection remembered", _path("remembered", key), _path(under, key),
          **target)
    for what, key in (("bulk TCP", "bits_per_second"), ("UDP pps", "packets_per_second"))
    for under, text, target in (
        ("plain", "plain", {"bound": "min", "reach": 0.95, "aim": 0.99}),
        # The cost of the kernel's tracking on a gateway with any rule that looks at connections.
        ("stateful", "a stateful gateway", {}))
]

# Both setups track connections, so the cost of tracking can be told from that of the table's rules.
_STATEFUL = """table inet filter {
  chain forward {
    type filter hook forward priority filter
    ct state established accept
  }
}
"""


@contextlib.contextmanager
def _stateful(context):
    try:
        context.topology.gateway.run(["nft", "-f", "-"], stdin=_STATEFUL)
        yield []
    finally:
        context.topology.clear_rules()


def _remembered(context):
    return setups.sluice(context, rules="default accept for connection;\n")


_SETUPS = {"plain": setups.plain, "stateful": _stateful, "remembered": _remembered}


def measure(context):
    result = {}
    with udp.echo(context), bulk.server(context):
        for name in context.each(CONFIGURATIONS):
            with _SETUPS[name](context) as programs:
                udp.wait_until_forwarding(context, programs)
                before = context.topology.queue_counters()
                measured = udp.load(context, "closed", context.seconds,
                                    "--in-flight", str(context.in_flight))
                # Retransmitted segments of it are not lost probes.
                transferred = bulk.transfer(context)
                after = context.topology.queue_counters()
                for program in programs:
                    program.check_running()
                result[name] = {**transferred, **measured}
                result[name]["queued"] = _queued(name, measured, before, after)
    return result


def _queued(name, measured, before, after):
    if name != "remembered":
        if after is not None:
            raise BenchError(f"{name}: somebody still has the queue")
        return 0
    # The packets of each flow until its first verdict.
    queued = after["packets"] - before["packets"]
    if queued == 0 or queued > measured["round_trips"] / 10:
        raise BenchError(f"{name}: {queued} packets were asked about, of "
                         f"{2 * measured['round_trips']} and a TCP connection")
    return queued
