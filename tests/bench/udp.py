"""UDP probes through the gateway to an echo, for the measurements that use them."""

import json
import time

import setups
from topology import SERVER, BenchError, Program

PROGRAMS = ["tests/bench/programs/udp_load", "tests/bench/programs/udp_echo"]


def echo(context):
    """Runs the echo on the server, as a context manager."""
    return Program(context.topology.server, [context.binary("tests/bench/programs/udp_echo"), SERVER,
                                             str(setups.ECHO_PORT)])


def load(context, how, seconds, *more):
    """Runs udp_load once and returns what it printed; `how` is open or closed."""
    command = [context.binary("tests/bench/programs/udp_load"), how, "--to",
               f"{SERVER}:{setups.ECHO_PORT}", "--seconds", str(seconds),
               "--flows", str(context.flows), *more]
    return json.loads(context.topology.client.run(command, timeout=seconds + 15))


def wait_until_forwarding(context, programs):
    """Waits until the decider is connected: an agent is ready before that, and drops packets."""
    deadline = time.monotonic() + 5
    while True:
        tried = load(context, "open", 0.05, "--rate", "200", "--warm-up", "0")
        if tried["lost"] == 0:
            return
        if time.monotonic() > deadline:
            raise BenchError(f"{tried['lost']} of {tried['sent']} packets do not come back\n"
                             + logs(programs))


def measure(context, name, programs, how, seconds, *more):
    """Runs a load and checks that its packets were queued, unless setup `name` has no queue."""
    before = context.topology.queue_counters()
    measured = load(context, how, seconds, *more)
    after = context.topology.queue_counters()
    for program in programs:
        program.check_running()
    if measured["round_trips"] == 0:
        raise BenchError(f"{name}: no packet came back\n{logs(programs)}")
    if name in ("plain", "nft"):
        if after is not None:
            raise BenchError(f"{name}: somebody still has the queue")
        return measured
    queued = {key: after[key] - before[key] for key in after}
    if queued["packets"] < 2 * measured["round_trips"]:
        raise BenchError(f"{name}: {2 * measured['round_trips']} packets were forwarded, but only "
                         f"{queued['packets']} queued")
    for key in ("queue_dropped", "user_dropped"):
        measured[key] = queued[key]
    return measured


def logs(programs):
    return "\n".join(f"{program.name}: {program.log()}" for program in programs)
