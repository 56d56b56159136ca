"""Sends the packets of deploy/quickstart, watches on both sides what becomes of them, and prints
the table: traffic.py SLUICECTL...  (the command line that asks the server about decisions).

Exit code 0 only if every packet got what the policy says.
"""

import ctypes
import dataclasses
import errno
import ipaddress
import json
import os
import select
import socket
import struct
import subprocess
import sys
import time

CLIENT = {4: "10.77.1.2", 6: "fd77:1::2"}
SERVER = {4: "10.77.2.2", 6: "fd77:2::2"}
VAULT = {4: "10.77.2.3", 6: "fd77:2::3"}
PATIENCE = 5  # seconds for an answer that must come

_CLONE_NEWNET = 0x40000000
_FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
_ICMP = {4: 1, 6: 58}
_ECHO = {4: 8, 6: 128}
_libc = ctypes.CDLL(None, use_errno=True)


@dataclasses.dataclass
class Probe:
    """One packet that is sent, and what is known about it."""

    what: str
    version: int
    target: str
    protocol: int
    port: int  # for ICMP, the type
    accept: bool  # whether the policy accepts it
    notify: bool = False  # whether its sender is to get a notice
    sock: socket.socket = None
    sent: float = 0.0
    answered: float = None
    told: bool = False  # whether the sender was told that the host is unreachable
    page: bool = True  # whether the page came, where one was asked for
    arrived: bool = False
    decision: dict = None

    @property
    def key(self):
        return self.target, self.protocol, self.port

    @property
    def right(self):
        got_answer = self.answered is not None and self.page
        decided = self.decision is not None and self.decision["action"] == (
            "ACTION_ACCEPT" if self.accept else "ACTION_DROP"
        )
        heard_right = got_answer == self.accept and self.told == self.notify
        return decided and heard_right and self.arrived == self.accept

    @property
    def waits(self):
        """Whether something that must come has not come yet."""
        return self.answered is None and self.accept or self.notify and not self.told


def probes():
    for version in (4, 6):
        server, vault = SERVER[version], VAULT[version]
        echo = (_ICMP[version], _ECHO[version])
        yield Probe("ping the server", version, server, *echo, True)
        yield Probe("ask it for a name", version, server, 17, 53, True)
        yield Probe("fetch a page", version, server, 6, 80, True)
        yield Probe("telnet", version, server, 6, 23, False, notify=True)
        yield Probe("read its SNMP", version, server, 17, 161, False)
        yield Probe("ping the vault", version, vault, *echo, False)


def enter(namespace):
    with open(f"/run/netns/{namespace}", "rb") as file:
        if _libc.setns(file.fileno(), _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"entering {namespace}")


def send(probe):
    """Sends the probe's first packet and does not wait."""
    family = _FAMILY[probe.version]
    if probe.protocol == 6:
        probe.sock = socket.socket(family, socket.SOCK_STREAM)
        probe.sock.setblocking(False)
        probe.sent = time.monotonic()
        probe.sock.connect_ex((probe.target, probe.port))
    elif probe.protocol == 17:
        probe.sock = socket.socket(family, socket.SOCK_DGRAM)
        probe.sent = time.monotonic()
        probe.sock.sendto(b"a question", (probe.target, probe.port))
    else:
        probe.sock = socket.socket(family, socket.SOCK_RAW, probe.protocol)
        probe.sock.connect((probe.target, 0))  # so that it receives from nobody else
        message = bytearray(struct.pack("!BBHHH", probe.port, 0, 0, os.getpid() & 0xFFFF, 1))
        if probe.version == 4:
            words = sum(struct.unpack("!4H", message))
            words = (words >> 16) + (words & 0xFFFF)
            message[2:4] = struct.pack("!H", ~(words + (words >> 16)) & 0xFFFF)
        probe.sent = time.monotonic()
        probe.sock.send(message)


def fetch(connection):
    """Returns whether a page comes."""
    try:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return connection.recv(2048).startswith(b"HTTP/1.0 200")
    except OSError:
        return False


def hear(probe):
    """Called when the socket is ready: an answer came, or the connection was made or failed."""
    if probe.protocol == 6:
        error = probe.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        probe.told = error == errno.EHOSTUNREACH
        if error == 0:
            probe.answered = time.monotonic()
            probe.sock.setblocking(True)
            probe.sock.settimeout(PATIENCE)
            probe.page = fetch(probe.sock)
        return
    data = probe.sock.recv(2048)
    message = data[20:] if probe.version == 4 and probe.protocol == 1 else data
    if probe.protocol == 17 or message[0] in (0, 129):
        probe.answered = time.monotonic()


def wait_for_answers(sent, until):
    """Waits until every probe that should be answered is, or until the time `until`."""
    while any(p.waits for p in sent) and time.monotonic() < until:
        waiting = {p.sock: p for p in sent if p.answered is None and not p.told}
        connecting = [s for s, p in waiting.items() if p.protocol == 6]
        others = [s for s, p in waiting.items() if p.protocol != 6]
        heard, made, _ = select.select(others, connecting, [], max(0, until - time.monotonic()))
        for each in heard + made:
            hear(waiting[each])


def see(capture, sent):
    """Marks the probes whose packets reached the far side."""
    while select.select([capture], [], [], 0)[0]:
        packet, address = capture.recvfrom(2048)
        if address[2] == socket.PACKET_OUTGOING:
            continue
        if packet[0] >> 4 == 4:
            protocol, target, rest = packet[9], packet[16:20], packet[(packet[0] & 15) * 4 :]
        else:
            protocol, target, rest = packet[6], packet[24:40], packet[40:]
        if len(rest) < 8:
            continue
        port = rest[0] if protocol in (1, 58) else struct.unpack("!H", rest[2:4])[0]
        for probe in sent:
            if probe.key == (str(ipaddress.ip_address(target)), protocol, port):
                probe.arrived = True


def learn(sluicectl, sent, until):
    """Asks the server what it decided, until it has decided about every probe."""
    while any(p.decision is None for p in sent):
        asked = subprocess.run(
            [*sluicectl, "observe", "decisions", "--last", "1000", "-o", "json"],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        for line in asked.stdout.splitlines():
            decision = json.loads(line).get("decision", {})
            headers = decision.get("headers", {})
            protocol = headers.get("protocol")
            port = headers.get("icmpType" if protocol in (1, 58) else "destinationPort")
            for probe in sent:
                if probe.decision is None and probe.key == (
                    headers.get("destination"), protocol, port,
                ):  # fmt: skip
                    probe.decision = decision
        if time.monotonic() > until:
            return


def show(sent):
    color = sys.stdout.isatty()

    def paint(code, text):
        return f"\033[{code}m{text}\033[0m" if color else text

    row = "  {:<18} {:<11} {:<9} {:<17} {:>11} {:>16}  {}"
    print(paint(1, row.format("packet", "to", "verdict", "because of", "decided in", "sender hears",
                              "as the policy says")))  # fmt: skip
    for probe in sent:
        decision = probe.decision or {}
        verdict = {"ACTION_ACCEPT": "accepted", "ACTION_DROP": "dropped"}.get(
            decision.get("action"), "none"
        )
        waited = f"{int(decision.get('waitedUs', 0)) / 1000:.2f} ms" if decision else "-"
        hears = "unreachable" if probe.told else "nothing"
        if probe.answered is not None:
            hears = f"back in {(probe.answered - probe.sent) * 1000:.2f} ms"
        line = row.format(
            probe.what, probe.target, verdict, decision.get("reason", "?"), waited, hears, "{}"
        )
        # The line is padded before it is painted, since colour codes have no width.
        line = line.replace(f" {verdict} ", " " + paint(32 if probe.accept else 33, verdict) + " ")
        print(line.format(paint(32, "yes") if probe.right else paint(31, f"NO: {problem(probe)}")))


def problem(probe):
    if probe.decision is None:
        return "nobody decided about it"
    if probe.accept and not probe.arrived:
        return "it never reached the far side"
    if probe.accept:
        return "its answer never came back"
    if probe.notify and not probe.told:
        return "its sender was not told"
    return "it leaked to the far side" if probe.arrived else "it should have been dropped"


def main():
    sluicectl = sys.argv[1:]
    enter("sluice-server")
    capture = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
    capture.bind(("eth0", 3))
    enter("sluice-client")
    sent = list(probes())
    began = time.monotonic()
    for probe in sent:
        send(probe)
    wait_for_answers(sent, began + PATIENCE)
    learn(sluicectl, sent, began + 2 * PATIENCE)
    see(capture, sent)
    show(sent)
    wrong = sum(not p.right for p in sent)
    print()
    if wrong:
        print(f"  {wrong} of {len(sent)} packets did not get what the policy says.")
    else:
        print(f"  All {len(sent)} packets got what the policy says; no dropped packet reached the")
        print("  far side.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
