"""TCP connections: how many a second with 32 under way, and how long one alone takes."""

import contextlib
import json

import opensnitch
import setups
import udp
from measurement import Column, Ratio
from topology import SERVER, BenchError, Program

TITLE = "TCP connections, accepted, closed by the server, reset by the client (six packets)"
CONFIGURATIONS = {
    "plain": "plain forwarding, no queue",
    "tuned": "tuned local accept, every packet",
    "sluice": "Sluice, every packet",
    "tuned_new": "tuned local accept, NEW only",
    "sluice_new": "Sluice, NEW only",
    "sluice_new_silent": "the same, connection events off",
    "sluice_remembered": "Sluice, accept for connection",
    "opensnitch": "OpenSnitch asking, on the client",
}
PROGRAMS = (["tests/bench/programs/tcp_connects", "tests/bench/programs/tcp_accept"] + udp.PROGRAMS
            + setups.LOCAL_PROGRAMS + setups.SLUICE_PROGRAMS + opensnitch.PROGRAMS)
TOOLS = [("iptables-nft", "iptables")]
COLUMNS = [
    Column("connects_per_second", "connects/s, 32 at once", "{:.1f}k", 1e-3),
    Column("alone_p50_us", "p50 µs, one at a time"),
    Column("p99_us", "p99 µs, 32 at once"),
]


def _rate(name):
    return ("connects", name, "connects_per_second")


RATIOS = [
    Ratio("TCP connects, all packets queued ÷ tuned local", _rate("sluice"), _rate("tuned"),
          bound="min", reach=0.93, aim=0.98),
    Ratio("TCP connects, NEW only ÷ plain", _rate("sluice_new"), _rate("plain"),
          bound="min", reach=1.0, aim=1.2),
    Ratio("TCP connects, NEW only ÷ OpenSnitch asking", _rate("sluice_new"), _rate("opensnitch"),
          bound="min", reach=12, aim=18),
    Ratio("connection events off: TCP connects, NEW only ÷ plain",
          _rate("sluice_new_silent"), _rate("plain")),
    Ratio("tuned local: TCP connects, NEW only ÷ plain", _rate("tuned_new"), _rate("plain")),
    Ratio("TCP connects, accept for connection ÷ plain", _rate("sluice_remembered"),
          _rate("plain")),
]

PORT = 9100
# For the operator's own rules, with which the agent is asked only about new connections.
_NEW = ("-m", "conntrack", "--ctstate", "NEW")
_NEW_RULE = ["iptables-nft", "-t", "mangle", "-A", "FORWARD", *_NEW,
             "-j", "NFQUEUE", "--queue-num", "0"]
_REMEMBER = (f"from host {setups.CLIENT} to host {SERVER} tcp port {PORT} "
             "accept for connection;\n")


@contextlib.contextmanager
def _sluice_new(context, events=True):
    config = {"hook": {"manage": False}, "mode_at_start": "off", "conntrack": {"events": events}}
    with setups.sluice(context, config=config) as programs:
        context.topology.gateway.run(_NEW_RULE)
        yield programs


_SETUPS = {
    "plain": setups.plain,
    "tuned": setups.tuned,
    "sluice": setups.sluice,
    "tuned_new": lambda context: setups.local(context, "tuned", _NEW),
    "sluice_new": _sluice_new,
    "sluice_new_silent": lambda context: _sluice_new(context, events=False),
    "sluice_remembered": lambda context: setups.sluice(context, _REMEMBER + setups.policy()),
    "opensnitch": lambda context: opensnitch.asking(context, lambda: _connect_once(context)),
}


def measure(context):
    result = {}
    with udp.echo(context), acceptor(context) as accepting:
        for name in context.each(CONFIGURATIONS):
            if name == "opensnitch" and opensnitch.daemon() is None:
                context.leave_out(name, "there is no opensnitchd; README.md says where from")
                continue
            with _SETUPS[name](context) as programs:
                udp.wait_until_forwarding(context, programs)
                before = _questions(context, name, programs)
                measured = connects(context, context.seconds, "--at-once", "32")
                after = _questions(context, name, programs)
                alone = connects(context, context.seconds / 2, "--at-once", "1")
                for program in [accepting, *programs]:
                    program.check_running()
            _prove(name, measured, before, after)
            measured["alone_p50_us"] = alone["p50_us"]
            measured["sent"] = measured["connects"] + alone["connects"]
            measured["lost"] += alone["lost"]
            result[name] = measured
    return result


def acceptor(context):
    """Runs tcp_accept on the server, as a context manager."""
    return Program(context.topology.server, [context.binary("tests/bench/programs/tcp_accept"), SERVER,
                                             str(PORT)])


def connects(context, seconds, *more):
    """Runs tcp_connects once and returns what it printed."""
    command = [context.binary("tests/bench/programs/tcp_connects"), "--to", f"{SERVER}:{PORT}",
               "--seconds", str(seconds), *more]
    return json.loads(context.topology.client.run(command, timeout=seconds + 15))


def _connect_once(context):
    connects(context, 0.05, "--at-once", "1", "--rate", "20", "--warm-up", "0")


def _questions(context, name, programs):
    """Packets queued on the gateway so far, or connections OpenSnitch asked about."""
    if name == "opensnitch":
        return opensnitch.asked(programs[0])
    counters = context.topology.queue_counters()
    return None if counters is None else counters["packets"]


def _prove(name, measured, before, after):
    """Checks that the packets of the connections took the way they should."""
    if measured["connects"] == 0:
        raise BenchError(f"{name}: no connection came through")
    if name == "plain":
        if after is not None:
            raise BenchError("plain: somebody still has the queue")
        return
    # Handshake, FIN and reset; the acknowledgement of the FIN may be missing. Packets of the last
    # connections may still be on their way.
    each = {"tuned": 5, "sluice": 5}.get(name, 1)
    if after - before < each * (measured["connects"] - 64):
        raise BenchError(f"{name}: {measured['connects']} connections, but only {after - before} "
                         "questions")
