"""Client, gateway, server and decider: four network namespaces, and the programs in them.

The namespaces have no names: they exist as long as this process's file descriptors and the programs
in them. The kernel kills every program when this process dies. So nothing remains, whatever happens
to this process, and nothing here touches the network of the host.
"""

import ctypes
import os
import re
import signal
import subprocess
import tempfile
import time

_CLONE_NEWNET = 0x40000000
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)

CLIENT, SERVER, DECIDER = "10.91.1.2", "10.91.2.2", "10.91.3.2"


class BenchError(Exception):
    """Something could not be measured; the text says what, and what to do about it."""


def _checked(result, what):
    if result != 0:
        number = ctypes.get_errno()
        raise BenchError(f"{what}: {os.strerror(number)} (run as root)")


class Namespace:
    """A network namespace, kept by a file descriptor."""

    def __init__(self, name):
        self.name = name
        own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _checked(_libc.unshare(_CLONE_NEWNET), "a network namespace")
            self.fd = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            _checked(_libc.setns(own, _CLONE_NEWNET), "back to our own namespace")
        finally:
            os.close(own)
        self.path = f"/proc/{os.getpid()}/fd/{self.fd}"

    def _enter(self):
        # In the child, before exec.
        _checked(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL), "prctl")
        _checked(_libc.setns(self.fd, _CLONE_NEWNET), "setns")

    def popen(self, command, **options):
        return subprocess.Popen(command, preexec_fn=self._enter, **options)

    def run(self, command, timeout=30, stdin=None):
        """Runs a command to its end and returns what it printed."""
        process = self.popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)
        try:
            out, err = process.communicate(stdin, timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise BenchError(f"{' '.join(command)}: no end after {timeout} s") from None
        if process.returncode != 0:
            raise BenchError(f"{' '.join(command)}: exit {process.returncode}: {err.strip()}")
        return out


class Program:
    """A program that runs beside the measurement, ended by its own process id.

    Creating it waits until it prints the word `ready`, or text that `ready` matches. As a context
    manager it stops the program at the end.
    """

    def __init__(self, namespace, command, timeout=15, ready=r"\bready\b"):
        self.name = os.path.basename(command[0])
        self._log = tempfile.TemporaryFile(mode="w+", errors="replace")
        self._process = namespace.popen(command, stdin=subprocess.DEVNULL, stdout=self._log,
                                        stderr=self._log)
        deadline = time.monotonic() + timeout
        while not re.search(ready, self.log()):
            if self._process.poll() is not None:
                raise BenchError(f"{self.name} ended with {self._process.returncode}:\n"
                                 + self.log())
            if time.monotonic() > deadline:
                self.stop()
                raise BenchError(f"{self.name}: not ready after {timeout} s:\n" + self.log())
            time.sleep(0.01)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def pid(self):
        return self._process.pid

    def log(self):
        # With pread, as the program's output shares the file offset.
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode(errors="replace")

    def check_running(self):
        if self._process.poll() is not None:
            raise BenchError(f"{self.name} ended during the measurement with "
                             f"{self._process.returncode}:\n{self.log()}")

    def stop(self):
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


class Topology:
    """client -- gateway -- server, and gateway -- decider, over veth pairs."""

    def __init__(self):
        self.client, self.gateway, self.server, self.decider = (
            Namespace(n) for n in ("client", "gateway", "server", "decider"))
        for space in (self.client, self.gateway, self.server, self.decider):
            # IPv6 would send packets of its own while we count.
            for what in ("all", "default"):
                _set(space, f"/proc/sys/net/ipv6/conf/{what}/disable_ipv6", "1")
            # Otherwise the machine's setting would influence the results: bbr paces by timers, and
            # with two processors for everything only half of what a link could carry came through.
            # reno always exists, and every namespace may use it.
            _set(space, "/proc/sys/net/ipv4/tcp_congestion_control", "reno")
            space.run(["ip", "link", "set", "lo", "up"])
        for number, space in enumerate((self.client, self.server, self.decider), start=1):
            gateway_end = f"to-{space.name}"
            self.gateway.run(["ip", "link", "add", gateway_end, "type", "veth", "peer", "name",
                              "eth0", "netns", space.path])
            self.gateway.run(["ip", "address", "add", f"10.91.{number}.1/24", "dev", gateway_end])
            self.gateway.run(["ip", "link", "set", gateway_end, "up"])
            space.run(["ip", "address", "add", f"10.91.{number}.2/24", "dev", "eth0"])
            space.run(["ip", "link", "set", "eth0", "up"])
            space.run(["ip", "route", "add", "default", "via", f"10.91.{number}.1"])
        _set(self.gateway, "/proc/sys/net/ipv4/ip_forward", "1")

    def queue_counters(self):
        """The kernel's own counters of the gateway's NFQUEUE 0, or None if nobody has it open."""
        for line in self.gateway.run(["cat", "/proc/net/netfilter/nfnetlink_queue"]).splitlines():
            number, _, waiting, _, _, full, overrun, packets, _ = map(int, line.split())
            if number == 0:
                return {"packets": packets, "waiting": waiting, "queue_dropped": full,
                        "user_dropped": overrun}
        return None

    def clear_rules(self):
        self.gateway.run(["nft", "flush", "ruleset"])


def _set(space, path, value):
    space.run(["sh", "-c", f"test ! -e {path} || echo {value} > {path}"])
