"""A flood from a source that the kernel remembers to drop: packets dropped in a second."""

import contextlib
import time

import setups
from measurement import Column, Ratio
from topology import CLIENT, SERVER, BenchError

TITLE = "A flood of UDP from one dropped source, as fast as the gateway drops it"
# The sets that a user would write by hand: where forwarding is decided, first alone, then with the
# rule of a stateful gateway; and where it costs least, which also drops packets to the gateway.
CONFIGURATIONS = {
    "set": "nftables set, hook forward",
    "set_stateful": "the same before ct state established accept",
    "set_raw": "nftables set, hook prerouting, priority raw",
    "refused": "Sluice, reject from source",
}
PROGRAMS = ["tests/bench/programs/udp_flood"] + setups.SLUICE_PROGRAMS
TOOLS = [("nft", "nftables")]
COLUMNS = [
    Column("packets_per_second", "packets/s", "{:.1f}k", 1e-3),
    Column("cpu_us_per_packet", "CPU µs/packet", "{:.2f}"),
]


def _rate(name):
    return ("refused", name, "packets_per_second")


RATIOS = [
    Ratio("pps of a denied flood ÷ a set drop alone", _rate("refused"), _rate("set"), bound="min",
          reach=0.95, aim=1.0),
    Ratio("the same ÷ a set drop on a stateful gateway", _rate("refused"), _rate("set_stateful")),
    Ratio("the same ÷ a set drop in prerouting, raw", _rate("refused"), _rate("set_raw")),
]


@contextlib.contextmanager
def _set(context, hook, more=""):
    rules = f"""table inet filter {{
  set deny {{
    type ipv4_addr
    flags timeout
    elements = {{ {CLIENT} timeout 1h }}
  }}
  chain screen {{
    type filter hook {hook}
    ip saddr @deny drop
    {more}
  }}
}}
"""
    try:
        context.topology.gateway.run(["nft", "-f", "-"], stdin=rules)
        yield []
    finally:
        context.topology.clear_rules()


@contextlib.contextmanager
def _refused(context):
    with setups.sluice(context, rules="default reject from source for 1h;\n") as programs:
        deadline = time.monotonic() + 5
        while CLIENT not in context.topology.gateway.run(
                ["nft", "list", "map", "inet", "sluice", "sources4"]):
            _flood(context, 0.01)
            if time.monotonic() > deadline:
                raise BenchError("the source is not remembered")
        yield programs


_SETUPS = {
    "set": lambda context: _set(context, "forward priority filter"),
    "set_stateful": lambda context: _set(context, "forward priority filter",
                                         "ct state established accept"),
    "set_raw": lambda context: _set(context, "prerouting priority raw"),
    "refused": _refused,
}


def _flood(context, seconds):
    # To the echo's port, but nothing may arrive there.
    context.topology.client.run(
        [context.binary("tests/bench/programs/udp_flood"), f"{SERVER}:{setups.ECHO_PORT}", "--seconds",
         str(seconds), "--flows", str(context.flows)], timeout=seconds + 15)


def measure(context):
    result = {}
    for name in context.each(CONFIGURATIONS):
        with _SETUPS[name](context) as programs:
            _flood(context, 0.2)
            came, arrived = (_received(space) for space in _ends(context))
            began, processors = time.monotonic(), _busy_seconds()
            _flood(context, context.seconds)
            elapsed, processors = time.monotonic() - began, _busy_seconds() - processors
            came, arrived = (_received(space) - before
                             for space, before in zip(_ends(context), (came, arrived)))
            for program in programs:
                program.check_running()
        # There may be other traffic on the link, such as unsolicited ARP replies.
        if came < 1000 or arrived > came / 1000:
            raise BenchError(f"{name}: of {came} packets {arrived} arrived")
        result[name] = {"packets_per_second": came / elapsed, "packets": came,
                        "cpu_us_per_packet": processors * 1e6 / came}
    return result


def _ends(context):
    return context.topology.gateway, context.topology.server


def _received(space):
    """IP packets the kernel has seen there, before any hook, without those a full backlog drops."""
    lines = space.run(["cat", "/proc/net/snmp"]).splitlines()
    names, values = (line.split() for line in lines if line.startswith("Ip: "))
    return int(values[names.index("InReceives")])


def _busy_seconds():
    # User and kernel time, including interrupts.
    with open("/proc/stat", encoding="ascii") as file:
        fields = [int(field) for field in file.readline().split()[1:]]
    return (fields[0] + fields[1] + fields[2] + fields[5] + fields[6]) / 100
