"""Bulk TCP: one iperf3 stream, every packet queued."""

import json

import setups
import udp
from measurement import Column, Ratio
from topology import SERVER, BenchError, Program

TITLE = "Bulk TCP, one stream of iperf3"
CONFIGURATIONS = {name: setups.LABELS[name] for name in ("plain", "tuned", "sluice")}
PROGRAMS = udp.PROGRAMS + setups.LOCAL_PROGRAMS + setups.SLUICE_PROGRAMS
TOOLS = [("iperf3", "iperf3"), ("iptables-nft", "iptables")]
COLUMNS = [
    Column("bits_per_second", "Gbit/s", "{:.2f}", 1e-9),
    Column("retransmits", "segments sent again"),
]


def _rate(name):
    return ("bulk", name, "bits_per_second")


RATIOS = [
    Ratio("bulk TCP ÷ plain, every packet queued", _rate("sluice"), _rate("plain"),
          bound="min", reach=0.80, aim=0.87),
    Ratio("tuned local: bulk TCP ÷ plain", _rate("tuned"), _rate("plain")),
]


def server(context):
    """Runs iperf3's server on the server, as a context manager."""
    return Program(context.topology.server, ["iperf3", "--server", "--bind", SERVER,
                                             "--forceflush"], ready=r"Server listening")


def transfer(context):
    """One stream from the client: bits that arrived per second, and retransmitted segments."""
    # iperf3 takes whole seconds only.
    seconds = max(1, round(context.seconds))
    output = context.topology.client.run(
        ["iperf3", "--client", SERVER, "--time", str(seconds), "--json"], timeout=seconds + 20)
    end = json.loads(output)["end"]
    return {"bits_per_second": end["sum_received"]["bits_per_second"],
            "bytes": end["sum_received"]["bytes"], "retransmits": end["sum_sent"]["retransmits"]}


def measure(context):
    result = {}
    with udp.echo(context), server(context) as listener:
        for name in context.each(CONFIGURATIONS):
            with setups.ALL[name](context) as programs:
                udp.wait_until_forwarding(context, programs)
                before = context.topology.queue_counters()
                result[name] = transfer(context)
                after = context.topology.queue_counters()
                for program in [listener, *programs]:
                    program.check_running()
            _prove(name, result[name], before, after)
    return result


def _prove(name, measured, before, after):
    if name == "plain":
        if after is not None:
            raise BenchError("plain: somebody still has the queue")
        return
    # No packet is larger than 64 KiB, so at least this many must have been queued.
    queued = after["packets"] - before["packets"]
    if queued < measured["bytes"] / 65536:
        raise BenchError(f"{name}: {measured['bytes']} bytes, but only {queued} packets queued")
    for key in ("queue_dropped", "user_dropped"):
        measured[key] = after[key] - before[key]
