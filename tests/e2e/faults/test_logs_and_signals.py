"""Signals that mean nothing to a daemon, and readers of its log that sleep or leave: packets still
get their verdicts, and the daemon ends when it is told to."""

import fcntl
import os
import signal
import subprocess
import time

import grpc
import pytest
from deciders import RawDecider
from processes import AGENT, SERVER

from sluice.v1 import decision_pb2, decision_pb2_grpc

POLICY = "between any and any proto 1 accept;\ndefault reject;\n"
STRAY = sorted(
    signal.valid_signals()
    - {signal.SIGKILL, signal.SIGSTOP, signal.SIGTSTP, signal.SIGCONT}
    - {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT}
    - {signal.SIGILL, signal.SIGTRAP, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE}
    - {signal.SIGSEGV, signal.SIGSYS}
)


def test_no_stray_signal_ends_a_program(rig):
    server = rig.server(POLICY)
    agent = rig.agent(server)
    for number in STRAY:
        for program in (agent, server):
            program.process.signal(number)
    before = agent.until(lambda stats, total: True).received
    assert rig.pinger().ping()
    total = agent.until(lambda stats, total: total.received > before)
    assert agent.process.running and server.process.running
    assert total.no_decider.dropped == total.stale.dropped == 0


class Unread:
    """A program whose log goes into a pipe that nobody reads, or whose reader leaves."""

    def __init__(self, argv, namespace):
        reader, writer = os.pipe()
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        os.set_blocking(writer, False)
        try:
            while True:  # as if it had logged for a long time
                os.write(writer, b"x")
        except BlockingIOError:
            pass
        os.set_blocking(writer, True)
        self.reader = reader
        self._popen = subprocess.Popen(
            namespace.enter([str(a) for a in argv]), stdout=writer, stderr=writer
        )
        os.close(writer)

    @property
    def running(self):
        return self._popen.poll() is None

    def stop(self):
        """Its exit code."""
        self._popen.send_signal(signal.SIGTERM)
        return self._popen.wait(timeout=5)

    def close(self):
        self._popen.kill()
        self._popen.wait()
        if self.reader is not None:
            os.close(self.reader)


def closed(reader):
    os.close(reader.reader)
    reader.reader = None


@pytest.mark.parametrize("leaves", (False, True))
def test_an_agent_whose_log_nobody_reads_decides_and_stops(rig, leaves):
    server = rig.server(POLICY)
    agent = rig.agent(server, log_level="debug")
    assert agent.process.stop() == 0
    unread = Unread([AGENT, "--config", agent.config], rig.network.gateway)
    try:
        if leaves:
            closed(unread)
        end = time.monotonic() + 10
        while not server.gateways()["gw"].connected:
            assert time.monotonic() < end and unread.running
        for _ in range(20):
            assert rig.pinger().ping()
        # Each change of mode logs a line or more.
        for _ in range(20):
            for mode in (1, 2):
                server.set_mode(mode)
        assert unread.running
        assert unread.stop() == 0
    finally:
        unread.close()


def test_a_server_whose_log_nobody_reads_stops(rig):
    argv = [SERVER, "--listen", f"unix:{rig.directory}/unread.sock", "--log-level", "debug"]
    unread = Unread(argv, rig.network.server)
    try:
        end = time.monotonic() + 10
        while not (rig.directory / "unread.sock").exists():
            assert time.monotonic() < end and unread.running
        assert unread.stop() == 0
    finally:
        unread.close()


LIE = "\n2026-01-01T00:00:00.000 info forged \u202e" + "x" * 3000


def lines_of(process, word):
    return [line for line in process.output.splitlines() if word in line]


def test_a_decider_neither_forges_nor_fills_the_agents_log(rig):
    """It tries to by the name of its policy, which changes each millisecond."""
    agent = rig.agent(decider := rig.decider(policy_version="0"))
    stream = decider.wait_for_streams()[0]
    for number in range(300):
        stream.retune(policy_version=f"{number}{LIE}"[:200])
    agent.process.wait_for_line(r"policy \d+.* is forgotten")
    agent.until(lambda s, t: s.remembered.forgotten > 0)
    assert rig.pinger().ping()
    told = lines_of(agent.process, "is forgotten")
    assert 0 < len(told) <= 25
    assert max(map(len, told)) < 500
    assert not [line for line in agent.process.output.splitlines() if " info forged" in line[:40]]


def test_a_server_that_refuses_does_not_forge_either(rig):
    def refuse(_requests, context):
        context.abort(grpc.StatusCode.UNAVAILABLE, f"no{LIE}")

    refusing = rig.keep(RawDecider(rig.directory / "refusing.sock", refuse))
    agent = rig.new_agent(servers=[refusing.address]).start()
    agent.process.wait_for_line(r"refusing.sock: no\\x0a2026-01-01T00:00:00.000 info forged \\xe2")
    assert max(map(len, lines_of(agent.process, "refusing.sock"))) < 500
    assert not [line for line in agent.process.output.splitlines() if "info forged" in line[:40]]


def test_an_agent_neither_forges_nor_fills_the_servers_log(rig):
    """It tries to by its errors about verdicts, on one stream after another."""
    server = rig.server(POLICY)
    hello = decision_pb2.DecideRequest()
    hello.hello.agent.gateway, hello.hello.agent.incarnation = "liar", 1
    errors = decision_pb2.DecideRequest()
    errors.errors.entries.add(transaction_id=1, text=f"no{LIE}")
    with grpc.insecure_channel(server.local) as channel:
        decide = decision_pb2_grpc.DecisionServiceStub(channel).Decide
        for _ in range(8):
            for _ in decide(iter([hello] + 100 * [errors]), timeout=10):
                pass
    told = lines_of(server.process, "not carried out")
    assert 0 < len(told) <= 200
    assert max(map(len, told)) < 600
    assert not [line for line in server.process.output.splitlines() if "info forged" in line[:40]]
