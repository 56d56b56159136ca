"""A DNS server under the test's control, which can be made to fail or to say nothing."""

import collections
import ipaddress
import socket
import struct
import threading
import time

_A, _AAAA = 1, 28
_OK, _SERVFAIL, _NXDOMAIN = 0, 2, 3
_PORT = 53


class Resolver:
    """Listens at 127.0.0.1 of a namespace. A name has the addresses in `names`; any other does not
    exist (NXDOMAIN). With `fails` it answers SERVFAIL, with `silent` nothing; nothing either about
    names in a domain of `silent_domains`."""

    def __init__(self, directory, namespace, patience=1):
        """Programs that ask it wait `patience` seconds for an answer."""
        self.names = {}
        self.fails = self.silent = False
        self.silent_domains = ()
        # Takes the place of /etc/resolv.conf.
        self.conf = directory / "resolv.conf"
        self.conf.write_text(
            f"nameserver 127.0.0.1\nsearch .\noptions timeout:{patience} attempts:1\n"
        )
        self._asked = collections.Counter()
        self._changed = threading.Condition()
        self._socket = namespace.call(socket.socket, socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", _PORT))
        self._socket.settimeout(0.1)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def asked(self):
        """How often each name was asked for."""
        with self._changed:
            return collections.Counter(self._asked)

    def wait_for_names(self, count=1, timeout=10):
        """Waits until so many names were asked for."""
        end = time.monotonic() + timeout
        with self._changed:
            while len(self._asked) < count:
                left = end - time.monotonic()
                assert left > 0, f"{count} names are not asked for: {self._asked}"
                self._changed.wait(left)

    def wait_for_another(self, name, timeout=20):
        """Waits until the name was asked for once more."""
        end = time.monotonic() + timeout
        with self._changed:
            before = self._asked[name]
            while self._asked[name] == before:
                left = end - time.monotonic()
                assert left > 0, f"{name} is not asked for again"
                self._changed.wait(left)

    def close(self):
        self._closed.set()
        self._thread.join()
        self._socket.close()

    def _serve(self):
        while not self._closed.is_set():
            try:
                query, source = self._socket.recvfrom(4096)
            except TimeoutError:
                continue
            name, end = _name(query)
            with self._changed:
                self._asked[name] += 1
                self._changed.notify_all()
            if not self.silent and not name.endswith(tuple(self.silent_domains)):
                self._socket.sendto(self._answer(query, name, end), source)

    def _answer(self, query, name, end):
        kind = struct.unpack(">H", query[end : end + 2])[0]
        question = query[12 : end + 4]
        code, records = _OK, []
        if self.fails:
            code = _SERVFAIL
        elif name not in self.names:
            code = _NXDOMAIN
        else:
            addresses = [ipaddress.ip_address(a) for a in self.names[name]]
            records = [a.packed for a in addresses if {4: _A, 6: _AAAA}[a.version] == kind]
        # A recursive server's response; each record's name is a pointer to the question's.
        header = query[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, len(records), 0, 0)
        return header + question + b"".join(
            struct.pack(">HHHIH", 0xC00C, kind, 1, 0, len(r)) + r for r in records
        )


def _name(query):
    """The name a query asks for, and where it ends."""
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode())
        at += 1 + query[at]
    return ".".join(labels), at + 1
