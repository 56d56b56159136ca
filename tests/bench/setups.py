"""Setups: ways for the gateway to treat what it forwards. Each sets one up and undoes it."""

import contextlib
import json
import tempfile

from topology import CLIENT, DECIDER, SERVER, Program

ECHO_PORT = 9000
DECIDER_ADDRESS = f"{DECIDER}:7654"

LABELS = {
    "plain": "plain forwarding, no queue",
    "nft": "nftables decides, 100 rules",
    "naive": "naive local accept",
    "tuned": "tuned local accept",
    "sluice": "Sluice, remote decision",
}
LOCAL_PROGRAMS = ["tests/bench/programs/local_accept"]
SLUICE_PROGRAMS = ["agent/sluice-agent", "server/sluice-server"]


def policy():
    """A policy of 100 rules of all common forms. Only the last two meet the traffic."""
    rules = []
    for i in range(98):
        rules.append((
            f"from host 198.51.100.{i + 1} to any reject;",
            f"from any to host 203.0.113.{i + 1} tcp port {1000 + i} accept;",
            f"from net 192.168.{i}.0 to any udp port {2000 + i} accept;",
            f"from host {CLIENT} to host {SERVER} tcp port {3000 + i} accept;",
            f"from any to host {SERVER} udp port {ECHO_PORT + 1 + i} reject notify;",
        )[i % 5])
    rules.append(f"from host {CLIENT} to host {SERVER} accept;")
    rules.append(f"from host {SERVER} to host {CLIENT} accept;")
    return "\n".join(rules) + "\ndefault reject;\n"


def _nft_rules():
    """The same for nftables."""
    rules = []
    for i in range(98):
        rules.append((
            f"ip saddr 198.51.100.{i + 1} drop",
            f"ip daddr 203.0.113.{i + 1} tcp dport {1000 + i} accept",
            f"ip saddr 192.168.{i}.0/24 udp dport {2000 + i} accept",
            f"ip saddr {CLIENT} ip daddr {SERVER} tcp dport {3000 + i} accept",
            f"ip daddr {SERVER} udp dport {ECHO_PORT + 1 + i} reject",
        )[i % 5])
    rules.append(f"ip saddr {CLIENT} ip daddr {SERVER} accept")
    rules.append(f"ip saddr {SERVER} ip daddr {CLIENT} accept")
    lines = "\n".join(rules)
    return ("table inet bench {\nchain forward {\n"
            f"type filter hook forward priority mangle; policy drop;\n{lines}\n}}\n}}\n")


_AGENT_CONFIG = {
    "gateway": "bench",
    "servers": [DECIDER_ADDRESS],
    "mode_at_start": "on",
    "on_stop": "release",
    # Root keeps the kernel's parent-death signal, with which the bench cleans up.
    "user": "",
}


@contextlib.contextmanager
def plain(_context):
    """Plain forwarding, no queue."""
    yield []


@contextlib.contextmanager
def nft(context):
    """nftables decides, rule by rule: the cost of a firewall that asks nobody."""
    context.topology.gateway.run(["nft", "-f", "-"], stdin=_nft_rules())
    try:
        yield []
    finally:
        context.topology.clear_rules()


@contextlib.contextmanager
def local(context, how, matching=()):
    """A local loop accepts queued packets: all that are forwarded, or those iptables matches."""
    topology = context.topology
    program = Program(topology.gateway, [context.binary("tests/bench/programs/local_accept"), how])
    try:
        topology.gateway.run(["iptables-nft", "-t", "mangle", "-A", "FORWARD", *matching,
                              "-j", "NFQUEUE", "--queue-num", "0"])
        yield [program]
    finally:
        topology.clear_rules()
        program.stop()


def naive(context):
    """A local loop accepts every packet, with a receive and a send for each."""
    return local(context, "naive")


def tuned(context):
    """A local loop that batches accepts every packet: the limit."""
    return local(context, "tuned")


@contextlib.contextmanager
def agent(context, config=None):
    """Only sluice-agent, which asks DECIDER_ADDRESS; `config` has keys for its file."""
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as folder:
        path = f"{folder}/agent.yaml"
        with open(path, "w", encoding="ascii") as file:
            # JSON is YAML.
            json.dump({**_AGENT_CONFIG, **(config or {})}, file)
        program = Program(context.topology.gateway,
                          [context.binary("agent/sluice-agent"), "--config", path])
        try:
            yield program
        finally:
            program.stop()
            # As --release would do after a dead agent; at SIGTERM the agent releases by itself.
            context.topology.clear_rules()


@contextlib.contextmanager
def sluice(context, rules=None, config=None, arguments=()):
    """sluice-server decides every packet over TCP, by a policy of 100 rules or the one given.

    `config` has keys for the agent's file, `arguments` are more arguments of the server.
    """
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="sluice-bench-"))
        path = f"{folder}/policy"
        with open(path, "w", encoding="ascii") as file:
            file.write(policy() if rules is None else rules)
        server = Program(context.topology.decider,
                         [context.binary("server/sluice-server"), "--listen", DECIDER_ADDRESS,
                          "--policy", path, *arguments])
        stack.callback(server.stop)
        yield [server, stack.enter_context(agent(context, config))]


ALL = {"plain": plain, "nft": nft, "naive": naive, "tuned": tuned, "sluice": sluice}
