"""sluicectl against a server with a gateway: what it prints and its exit codes."""

import fcntl
import json
import os
import signal
import subprocess
import time

import grpc
import pytest
from agents import BY_HAND
from google.protobuf.duration_pb2 import Duration
from namespaces import Network
from processes import SLUICECTL, Process, run
from sluice.v1 import control_pb2, stats_pb2

POLICY = "between any and any proto 1 accept;\ndefault reject;\n"


@pytest.fixture
def server(rig):
    server = rig.server(POLICY)
    rig.agent(server)
    return server


def ok(answer):
    code, said = answer
    assert code == 0, said
    return said


def test_gateways(server):
    assert "gw" in ok(server.sluicectl("gateways"))


def test_server(server):
    assert "MEMORY" in ok(server.sluicectl("server"))
    usage = json.loads(ok(server.sluicectl("server", "-o", "json")))
    assert (usage["gateways"], usage["decideStreams"]) == (1, 1)
    # Likely figures, from proc(5), for a C++ program that is up.
    assert 1 << 20 < int(usage["residentBytes"]) < 1 << 30
    running, used = (float(usage[k].rstrip("s")) for k in ("running", "cpuTime"))
    assert running > 0 and used > 0


def test_mode(rig, server):
    assert "on" in ok(server.sluicectl("mode", "gw"))
    assert "on" in ok(server.sluicectl("mode", "gw", "off"))
    assert "off" in ok(server.sluicectl("mode", "gw"))
    assert server.set_mode(stats_pb2.MODE_UNSPECIFIED).current == stats_pb2.MODE_OFF
    assert rig.pinger(6).ping()  # which the policy rejects


def test_stat_adds_up(rig, server):
    assert rig.pinger().ping()
    rig.datagrams().send(Network.SERVER[4], 9)
    while server.stats().queues[0].received < 3 or server.stats().queues[0].pending:
        pass
    said = ok(server.sluicectl("stat", "gw"))
    for word in ("packets", "nobuffer", "accept", "reject", "badsync", "stale", "queued"):
        assert word in said, said
    stats = json.loads(ok(server.sluicectl("stat", "gw", "-o", "json")))
    queue = stats["queues"][0]
    assert (int(queue["received"]), int(queue["accepted"]), int(queue["dropped"])) == (3, 2, 1)


def test_stat_watched(rig, server):
    watch = Process([SLUICECTL, "--server", server.local, "stat", "gw", "--watch", "0.2"])
    try:
        for _ in range(3):
            watch.wait_for_line("nobuffer", after=watch.line_count())
    finally:
        watch.kill()
    request = control_pb2.WatchStatsRequest(gateway="gw")
    request.interval.FromMilliseconds(100)
    call = server.control.WatchStats(request, timeout=10)
    times = [next(call).stats.time.ToNanoseconds() for _ in range(3)]
    assert times == sorted(times)
    call.cancel()


def test_policy_check_apply_show(rig, server):
    good, bad = rig.directory / "good", rig.directory / "bad"
    good.write_text("default accept;\n")
    bad.write_text("default accept;\nfrom any two any accept;\n")
    ok(server.sluicectl("policy", "check", good))
    for verb in ("check", "apply"):
        code, said = server.sluicectl("policy", verb, bad)
        assert code == 1 and f"{bad}:2:10" in said, said
    assert POLICY.strip() in ok(server.sluicectl("policy", "show"))
    ok(server.sluicectl("policy", "apply", good))
    assert "default accept" in ok(server.sluicectl("policy", "show"))
    assert rig.pinger(6).ping()


def test_observe_decisions(rig, server):
    assert rig.pinger().ping()
    rig.datagrams().send(Network.SERVER[4], 9)
    rows = []
    while len(rows) < 3:
        said = ok(server.sluicectl("observe", "decisions", "--last", "10", "-o", "json"))
        rows = [json.loads(line) for line in said.splitlines()]
    assert [r["decision"]["action"] for r in rows] == [
        "ACTION_ACCEPT", "ACTION_ACCEPT", "ACTION_DROP",
    ]  # fmt: skip
    said = ok(server.sluicectl("observe", "decisions", "--last", "10", "--proto", "udp"))
    assert "default" in said and "10.0.2.2" in said and "icmp" not in said


def test_observe_connections(rig, server):
    rig.network.gateway.nft(
        "table inet theirs { chain c { type filter hook forward priority 0; ct state new ; } ; }"
    )
    assert rig.pinger().ping()
    said = ""
    while "10.0.1.2" not in said:
        said = ok(server.sluicectl("observe", "connections", "--last", "10"))


def test_errors_and_usage(rig, server):
    for verb in ("stat", "mode"):
        code, said = server.sluicectl(verb, "no-such-gateway")
        assert code == 1 and "no-such-gateway" in said
    for argv in (("stat",), ("mode", "gw", "sideways"), ("no-such-verb",), ("stat", "gw", "-x")):
        code, said = server.sluicectl(*argv)
        assert code == 2, (argv, said)
    code, said = run(SLUICECTL, "--server", f"unix:{rig.directory}/nobody.sock", "gateways")
    assert code == 1 and "nobody.sock" in said


def test_help_and_completion():
    for argv in ((), ("gateways",), ("mode",), ("stat",), ("policy",), ("policy", "apply"),
                 ("observe",), ("observe", "decisions"), ("completion",)):  # fmt: skip
        assert ok(run(SLUICECTL, *argv, "--help"))
    for shell in ("bash", "zsh", "fish"):
        assert "sluicectl" in ok(run(SLUICECTL, "completion", shell))


def test_calls_about_gateways_fail_with_the_code_that_says_why(rig, server):
    def code(call, *args, **fields):
        with pytest.raises(grpc.RpcError) as raised:
            call(*args, **fields)
        return raised.value.code()

    assert code(server.stats, "no-such-gateway") == grpc.StatusCode.NOT_FOUND
    by_hand = rig.new_agent(
        server, gateway="by-hand", queues={"first": 9}, **BY_HAND
    ).start()
    while "by-hand" not in server.gateways() or not server.gateways()["by-hand"].connected:
        pass
    assert code(server.set_mode, stats_pb2.MODE_OFF, "by-hand") == (
        grpc.StatusCode.FAILED_PRECONDITION
    )
    for seconds in (0, 86401):
        within = Duration(seconds=seconds)
        assert code(server.set_mode, stats_pb2.MODE_OFF, confirm_within=within) == (
            grpc.StatusCode.INVALID_ARGUMENT
        )
    by_hand.source = None
    by_hand.stop()
    while server.gateways()["by-hand"].connected:
        pass
    assert code(server.stats, "by-hand") == grpc.StatusCode.UNAVAILABLE


def test_two_agents_of_one_name_do_not_take_turns(rig):
    """The newer one gets the name; the older one says so."""
    server = rig.server("default accept;\n")
    older = rig.agent(server)
    older.source = None
    newer = rig.new_agent(server, queues={"first": 9}, **BY_HAND)
    newer.start().wait_for_decider()
    older.process.wait_for_line("(?i)newer agent|taken this gateway|ABORTED")


def held_up_writing(pid):
    """Whether it is blocked writing to its output (proc_pid_syscall(5))."""
    with open(f"/proc/{pid}/syscall", encoding="ascii") as file:
        return file.read().split()[1:2] == ["0x1"]


@pytest.mark.parametrize("number", (signal.SIGINT, signal.SIGTERM))
def test_one_signal_stops_it_though_nobody_reads_its_output(server, number):
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    argv = [SLUICECTL, "--server", server.local, "stat", "gw", "-o", "json", "--watch", "0.1"]
    ctl = subprocess.Popen(argv, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    try:
        end = time.monotonic() + 10
        while not held_up_writing(ctl.pid):
            assert time.monotonic() < end and ctl.poll() is None
        ctl.send_signal(number)
        assert "nobody reads" in ctl.communicate(timeout=5)[1]
        assert ctl.returncode == 1
    finally:
        ctl.kill()
        ctl.wait()
        os.close(reader)
