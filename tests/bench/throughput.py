"""UDP as fast as it comes back: packets per second, and processor time for each."""

import setups
import udp
from measurement import Column, Ratio

TITLE = "UDP as fast as it comes back (a round trip is two packets)"
CONFIGURATIONS = setups.LABELS
PROGRAMS = udp.PROGRAMS + setups.LOCAL_PROGRAMS + setups.SLUICE_PROGRAMS
TOOLS = [("iptables-nft", "iptables")]
COLUMNS = [
    Column("packets_per_second", "packets/s", "{:.1f}k", 1e-3),
    Column("cpu_us_per_packet", "CPU µs/packet", "{:.2f}"),
    Column("cpu_busy", "processors busy", "{:.2f}"),
]


def _rate(name):
    return ("throughput", name, "packets_per_second")


RATIOS = [
    Ratio("pps ÷ tuned local", _rate("sluice"), _rate("tuned"), bound="min", reach=0.85, aim=0.95),
    Ratio("pps ÷ naive local", _rate("sluice"), _rate("naive"), bound="min", reach=1.25, aim=1.4),
    Ratio("CPU per packet ÷ tuned local", ("throughput", "sluice", "cpu_us_per_packet"),
          ("throughput", "tuned", "cpu_us_per_packet"), bound="max", reach=1.25, aim=1.15),
    Ratio("pps ÷ plain", _rate("sluice"), _rate("plain")),
    Ratio("pps ÷ nftables with as many rules", _rate("sluice"), _rate("nft")),
    Ratio("tuned local: pps ÷ plain", _rate("tuned"), _rate("plain")),
    Ratio("naive local: pps ÷ tuned local", _rate("naive"), _rate("tuned")),
]


def measure(context):
    result = {}
    with udp.echo(context):
        for name in context.each(CONFIGURATIONS):
            with setups.ALL[name](context) as programs:
                udp.wait_until_forwarding(context, programs)
                result[name] = udp.measure(context, name, programs, "closed", context.seconds,
                                           "--in-flight", str(context.in_flight))
    return result
