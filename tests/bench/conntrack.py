"""Connection events that a client of the server gets, beside those of conntrack(8), of the same
connections."""

import json
import time

import connects
import setups
import udp
from measurement import Column, Ratio
from topology import BenchError, Program

TITLE = "Conntrack events of connections that come and go, both watching at once"
_RATES = (1000, 10000)
CONFIGURATIONS = {f"{who}/{rate}": f"{label}, {rate:,} connections/s asked for"
                  for rate in _RATES
                  for who, label in (("sluice", "Sluice"), ("conntrack", "conntrack -E"))}
PROGRAMS = (["tests/bench/programs/event_counter", "tests/bench/programs/tcp_connects", "tests/bench/programs/tcp_accept"]
            + udp.PROGRAMS + setups.SLUICE_PROGRAMS)
TOOLS = [("conntrack", "conntrack")]
COLUMNS = [
    Column("connections_per_second", "connections/s"),
    Column("events", "events"),
    Column("new", "NEW"),
    Column("destroy", "DESTROY"),
    Column("marks", "gaps marked"),
]


def _events(who, rate):
    return ("conntrack", f"{who}/{rate}", "events")


RATIOS = [
    Ratio("conntrack events delivered ÷ conntrack(8) -E", _events("sluice", _RATES[0]),
          _events("conntrack", _RATES[0]), bound="min", reach=1.0, aim=1.0),
    Ratio("the same, 10× the connections/s (the aim)", _events("sluice", _RATES[1]),
          _events("conntrack", _RATES[1]), bound="min", reach=1.0, aim=1.0),
]

# Few ports, so that they are soon used again: the kernel then ends the old entry, and DESTROY
# events come as steadily as NEW ones. (A collector finds entries that time out, many at once.)
_CLIENT_PORTS = "20000 23999"
_PORT_RANGE = "/proc/sys/net/ipv4/ip_local_port_range"
# In mode on, the agent's table makes the kernel track connections. These it asks nobody about.
_WATCHING = {"exempt": [{"protocol": "tcp", "port": connects.PORT}]}
# As much as the agent takes.
_BUFFER = "8388608"


def measure(context):
    result = {}
    ports = context.topology.client.run(["cat", _PORT_RANGE]).strip()
    _set_ports(context, _CLIENT_PORTS)
    try:
        with udp.echo(context), connects.acceptor(context):
            for rate in context.each(_RATES):
                # Connections left by an earlier measurement would end while this one counts.
                context.topology.gateway.run(["conntrack", "-F"])
                with setups.sluice(context, config=_WATCHING) as programs:
                    result.update(_watched(context, rate, programs))
    finally:
        _set_ports(context, ports)
        context.topology.gateway.run(["conntrack", "-F"])
    return result


def _watched(context, rate, programs):
    """Both watch the same connections, and count from when both have seen all earlier ones."""
    with _counter(context) as counter, _peer(context) as peer:
        _connect_until_seen(context, counter, peer)
        before = (_counted(counter), _listed(peer))
        churn = connects.connects(context, context.seconds, "--rate", str(rate),
                                  "--at-once", "256")
        after = _settled(counter, peer)
        for program in [counter, *programs]:
            program.check_running()
    return _result(rate, churn, *({key: new[key] - old[key] for key in new}
                                  for old, new in zip(before, after)))


def _counter(context):
    return Program(context.topology.decider, [
        context.binary("tests/bench/programs/event_counter"), setups.DECIDER_ADDRESS,
        "--port", str(connects.PORT)])


def _peer(context):
    return Program(context.topology.gateway, [
        "conntrack", "-E", "-b", _BUFFER, "-p", "tcp", "--dport", str(connects.PORT)], ready="")


def _result(rate, churn, sluice, peer):
    found = {}
    for who, counts in (("sluice", sluice), ("conntrack", peer)):
        found[f"{who}/{rate}"] = {
            "connections_per_second": churn["connects_per_second"],
            "events": counts["new"] + counts["update"] + counts["destroy"], **counts}
    ours, theirs = found[f"sluice/{rate}"], found[f"conntrack/{rate}"]
    if theirs["events"] == 0:
        raise BenchError("conntrack -E saw no event")
    # Missing events must have a mark in the stream, else they are lost. Every connection has a NEW.
    missing = max(theirs["events"] - ours["events"], churn["begun"] - ours["new"], 0)
    ours["lost"] = missing if ours["marks"] == 0 else 0
    return found


def _connect_until_seen(context, counter, peer):
    """Waits until both watch: until both have seen all events of one connection."""
    deadline = time.monotonic() + 10
    while _counted(counter)["new"] == 0 or _listed(peer)["new"] == 0:
        if time.monotonic() > deadline:
            raise BenchError(f"no connection is seen: {_counted(counter)}, {_listed(peer)}")
        connects.connects(context, 0.05, "--at-once", "1", "--rate", "100", "--warm-up", "0")
    _settled(counter, peer)


def _settled(counter, peer):
    """The counts, once neither has changed for half a second."""
    deadline = time.monotonic() + 20
    counts, since = None, 0.0
    while counts is None or time.monotonic() - since < 0.5:
        now = (_counted(counter), _listed(peer))
        if now != counts:
            counts, since = now, time.monotonic()
        if time.monotonic() > deadline:
            raise BenchError("events do not end")
        time.sleep(0.05)
    return counts


def _counted(counter):
    lines = [line for line in counter.log().splitlines() if line.startswith("{")]
    return json.loads(lines[-1]) if lines else {"new": 0, "update": 0, "destroy": 0, "marks": 0}


def _listed(peer):
    log = peer.log()
    return {"new": log.count("[NEW]"), "update": log.count("[UPDATE]"),
            "destroy": log.count("[DESTROY]"), "marks": log.count("ENOBUFS")}


def _set_ports(context, text):
    context.topology.client.run(["sh", "-c", f"echo '{text}' > {_PORT_RANGE}"])
