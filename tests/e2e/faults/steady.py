"""A client that sends all the while something is broken and mended, and what became of its packets.

Every second packet goes to a port the deciders refuse. So two things can be seen at the far side
whatever happens in between: in closed mode nothing may arrive there that was refused, and in open
mode nothing may be missing that was not.
"""

import threading
import time

import stats
from deciders import ACCEPT, DROP, verdict
from namespaces import Network
from traffic import PROTOCOLS

ALLOWED, REFUSED = 9, 19
POLICY = f"between any and any udp port {ALLOWED} accept;\ndefault reject;\n"
RESUMES_WITHIN = 1.0  # seconds from the end of the cause to the first packet that passes


def decide(_stream, packet):
    """What POLICY says, as the script of a Decider."""
    allowed = packet.headers.destination_port == ALLOWED
    return [verdict(packet, ACCEPT if allowed else DROP)]


class Steady:
    """Datagrams from the client to the server, some hundred a second, until stop()."""

    def __init__(self, rig, version=4, interval=0.002):
        self._rig, self._version, self._interval = rig, version, interval
        rig.datagrams("server", version, REFUSED)  # as for the other port: draws no answer
        self._socket = rig.datagrams(version=version)
        self._sent = {ALLOWED: [], REFUSED: []}  # (when on the monotonic clock, token)
        self._stopping = threading.Event()
        rig.keep(self)
        self._running = rig.background(self._run)

    def _run(self):
        while True:
            for port, sent in self._sent.items():
                now = time.monotonic()
                sent.append((now, self._socket.send(Network.SERVER[self._version], port)))
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

    def sent(self, port, since=0, until=float("inf")):
        return {token for when, token in self._sent[port] if since <= when < until}

    def passed(self, port):
        """What arrived at the server; nothing does twice."""
        tokens = [p.payload[:16] for p in self._seen(port)]
        assert len(tokens) == len(set(tokens)), "a packet arrived twice"
        return set(tokens)

    def lost(self, port=ALLOWED, since=0, until=float("inf")):
        return self.sent(port, since, until) - self.passed(port)

    def _seen(self, port):
        return self._rig.far.arrived(protocol=PROTOCOLS["udp"][4], destination_port=port)

    # Waiting.

    def passes(self, since, port=ALLOWED, timeout=10):
        """Waits until a packet passes that was sent since then; when that was seen."""
        self._rig.far.wait_for(
            lambda _: not self.sent(port, since).isdisjoint(self.passed(port)), timeout
        )
        return time.monotonic()

    def decides(self, since, timeout=10):
        """Waits until packets get verdicts that were sent since then; when that was seen.

        In open mode the fallback lets pass as well: so one that passes must have overtaken one
        that does not.
        """

        def decided(_):
            passed = self.passed(ALLOWED)
            newest = max((when for when, token in self._sent[ALLOWED] if token in passed), default=0)
            return self.sent(REFUSED, since, newest) - self.passed(REFUSED)

        self._rig.far.wait_for(decided, timeout)
        return time.monotonic()

    def resumes(self, ended):
        """Packets get verdicts again, soon after the cause ended; when that was seen."""
        resumed = self.decides(ended)
        assert resumed - ended < RESUMES_WITHIN, f"only after {resumed - ended:.3f} s"
        return resumed

    def sends(self, count):
        """Waits until it has sent so many more; the time passes with them."""
        before = len(self._leaving())
        self._rig.near.wait_for(lambda _: len(self._leaving()) >= before + count)

    def _leaving(self):
        return self._rig.near.packets(outgoing=True, protocol=PROTOCOLS["udp"][4])

    # The account.

    def balance(self, agent, fail_open=False):
        """Stops, and compares the agent's counters with both captures; their total.

        Each packet that left the client was asked about, and those arrive that the agent let
        pass; in open mode also those the kernel let pass, as it found nobody to ask.
        """
        self.stop()
        sent = len(self._leaving())
        total = agent.until(lambda s, t: s.asked == sent and t.pending == 0)
        passed = accepted(total)
        if fail_open:
            passed += sent - total.received
        self._rig.far.wait_for(lambda _: self._arrived() >= passed)
        assert self._arrived() == passed, f"{self._arrived()} arrived, {passed} were let pass"
        return total

    def _arrived(self):
        return len(self._rig.far.arrived(protocol=PROTOCOLS["udp"][4]))


def accepted(total):
    """Packets the agent let pass, for whatever cause."""
    causes = (getattr(total, cause).accepted for cause in stats.CAUSES)
    return total.accepted + sum(causes)
