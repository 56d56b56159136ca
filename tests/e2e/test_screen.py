"""sluicectl screen: packets decided by hand and by script in place of the policy."""

import os
import signal
import time

import pytest
from namespaces import Network
from processes import SLUICECTL, Process

REJECT = "default reject;\n"


class Screen(Process):
    """sluicectl screen, told what to decide through a pipe of the test's own."""

    def __init__(self, rig, server, *options):
        lines = rig.directory / f"decisions-{time.monotonic_ns()}"
        os.mkfifo(lines)
        self._said = os.open(lines, os.O_RDWR)  # so that neither side waits for the other
        super().__init__(
            [SLUICECTL, "--server", server.local, "screen", "gw", "--script", lines, *options]
        )
        self.wait_for_line("^NUMBER")

    def say(self, *lines):
        for line in lines:
            os.write(self._said, f"{line}\n".encode())

    def packet(self, number):
        """Waits until this packet is listed; returns its line."""
        return self.wait_for_line(rf"^ *{number}  \w.*").group()

    def leave(self):
        self.signal(signal.SIGINT)
        assert self.wait() == 0, self.output

    def close(self):
        self.kill()
        os.close(self._said)


@pytest.fixture
def screen(rig):
    return lambda server, *options: rig.keep(Screen(rig, server, *options))


def test_decides_in_place_of_the_policy(rig, screen):
    server = rig.server(REJECT)
    agent = rig.agent(server)
    at_hand = screen(server)
    for version in (4, 6):
        first = 1 if version == 4 else 3
        ping = rig.background(rig.pinger(version).ping)
        assert Network.CLIENT[version] in at_hand.packet(first)
        at_hand.say("accept because it is a friend")
        line = at_hand.packet(first + 1)  # the reply
        assert "server>client" in line and ("icmp " if version == 4 else "icmpv6 ") in line
        at_hand.say("accept")
        assert ping.result()
    at_hand.say("quit")
    assert at_hand.wait() == 0
    assert not rig.pinger().ping(timeout=0.5)
    total = agent.settle(5)
    assert (total.accepted, total.dropped, total.stale.dropped) == (4, 1, 0)
    said = [d.decision.reason for d in server.decisions()]
    assert said[:2] == ["by screen: it is a friend", "by screen"]
    assert said[4:] == ["default"]


def test_tells_the_sender(rig, screen):
    server = rig.server("default accept;\n")
    agent = rig.agent(server)
    at_hand = screen(server)
    rig.listener()
    at_hand.say("drop tcp-reset", "drop port-unreachable")
    with pytest.raises(ConnectionRefusedError):
        rig.connect()
    rig.datagrams().send(Network.SERVER[4], 9)
    assert rig.near.wait_for(lambda near: near.arrived(protocol=1))
    assert agent.settle(2).dropped == 2
    assert not rig.far.arrived(protocol=6)


def test_decides_in_any_order(rig, screen):
    server = rig.server(REJECT)
    agent = rig.agent(server)
    at_hand = screen(server)
    sender = rig.datagrams()
    sent = [sender.send(Network.SERVER[4], 9) for _ in range(4)]
    at_hand.say("accept 3", "drop 1", "accept 9")  # packet 9 never comes
    rig.far.wait_for(lambda far: far.carrying(sent[2]))
    at_hand.packet(4)
    at_hand.leave()
    assert agent.settle(4).accepted == 1
    assert agent.stats().queues[0].dropped == 3


def test_a_script_that_accepts_everything(rig, screen):
    server = rig.server(REJECT)
    agent = rig.agent(server)
    at_hand = screen(server)
    at_hand.say(*["accept"] * 1000)
    service = rig.listener()
    client = rig.connect()
    served = service.accept()
    client.sendall(b"x" * 100_000)
    received = 0
    while received < 100_000:
        received += len(served.recv(65536))
    client.close()
    served.close()
    at_hand.leave()
    total = agent.until(lambda s, t: t.pending == 0)
    assert total.accepted > 4 and total.stale.dropped == 0
    assert total.late == 0


def test_what_it_leaves_is_decided_by_the_policy_at_once(rig, screen):
    server = rig.server("default accept;\n")
    agent = rig.agent(server)  # its deadline is five seconds
    at_hand = screen(server)
    began = time.monotonic()
    for number in (1, 2):
        rig.datagrams().send(Network.SERVER[4], 9)
        at_hand.packet(number)
    at_hand.leave()
    total = agent.settle(2)
    assert time.monotonic() - began < 4
    assert (total.accepted, total.stale.dropped) == (2, 0)
    assert [d.decision.reason for d in server.decisions()] == ["default"] * 2


def test_a_screener_that_is_killed_or_stands_still_leaves(rig, screen):
    server = rig.server("default accept;\n")
    agent = rig.agent(server)
    for end in ("kill", "pause"):
        at_hand = screen(server)
        ping = rig.background(rig.pinger().ping, 4)
        at_hand.packet(1)
        getattr(at_hand, end)()
        assert ping.result()
    assert agent.settle(4).accepted == 4


def test_what_nobody_decides_gets_stale(rig, screen):
    server = rig.server("default accept;\n")
    agent = rig.agent(server, deadline="200ms")
    at_hand = screen(server)
    rig.pinger().send()
    at_hand.packet(1)
    at_hand.wait_for_line("-- 1: gone, its time ran out --")
    at_hand.say("accept 1")
    at_hand.wait_for_line("-- 1: no longer undecided --")
    total = agent.settle(1)
    assert (total.stale.dropped, total.late) == (1, 0)
    at_hand.say("accept", "accept")  # waits for the next packet, which is the oldest then
    assert rig.pinger().ping()
    assert agent.settle(3).accepted == 2


def test_holds_packets_for_people(rig, screen):
    server = rig.server(REJECT)
    agent = rig.agent(server, deadline="300ms", hold_limit="10s")
    at_hand = screen(server, "--hold", "9")
    ping = rig.background(rig.pinger().ping, 9)
    at_hand.packet(1)
    end = time.monotonic() + 1
    while time.monotonic() < end:
        assert agent.stats().queues[0].pending == 1
    at_hand.say("accept", "accept")
    assert ping.result()
    total = agent.settle(2)
    assert (total.accepted, total.held, total.stale.dropped) == (2, 2, 0)
    at_hand.leave()
    assert [d.decision.reason for d in server.decisions()] == ["by screen"] * 2


def test_there_is_one_screener(rig, screen):
    server = rig.server(REJECT)
    agent = rig.agent(server)
    at_hand = screen(server)
    code, said = server.sluicectl("screen", "gw")
    assert code == 1 and "screened already, by somebody at unix" in said
    code, said = server.sluicectl("screen", "elsewhere")
    assert code == 1 and "Known gateways: gw" in said
    at_hand.say("accept", "accept")
    assert rig.pinger().ping()
    agent.settle(2)


def test_outlives_the_agent(rig, screen):
    server = rig.server(REJECT)
    agent = rig.agent(server)
    at_hand = screen(server)
    agent.stop()
    agent.start().wait_for_decider()
    at_hand.say("accept", "accept")
    assert rig.pinger().ping()
    agent.settle(2)


def test_a_mistake_in_a_script_ends_it(rig, screen):
    server = rig.server("default accept;\n")
    agent = rig.agent(server)
    at_hand = screen(server)
    at_hand.say("acept")
    assert at_hand.wait() == 1
    assert ":1: 'acept' is not understood" in at_hand.output
    assert rig.pinger().ping()
    agent.settle(2)
