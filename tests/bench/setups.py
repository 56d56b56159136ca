"""What is measured: each setup makes the gateway forward its way, and undoes that."""

import contextlib
import os
import tempfile

from topology import CLIENT, DECIDER, SERVER, BenchError, Program

ECHO_PORT = 9000
_DECIDER_ADDRESS = f"{DECIDER}:7654"


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
    rules.append(f"from host {CLIENT} to host {SERVER} udp port {ECHO_PORT} accept;")
    rules.append(f"from host {SERVER} udp port {ECHO_PORT} to host {CLIENT} accept;")
    return "\n".join(rules) + "\ndefault reject;\n"


_AGENT_CONFIG = f"""\
gateway: bench
servers: ["{_DECIDER_ADDRESS}"]
mode_at_start: on
on_stop: release
# Root keeps the kernel's parent-death signal, with which the bench cleans up.
user: ""
"""


@contextlib.contextmanager
def plain(_topology, _bin):
    """Forwarding, no queue."""
    yield []


@contextlib.contextmanager
def _local(topology, bin_dir, how):
    program = Program(topology.gateway, [f"{bin_dir}/tests/bench/local_accept", how])
    try:
        topology.gateway.run(["iptables-nft", "-t", "mangle", "-A", "FORWARD", "-j", "NFQUEUE",
                              "--queue-num", "0"])
        yield [program]
    finally:
        topology.clear_rules()
        program.stop()


def naive(topology, bin_dir):
    """Every packet accepted by a local loop: a receive and a send for each."""
    return _local(topology, bin_dir, "naive")


def tuned(topology, bin_dir):
    """Every packet accepted by a local loop that batches: the limit."""
    return _local(topology, bin_dir, "tuned")


@contextlib.contextmanager
def sluice(topology, bin_dir):
    """Every packet decided by sluice-server over TCP."""
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as folder:
        policy_path, config_path = f"{folder}/policy", f"{folder}/agent.yaml"
        with open(policy_path, "w", encoding="ascii") as file:
            file.write(policy())
        with open(config_path, "w", encoding="ascii") as file:
            file.write(_AGENT_CONFIG)
        with contextlib.ExitStack() as stack:
            server = Program(topology.decider,
                             [f"{bin_dir}/server/sluice-server", "--listen", _DECIDER_ADDRESS,
                              "--policy", policy_path])
            stack.callback(server.stop)
            # Last, as --release of a dead agent would; the agent itself releases at SIGTERM.
            stack.callback(topology.clear_rules)
            agent = Program(topology.gateway,
                            [f"{bin_dir}/agent/sluice-agent", "--config", config_path])
            stack.callback(agent.stop)
            yield [server, agent]


ALL = {"plain": plain, "naive": naive, "tuned": tuned, "sluice": sluice}

# What `run` builds for each.
TARGETS = {
    "plain": ["//tests/bench"],
    "naive": ["//tests/bench"],
    "tuned": ["//tests/bench"],
    "sluice": ["//tests/bench", "//agent:sluice-agent", "//server:sluice-server"],
}


def check_binaries(bin_dir, names):
    files = ["tests/bench/udp_load", "tests/bench/udp_echo", "tests/bench/local_accept"]
    if "sluice" in names:
        files += ["agent/sluice-agent", "server/sluice-server"]
    missing = [f for f in files if not os.access(f"{bin_dir}/{f}", os.X_OK)]
    if missing:
        raise BenchError(f"not in {bin_dir}: {', '.join(missing)} (leave out --bin to build them)")
