"""A client that sends while something is broken and mended, and what became of its packets.

Every second packet goes to DROPPED, a port whose packets the deciders drop. So the far side shows
two things, whatever happens in between: in closed mode no packet to that port may arrive, and in
open mode no packet to the other port may be missing.
"""

import bisect
import threading
import time

import stats
from deciders import ACCEPT, DROP, verdict
from namespaces import Network
from traffic import PROTOCOLS

ALLOWED, DROPPED = 9, 19
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
        rig.datagrams("server", 4, DROPPED)  # as for the other port: draws no answer
        self._socket = rig.datagrams()
        self._sent = {ALLOWED: [], DROPPED: []}  # (when on the monotonic clock, token)
        self._passed = {ALLOWED: set(), DROPPED: set()}
        self._far_looked_at = self._near_looked_at = 0  # packets read of each capture
        self._left = 0  # packets seen to leave the client
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
        """Stops, and waits until the gateway has forwarded, dropped or queued all that was sent."""
        self.close()
        self._running.result(5)
        self._rig.fence()

    # Each of these is a set of tokens.

    def sent(self, port, since=0, until=_EVER):
        first = bisect.bisect_left(self._sent[port], (since,))
        last = bisect.bisect_left(self._sent[port], (until,))
        return {token for _, token in self._sent[port][first:last]}

    def passed(self, port):
        """What arrived at the server; asserts that nothing arrived twice."""
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
        return len(self.sent(ALLOWED, since, until)) + len(self.sent(DROPPED, since, until))

    # Each of these waits for something and returns the time when it was seen.

    def passes(self, since, port=ALLOWED):
        """Waits until a packet passes that was sent since then."""
        return self._wait(lambda: not self.sent(port, since).isdisjoint(self.passed(port)))

    def decides(self, since):
        """Waits until packets get verdicts that were sent since then.

        In open mode the fallback accepts packets, too. So a packet that passes tells of verdicts
        only if one that was sent before it, to DROPPED, does not pass.
        """

        def decided():
            passed = self.passed(ALLOWED)
            for when, token in reversed(self._sent[ALLOWED]):
                if token in passed or when < since:
                    return self.sent(DROPPED, since, when) - self.passed(DROPPED)
            return False

        return self._wait(decided)

    def resumes(self, ended):
        """Waits until packets get verdicts again, which must be soon after the cause ended."""
        resumed = self.decides(ended)
        assert resumed - ended < RESUMES_WITHIN, f"only after {resumed - ended:.3f} s"
        return resumed

    def _wait(self, wanted):
        self._rig.far.wait_for(lambda _: wanted(), timeout=30)
        return time.monotonic()

    def sends(self, count):
        """Waits until it has sent so many more."""
        enough = self._leaving() + count
        self._rig.near.wait_for(lambda _: self._leaving() >= enough, timeout=30)
        return time.monotonic()

    def sends_for(self, seconds):
        """Waits until it has sent for so long."""
        end = time.monotonic() + seconds
        self._rig.near.wait_for(lambda _: self._leaving() and self.sent(DROPPED, end), timeout=30)
        return time.monotonic()

    def _leaving(self):
        """How many packets left the client."""
        new = self._rig.near.packets_after(self._near_looked_at)
        self._near_looked_at += len(new)
        self._left += sum(packet.outgoing and packet.protocol == _UDP for packet in new)
        return self._left

    # The account.

    def balance(self, agent, fail_open=False):
        """Stops, and compares the agent's counters with both captures; returns their total.

        Each packet that left the client was asked about, and those that the agent accepted
        arrive. In open mode those arrive, too, that the kernel let pass as nobody listened.
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
        return len(self.passed(ALLOWED)) + len(self.passed(DROPPED))


def accepted(total):
    """Packets the agent accepted, for whatever cause."""
    causes = (getattr(total, cause).accepted for cause in stats.CAUSES)
    return total.accepted + sum(causes)
