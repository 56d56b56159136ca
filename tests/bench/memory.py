"""The agent's memory: idle, and with packets pending at a decider that never answers."""

import re
import time

import setups
import udp
from measurement import Column, Ratio
from topology import BenchError, Program

TITLE = "Memory of one agent"
CONFIGURATIONS = {
    "idle": "idle, all its streams to sluice-server open",
    "asking": "at a decider that offers nothing else",
    "roomy": "the same, with room for 65,536 packets",
    "pending": "the same, 60,000 packets pending",
}
PROGRAMS = ["tests/bench/programs/mute_decider"] + udp.PROGRAMS + setups.SLUICE_PROGRAMS
TOOLS = []
COLUMNS = [
    Column("rss_bytes", "resident MB", "{:.1f}", 1e-6),
    Column("own_bytes", "of that not shared or from files, MB", "{:.1f}", 1e-6),
    Column("packets", "packets pending"),
    Column("bytes_per_packet", "B/packet, room included"),
    Column("bytes_beside_copy", "B/packet beside the copied bytes"),
]
RATIOS = [
    Ratio("agent memory, idle: resident MB", ("memory", "idle", "rss_megabytes"),
          bound="max", reach=20, aim=16),
    Ratio("agent memory: B per pending packet, beside the copied bytes",
          ("memory", "pending", "bytes_beside_copy"), bound="max", reach=256, aim=96),
]

_PACKETS = 60000
_PER_SECOND = 25000
# Room and time for all packets.
_ROOMY = {"deadline": "60s", "max_pending": 65536, "queues": {"max_length": 65536}}


def measure(context):
    result = {}
    for _ in context.each(["agent"]):
        with udp.echo(context), setups.sluice(context) as (server, agent):
            udp.wait_until_forwarding(context, [server, agent])
            result["idle"] = _resident(agent)
        with _decider(context) as decider, setups.agent(context) as agent:
            _ask_until_heard(context, decider)
            result["asking"] = _resident(agent)
        with _decider(context) as decider, setups.agent(context, _ROOMY) as agent:
            _ask_until_heard(context, decider)
            result["roomy"] = _resident(agent)
            _fill(context, agent)
            result["pending"] = _pending(context, agent, decider, result["asking"])
    return result


def _decider(context):
    return Program(context.topology.decider, [context.binary("tests/bench/programs/mute_decider"),
                                              setups.DECIDER_ADDRESS])


def _fill(context, agent):
    udp.load(context, "open", _PACKETS / _PER_SECOND, "--rate", str(_PER_SECOND), "--warm-up", "0")
    agent.check_running()


def _ask_until_heard(context, decider):
    """Waits until a packet has arrived: then the stream is up and has the memory it needs."""
    deadline = time.monotonic() + 5
    while _asked(decider)[0] == 0:
        if time.monotonic() > deadline:
            raise BenchError("the decider is not asked")
        udp.load(context, "open", 0.01, "--rate", "200", "--warm-up", "0")


def _pending(context, agent, decider, before):
    """The growth over an agent with default settings: room made beforehand counts for packets."""
    waiting = context.topology.queue_counters()["waiting"]
    deadline = time.monotonic() + 5
    # Packets that the decider has seen are in user space, and stay there as it never answers.
    while _asked(decider)[0] < waiting:
        if time.monotonic() > deadline:
            raise BenchError(f"{waiting} packets wait, but the decider was asked about "
                             f"{_asked(decider)[0]}")
    packets, copied = _asked(decider)
    if waiting != packets or packets < 0.9 * _PACKETS:
        raise BenchError(f"{packets} packets asked about, {waiting} pending")
    measured = _resident(agent)
    measured["packets"] = packets
    measured["bytes_per_packet"] = (measured["rss_bytes"] - before["rss_bytes"]) / packets
    measured["bytes_beside_copy"] = measured["bytes_per_packet"] - copied / packets
    return measured


def _asked(decider):
    """Packets and bytes the decider has been asked about."""
    lines = re.findall(r"^packets (\d+) bytes (\d+)$", decider.log(), re.MULTILINE)
    return tuple(map(int, lines[-1])) if lines else (0, 0)


def _resident(program):
    with open(f"/proc/{program.pid}/status", encoding="ascii") as file:
        kilobytes = dict(re.findall(r"^(\w+):\s+(\d+) kB$", file.read(), re.MULTILINE))
    resident = int(kilobytes["VmRSS"]) * 1024
    return {"rss_bytes": resident, "rss_megabytes": resident / 1e6,
            "own_bytes": int(kilobytes["RssAnon"]) * 1024}
