"""Captures what really passes a device, with an AF_PACKET socket, and parses it."""

import dataclasses
import ipaddress
import select
import socket
import struct
import threading
import time

_ETH_P_ALL = 3
_SOL_PACKET = 263
_PACKET_STATISTICS = 6
_SO_RCVBUFFORCE = 33

ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58


@dataclasses.dataclass(frozen=True)
class Seen:
    """A captured packet. For ICMP and ICMPv6 the ports are the type and the code."""

    outgoing: bool
    frame: bytes  # with its Ethernet header
    version: int
    source: str
    destination: str
    protocol: int
    source_port: int
    destination_port: int
    payload: bytes  # after the transport header

    @property
    def packet(self):
        """The frame from its network header on."""
        return self.frame[14:]


def parse(frame, outgoing=False):
    """A frame as Seen; None if it is not IPv4 or IPv6, or is cut off."""
    packet = frame[14:]
    kind = frame[12:14]
    if kind == b"\x08\x00" and len(packet) >= 20:
        version, protocol, rest = 4, packet[9], packet[(packet[0] & 15) * 4 :]
        addresses = packet[12:16], packet[16:20]
    elif kind == b"\x86\xdd" and len(packet) >= 40:
        version, protocol, rest = 6, packet[6], packet[40:]
        addresses = packet[8:24], packet[24:40]
    else:
        return None
    ports, header = (0, 0), 0
    if protocol in (TCP, UDP) and len(rest) >= 8:
        ports = struct.unpack("!HH", rest[:4])
        header = 8 if protocol == UDP else (rest[12] >> 4) * 4 if len(rest) > 12 else len(rest)
    elif protocol in (ICMP, ICMPV6) and len(rest) >= 8:
        ports, header = (rest[0], rest[1]), 8
    source, destination = (str(ipaddress.ip_address(a)) for a in addresses)
    return Seen(outgoing, frame, version, source, destination, protocol, *ports, rest[header:])


class Capture:
    """Everything that passes a device from now on, except packets from or to `ignore`.

    The kernel puts each packet into the socket as it passes. So packets() has every packet that
    is known to have passed, without a thread and without waiting. The socket holds some 80,000
    small packets: a test that sends more calls keep_up() meanwhile, from any thread.
    """

    def __init__(self, namespace, device="eth0", ignore=()):
        self._socket = namespace.call(
            socket.socket, socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL)
        )
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 64 << 20)
        namespace.call(self._socket.bind, (device, _ETH_P_ALL))
        self._socket.setblocking(False)
        self._ignore = set(ignore)
        self._seen = []
        self._reading = threading.Lock()

    def packets(self, **fields):
        """The packets so far that have these fields, as in packets(protocol=UDP)."""
        self.keep_up()
        return [s for s in self._seen if all(getattr(s, k) == v for k, v in fields.items())]

    def packets_after(self, count):
        """The packets so far, without the first `count`."""
        self.keep_up()
        return self._seen[count:]

    def keep_up(self):
        """Takes the packets that passed so far out of the socket."""
        with self._reading:
            self._read()

    def _read(self):
        while True:
            try:
                frame, address = self._socket.recvfrom(1 << 17)
            except BlockingIOError:
                break
            seen = parse(frame, outgoing=address[2] == socket.PACKET_OUTGOING)
            if seen and not {seen.source, seen.destination} & self._ignore:
                self._seen.append(seen)
        lost = struct.unpack("II", self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))[1]
        assert lost == 0, f"the capture itself lost {lost} packets"

    def arrived(self, **fields):
        """Those of packets() that came in through the device."""
        return self.packets(outgoing=False, **fields)

    def carrying(self, token):
        """Those of arrived() that have these bytes in their payload."""
        return [s for s in self.arrived() if token in s.payload]

    def wait_for(self, wanted, timeout=5):
        """Waits until wanted(self) is true; returns its result."""
        end = time.monotonic() + timeout
        while not (result := wanted(self)):
            left = end - time.monotonic()
            assert left > 0, f"not seen within {timeout} s; seen: {summary(self._seen)}"
            select.select([self._socket], [], [], left)
        return result

    def close(self):
        self._socket.close()


def summary(packets):
    """A line for each of the last 40 packets, for the messages of failed tests."""
    return "".join(
        f"\n  {p.source} > {p.destination} protocol {p.protocol}"
        f" {p.source_port} {p.destination_port} {p.payload[:24]!r}"
        for p in packets[-40:]
    )
