"""A server under attack, and those who must not notice: a gateway's packets and other clients."""

import pathlib
import re
import socket
import sys
import threading
import time

from capture import ICMP
from http2_client import Http2Client, dial
from processes import LITTLE_QUARANTINE

ATTACKER, BYSTANDER = "127.0.0.66", "127.0.0.77"  # peers; the agent calls from another address
MIB = 1 << 20

PINGS_A_SECOND = 50
PING_DEADLINE = 0.5  # seconds; the preset, 50 ms, is less than what a busy test machine adds
CALLS_A_SECOND = 5  # of the bystander, each over a new connection
SERVED_WITHIN = 3  # seconds
LOST_WITHIN = 5  # seconds from the end of an attack until the attacker is found to have lost
ROOM = 48 * MIB  # memory an attack may cost the server
_ESTABLISHED = "01"  # in /proc/net/tcp


class Siege:
    """`with Siege(rig) as siege:` holds the attack; at its end everything is judged at once.

    The attack is not on the gateway's path: attackers are beside the server, on other addresses.
    """

    def __init__(self, rig, policy="default accept;\n", room=ROOM, shuts_out=False, **options):
        """`room` is the memory that the attack may cost. With `shuts_out` new clients need be
        served only after the attack. `options` are those of Rig.server."""
        self._rig, self._room, self._shuts_out = rig, room, shuts_out
        self._faults = []
        self.server = rig.server(policy, env=LITTLE_QUARANTINE, **options)
        self.agent = rig.agent(self.server, deadline=f"{PING_DEADLINE}s")

    def __enter__(self):
        self.pings = Pings(self._rig)
        self.bystander = Bystander(self._rig, lambda: self.dial(BYSTANDER))
        self.bystander.wait_for_calls(1)
        self._memory_before = self.begin_peak()
        return self

    def __exit__(self, kind, error, _traceback):
        self.pings.stop()
        self.bystander.stop()
        if kind is not None:
            return
        self._check_everybody_else()
        assert not self._faults, "\n".join(self._faults)

    def dial(self, source=ATTACKER, receive_buffer=None):
        """A TCP socket connected to the server."""
        return dial(self._rig.network.server, self.server.address, source, receive_buffer)

    def client(self, source=ATTACKER, receive_buffer=None, **options):
        """A connection of an attacker; `options` are those of Http2Client."""
        return self._rig.keep(Http2Client(self.dial(source, receive_buffer), **options))

    def local_client(self, **options):
        """The same over the server's Unix socket."""
        return self._rig.keep(Http2Client(dial(None, self.server.local), **options))

    def expect(self, met, what):
        """Notes that something else happened than what must happen."""
        if not met:
            self._faults.append(what)

    def expect_lost(self, client, stream=None, within=LOST_WITHIN):
        """The attacker must lose its connection or, if one is given, that stream."""
        self.expect_all_lost({"the attacker": (client, stream)}, within)

    def expect_all_lost(self, attackers, within=LOST_WITHIN):
        """As expect_lost, of (client, stream) by name."""
        end = time.monotonic() + within
        kept = []
        for name, (client, stream) in attackers.items():

            def fate():
                return client.lost if stream is None else client.fate(stream)

            client.wait(fate, max(0, end - time.monotonic()))
            if not fate():
                kept.append(name)
        self.expect(not kept, f"these lost nothing: {', '.join(map(str, kept))}")

    def expect_gone(self, client, within=LOST_WITHIN):
        """As expect_lost, asked of the server's kernel: a client that does not read cannot know."""
        end = time.monotonic() + within
        while self.keeps(client) and time.monotonic() < end:
            self.bystander.wait_for_calls(1)
        self.expect(not self.keeps(client), "the attacker did not lose its connection")

    def keeps(self, client):
        """Whether a TCP connection of an attacker is established at the server's end."""
        host, port = self.server.address.rsplit(":", 1)
        local = f"{_hex(host)}:{int(port):04X}"
        remote = f"{_hex(ATTACKER)}:{client.port:04X}"
        for kind in ("tcp", "tcp6"):  # In the latter, addresses end with those of IPv4.
            for line in self._rig.network.server.read(f"/proc/net/{kind}").splitlines():
                here, there, state = line.split()[1:4]
                if here.endswith(local) and there.endswith(remote):
                    return state == _ESTABLISHED
        return False

    def begin_peak(self):
        """Forgets the server's peak of memory; returns what it has now."""
        pathlib.Path(f"/proc/{self.server.process.pid}/clear_refs").write_text("5")
        return self.memory()

    def memory(self):
        """What the server has resident, in bytes."""
        status = pathlib.Path(f"/proc/{self.server.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s*(\d+) kB", status)[1]) << 10

    def _check_everybody_else(self):
        process = self.server.process
        self.expect(process.running, "the server ended")
        if lost := self.pings.lost():
            self.expect(False, f"{len(lost)} of {self.pings.count} pings were lost")
        if not self._shuts_out:
            self.expect(not self.bystander.failed, "\n".join(self.bystander.failed[:3]))
        self.expect(self.bystander.served_at_last(), "afterwards no new client is served")
        if process.running:
            grown = process.peak_memory() - self._memory_before
            self.expect(
                grown <= self._room,
                f"the server took {grown // MIB} MiB, {self._room // MIB} are allowed",
            )


def _hex(address):
    """An IPv4 address as in /proc/net/tcp."""
    return f"{int.from_bytes(socket.inet_aton(address), sys.byteorder):08X}"


class Pings:
    """Pings from the client to the server through the gateway, until stop()."""

    def __init__(self, rig, apart=False):
        """`apart` as in traffic.Pinger."""
        self._near = rig.near
        self._pinger = rig.pinger(apart=apart)
        self._sent = set()
        self._stopping = threading.Event()
        self._changed = threading.Condition()
        rig.keep(self)
        self._running = rig.background(self._run)
        self._near.wait_for(lambda _: self._answered())

    def _run(self):
        while not self._stopping.wait(1 / PINGS_A_SECOND):
            sent = self._pinger.send()
            with self._changed:
                self._sent.add(sent)
                self._changed.notify_all()

    def close(self):
        self._stopping.set()

    def stop(self):
        self.close()
        self._running.result(5)

    @property
    def count(self):
        return len(self._sent)

    def wait_for(self, more):
        """Waits until so many more were sent."""
        with self._changed:
            enough = self.count + more
            assert self._changed.wait_for(lambda: self.count >= enough, 60)

    def lost(self, within=2 * PING_DEADLINE):
        """Those that were not answered `within` so many seconds, by default what the request and
        the reply may take. To be called after stop()."""
        end = time.monotonic() + within
        self._near.wait_for(
            lambda _: self._sent <= self._answered() or time.monotonic() > end,
            timeout=within + 1,
        )
        return self._sent - self._answered()

    def _answered(self):
        return {seen.payload for seen in self._near.arrived(protocol=ICMP)}


class Bystander:
    """A well-behaved client that comes anew again and again, until stop(). `dial` makes its
    connections."""

    def __init__(self, rig, dial):
        self._dial = dial
        self._stopping = threading.Event()
        self._changed = threading.Condition()
        self._calls = 0
        self.failed = []  # a line for each call that failed
        rig.keep(self)
        self._running = rig.background(self._run)

    def _run(self):
        while not self._stopping.wait(1 / CALLS_A_SECOND):
            began = time.monotonic()
            answer = self._call()
            took = time.monotonic() - began
            with self._changed:
                self._calls += 1
                if answer or took > SERVED_WITHIN:
                    self.failed.append(f"a new client got {answer or 'served'} in {took:.1f} s")
                self._changed.notify_all()

    def _call(self):
        """Makes one call; returns what went wrong."""
        try:
            client = Http2Client(self._dial(), patience=SERVED_WITHIN)
        except OSError as error:
            return f"no connection ({error})"
        try:
            if not client.settings:
                return client.lost or "no greeting"
            stream = client.call("ControlService/GetServer", timeout=SERVED_WITHIN)
            return "" if stream.status == 0 else client.lost or f"no answer ({stream})"
        finally:
            client.close()

    def wait_for_calls(self, more):
        """Waits until it has made so many more calls."""
        with self._changed:
            enough = self._calls + more
            assert self._changed.wait_for(lambda: self._calls >= enough, 60)

    def served_at_last(self):
        """Whether it is served now, at the latest after a few attempts. To be called after
        stop()."""
        end = time.monotonic() + SERVED_WITHIN
        while self._call():
            if time.monotonic() > end:
                return False
        return True

    def close(self):
        self._stopping.set()

    def stop(self):
        self.close()
        self._running.result(60)
