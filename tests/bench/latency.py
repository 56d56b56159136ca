"""UDP at fixed rates: the time of a round trip, and the curve of latency against load."""

import setups
import udp
from measurement import Column, Ratio

TITLE = "UDP at fixed rates, packets/s in both directions (a round trip is two packets)"
_SETUPS = ("plain", "tuned", "sluice")
# The rate that the targets are about, and those of the chart of latency against load.
_TARGET = 20000
_RATES = (5000, 10000, _TARGET, 40000, 80000)
CONFIGURATIONS = {f"{name}/{rate}": f"{setups.LABELS[name]}, {rate}/s"
                  for rate in _RATES for name in _SETUPS}
PROGRAMS = udp.PROGRAMS + setups.LOCAL_PROGRAMS + setups.SLUICE_PROGRAMS
TOOLS = [("iptables-nft", "iptables")]
COLUMNS = [
    Column("p50_us", "p50 µs"),
    Column("p99_us", "p99 µs"),
    Column("cpu_us_per_packet", "CPU µs/packet", "{:.1f}"),
]


def _at_target(name, key):
    return ("latency", f"{name}/{_TARGET}", key)


RATIOS = [
    Ratio("p99 at 20 kpps ÷ tuned local", _at_target("sluice", "p99_us"),
          _at_target("tuned", "p99_us"), bound="max", reach=2.2, aim=1.6),
    Ratio("p50 at 20 kpps ÷ tuned local", _at_target("sluice", "p50_us"),
          _at_target("tuned", "p50_us")),
    Ratio("µs that asking adds to the median round trip (two questions), over tuned local",
          _at_target("sluice", "p50_us"), minus=_at_target("tuned", "p50_us")),
]


def measure(context):
    result = {}
    with udp.echo(context):
        for name in context.each(_SETUPS):
            with setups.ALL[name](context) as programs:
                udp.wait_until_forwarding(context, programs)
                for rate in _RATES:
                    seconds = context.seconds if rate == _TARGET else context.seconds / 4
                    result[f"{name}/{rate}"] = udp.measure(
                        context, name, programs, "open", seconds, "--rate", str(rate // 2))
    return result
