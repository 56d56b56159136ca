"""A client that sends all the while something is broken and mended, and what became of its packets.

Every second packet goes to a port the deciders refuse. So two things can be seen at the far side
whatever happens in between: in closed mode nothing may arrive there that was refused, and in open
mode nothing may be missing that was not.
"""

import bisect
import threading
import time

import stats
from deciders import ACCEPT, DROP, verdict
from namespaces import Network
from traffic import PROTOCOLS

ALLOWED, REFUSED = 9, 19
POLICY = f"between any and any udp port {ALLOWED} accept;\ndefault reject;\n"
RESUMES_WITHIN = 1.0  # seconds from the end of the cause to the first verdict
_UDP = PROTOCOLS["udp"][4]
_EVER = float("inf")


def decide(_stream, packet):
    """What POLICY says, as the script of a Decider."""
    allowed = packet.headers.destination_port == ALLOWED
    return [verdict(packet, ACCEPT if allowed else DROP)]


class Steady:
    """Datagrams from the client to the server, up to 500 a second, until stop()."""

    def __init__(self, rig, interval=0.002):
        self._rig, self._interval = rig, interval
        rig.datagrams("server", 4, REFUSED)  # as for the other port: draws no answer
        self._socket = rig.datagrams()
        self._sent = {ALLOWED: [], REFUSED: []}  # (when on the monotonic clock, token)
        self._passed = {ALLOWED: set(), REFUSED: set()}
        self._far_looked_at = self._near_looked_at = 0  # how many of the captures' packets
        self._left = 0  # have been seen to leave
        self._stopping = threading.Event()
        rig.keep(self)
        self._running = rig.background(self._run)

    def _run(self):
        while True:
            for port, sent in self._sent.items():
                now = time.monotonic()
                sent.append((now, self._socket.send(Network.SERVER[4], port)))
                if self._stopping.wait(self._interval):
                    return

    def close(self):
        self._stopping.set()

    def stop(self):
        """No more; and what was sent is through the gateway or in one of its queues."""
        self.close()
        self._running.result(5)
        self._rig.fence()

    # Each of these is a set of tokens.

    def sent(self, port, since=0, until=_EVER):
        first = bisect.bisect_left(self._sent[port], (since,))
        last = bisect.bisect_left(self._sent[port], (until,))
        return {token for _, token in self._sent[port][first:last]}

    def passed(self, port):
        """What arrived at the server; nothing does twice."""
        new = self._rig.far.packets_after(self._far_looked_at)
        self._far_looked_at += len(new)
        for packet in new:
            if not packet.outgoing and packet.protocol == _UDP:
                token = packet.payload[:16]
                assert token not in self._passed[packet.destination_port], "it arrived twice"
                self._passed[packet.destination_port].add(token)
        return self._passed[port]

    def lost(self, port=ALLOWED, since=0, until=_EVER):
        return self.sent(port, since, until) - self.passed(port)

    def both(self, since=0, until=_EVER):
        """How many were sent to both ports."""
        return len(self.sent(ALLOWED, since, until)) + len(self.sent(REFUSED, since, until))

    # Waiting. Each returns the time when it was seen.

    def passes(self, since, port=ALLOWED):
        """Until a packet passes that was sent since then."""
        return self._wait(lambda: not self.sent(port, since).isdisjoint(self.passed(port)))

    def decides(self, since):
        """Until packets get verdicts that were sent since then.

        In open mode the fallback lets pass as well: so one that passes must have overtaken one
        that does not.
        """

        def decided():
            passed = self.passed(ALLOWED)
            for when, token in reversed(self._sent[ALLOWED]):
                if token in passed or when < since:
                    return self.sent(REFUSED, since, when) - self.passed(REFUSED)
            return False

        return self._wait(decided)

    def resumes(self, ended):
        """Until packets get verdicts again, which must be soon after the cause ended."""
        resumed = self.decides(ended)
        assert resumed - ended < RESUMES_WITHIN, f"only after {resumed - ended:.3f} s"
        return resumed

    def _wait(self, wanted):
        self._rig.far.wait_for(lambda _: wanted(), timeout=30)
        return time.monotonic()

    def sends(self, count):
        """Until it has sent so many more."""
        enough = self._leaving() + count
        self._rig.near.wait_for(lambda _: self._leaving() >= enough, timeout=30)
        return time.monotonic()

    def sends_for(self, seconds):
        """Until it has sent for so long."""
        end = time.monotonic() + seconds
        self._rig.near.wait_for(lambda _: self._leaving() and self.sent(REFUSED, end), timeout=30)
        return time.monotonic()

    def _leaving(self):
        """How many left the client."""
        new = self._rig.near.packets_after(self._near_looked_at)
        self._near_looked_at += len(new)
        self._left += sum(packet.outgoing and packet.protocol == _UDP for packet in new)
        return self._left

    # The account.

    def balance(self, agent, fail_open=False):
        """Stops, and compares the agent's counters with both captures; their total.

        Each packet that left the client was asked about, and those arrive that the agent let
        pass; in open mode also those the kernel let pass, as it found nobody to ask.
        """
        self.stop()
        sent = self._leaving()
        assert sent == self.both()
        total = agent.until(lambda s, t: s.asked == sent and t.pending == 0, timeout=10)
        passed = accepted(total)
        if fail_open:
            passed += sent - total.received
        self._rig.far.wait_for(lambda _: self._arrived() >= passed)
        assert self._arrived() == passed, f"{self._arrived()} arrived, {passed} were let pass"
        return total

    def _arrived(self):
        return len(self.passed(ALLOWED)) + len(self.passed(REFUSED))


def accepted(total):
    """Packets the agent let pass, for whatever cause."""
    causes = (getattr(total, cause).accepted for cause in stats.CAUSES)
    return total.accepted + sum(causes)
