"""Real packets from real sockets: pings, datagrams, connections, and crafted ones.

Everything sent carries a token of its own, so that a capture can say which packet it saw.
"""

import itertools
import os
import select
import socket
import struct

from capture import ICMP, ICMPV6, TCP, UDP

_tokens = itertools.count(1)
_FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
_ANY = {4: "0.0.0.0", 6: "::"}
_ECHO_REQUEST = {4: 8, 6: 128}
_ECHO_REPLY = {4: 0, 6: 129}


def token():
    """Bytes that no other packet carries. All tokens have the same length."""
    return b"sluice-%08d-" % next(_tokens)


def _open(namespace, version, kind, protocol=0):
    made = namespace.call(socket.socket, _FAMILY[version], kind, protocol)
    if version == 6 and kind != socket.SOCK_RAW:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return made


class Pinger:
    """Echo requests from a raw socket, all of one flow unless they are `apart`: of one that has no
    answer yet the kernel lets one alone pass."""

    def __init__(self, namespace, version, destination, apart=False):
        self.version, self._destination = version, destination
        protocol = socket.IPPROTO_ICMP if version == 4 else socket.IPPROTO_ICMPV6
        self._socket = _open(namespace, version, socket.SOCK_RAW, protocol)
        first = os.getpid()
        self._ids = itertools.count(first) if apart else itertools.repeat(first)
        self._sequence = itertools.count(1)

    def send(self, size=0):
        """Sends one; returns its token. With a size, the payload is padded to it."""
        mark = token()
        body = mark.ljust(size, b".")
        header = struct.pack(
            "!BBHHH",
            _ECHO_REQUEST[self.version],
            0,
            0,
            next(self._ids) & 0xFFFF,
            next(self._sequence) & 0xFFFF,
        )
        message = header + body
        if self.version == 4:  # for IPv6 the kernel fills it in
            message = header[:2] + struct.pack("!H", checksum(message)) + header[4:] + body
        self._socket.sendto(message, (self._destination, 0))
        return mark

    def answered(self, mark, timeout):
        """Whether the reply to it comes within timeout seconds. Other replies are discarded."""
        while select.select([self._socket], [], [], timeout)[0]:
            data = self._socket.recv(1 << 16)
            message = data[(data[0] & 15) * 4 :] if self.version == 4 else data
            if message[0] == _ECHO_REPLY[self.version] and mark in message:
                return True
        return False

    def ping(self, timeout=5):
        """Sends one and waits; returns whether the reply came."""
        return self.answered(self.send(), timeout)

    def close(self):
        self._socket.close()


class Datagrams:
    """A UDP socket, bound to a port if one is given."""

    def __init__(self, namespace, version, port=0):
        self._socket = _open(namespace, version, socket.SOCK_DGRAM)
        self._socket.bind((_ANY[version], port))
        self._socket.settimeout(5)
        self.port = self._socket.getsockname()[1]

    def send(self, address, port, size=0):
        """Sends one; returns its token."""
        mark = token()
        self._socket.sendto(mark.ljust(size, b"."), (address, port))
        return mark

    def broadcast(self):
        """Lets it send to broadcast addresses."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)

    def receive(self):
        """The first bytes of the next datagram, as many as a token has."""
        return self._socket.recv(1 << 16)[:16]

    def set_tos(self, tos):
        """The type of service byte of what is sent from now on (IPv4)."""
        self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)

    def receive_and_echo(self):
        """Sends the next datagram back to its sender; returns its token."""
        data, sender = self._socket.recvfrom(1 << 16)
        self._socket.sendto(data, sender)
        return data[:16]

    def close(self):
        self._socket.close()


class Listener:
    """A TCP socket that listens."""

    def __init__(self, namespace, version, port):
        self._socket = _open(namespace, version, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((_ANY[version], port))
        self._socket.listen(64)

    def accept(self, timeout=5):
        self._socket.settimeout(timeout)
        connection, _ = self._socket.accept()
        connection.settimeout(5)
        return connection

    def close(self):
        try:
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes whoever waits in accept
        except OSError:
            pass
        self._socket.close()


def connect(namespace, version, address, port, timeout=5):
    """A TCP connection. Raises OSError or TimeoutError, as the kernel says."""
    connection = _open(namespace, version, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout)
        connection.connect((address, port))
    except OSError:
        connection.close()
        raise
    return connection


def begin_connect(namespace, version, address, port):
    """Sends a SYN and does not wait; close the socket so that no second one follows."""
    connection = _open(namespace, version, socket.SOCK_STREAM)
    connection.setblocking(False)
    connection.connect_ex((address, port))
    return connection


class Crafted:
    """Packets that the test composes itself, from the network header on."""

    def __init__(self, namespace, version):
        self.version = version
        self._socket = _open(namespace, version, socket.SOCK_RAW, socket.IPPROTO_RAW)

    def send(self, source, destination, protocol, payload):
        """Sends a packet: a network header that says `protocol`, then `payload`."""
        if self.version == 4:
            header = struct.pack(
                "!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0x1234, 0x4000, 64, protocol, 0,
                socket.inet_aton(source), socket.inet_aton(destination),
            )  # fmt: skip
        else:
            header = struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64)
            header += socket.inet_pton(socket.AF_INET6, source)
            header += socket.inet_pton(socket.AF_INET6, destination)
        self._socket.sendto(header + payload, (destination, 0))

    def close(self):
        self._socket.close()


def checksum(data):
    """The Internet checksum (RFC 1071)."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def send_frame(namespace, frame, device="eth0"):
    """Puts a frame on the wire as it is."""
    raw = namespace.call(socket.socket, socket.AF_PACKET, socket.SOCK_RAW)
    with raw:
        namespace.call(raw.bind, (device, 0))
        raw.send(frame)


PROTOCOLS = {"ping": {4: ICMP, 6: ICMPV6}, "tcp": {4: TCP, 6: TCP}, "udp": {4: UDP, 6: UDP}}
