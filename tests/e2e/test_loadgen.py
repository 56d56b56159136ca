"""sluice-loadgen against a real server: a fleet of simulated agents, and what they cost."""

import json
import re

import pytest
from processes import LOADGEN, SERVER, Process, run
from sluice.v1 import control_pb2, stats_pb2

AGENTS = 50
POLICY = """\
from 10.64.0.0/16 to 198.51.100.0/24 tcp port 443 accept;
from 10.64.0.0/16 to 198.51.100.0/24 udp port 53 accept;
default reject;
"""


@pytest.fixture
def server(rig):
    return rig.server(POLICY)


def load(rig, server, *options):
    """A loadgen that simulates AGENTS agents and runs on the gateway."""
    argv = [LOADGEN, "--server", server.address, "--agents", AGENTS, *options]
    return Process(argv, rig.network.gateway)


def usage(server):
    return server.control.GetServer(control_pb2.GetServerRequest(), timeout=5)


def missing(process):
    """How many agents were lost, or refused as not all their streams had been welcomed yet."""
    said = re.search(r"(\d+) connected in .* s, (\d+) refused, (\d+) lost", process.output)
    connected, refused, lost = map(int, said.groups())
    assert connected + refused == AGENTS
    return refused + lost


def test_a_fleet_is_held_and_answered(rig, server):
    figures = rig.directory / "figures"
    process = load(rig, server, "--batch", 8, "--in-flight", 2, "--seconds", 2, "--json", figures)
    try:
        while usage(server).gateways < AGENTS:
            assert process.running, process.output
        gateways = server.gateways()
        assert sorted(gateways) == sorted(f"loadgen-{i + 1}" for i in range(AGENTS))
        code = process.wait(60)
    finally:
        process.kill()
    assert code == 0, process.output
    assert f"{AGENTS} connected" in process.output
    said = json.loads(figures.read_text())
    assert (said["connected"], said["refused"], said["lost"]) == (AGENTS, 0, 0)
    assert (said["stale"], said["unknown"]) == (0, 0)
    assert said["sent"] >= said["answered"] > 0
    # Two of the four kinds of packets are accepted; all kinds are equally frequent.
    assert abs(said["accepted"] / said["sent"] - 0.5) < 0.1
    assert said["slowest_agent_per_second"] > 0
    assert said["idle_cpu_us_per_agent_second"] > 0 and said["cpu_us_per_decision"] > 0
    assert said["idle_bytes_per_agent"] > 0
    assert 0 < said["p50_us"] <= said["p99_us"] <= said["max_us"]
    decision = server.decisions(last=1)
    assert next(decision).decision.gateway.startswith("loadgen-")
    decision.cancel()


def test_a_fleet_at_a_rate(rig, server):
    process = load(rig, server, "--batch", 4, "--rate", 2000, "--seconds", 1)
    assert process.wait(60) == 0, process.output


def test_a_gateway_that_is_simulated_says_so(rig, server):
    process = load(rig, server, "--seconds", 60)
    try:
        while usage(server).gateways < AGENTS:
            assert process.running, process.output
        code, said = server.sluicectl("stat", "loadgen-7")
        assert code == 1 and "simulated" in said
        assert server.gateways()["loadgen-7"].mode == stats_pb2.MODE_ON
    finally:
        process.kill()


def test_a_server_that_goes_away_is_reported(rig, server):
    process = load(rig, server, "--in-flight", 2, "--seconds", 600)
    try:
        while usage(server).decide_streams < AGENTS:
            assert process.running, process.output
        server.kill()
        assert process.wait(30) == 1
        assert missing(process) == AGENTS
    finally:
        process.kill()


def test_a_server_that_hangs_is_reported(rig, server):
    process = load(rig, server, "--seconds", 600)
    try:
        while usage(server).gateways < AGENTS:
            assert process.running, process.output
        server.process.pause()
        assert process.wait(30) == 1
        assert missing(process) == AGENTS
        assert "it was silent for 600 ms" in process.output
    finally:
        server.process.go_on()
        process.kill()


def test_nobody_there_is_reported(rig):
    argv = [LOADGEN, "--server", "127.0.0.1:9", "--agents", 3]
    code, said = run(*argv, namespace=rig.network.gateway)
    assert code == 1 and "3 refused" in said and "Connection refused" in said


def limited(limit, *argv):
    """The command line that starts a program with this limit of open files."""
    return ["sh", "-c", f'ulimit {limit}; exec "$@"', "sh", *argv]


def test_too_few_open_files_are_said(rig, server):
    argv = limited("-n 100", LOADGEN, "--server", server.address, "--agents", 1000)
    code, said = run(*argv, namespace=rig.network.gateway)
    assert code == 1 and "1000 agents may need 3064 open files" in said and "100 are allowed" in said


def test_the_server_raises_its_own_limit_of_open_files(rig):
    address = f"unix:{rig.directory}/limited.sock"
    server = Process(limited("-Sn 100", SERVER, "--listen", address))
    try:
        server.wait_for_line(r"\bready\b")
        code, said = run(LOADGEN, "--server", address, "--agents", AGENTS, "--seconds", 0.5,
                         timeout=60)
        assert code == 0, said
        assert server.stop() == 0
    finally:
        server.kill()
