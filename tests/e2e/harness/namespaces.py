"""Network namespaces that vanish with the test process: client – gateway – server.

A thread that entered a namespace holds it, so nothing is left behind even when the test process is
killed. That thread opens the namespace's sockets; any thread can use them. Programs enter with
nsenter(1).
"""

import concurrent.futures
import ctypes
import os
import pathlib
import subprocess
import threading

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class Namespace:
    """One network namespace, with lo up."""

    def __init__(self, name):
        self.name = name
        self._executor = concurrent.futures.ThreadPoolExecutor(1, initializer=self._unshare)
        thread = self.call(threading.get_native_id)
        self.path = f"/proc/{os.getpid()}/task/{thread}/ns/net"
        # Addresses, link-local ones too, are usable at once.
        self.sysctl("net/ipv6/conf/default/accept_dad", 0)
        self.sysctl("net/ipv6/conf/default/router_solicitations", 0)
        self.ip("link set lo up")

    @staticmethod
    def _unshare():
        if _libc.unshare(_CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "unshare(CLONE_NEWNET)")

    def call(self, function, *args, **kwargs):
        """Runs function in a thread that lives in this namespace."""
        return self._executor.submit(function, *args, **kwargs).result()

    def sysctl(self, name, value=None):
        """Sets the sysctl net/… or, without a value, reads it."""
        path = pathlib.Path("/proc/sys") / name
        if value is None:
            return self.call(path.read_text).strip()
        return self.call(path.write_text, str(value))

    def enter(self, argv):
        """The command line that runs argv here; the program keeps the pid it is started with."""
        return ["nsenter", f"--net={self.path}", *argv]

    def run(self, *argv, stdin=None):
        """Runs a program to its end, which must be a success; returns its output."""
        done = subprocess.run(
            self.enter(argv), input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert done.returncode == 0, f"{argv} in {self.name}: {done.returncode}\n{done.stdout}"
        return done.stdout

    def ip(self, *lines):
        """Runs lines of ip(8) in one process."""
        return self.run("ip", "-batch", "-", stdin="\n".join(lines) + "\n")

    def nft(self, text):
        """Loads nftables rules, as an operator has them beside the agent's."""
        return self.run("nft", "-f", "-", stdin=text)

    def read(self, path):
        """Reads a file of /proc/net as this namespace shows it."""
        return self.call(pathlib.Path(path.replace("/proc/net", "/proc/thread-self/net")).read_text)

    def close(self):
        self._executor.shutdown()


class WithFiles:
    """A namespace in which programs see other files in the place of some of /etc."""

    def __init__(self, namespace, **files):
        """`files` are `hosts` and `resolv_conf`; one that is None is not replaced."""
        names = {"hosts": "/etc/hosts", "resolv_conf": "/etc/resolv.conf"}
        self._namespace = namespace
        self._mounts = [(str(f), names[name]) for name, f in files.items() if f]

    def enter(self, argv):
        """As Namespace.enter."""
        for file, path in self._mounts:
            script = 'mount --bind "$0" "$1" && shift && exec "$@"'
            argv = ["sh", "-c", script, file, path, *argv]
        if self._mounts:
            argv = ["unshare", "--mount", *argv]
        return self._namespace.enter(argv)


class FewDescriptors:
    """A namespace in which programs may have so many open, which they cannot raise."""

    def __init__(self, namespace, count):
        self._namespace, self._count = namespace, count

    def enter(self, argv):
        """As Namespace.enter."""
        return self._namespace.enter(["prlimit", f"--nofile={self._count}:{self._count}", *argv])


class Network:
    """client eth0 – client gateway server – eth0 server: devices are named after the far end."""

    CLIENT = {4: "10.0.1.2", 6: "fd00:1::2"}
    SERVER = {4: "10.0.2.2", 6: "fd00:2::2"}
    GATEWAY = {4: "10.0.1.1", 6: "fd00:1::1"}  # as the client sees it
    GATEWAY_FAR = ("10.0.2.1", "fd00:2::1")  # as the server sees it

    def __init__(self):
        self.client = Namespace("client")
        self.gateway = Namespace("gateway")
        self.server = Namespace("server")
        self.gateway.sysctl("net/ipv4/ip_forward", 1)
        self.gateway.sysctl("net/ipv6/conf/all/forwarding", 1)
        for number, end in ((1, self.client), (2, self.server)):
            self.gateway.ip(
                f"link add {end.name} type veth peer name eth0 netns {end.path}",
                f"address add 10.0.{number}.1/24 dev {end.name}",
                f"address add fd00:{number}::1/64 dev {end.name} nodad",
                f"link set {end.name} up",
            )
            end.ip(
                f"address add 10.0.{number}.2/24 dev eth0",
                f"address add fd00:{number}::2/64 dev eth0 nodad",
                "link set eth0 up",
                f"route add default via 10.0.{number}.1",
                f"route add default via fd00:{number}::1",
            )

    def close(self):
        for namespace in (self.client, self.server, self.gateway):
            namespace.close()
